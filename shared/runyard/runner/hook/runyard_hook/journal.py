"""Appends to the run's ``metrics.jsonl``."""

import json
import os
import time

from .errors import say
from .values import plain, text

MAX_LINE = 4 << 20
"""Bytes of one line. A value that needs more becomes a file in the outputs: the host reads 64 MiB of lines in all."""


class Journal:
    """The file of a run, as one of its children sees it (``child`` is empty for the run itself)."""

    def __init__(self, path, outputs, child=""):
        self.path = path
        self.outputs = outputs
        self.child = child

    def of(self, child):
        """The same file for a child run of that name."""
        return Journal(self.path, self.outputs, child)

    def write(self, name, kind, value, description="", step=None, at=None):
        """Append one line. A disk that is full, or a file that is gone, is told and raises nothing.

        Args:
            name: Of the metric, tag or the like.
            kind: Its type.
            value: What :mod:`json` can write.
            description: Kept with it, unless empty.
            step: Kept with it, unless ``None``.
            at: Seconds since the epoch; ``None`` = now.
        """
        line = {"name": text(name), "type": kind, "value": value, "time": time.time() if at is None else at}
        if self.child:
            line["child"] = self.child
        if description:
            line["description"] = text(description)
        if step is not None:
            line["step"] = plain(step)
        data = json.dumps(line).encode() + b"\n"
        if len(data) > MAX_LINE:
            data = self._as_file(line, data)
        if data:
            self._append(data)

    def _as_file(self, line, data):
        kept = "outputs/" + place_for(line["name"], ".json", "metrics")
        try:
            path = os.path.join(self.outputs, kept[len("outputs/") :])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(data)
        except OSError as error:
            say("%s was not logged: it has %d bytes, and %s" % (line["name"][:100], len(data), error))
            return b""
        say(
            "%s has %d bytes, more than a metric may have (%d); it is kept as %s"
            % (line["name"][:100], len(data), MAX_LINE, kept)
        )
        reference = dict(line, name=line["name"][:1000], type="runyard.file", value=kept)
        reference.pop("description", None)
        return json.dumps(reference).encode() + b"\n"

    def _append(self, data):
        try:
            # Opened for each line: a fork or a script that closes all files cannot leave a wrong descriptor here.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            say("a metric was not written: %s" % error)
            return
        try:
            if os.write(descriptor, data) < len(data):
                os.write(descriptor, b"\n")  # the disk is full: what was cut short must not spoil the next line
                say("a metric was cut short, as the disk is full")
        except OSError as error:
            # A script that computed for days does not end because a figure could not be noted.
            say("a metric was not written: %s" % error)
        finally:
            os.close(descriptor)


def place_for(name, ending, folder):
    """A path below the outputs that no other call gets: ``<folder>/<name>_<microseconds>_<process>.<ending>``."""
    plain_name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text(name))[:100]
    return "%s/%s_%d_%d%s" % (folder, plain_name or "unnamed", time.time() * 1e6, os.getpid(), ending)
