"""A program that dies before or after any request of a run store: another one heals what it left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from runyard.ports import Query
from runyard.runs.model import Run
from runyard.runs.moves import Move, birth
from runyard.runs.states import State
from runyard.stores.azure import names
from runyard.stores.azure.runs import AzureRunStore
from runyard.stores.azure.table import Table
from runyard.testing import Crash, ManualClock, Moment
from tests.contract.samples import START, a_birth, a_run, moved
from tests.standins.tables import MemoryTables

CHANGES = frozenset({"create", "replace", "merge", "upsert", "delete", "transact"})
ON_THEIR_WAY = (frozenset(map(str, State)) | {"CancelRequested"}) - {"Completed", "Failed", "Canceled"}
OLD = 700.0
"""Seconds after which what nobody owns is removed."""


class Program:
    """A process with a run store of its own, dead once it was killed."""

    def __init__(self, yard: Yard, at: int, moment: Moment) -> None:
        self._yard = yard
        self._at = at
        self._moment = moment
        self._count = 0
        self.killed = False
        self.runs = AzureRunStore(
            lambda name: cast("Table", _Mortal(yard.tables.table(name), self)), yard.clock, listened=lambda: True
        )

    def request(self, call: Callable[[], Any]) -> Any:
        if self.killed:
            raise Crash("a program that was killed")
        self._count += 1
        if self._count == self._at and self._moment is Moment.BEFORE:
            self._kill()
        dies = self._count == self._at and self._moment is Moment.AFTER
        try:
            return call()
        finally:
            if dies:
                self._kill()

    def _kill(self) -> None:
        self.killed = True
        raise Crash(f"{self._moment} request {self._at}")


class _Mortal:
    def __init__(self, inner: Any, program: Program) -> None:
        self._inner = inner
        self._program = program

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self._inner, verb)
        return lambda *args, **named: (
            self._program.request(lambda: found(*args, **named)) if verb in CHANGES else found(*args, **named)
        )


class Yard:
    """Tables that outlive the programs, and a program that is well."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.tables = MemoryTables()
        self.runs = AzureRunStore(
            lambda name: cast("Table", self.tables.table(name)), self.clock, listened=lambda: True
        )

    def rows(self, *tables: str) -> list[tuple[str, str, str]]:
        """The keys of every row."""
        return [
            (name, found.row["PartitionKey"], found.key)
            for name in tables or names.TABLES
            for found in self.tables.table(name).scan()
        ]

    def listed(self, **query: Any) -> list[str]:
        return [run.id for run in self.runs.list(Query(**query)).runs]


def lives(
    prepare: Callable[[Yard], Any], act: Callable[[AzureRunStore, Any], object]
) -> Iterator[tuple[Yard, Any, str]]:
    """A yard for each point at which whoever acts can be killed, after that."""
    number = 0
    while True:
        number += 1
        for moment in Moment:
            yard = Yard()
            given = prepare(yard)
            program = Program(yard, number, moment)
            try:
                act(program.runs, given)
            except Crash:
                yield yard, given, f"killed {moment} request {number}"
            else:
                assert number > 1
                return


def once_listed(yard: Yard, run: Run, where: str) -> None:
    """The run stands once in each listing that shall show it, and in no other; no row is left of any other."""
    yard.clock.advance(OLD)
    for _ in range(2):  # the first removes what is orphaned
        assert [run.id] == yard.listed(), where
        assert [run.id] == yard.listed(experiment=run.experiment), where
        on_its_way = yard.listed(statuses=ON_THEIR_WAY)
        assert ([] if run.has_ended else [run.id]) == on_its_way, where
    assert [run.id] == yard.listed(statuses=frozenset({run.status})), where
    assert [run] == list(yard.runs.list(Query()).runs), where
    index = yard.rows(names.RUNS_BY_TIME, names.RUNS_BY_EXPERIMENT)
    assert (2 if run.has_ended else 3) == len(index), f"{where}: {index}"


@pytest.mark.parametrize("seconds", [0, 7])
def test_the_birth_of_a_run_is_completed_by_whoever_comes_with_the_event_again(seconds: int) -> None:
    def again(yard: Yard) -> Run:
        yard.clock.advance(seconds)
        same = yard.runs.find(a_run().identity)
        later = a_birth(id=f"exp_{1700000000 + seconds}_one", created=START + seconds)
        run, created = yard.runs.create(later)
        assert created == (same is None)
        assert run.id == (same or later.after.id)
        return run

    count = 0
    for yard, _, where in lives(lambda _: None, lambda runs, _: runs.create(a_birth())):
        assert yard.listed() == [run.id for run in [yard.runs.get(a_run().id)] if run], where
        run = again(yard)
        assert run == yard.runs.get(run.id), where
        assert run.id == yard.runs.find(run.identity), where
        assert 1 == len([row for row in yard.rows(names.RUNS) if row[2] == "e-000001"]), where
        once_listed(yard, run, where)
        count += 1
    assert count == 8  # the claim, two rows of the index, the run


def test_whoever_takes_a_birth_over_may_die_too() -> None:
    def prepare(yard: Yard) -> None:
        with pytest.raises(Crash):
            Program(yard, 1, Moment.AFTER).runs.create(a_birth())

    second = a_birth(id="exp_1700000007_one", created=START + 7)
    for yard, _, where in lives(prepare, lambda runs, _: runs.create(second)):
        for other in (a_birth(), a_birth(id="exp_1700000009_one", created=START + 9)):
            run, _ = yard.runs.create(other)
        once_listed(yard, run, where)
        assert 1 == len([row for row in yard.rows(names.RUNS) if row[2] == "e-000001"]), where


def test_a_run_that_is_born_with_its_ending_is_listed_as_ended() -> None:
    def rejected() -> Any:
        return birth(a_run(), [Move(state=State.FAILED, reason="cannot run", at=START)], who="accept")

    for yard, _, where in lives(lambda _: None, lambda runs, _: runs.create(rejected())):
        run, _ = yard.runs.create(rejected())
        yard.listed(statuses=frozenset({"Queued"}))  # as the reconciler does
        once_listed(yard, run, where)
        assert [run.id] == list(yard.runs.outbox(before=START + 99, most=9)), where


def ending(yard: Yard) -> Any:
    run, _ = yard.runs.create(a_birth())
    return moved(yard.runs.transition(moved(run, State.QUEUED)), State.FAILED)


@pytest.mark.parametrize("repeated", [True, False])
def test_an_ending_is_listed_and_announced_if_it_is_written(repeated: bool) -> None:
    count = 0
    for yard, change, where in lives(ending, lambda runs, change: runs.transition(change)):
        if repeated:
            assert State.FAILED is yard.runs.transition(change).state, where
        yard.listed(statuses=frozenset({"Queued"}))  # as the reconciler does
        run = yard.runs.get(change.after.id)
        assert run is not None
        assert ([run.id] if run.has_ended else []) == yard.listed(statuses=frozenset({"Failed"})), where
        once_listed(yard, run, where)
        assert run.has_ended == yard.runs.in_outbox(run.id), where
        assert ([run.id] if run.has_ended else []) == list(yard.runs.outbox(before=START + 99, most=9)), where
        assert len(yard.runs.history(run.id)) == run.version, where
        count += 1
    assert count == 10


def test_a_hint_without_its_change_harms_nothing() -> None:
    def queued(yard: Yard) -> Any:
        run, _ = yard.runs.create(a_birth())
        return moved(yard.runs.transition(moved(run, State.QUEUED)), cancel_requested=True)

    for yard, change, where in lives(queued, lambda runs, change: runs.transition(change)):
        run = yard.runs.get(change.after.id)
        assert run is not None
        assert ([run.id] if run.cancel_requested else []) == yard.listed(statuses=frozenset({"CancelRequested"})), where
        once_listed(yard, run, where)


def ended(yard: Yard) -> Run:
    run = yard.runs.transition(ending(yard))
    yard.runs.announced(run.id)
    return run


def many_events(yard: Yard) -> Run:
    run, _ = yard.runs.create(a_birth())
    for _ in range(120):
        run = yard.runs.transition(moved(run))
    run = yard.runs.transition(moved(run, State.FAILED))
    yard.runs.announced(run.id)
    return run


@pytest.mark.parametrize("prepare", [ended, many_events])
def test_a_deletion_is_carried_through_by_whoever_prunes_next(prepare: Callable[[Yard], Run]) -> None:
    for yard, run, where in lives(prepare, lambda runs, run: runs.delete(run.id, at=START + 10)):
        again = a_birth()
        if yard.runs.find(run.identity) is None:
            raise AssertionError(f"{where}: the event would run it again")
        assert not yard.runs.create(again)[1], where
        for listed in yard.listed():
            yard.runs.delete(listed, at=START + 20)
        assert yard.runs.get(run.id) is None, where
        assert [] == list(yard.runs.history(run.id)), where
        assert [] == yard.listed() == yard.listed(experiment="exp") == yard.listed(statuses=frozenset({"Failed"})), (
            where
        )
        assert yard.runs.find(run.identity) == run.id, where
        assert yard.runs.create(again) == (again.after, False), where
        assert yard.runs.forget(START + 30) == 1, where
        assert [] == yard.rows(), where
        assert yard.runs.create(again)[1], where


def test_a_tombstone_is_forgotten_by_whoever_comes_next() -> None:
    def buried(yard: Yard) -> None:
        yard.runs.delete(ended(yard).id, at=START + 10)

    for yard, _, where in lives(buried, lambda runs, _: runs.forget(START + 20)):
        yard.runs.forget(START + 20)
        assert [] == yard.rows(), where
        assert yard.runs.create(a_birth())[1], where


def test_what_is_announced_leaves_the_outbox_for_good() -> None:
    for yard, run, where in lives(
        lambda yard: yard.runs.transition(ending(yard)), lambda runs, run: runs.announced(run.id)
    ):
        assert yard.runs.in_outbox(run.id) == (run.id in yard.runs.outbox(before=START + 99, most=9)), where
        yard.runs.announced(run.id)
        yard.clock.advance(OLD)
        assert [] == list(yard.runs.outbox(before=START + 99, most=9)), where
        assert [] == yard.rows(names.OUTBOX), where


def test_a_frozen_creator_finds_that_another_made_the_run_under_another_id() -> None:
    """The first stands still between the index and its run, the second comes with the event under another id, the first goes on."""
    yard = Yard()
    other = a_birth(id="exp_1700000007_one", created=START + 7)
    made: list[tuple[Run, bool]] = []

    def told(table: str, verb: str, partition: str, entities: int) -> None:
        if (table, verb, partition) == (names.RUNS, "transact", a_run().id) and not made:
            made.append((other.after, True))
            made[0] = AzureRunStore(lambda name: cast("Table", yard.tables.table(name)), yard.clock).create(other)

    yard.tables.told = told
    assert (other.after, False) == yard.runs.create(a_birth())
    assert [(other.after, True)] == made
    once_listed(yard, other.after, "after both")


def test_each_write_may_be_sent_twice() -> None:
    yard = Yard()
    yard.tables.resent = lambda: True
    run = yard.runs.transition(moved(yard.runs.create(a_birth())[0], State.QUEUED))
    run = yard.runs.transition(moved(run, State.FAILED))
    assert run.version == len(yard.runs.history(run.id)) == 3
    once_listed(yard, run, "sent twice")
    yard.runs.announced(run.id)
    yard.runs.delete(run.id, at=START + 10)
    yard.runs.forget(START + 20)
    assert [] == yard.rows()
