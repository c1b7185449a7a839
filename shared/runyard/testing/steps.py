"""Every write numbered, with a place to stop before it and after it: a program killed between any two of its writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any

from runyard.ports import Ports
from runyard.testing.operations import wrap


class Moment(StrEnum):
    """On which side of a write."""

    BEFORE = "before"
    AFTER = "after"


class Crash(BaseException):
    """The program was killed here. No ``except Exception`` catches it, as none would catch a kill."""


@dataclass(frozen=True, slots=True)
class Step:
    """A side of a write."""

    number: int
    """Of the write: 1 for the first."""
    operation: str
    """Port and method: ``gates.take``."""
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} write {self.number}, {self.operation}"


@dataclass(kw_only=True)
class Steps:
    """Ports whose writes are numbered in call order.

    The enumerated crash test counts the writes of a whole life, then lives it again for each of them::

        steps = Steps(inner=ports)
        live(steps.ports)
        for number in range(1, steps.count + 1):
            for moment in Moment:
                with pytest.raises(Crash):
                    live(Steps(inner=fresh_ports(), crash_at=(number, moment)).ports)

    After the crash nothing is written any more, by no thread and no ``finally``, until :meth:`restart`.
    """

    inner: Ports
    crash_at: tuple[int, Moment | str] | None = None
    """The number of the write, and the side of it, where :class:`Crash` is raised."""
    hook: Callable[[Step], None] | None = None
    """Called before and after each write, in the thread that writes; it may wait (a frozen program) or raise."""
    seen: list[str] = field(default_factory=list)
    """The operations in order: ``["gates.wait", "runs.create", …]``."""
    ports: Ports = field(init=False)
    """What the program under test is given."""
    crashed: Step | None = field(default=None, init=False)
    """Where the crash was."""

    def __post_init__(self) -> None:
        self._lock = Lock()
        self.ports = wrap(self.inner, self._around)

    @property
    def count(self) -> int:
        """How many writes there were."""
        return len(self.seen)

    def restart(self) -> None:
        """Let a new program begin on the same ports; numbers go on, and there is no further crash unless one is set."""
        self.crashed = self.crash_at = None

    def report(self) -> str:
        """The numbered operations, one a line, for the message of a failing test."""
        return "\n".join(f"{number:4} {operation}" for number, operation in enumerate(self.seen, start=1))

    def _around(self, operation: str, call: Callable[[], Any]) -> Any:
        if self.crashed is not None:
            raise Crash(f"{operation} of a program that was killed {self.crashed}")
        with self._lock:
            self.seen.append(operation)
            number = len(self.seen)
        self._at(Step(number, operation, Moment.BEFORE))
        answer = call()
        self._at(Step(number, operation, Moment.AFTER))
        return answer

    def _at(self, step: Step) -> None:
        if self.crash_at == (step.number, step.moment):
            self.crashed = step
            raise Crash(str(step))
        if self.hook is not None:
            self.hook(step)
