"""The bell that wakes those who wait for messages in this process."""

from __future__ import annotations

from threading import Condition, Lock


class Bell:
    """Counts its rings, so that one between a look and a wait is not missed."""

    __slots__ = ("_condition", "_interrupted", "_sleepers", "rings")

    def __init__(self) -> None:
        self._condition = Condition(Lock())
        self._interrupted = False
        self._sleepers = 0
        self.rings = 0
        """How often it has rung; pass it to :meth:`wait`."""

    def ring(self) -> None:
        """Wake every sleeper. Cheap when nobody sleeps."""
        with self._condition:
            self.rings += 1
            if self._sleepers:
                self._condition.notify_all()

    def interrupt(self) -> None:
        """Wake a sleeper for another reason than a ring; without one, the next who comes does not sleep."""
        with self._condition:
            self._interrupted = True
            self._condition.notify_all()

    def wait(self, heard: int, seconds: float) -> bool:
        """Sleep until it rings, at most ``seconds``; not at all if it rang since ``rings`` was ``heard``.

        Returns:
            Whether to look again; ``False`` when interrupted.
        """
        with self._condition:
            if self.rings == heard and not self._interrupted:
                self._sleepers += 1
                try:
                    self._condition.wait(seconds)
                finally:
                    self._sleepers -= 1
            interrupted, self._interrupted = self._interrupted, False
            return not interrupted
