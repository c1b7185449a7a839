"""The newest attempts of runs that were read or written last, so that asking for them costs no request."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from runyard.runs.model import Attempt, Run
from runyard.runs.moves import Transition

KEPT: Final = 10_000
"""Versions of runs, some five of each."""


class Newest:
    """By run and version: what a run's newest attempt was at a version of the run never changes, so none of this is ever stale."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, int], Attempt] = OrderedDict()

    def keep(self, run: Run, attempt: Attempt) -> None:
        """Remember what was read."""
        key = (run.id, run.version)
        with self._lock:
            self._kept[key] = attempt
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def of(self, run: Run) -> Attempt | None:
        """What is remembered."""
        with self._lock:
            return self._kept.get((run.id, run.version))

    def follow(self, change: Transition) -> None:
        """Remember what a change has made of it."""
        attempt = change.attempt
        if attempt is None or attempt.number != change.after.attempt:
            attempt = self.of(change.before)
        if attempt is not None and attempt.number == change.after.attempt:
            self.keep(change.after, attempt)
