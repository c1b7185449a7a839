"""The step of a preparation that has the image of the script's container ready."""

import signal
import sys
from typing import Any, Dict, List

from .. import process
from ..builder import Builder
from ..preparation import Over, Preparation, Step
from ..problems import Problem

_LONGEST = 120
"""Characters of what is being done, for hosts."""
NO_GPU = (
    "a GPU is asked for, and the compute has none: the container gets none; the compute's option gpus says how many"
)
TIMES = 3
"""How often a builder is started whose predecessor was killed."""


class ImageStep(Step):
    """Starts a builder of its own: builders of one image wait for each other, and all but the first find it."""

    def __init__(self, preparation: Preparation, over: Over) -> None:
        super().__init__(preparation, over)
        self.detail = "preparing the image"
        self._yard = preparation.yard
        self._builder = Builder(self._yard.loop, self._told, self._ended)
        self._ending: Dict[str, Any] = {}
        self._notes: List[str] = []
        self._starts = 0
        self._is_stopped = False

    def begin(self) -> None:
        """Start the builder.

        Raises:
            OSError: as the system refuses it.
        """
        note = str((self.preparation.job.environment or {}).get("note") or "")
        self._notes = [note] if note else []
        if (self.preparation.job.container or {}).get("gpu") and self.preparation.job.gpu is None:
            self._notes.append(NO_GPU)
        self.preparation.log.write_all(self._notes)
        self._start()
        self.preparation.tell()

    def stop(self) -> None:
        """Have the builder remove its container, and leave."""
        self._is_stopped = True
        self.preparation.log.write("the image is not waited for any more: the run was canceled")
        process.send(self._builder.pid, signal.SIGTERM)

    def _start(self) -> None:
        job, container = self.preparation.job, dict(self.preparation.job.container or {})
        environment = job.environment
        if environment is not None:
            environment = {name: value for name, value in environment.items() if name != "note"}
        order = {
            "container": container,
            "interpreter": job.interpreter,
            "environment": environment,
            "folder": self.preparation.places.work,
            "program": self._yard.program(),
            "cache": container["cache"],
            "variables": self._yard.environment,
        }
        self._starts += 1
        self._ending = {}
        command = [sys.executable, "-I", "-S", self._yard.program(), "build-image"]
        self._builder.start(command, self._yard.environment, order)
        self._yard.helpers.add(self._builder)

    def _told(self, messages: List[Dict[str, Any]]) -> None:
        if self._is_stopped:
            return
        lines = [str(message[word]) for message in messages for word in ("line", "note") if word in message]
        self._notes += [str(message["note"]) for message in messages if "note" in message]
        for message in messages:
            if "ready" in message or "problem" in message:
                self._ending = message
        self.preparation.log.write_all(lines)
        if lines and lines[-1].strip():
            told = "preparing the image: " + lines[-1].strip()
            self.detail = told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"

    def _ended(self, code: int) -> None:
        self._yard.helpers.discard(self._builder)
        if not self._is_stopped:
            self.preparation.guarded(lambda: self._take(code))

    def _take(self, code: int) -> None:
        if "ready" in self._ending:
            around = self.preparation.surroundings
            around.image = self._ending["ready"]
            around.notes = list(dict.fromkeys(self._notes))
            self.over(None)
        elif "problem" in self._ending:
            raise Problem(str(self._ending["problem"]), str(self._ending.get("class", "config")))
        elif self._starts < TIMES:
            self.preparation.log.write("the builder of the image ended without a word (%d); it is started again" % code)
            self._builder = Builder(self._yard.loop, self._told, self._ended)
            self._start()
        else:
            raise Problem("the builder of the image was ended %d times before it was done" % self._starts, "transient")
