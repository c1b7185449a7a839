"""Ports that fail: before the effect, after it, twice, or late."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any

from runyard.errors import TransientError
from runyard.ports import Ports
from runyard.testing.operations import READS, wrap


class Fault(StrEnum):
    """What goes wrong with one call."""

    REFUSED = "refused"
    """It fails before its effect."""
    LOST = "lost"
    """It has its effect, and the reply is lost."""
    TWICE = "twice"
    """The reply is lost, and the client library sends again, as the Azure SDKs do: the second answer is what shows."""
    SLOW = "slow"
    """It is a long time on its way, then has its effect."""
    LATE = "late"
    """It has its effect, and the reply is a long time on its way."""


def no_answer(operation: str) -> Exception:
    """The error that a fault raises when the test gives no other."""
    return TransientError(f"{operation} was not answered (a fault that the test asked for); it may work the next time")


@dataclass(kw_only=True)
class FaultyPorts:
    """Ports whose operations fail by a plan (``plan={3: Fault.LOST}``) or by a seed (``seed=7, rate=0.05``).

    Operations are numbered in call order, from 1: those in ``only``, else every write, and with ``reads`` every read too.
    An operation of ``seen`` is numbered even if nothing happens to it, so a test can first count, then fail each in turn.
    """

    inner: Ports
    plan: Mapping[int, Fault] = field(default_factory=dict)
    """What happens to which operation, by its number."""
    seed: int = 0
    rate: float = 0.0
    """How many of the others fail, from 0 to 1."""
    kinds: Iterable[Fault] = tuple(Fault)
    """The faults that the seed chooses from. A read that is sent twice or whose reply is lost is a read that failed."""
    only: frozenset[str] | None = None
    """The operations that may fail: ``frozenset({"runs.transition"})``."""
    reads: bool = False
    slow: Callable[[float], object] | None = None
    """Lets so many seconds pass; without it, the clock's ``advance`` (:class:`~runyard.testing.ManualClock` has it)."""
    longest: float = 90.0
    """Seconds that a slow operation takes at most."""
    error: Callable[[str], BaseException] = no_answer
    """Makes the error of a failed operation from its name."""
    remember: int | None = None
    """How many operations and faults are kept for the report, the newest; all of them by default. For tests that last."""
    count: int = field(default=0, init=False)
    """How many operations there were."""
    ports: Ports = field(init=False)
    """What the program under test is given."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # a test repeats it
        self._lock = Lock()
        self._seen: deque[str] = deque(maxlen=self.remember)
        self._log: deque[str] = deque(maxlen=self.remember)
        self.ports = wrap(self.inner, self._around, reads=self.reads)

    @property
    def seen(self) -> list[str]:
        """The operations in order."""
        return list(self._seen)

    @property
    def log(self) -> list[str]:
        """What went wrong, for the message of a failing test: ``3 runs.transition: lost``."""
        return list(self._log)

    def calm(self) -> None:
        """Let nothing fail any more."""
        self.plan, self.rate = {}, 0.0

    def report(self) -> str:
        """The seed and what went wrong, for the message of a failing test."""
        return "\n".join([f"faulty ports with seed {self.seed}:", *self.log])

    def _around(self, operation: str, call: Callable[[], Any]) -> Any:
        if self.only is not None and operation not in self.only:
            return call()
        with self._lock:
            self._seen.append(operation)
            self.count = number = self.count + 1
            fault, seconds = self._draw(number)
            if fault is not None:
                self._log.append(f"{number} {operation}: {fault}")
        return call() if fault is None else self._fail(fault, operation, call, seconds)

    def _draw(self, number: int) -> tuple[Fault | None, float]:
        fault = self.plan.get(number)
        if fault is None and self.rate and self._random.random() < self.rate:
            fault = self._random.choice(list(self.kinds))
        return fault, self.longest if number in self.plan else self._random.uniform(0.0, self.longest)

    def _fail(self, fault: Fault, operation: str, call: Callable[[], Any], seconds: float) -> Any:
        if fault is Fault.REFUSED:
            raise self.error(operation)
        if fault is Fault.TWICE and not _is_read(operation):
            call()
        if fault is Fault.SLOW:
            self._wait(seconds)
        answer = call()
        if fault is Fault.LATE:
            self._wait(seconds)
        if fault is Fault.LOST:
            raise self.error(operation)
        return answer

    def _wait(self, seconds: float) -> None:
        slow = self.slow or getattr(self.inner.clock, "advance", None)
        if slow is None:
            raise ValueError(
                "this clock cannot be turned, so say with slow= how time passes, or leave SLOW and LATE out"
            )
        slow(seconds)


def _is_read(operation: str) -> bool:
    port, _, method = operation.partition(".")
    return method in READS[port]
