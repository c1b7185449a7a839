"""A database that an older version wrote: what waits in it keeps its turn, by the rule of today."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from runyard.ports import Query, Waiting
from runyard.stores.embedded.database import Database
from runyard.stores.embedded.gates import EmbeddedGates
from runyard.stores.embedded.runs import EmbeddedRunStore, _encode
from runyard.stores.embedded.schema import MIGRATIONS
from tests.contract.samples import START, a_run

HOUR = 3600.0
WAITED = [  # run, priority, seconds that it has waited
    ("urgent", 2, 0.0),
    ("plain", 0, 60.0),
    ("old", 0, 3 * HOUR),
    ("idle", -1, 10 * HOUR),
    ("twin-b", 1, 0.0),
    ("twin-a", 1, 0.0),
]


def row(run_id: str, priority: int, waited: float, compute: str = "c") -> tuple[object, ...]:
    """As version 2 wrote it: the rank was the priority, negated."""
    return compute, run_id, -priority, START - waited


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 2 with waiting rows, a held slot and a few runs."""
    path = tmp_path / "runyard.db"
    with sqlite3.connect(path) as db:
        for statement in (*MIGRATIONS[0], *MIGRATIONS[1]):
            db.execute(statement)
        db.execute("PRAGMA user_version = 2")
        db.executemany("INSERT INTO gates (compute, slot_limit, paused) VALUES (?, ?, 0)", [("c", 3), ("d", 1)])
        rows = [*(row(*each) for each in WAITED), row("elsewhere", 0, 0.0, "d")]
        db.executemany("INSERT INTO waiting (compute, run_id, rank, enqueued) VALUES (?, ?, ?, ?)", rows)
        db.execute("INSERT INTO slots (compute, run_id, number, taken) VALUES ('c', 'held', 1, ?)", (START,))
        for number, status in enumerate(("NotStarted", "Queued", "Completed")):
            run = a_run(status, created=START + number)
            ending = status if status == "Completed" else ""
            db.execute(
                "INSERT INTO runs VALUES (?, 1, ?, 'exp', '', '', ?, ?, ?)",
                (run.id, run.created, status, ending, _encode(run)),
            )
    db.close()
    return path


def test_runs_that_waited_before_the_upgrade_go_in_the_order_of_today(path: Path) -> None:
    database = Database(path)
    try:
        gates = EmbeddedGates(database)
        entries = [
            Waiting(run_id=name, priority=priority, enqueued=START - waited) for name, priority, waited in WAITED
        ]
        expected = sorted(entries, key=lambda entry: (entry.rank, entry.run_id))
        assert ["idle", "old", "urgent", "twin-a", "twin-b", "plain"] == [entry.run_id for entry in expected]
        assert expected == list(gates.waiting("c"))
        assert ["idle", "old"] == [slot.run_id for slot in gates.take("c", at=START)]
    finally:
        database.close()


def test_the_counts_begin_with_those_that_waited_before_the_upgrade(path: Path) -> None:
    database = Database(path)
    try:
        gates = EmbeddedGates(database)
        assert [("c", 6, 1), ("d", 1, 0)] == [(gate.compute, gate.waiting, gate.taken) for gate in gates.list()]
        assert [("c", False, 0.0), ("d", False, 0.0)] == [
            (gate.compute, gate.draining, gate.blocked_until) for gate in gates.list()
        ]
        gates.leave("c", "plain")
        gates.take("d", at=START)
        assert [5, 0] == [gate.waiting for gate in gates.list()]
    finally:
        database.close()


def test_a_slot_held_since_before_the_upgrade_can_be_given_back(path: Path) -> None:
    database = Database(path)
    try:
        gates = EmbeddedGates(database)
        (held,) = gates.slots("c")
        assert Waiting(run_id="held", priority=0, enqueued=START) == held.waiting()
        assert gates.put_back("c", held.waiting())
        assert 7 == len(gates.waiting("c"))
    finally:
        database.close()


def test_runs_are_found_by_status_after_the_upgrade(path: Path) -> None:
    database = Database(path)
    try:
        runs = EmbeddedRunStore(database)
        for status in ("NotStarted", "Queued", "Completed"):
            assert [f"exp_1700000000_{status}"] == [
                run.id for run in runs.list(Query(statuses=frozenset({status}))).runs
            ]
    finally:
        database.close()
