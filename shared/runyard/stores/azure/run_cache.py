"""Runs as this process read or wrote them last, for who can do with one that is a little old."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

from runyard.runs.model import Run

KEPT: Final = 4000
"""Runs; each takes some kilobytes."""
OLD: Final = 60.0
"""Seconds."""


class RunCache:
    """By id, the newest version that was seen, and when."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, Run]] = OrderedDict()

    def keep(self, run: Run, at: float) -> None:
        """Remember a run that was so at ``at`` (before it was asked for)."""
        with self._lock:
            there = self._kept.get(run.id)
            if there is not None and there[1].version > run.version:
                return
            self._kept[run.id] = at, run
            self._kept.move_to_end(run.id)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def drop(self, run_id: str) -> None:
        """It is gone, or another."""
        with self._lock:
            self._kept.pop(run_id, None)

    def get(self, run_id: str) -> Run | None:
        """What is remembered, if it is not older than :data:`OLD`."""
        with self._lock:
            at, run = self._kept.get(run_id, (0.0, None))
        return run if run is not None and abs(self._now() - at) <= OLD else None
