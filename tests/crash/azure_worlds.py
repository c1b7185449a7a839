"""A yard in Azure for the crash tests: its stores outlive every program, and each program has caches and connections of its own.

The tables are those in memory (:mod:`tests.standins.tables`), so that each request of the adapters is a point at which a program
can be killed, or the service can fail.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runyard.errors import RunyardError, ThrottledError, TransientError
from runyard.ports import Ports
from runyard.stores.azure.table import Table
from runyard.testing import (
    Crash,
    ManualClock,
    MemoryBlobStore,
    MemoryCourier,
    MemoryQueue,
    MemorySecrets,
    Moment,
    OnlyTargets,
    ScriptedTarget,
)
from tests.standins.azure_stores import TabledStores, tabled_ports
from tests.standins.tables import MemoryTables

CHANGES = frozenset({"create", "replace", "merge", "upsert", "delete", "transact"})
"""The requests that change something."""


@dataclass
class Requests:
    """Numbers the requests that change something, and does something about one of them."""

    at: int = 0
    """The number of that one; 0 = none."""
    moment: Moment | None = None
    """On which side of it the program is killed."""
    fault: str = ""
    """``refused``: the service is busy, ``lost``: it is done and not answered, ``resent``: the SDK sends it a second time."""
    seen: list[str] = field(default_factory=list)
    kills: int = 0

    def begin(self, name: str) -> bool:
        """Count one; whether it is the one."""
        self.seen.append(name)
        return len(self.seen) == self.at


class _Mortal:
    """A table as one program sees it: dead once the program is."""

    def __init__(self, inner: Any, program: _Program) -> None:
        self._inner = inner
        self._program = program

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self._inner, verb)
        if not callable(found):
            return found
        return lambda *args, **named: self._program.request(verb, lambda: found(*args, **named))


class _Program(TabledStores):
    """The stores of one program."""

    def __init__(self, tables: MemoryTables, clock: ManualClock, requests: Requests) -> None:
        super().__init__(tables, clock)
        self._tables = tables
        self._requests = requests
        self._killed = False

    def table(self, name: str) -> Table:
        made: Any = _Mortal(super().table(name), self)
        return made  # type: ignore[no-any-return]

    def request(self, verb: str, call: Callable[[], Any]) -> Any:
        if self._killed:
            raise Crash(f"{verb} of a program that was killed")
        if verb not in CHANGES or not self._requests.begin(verb):
            return call()
        return self._moved(verb, call)

    def _moved(self, verb: str, call: Callable[[], Any]) -> Any:
        what = self._requests
        if what.fault == "refused":
            raise ThrottledError(f"{verb}: the server is busy", 1.0)
        if what.moment is Moment.BEFORE:
            self._kill(verb)
        if what.fault == "resent":
            self._resend(call)
        try:
            answer = call()
        finally:
            if what.moment is Moment.AFTER:  # a refusal too is an answer that it does not live to hear
                self._kill(verb)
        if what.fault == "lost":
            raise TransientError(f"{verb}: no answer came")
        return answer

    @staticmethod
    def _resend(call: Callable[[], Any]) -> None:
        """The first sending, whose reply nobody hears; it may be a refusal, as may that of the second."""
        with contextlib.suppress(RunyardError):
            call()

    def _kill(self, verb: str) -> None:
        self._killed = True
        self._requests.kills += 1
        raise Crash(f"killed {self._requests.moment} request {len(self._requests.seen)}, {verb}")


@dataclass
class TabledWorld:
    """Nobody takes over, as in a cloud: only time and the reconciler help."""

    clock: ManualClock
    target: ScriptedTarget
    requests: Requests = field(default_factory=Requests)
    courier: MemoryCourier = field(default_factory=MemoryCourier, init=False)

    def __post_init__(self) -> None:
        self._tables = MemoryTables()
        self._queue = MemoryQueue(self.clock)
        self._blobs = MemoryBlobStore(self.clock)
        self._secrets = MemorySecrets(self.clock.now)
        self._program: _Program | None = None
        self._prepared = False

    def open(self) -> Ports:
        self.close()
        # What prepares the world is not counted.
        counted = self.requests if self._prepared else Requests()
        self._prepared = True
        program = self._program = _Program(self._tables, self.clock, counted)
        ports = tabled_ports(
            program,
            OnlyTargets(self.target),
            queue=self._queue,
            blobs=self._blobs,
            secrets=self._secrets,
            courier=self.courier,
        )
        ports.marks.begin("snapshots", 0.0)
        return ports

    def take_over(self, ports: Ports) -> None:
        """Nobody does."""

    def close(self) -> None:
        self._program = None
