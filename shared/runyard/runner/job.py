"""What the runner is asked to run."""

import json

from .problems import Problem

_TEXTS = ("name", "run", "experiment", "compute", "framework", "script", "interpreter")


class Job:
    """One attempt of a run. ``record`` is its JSON form, as it came over the socket and lies in ``live/``."""

    __slots__ = (
        "arguments",
        "attempt",
        "compute",
        "environment_variables",
        "experiment",
        "framework",
        "gpu",
        "grace",
        "hook",
        "interpreter",
        "max_duration",
        "name",
        "node_count",
        "record",
        "run",
        "script",
        "snapshot",
        "snapshot_etag",
        "watched_directories",
    )

    def __init__(self, record):
        self.record = record
        self.name = record["name"]
        self.run = record["run"]
        self.attempt = record["attempt"]
        self.experiment = record.get("experiment", "")
        self.compute = record.get("compute", "")
        self.framework = record.get("framework", "Python")
        self.script = record.get("script", "")
        self.arguments = record.get("arguments", [])
        self.interpreter = record.get("interpreter", "")
        self.environment_variables = record.get("environment_variables", {})
        self.node_count = record.get("node_count", 1)
        self.gpu = record.get("gpu")
        self.max_duration = record.get("max_duration")
        """Seconds that the script may run; ``None`` = no limit."""
        self.grace = record.get("grace", 10.0)
        """Seconds between TERM and KILL at the maximum duration."""
        self.watched_directories = record.get("watched_directories", ["logs"])
        self.snapshot = record.get("snapshot", "")
        self.snapshot_etag = record.get("snapshot_etag", "")
        self.hook = record.get("hook", True)


def read_job(record):
    """Make a job of a record.

    Raises:
        Problem: if it does not have the agreed form.
    """
    try:
        job = Job(record)
    except (KeyError, TypeError, AttributeError):
        raise Problem("a job needs name, run and attempt") from None
    texts = [getattr(job, field) for field in _TEXTS] + list(job.arguments)
    if not all(isinstance(text, str) and "\0" not in text for text in texts) or not isinstance(job.attempt, int):
        raise Problem("a job's names and arguments are texts without NUL, and its attempt is a number")
    if not _plain(job.name) or not _plain(job.run):
        raise Problem("%r of run %r is no name of a folder" % (job.name[:80], job.run[:80]))
    return job


def _plain(name):
    return name not in ("", ".", "..") and "/" not in name and not name.startswith(".")


def read_live(path):
    """A live file: (job record, process record), each ``None`` if it is not there whole."""
    records = [None, None]
    with open(path, "rb") as stream:
        for index, line in enumerate(stream.read().split(b"\n")[:2]):
            try:
                records[index] = json.loads(line.decode())
            except ValueError:
                continue
    return records[0], records[1]
