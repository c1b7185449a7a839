"""Keeps quick calls from getting into each other's way.

Python runs one thread at a time. Calls that only touch the stores take a fraction of a millisecond each, and a dozen of them
at once spend more on taking turns than on their work (measured: half of the host's CPU in a burst). So calls go through
one by one; a call that takes longer, because it waits for a remote compute, is soon passed by the others.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Final, Self

PATIENCE: Final = 0.005
"""Seconds after which the next call no longer waits for the one before it."""


class Turnstile:
    """A context manager around a call."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._passable = 0.0

    def __enter__(self) -> Self:
        """Wait for the call inside, but not longer than the patience."""
        with self._changed:
            while self._inside and (left := self._passable - time.monotonic()) > 0:
                self._changed.wait(left)
            self._inside += 1
            self._passable = time.monotonic() + self._patience
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one in."""
        with self._changed:
            self._inside -= 1
            self._changed.notify()
