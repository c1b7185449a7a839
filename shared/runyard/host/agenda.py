"""What is to be done later, by the clock: timers and second tries share one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Final

from runyard.ports.clock import Clock

LONGEST_NAP: Final = 30.0
"""Seconds after which the clock is read again, since it may have been set or the machine may have slept."""

log = logging.getLogger("runyard.host")


class Agenda:
    """Calls each entry once its time has come. Entries are quick: they hand work to a pool."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def add(self, at: float, action: Callable[[], None]) -> None:
        """Call ``action`` at ``at`` (seconds since the epoch) or as soon after as possible."""
        with self._changed:
            heapq.heappush(self._entries, (at, next(self._numbers), action))
            self._changed.notify()

    def next_at(self) -> float | None:
        """When the next entry is due."""
        with self._changed:
            return self._entries[0][0] if self._entries else None

    def run_due(self) -> int:
        """Call what is due now; returns how many."""
        count = 0
        while (action := self._take_due()) is not None:
            action()
            count += 1
        return count

    def start(self) -> None:
        """Run by itself."""
        self._thread = threading.Thread(target=self._run, name="agenda", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Start nothing more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _take_due(self) -> Callable[[], None] | None:
        with self._changed:
            if self._stopping or not self._entries or self._entries[0][0] > self._clock.now():
                return None
            return heapq.heappop(self._entries)[2]

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.run_due()
            except Exception:
                log.exception("a timer or a second try could not be started", extra={"action": "timer.failed"})
            with self._changed:
                if not self._stopping:
                    self._changed.wait(self._nap())

    def _nap(self) -> float:
        if not self._entries:
            return LONGEST_NAP
        return min(LONGEST_NAP, max(0.0, self._entries[0][0] - self._clock.now()))
