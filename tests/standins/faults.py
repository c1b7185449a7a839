"""Faults of a storage service: what goes wrong, and when it does (by a script, or by chance with a seed)."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.standins.wire import RefusedError, Request

CLOSED: Final = "closed"
"""The connection is closed before anything was done."""
LOST: Final = "lost"
"""It was done, and the connection is closed without an answer."""
SLOW: Final = "slow"
"""The answer takes a while."""
TWICE: Final = "twice"
"""The service gets it twice; the answer is that of the second."""
REFUSED: Final = "refused"
"""An error comes back, and nothing was done."""
HIDDEN: Final = "hidden"
"""It was done, and an error comes back all the same."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault; ``seconds`` of :data:`SLOW`, ``error`` of :data:`REFUSED` and :data:`HIDDEN`."""

    how: str
    error: RefusedError | None = None
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """For counting."""
        return f"{self.how} {self.error.status}" if self.error else self.how


def busy(retry_after: float | None = None) -> Fault:
    """503 ServerBusy. https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes"""
    return Fault(REFUSED, RefusedError(503, "ServerBusy", "The server is busy.", _wait(retry_after)))


def throttled(retry_after: float | None = None) -> Fault:
    """429, as a gateway answers."""
    return Fault(REFUSED, RefusedError(429, "TooManyRequests", "Too many requests.", _wait(retry_after)))


def internal() -> Fault:
    """500 InternalError."""
    return Fault(REFUSED, RefusedError(500, "InternalError", "The server encountered an internal error."))


def timed_out(*, done: bool = False) -> Fault:
    """500 OperationTimedOut: whether it was done is unknown to who asked (``done``: it was)."""
    error = RefusedError(500, "OperationTimedOut", "Operation could not be completed within the specified time.")
    return Fault(HIDDEN if done else REFUSED, error)


def slow(seconds: float = 0.05) -> Fault:
    """An answer that takes so many seconds more; at most 2."""
    return Fault(SLOW, seconds=min(seconds, 2.0))


def closed() -> Fault:
    """See :data:`CLOSED`."""
    return Fault(CLOSED)


def lost() -> Fault:
    """See :data:`LOST`."""
    return Fault(LOST)


def twice() -> Fault:
    """See :data:`TWICE`."""
    return Fault(TWICE)


def _wait(seconds: float | None) -> tuple[tuple[str, str], ...]:
    return () if seconds is None else (("Retry-After", f"{seconds:g}"),)


EVERY: Final = (
    busy(),
    busy(0),
    throttled(0),
    internal(),
    timed_out(),
    timed_out(done=True),
    slow(),
    closed(),
    lost(),
    twice(),
)
"""One of each."""


@dataclass
class When:
    """Which requests: all that fit, counted from 1; of these the ``nth`` (all, if none is given)."""

    fault: Fault
    service: str = ""
    method: str = ""
    operation: str = ""
    """As :attr:`Request.operation`: ``PUT block``."""
    path: str = ""
    """A pattern somewhere in the path and query, as sent."""
    nth: frozenset[int] = frozenset()
    came: int = 0

    def hits(self, request: Request) -> bool:
        """Whether it is this one's turn; counts."""
        fits = (
            self.service in {"", request.service}
            and self.method in {"", request.method}
            and self.operation in {"", request.operation}
            and re.search(self.path, request.target) is not None
        )
        if not fits:
            return False
        self.came += 1
        return not self.nth or self.came in self.nth


@dataclass
class Faults:
    """What goes wrong from now on; may be changed at any time, from any thread."""

    happened: Counter[str] = field(default_factory=Counter)
    _script: list[When] = field(default_factory=list)
    _chance: float = 0.0
    _kinds: Sequence[Fault] = EVERY
    _service: str = ""
    _random: random.Random = field(default_factory=random.Random)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(
        self, fault: Fault, *nth: int, service: str = "", method: str = "", operation: str = "", path: str = ""
    ) -> None:
        """``fault`` at the nth requests that fit (from now on); at all that fit, if no number is given."""
        with self._lock:
            self._script.append(When(fault, service, method, operation, path, frozenset(nth)))

    def by_chance(self, rate: float, seed: int, kinds: Sequence[Fault] = EVERY, *, service: str = "") -> None:
        """One of ``kinds`` at this share of the requests."""
        with self._lock:
            self._chance, self._kinds, self._service, self._random = rate, kinds, service, random.Random(seed)

    def none(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._script.clear()
            self._chance = 0.0

    def of(self, request: Request) -> Fault | None:
        """What happens to this request."""
        with self._lock:
            found = next((when.fault for when in [each for each in self._script if each.hits(request)]), None)
            if found is None and self._service in {"", request.service} and self._random.random() < self._chance:
                found = self._random.choice(self._kinds)
            if found is not None:
                self.happened[found.name] += 1
            return found
