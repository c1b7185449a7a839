"""A house over the embedded stores with as many waiting runs as asked for, and what counts the work of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from runyard.ports import Compute, Ports
from runyard.runs.identity import identity
from runyard.runs.model import JobSpec, Origin, Run, SnapshotRef
from runyard.runs.moves import Move, birth
from runyard.runs.states import State
from runyard.stores.embedded import EmbeddedStores
from runyard.stores.embedded import database as database_module
from runyard.stores.embedded.runs import _encode, _event_rows
from runyard.testing import MemoryCourier
from tests.fakes import FakeTargets, snapshot
from tests.unit.house import House

PIECE = 20_000
"""Runs that are written in one transaction."""


@dataclass
class EmbeddedHouse(House):
    """A house whose stores are those of one machine."""

    root: Path = Path()
    stores: EmbeddedStores = field(init=False)

    def __post_init__(self) -> None:
        self.stores = EmbeddedStores.open(self.root, self.clock)
        stores = self.stores
        self.ports = Ports(
            runs=stores.runs,
            gates=stores.gates,
            queue=stores.queue,
            blobs=stores.blobs,
            computes=stores.computes,
            webhooks=stores.webhooks,
            schedules=stores.schedules,
            marks=stores.marks,
            subscriptions=stores.subscriptions,
            deliveries=stores.deliveries,
            courier=MemoryCourier(),
            secrets=stores.secrets,
            clock=self.clock,
            targets=FakeTargets({"fake": self.target}),
        )
        self.ports.computes.put(Compute(name="local", kind="fake", limit=self.limit))
        self.ports.gates.configure("local", limit=self.limit)
        self.ports.blobs.put("uploads", "one.zip", snapshot())

    def crowd(self, count: int, *, state: State = State.QUEUED, compute: str = "local", age: float = 10_000.0) -> None:
        """Let so many runs wait, written as accept writes them, in few transactions; the first came ``age`` seconds ago."""
        moves = [Move(state=State.QUEUED, reason=f"waits for a slot on {compute}", at=self.clock.now())]
        born = birth(self._sample(compute, age), moves if state is State.QUEUED else [], who="test")
        for first in range(0, count, PIECE):
            numbers = range(first, min(first + PIECE, count))
            self.stores.database.write(lambda db, numbers=numbers: self._write(db, born, numbers))  # type: ignore[misc]

    def _sample(self, compute: str, age: float) -> Run:
        now = self.clock.now() - age
        return Run(
            id="",
            experiment="crowd",
            identity="",
            origin=Origin(source="blob", name="snapshots/crowd/night.zip", event_id="e"),
            reason="asked for by blob snapshots/crowd/night.zip",
            since=now,
            created=now,
            target=compute,
            compute=compute,
            kind="fake",
            spec=JobSpec(script="train.py", arguments=()),
        )

    @staticmethod
    def _write(db: sqlite3.Connection, born: object, numbers: range) -> None:
        sample: Run = born.after  # type: ignore[attr-defined]
        runs, events = [], []
        for number in numbers:
            ident = f"crowd_{int(sample.created)}_{sample.compute}{number:08}"
            created = sample.created + number * 0.01
            zipped = SnapshotRef(container="snapshots", name=f"crowd/night-{number}.zip", etag="e", size=7)
            runs.append(replace(sample, id=ident, identity=identity(ident), created=created, snapshot=zipped))
            events += [(ident, *row[1:]) for row in _event_rows(born.events)]  # type: ignore[attr-defined]
        db.executemany("INSERT INTO identities (identity, run_id) VALUES (?, ?)", [(r.identity, r.id) for r in runs])
        db.executemany(
            "INSERT INTO runs (id, version, created, experiment, target, compute, status, ending, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, '', ?)",
            [(r.id, r.version, r.created, r.experiment, r.target, r.compute, r.status, _encode(r)) for r in runs],
        )
        db.executemany("INSERT INTO run_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", events)
        if sample.state is State.QUEUED:
            db.executemany(
                "INSERT INTO waiting (compute, run_id, rank, enqueued, priority, not_before) VALUES (?, ?, ?, ?, 0, 0)",
                [(r.compute, r.id, r.created, r.created) for r in runs],
            )


class Work:
    """Counts the instructions that SQLite carries out."""

    def __init__(self) -> None:
        self.connections: list[sqlite3.Connection] = []
        self._steps = 0
        self._counts = False

    def connect(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Take a connection in."""
        self.connections.append(connection)
        if self._counts:
            connection.set_progress_handler(self._tick, 1)
        return connection

    def of(self, call: Callable[[], object]) -> int:
        """The instructions of one call."""
        self._steps, self._counts = 0, True
        for connection in self.connections:
            connection.set_progress_handler(self._tick, 1)
        try:
            call()
        finally:
            self._counts = False
            for connection in self.connections:
                connection.set_progress_handler(None, 1)
        return self._steps

    def _tick(self) -> int:
        self._steps += 1
        return 0


@contextmanager
def counting() -> Iterator[Work]:
    """Count in the connections that are opened from now on."""
    work, connect = Work(), database_module._connect
    database_module._connect = lambda path: work.connect(connect(path))
    try:
        yield work
    finally:
        database_module._connect = connect
