"""The step of a preparation that has the script's Python environment ready: found in the cache, or built."""

import time
from typing import Any, Dict, List

from .builds import Waiter
from .environments import Ready, check_allowed, find, hold, read_wish
from .preparation import Over, Preparation, Step
from .problems import Problem

_SHORT = 12
"""Digits of a key that people are shown."""
_LONGEST = 120
"""Characters of what is being done, for hosts."""
_TIMES = 3
"""How often an environment may be pruned between its build and its first use."""


class EnvironmentStep(Step, Waiter):
    """Finds the environment and holds it, or waits for a builder, which others may wait for as well."""

    def __init__(self, preparation: Preparation, over: Over) -> None:
        super().__init__(preparation, over)
        record: Dict[str, Any] = dict(preparation.job.environment or {})
        self._note = str(record.pop("note", ""))
        record["folder"] = preparation.places.work
        self._wish = read_wish(record)
        self._log = preparation.log
        self._began = 0.0
        self._tries = 0

    def begin(self) -> None:
        """Find it, or have it built.

        Raises:
            Problem: if it is not there and may not be built.
        """
        if self._note:
            self._log.write(self._note)
        ready = find(self._wish)
        if ready is None or not self._use(ready, "was reused", ready.notes):
            self._build()

    def stop(self) -> None:
        """Wait no more; the builder is ended when nobody does."""
        self._log.write("the environment is not waited for any more: the run was canceled")
        self.preparation.yard.builds.leave(self._wish, self)

    def _build(self) -> None:
        check_allowed(self._wish)
        self._tries += 1
        self._began = time.monotonic()
        listed = " (%s)" % self._wish.source if self._wish.source else ""
        self._log.write("preparing the environment %s%s" % (self._wish.key[:_SHORT], listed))
        self.detail = "preparing the environment %s%s" % (self._wish.key[:_SHORT], listed)
        self.preparation.yard.builds.join(self._wish, self)
        self.preparation.tell()

    def heard(self, lines: List[str]) -> None:
        """Progress of the builder."""
        self._log.write_all(lines)
        told = next((line.strip() for line in reversed(lines) if line.strip()), "")
        if told:
            self.detail = "preparing the environment: " + (
                told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"
            )

    def built(self, record: Dict[str, Any]) -> None:
        """It is there."""
        self.preparation.guarded(lambda: self._built(Ready.from_record(record, self._wish)))

    def _built(self, ready: Ready) -> None:
        how = "was built in %s with %s" % (_span(time.monotonic() - self._began), ready.tool)
        if self._use(ready, how, []):  # its builder told the notes
            return
        if self._tries >= _TIMES:
            raise Problem(
                "the environment %s was removed each time before it could be used; see who prunes %s"
                % (self._wish.key[:_SHORT], self._wish.cache),
                "transient",
            )
        self._build()

    def failed(self, problem: Problem, tail: List[str]) -> None:
        """It cannot be built."""
        self._log.write_all(tail)
        self.over(problem)

    def _use(self, ready: Ready, how: str, untold: List[str]) -> bool:
        """Take it, unless it was removed just now; ``untold`` notes go to the log."""
        held = hold(ready)
        if held is None:
            return False
        around = self.preparation.surroundings
        around.ready, around.held = ready, held
        said = "the environment %s %s" % (ready.key[:_SHORT], how)
        around.notes = ([self._note] if self._note else []) + ready.notes + [said]
        self._log.write_all(untold + [said])
        self.over(None)
        return True


def _span(seconds: float) -> str:
    return "%.1f s" % seconds if seconds < 10 else "%.0f s" % seconds
