"""A clock that a test turns by hand."""

from __future__ import annotations

from threading import Lock


class ManualClock:
    """A :class:`~runyard.ports.clock.Clock` that stands still until it is told."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._lock = Lock()

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Turn the clock on and return the new time.

        Raises:
            ValueError: if it would go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back ({seconds} s)")
        with self._lock:
            self._now += seconds
            return self._now
