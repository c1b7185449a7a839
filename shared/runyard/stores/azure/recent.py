"""Values that are remembered for a few seconds, so that they are not read for each message."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by name, each read anew when it is older than ``seconds``. ``None`` is never remembered."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, T]] = {}
        self._forgotten = 0

    def get(self, name: str, read: Callable[[], T | None]) -> T | None:
        """What is remembered, or else read."""
        with self._lock:
            began, forgotten = self._monotonic(), self._forgotten
            found = self._values.get(name)
        if found is not None and began - found[0] <= self._seconds:
            return found[1]
        value = read()
        with self._lock:
            # What was read while somebody here wrote may be from before that.
            if value is not None and forgotten == self._forgotten:
                self._values[name] = began, value
            else:
                self._values.pop(name, None)
        return value

    def forget(self) -> None:
        """Read everything anew: something was written, or is about to be."""
        with self._lock:
            self._forgotten += 1
            self._values.clear()
