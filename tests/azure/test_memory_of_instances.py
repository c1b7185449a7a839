"""What an instance remembers of runs and gates saves requests, and is never taken for more than it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from runyard.errors import ConflictError
from runyard.ports import Waiting
from runyard.runs.states import State
from runyard.stores.azure.run_cache import OLD
from runyard.testing import ManualClock
from tests.contract.samples import a_birth, moved
from tests.standins.azure_stores import TabledStores
from tests.standins.tables import MemoryTables


@dataclass
class Instances:
    """Two instances over the same tables, and the requests of both."""

    clock: ManualClock = field(default_factory=ManualClock)
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        tables = MemoryTables(lambda table, verb, *_: self.asked.update([f"{table} {verb}"]))
        self.one, self.other = (TabledStores(tables, self.clock) for _ in range(2))

    def gate(self, limit: int, *runs: str) -> None:
        """A gate at which these run and wait."""
        self.one.gates.configure("c", limit=limit)
        for number, run in enumerate(runs):
            self.one.gates.wait("c", Waiting(run_id=run, priority=0, enqueued=float(number)))
        self.one.gates.take("c", at=1.0)
        self.asked.clear()


@pytest.fixture
def both() -> Instances:
    return Instances()


def test_a_run_that_was_read_is_not_read_again_for_a_minute(both: Instances) -> None:
    run = both.other.runs.create(a_birth())[0]
    both.one.runs.get(run.id)
    both.asked.clear()
    assert run == both.one.runs.recent(run.id)
    assert not both.asked
    both.clock.advance(OLD + 1)
    assert run == both.one.runs.recent(run.id)
    assert {"runs get": 1} == both.asked


def test_a_change_of_what_is_remembered_is_refused_once_another_changed_it(both: Instances) -> None:
    run = both.one.runs.create(a_birth())[0]
    newer = both.other.runs.transition(moved(run, State.QUEUED))
    remembered = both.one.runs.recent(run.id)
    assert remembered == run
    with pytest.raises(ConflictError):
        both.one.runs.transition(moved(remembered, State.FAILED))
    assert newer == both.one.runs.recent(run.id)


def test_freeing_a_slot_of_a_gate_with_room_asks_for_nobody(both: Instances) -> None:
    both.gate(3, "a", "b")
    assert both.one.gates.release("c", "a")
    assert not both.one.gates.wanted("c")
    assert {"gates transact": 1} == both.asked


def test_who_came_while_the_gate_was_full_is_seen_though_another_filled_it(both: Instances) -> None:
    both.gate(2, "a")
    both.other.gates.wait("c", Waiting(run_id="b", priority=0, enqueued=2.0))
    both.other.gates.take("c", at=1.0)
    both.other.gates.wait("c", Waiting(run_id="late", priority=0, enqueued=3.0))
    assert 0 == both.other.gates.room("c")
    assert both.one.gates.release("c", "a")
    assert both.one.gates.wanted("c")


def test_a_slot_that_was_not_held_says_nothing_of_room(both: Instances) -> None:
    both.gate(1, "a", "late")
    assert not both.one.gates.release("c", "nobody")
    assert both.one.gates.wanted("c")
