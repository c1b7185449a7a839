"""The order of a waiting list, over every adapter: priority, age, and those whose time has not come."""

from __future__ import annotations

import pytest

from runyard.ports import Gates, Slot, Waiting
from runyard.ports.gates import AGEING, FAR
from runyard.stores.azure import gate_line
from runyard.stores.azure.gates import AzureGates
from tests.contract.crowd import crowd
from tests.contract.samples import START


@pytest.fixture
def gate(gates: Gates) -> Gates:
    gates.configure("c", limit=2)
    return gates


def enter(gates: Gates, name: str, priority: int = 0, age: float = 0.0, not_before: float = 0.0) -> Waiting:
    entry = Waiting(run_id=name, priority=priority, enqueued=START - age, not_before=not_before)
    gates.wait("c", entry)
    return entry


def order(gates: Gates) -> list[str]:
    return [entry.run_id for entry in gates.waiting("c")]


def went(gates: Gates, at: float = START, most: int | None = None) -> list[str]:
    return [slot.run_id for slot in gates.take("c", at=at, most=most)]


@pytest.mark.parametrize(
    ("age", "first"), [(AGEING - 1.0, "urgent"), (AGEING + 1.0, "old")], ids=["just before", "just after"]
)
def test_a_step_of_priority_outweighs_an_hour_of_waiting_and_no_more(gate: Gates, age: float, first: str) -> None:
    enter(gate, "old", age=age)
    enter(gate, "urgent", priority=1)
    assert [first] == went(gate, most=1)


@pytest.mark.parametrize(("steps", "first"), [(3, "urgent"), (2, "old")])
def test_each_step_of_priority_weighs_the_same(gate: Gates, steps: int, first: str) -> None:
    enter(gate, "old", age=2.5 * AGEING)
    enter(gate, "urgent", priority=steps)
    assert [first] == went(gate, most=1)


def test_a_negative_priority_goes_back_an_hour_for_each_step(gate: Gates) -> None:
    enter(gate, "idle", priority=-2, age=2 * AGEING + 1)
    enter(gate, "plain")
    enter(gate, "idler", priority=-2, age=2 * AGEING - 1)
    assert ["idle", "plain", "idler"] == order(gate)


def test_what_weighs_the_same_goes_by_id(gate: Gates) -> None:
    enter(gate, "b", age=AGEING)
    enter(gate, "a", priority=1)
    enter(gate, "c", priority=-1, age=2 * AGEING)
    assert ["a", "b", "c"] == order(gate)
    assert [1, 2, 3] == [gate.position("c", name) for name in "abc"]


def test_the_order_does_not_change_while_all_wait(gate: Gates) -> None:
    enter(gate, "old", age=AGEING - 1)
    enter(gate, "urgent", priority=1)
    before = order(gate)
    assert ["urgent"] == went(gate, at=START + 100 * AGEING, most=1)
    assert before == ["urgent", *order(gate)]


def test_a_run_whose_time_has_not_come_is_passed_over_and_keeps_its_place(gate: Gates) -> None:
    early = enter(gate, "early", age=9.0, not_before=START + 5.0)
    enter(gate, "late")
    assert ["late"] == went(gate)
    assert [early] == list(gate.waiting("c"))
    assert 1 == gate.position("c", "early")
    state = gate.get("c")
    assert state is not None
    assert (1, 1) == (state.waiting, state.taken)


def test_a_run_goes_at_its_time_and_not_a_moment_before(gate: Gates) -> None:
    enter(gate, "a", not_before=START + 5.0)
    assert [] == went(gate, at=START + 4.999)
    assert ["a"] == went(gate, at=START + 5.0)


def test_a_run_whose_time_has_come_goes_by_its_place_again(gate: Gates) -> None:
    gate.configure("c", limit=1)
    enter(gate, "holder", age=20.0)
    went(gate)
    enter(gate, "early", age=9.0, not_before=START + 5.0)
    enter(gate, "late")
    assert [] == went(gate, at=START + 6.0)
    gate.release("c", "holder")
    assert ["early"] == went(gate, at=START + 7.0)


def test_waiting_again_keeps_the_place_and_the_earlier_time(gate: Gates) -> None:
    enter(gate, "a", age=9.0, not_before=START + 5.0)
    enter(gate, "b", age=8.0)
    enter(gate, "a", priority=-5, not_before=START + 9.0)
    assert Waiting(run_id="a", priority=0, enqueued=START - 9.0, not_before=START + 5.0) == gate.waiting("c")[0]
    enter(gate, "a", not_before=START + 2.0)
    assert START + 2.0 == gate.waiting("c")[0].not_before
    enter(gate, "a")
    assert ["a", "b"] == went(gate)


def test_a_slot_knows_the_place_that_its_run_had(gate: Gates) -> None:
    enter(gate, "a", priority=4, age=7.0)
    (slot,) = gate.take("c", at=START)
    (held,) = gate.slots("c")
    assert slot == held == Slot(run_id="a", index=0, taken=START)
    assert Waiting(run_id="a", priority=4, enqueued=START - 7.0) == slot.waiting() == held.waiting()


def test_a_run_put_back_with_a_time_waits_at_its_old_place_until_then(gate: Gates) -> None:
    gate.configure("c", limit=1)
    enter(gate, "a", age=9.0)
    enter(gate, "b")
    (slot,) = gate.take("c", at=START)
    assert gate.put_back("c", slot.waiting(not_before=START + 60.0))
    assert ["a", "b"] == order(gate)
    assert ["b"] == went(gate)
    gate.release("c", "b")
    assert [] == went(gate, at=START + 59.0)
    assert ["a"] == went(gate, at=START + 60.0)


def test_the_count_of_those_that_wait_is_right_whatever_happens_to_them(gate: Gates) -> None:
    def count() -> int:
        state = gate.get("c")
        assert state is not None
        return state.waiting

    seen = [count()]
    enter(gate, "a")
    enter(gate, "a")
    enter(gate, "b", not_before=START + 5.0)
    enter(gate, "d")
    seen.append(count())
    gate.leave("c", "d")
    gate.leave("c", "nobody")
    seen.append(count())
    (slot,) = gate.take("c", at=START)
    seen.append(count())
    gate.put_back("c", slot.waiting())
    seen.append(count())
    gate.take("c", at=START + 5.0)
    seen.append(count())
    assert [0, 3, 2, 1, 2, 0] == seen


@pytest.fixture
def far(gates: Gates, monkeypatch: pytest.MonkeyPatch) -> int:
    """How far a place is counted: in Azurite no further than beyond a page, as 10,000 entries take it half a minute."""
    if not isinstance(gates, AzureGates):
        return FAR
    monkeypatch.setattr(gate_line, "FAR", 1_050)
    return 1_050


def test_a_place_is_counted_so_far_and_no_further(gate: Gates, far: int) -> None:
    crowd(gate, "c", [Waiting(run_id=f"r{number:06}", priority=0, enqueued=START) for number in range(far + 3)])
    places = [gate.position("c", f"r{number:06}") for number in (0, far - 1, far, far + 2)]
    assert [1, far, far + 1, far + 1] == places


def test_a_slot_that_was_given_back_meanwhile_is_not_confirmed(gates: Gates) -> None:
    gates.configure("c", limit=2)
    for number in range(2):
        gates.wait("c", Waiting(run_id=f"r{number}", priority=0, enqueued=float(number)))
    first, second = gates.take("c", at=10.0)
    assert gates.put_back("c", first.waiting(), taken=10.0)
    assert frozenset({"r1"}) == gates.confirm("c", [first, second], at=20.0)
    assert frozenset({"r1"}) == gates.confirm("c", [second], at=20.0)  # sent again after a lost reply
    assert [20.0] == [slot.taken for slot in gates.slots("c")]


def test_a_slot_that_was_confirmed_is_not_given_back_by_who_saw_it_before(gates: Gates) -> None:
    gates.configure("c", limit=1)
    gates.wait("c", Waiting(run_id="r", priority=0, enqueued=1.0))
    (slot,) = gates.take("c", at=10.0)
    gates.confirm("c", [slot], at=20.0)
    assert not gates.put_back("c", slot.waiting(), taken=10.0)
    assert ["r"] == [held.run_id for held in gates.slots("c")]
    assert gates.put_back("c", slot.waiting())


def test_confirming_where_nothing_is_held_confirms_nothing(gates: Gates) -> None:
    slot = Slot(run_id="r", index=0, taken=1.0)
    assert frozenset() == gates.confirm("nowhere", [slot], at=2.0)
    gates.configure("c", limit=1)
    assert frozenset() == gates.confirm("c", [slot], at=2.0)
    assert frozenset() == gates.confirm("c", [], at=2.0)


def test_a_slot_that_is_not_as_it_was_taken_is_not_freed_by_who_saw_it_before(gates: Gates) -> None:
    gates.configure("c", limit=1)
    gates.wait("c", Waiting(run_id="a", priority=0, enqueued=1.0))
    (first,) = gates.take("c", at=10.0)
    assert gates.put_back("c", first.waiting())
    (second,) = gates.take("c", at=20.0)
    assert not gates.release("c", "a", taken=first.taken)
    assert [second] == list(gates.slots("c"))
    assert gates.release("c", "a", taken=second.taken)
    assert not gates.release("c", "a", taken=second.taken)
