"""What every adapter of the gates promises."""

from __future__ import annotations

import pytest

from runyard.errors import NotFoundError
from runyard.ports import Gate, Gates, Slot, Waiting
from tests.contract.samples import at_once


def enter(gates: Gates, *names: str, priority: int = 0, enqueued: float = 1.0) -> None:
    for name in names:
        gates.wait("c", Waiting(run_id=name, priority=priority, enqueued=enqueued))


def taken(slots: object) -> list[tuple[str, int]]:
    assert isinstance(slots, list)
    return [(slot.run_id, slot.index) for slot in slots]


@pytest.fixture
def gate(gates: Gates) -> Gates:
    gates.configure("c", limit=2)
    return gates


def test_a_configured_gate_is_open_empty_and_disarmed(gate: Gates) -> None:
    assert gate.get("c") == Gate(compute="c", limit=2, paused=False, generation=0, next_at=None, waiting=0, taken=0)


def test_an_unknown_gate_is_none_and_empty(gates: Gates) -> None:
    assert gates.get("c") is None
    assert list(gates.list()) == []
    assert list(gates.waiting("c")) == []
    assert list(gates.slots("c")) == []
    assert list(gates.take("c", at=1.0)) == []
    assert gates.position("c", "a") is None
    assert not gates.leave("c", "a")
    assert not gates.release("c", "a")
    assert not gates.put_back("c", Waiting(run_id="a", priority=0, enqueued=1.0))
    assert gates.advance("c", 0, next_at=1.0) is None
    assert not gates.disarm("c", 0)


def test_waiting_at_or_arming_an_unknown_gate_says_so(gates: Gates) -> None:
    with pytest.raises(NotFoundError, match="'c'"):
        enter(gates, "a")
    with pytest.raises(NotFoundError, match="'c'"):
        gates.arm("c", next_at=1.0)


def test_configuring_again_changes_limit_and_pause_and_nothing_else(gate: Gates) -> None:
    enter(gate, "a", "b")
    gate.take("c", at=1.0, most=1)
    gate.arm("c", next_at=9.0)
    gate.configure("c", limit=5, paused=True)
    assert gate.get("c") == Gate(compute="c", limit=5, paused=True, generation=1, next_at=9.0, waiting=1, taken=1)


def test_every_gate_is_listed_by_name(gate: Gates) -> None:
    gate.configure("a", limit=1)
    enter(gate, "x")
    assert [(each.compute, each.waiting) for each in gate.list()] == [("a", 0), ("c", 1)]


def test_runs_wait_by_priority_then_age_then_id(gate: Gates) -> None:
    enter(gate, "young", enqueued=3.0)
    enter(gate, "b", "a", enqueued=2.0)
    enter(gate, "urgent", priority=5, enqueued=9.0)
    enter(gate, "idle", priority=-1, enqueued=0.0)
    order = ["urgent", "a", "b", "young", "idle"]
    assert [entry.run_id for entry in gate.waiting("c")] == order
    assert [entry.run_id for entry in gate.waiting("c", limit=2)] == order[:2]
    assert [gate.position("c", name) for name in order] == [1, 2, 3, 4, 5]
    assert gate.position("c", "nobody") is None
    assert gate.waiting("c")[0] == Waiting(run_id="urgent", priority=5, enqueued=9.0)


def test_waiting_twice_keeps_the_first_place(gate: Gates) -> None:
    enter(gate, "a", enqueued=1.0)
    enter(gate, "a", enqueued=5.0, priority=3)
    assert list(gate.waiting("c")) == [Waiting(run_id="a", priority=0, enqueued=1.0)]


def test_a_run_with_a_slot_does_not_wait(gate: Gates) -> None:
    enter(gate, "a")
    gate.take("c", at=1.0)
    enter(gate, "a")
    assert list(gate.waiting("c")) == []


def test_the_same_run_may_wait_at_two_gates(gate: Gates) -> None:
    gate.configure("d", limit=1)
    enter(gate, "a")
    gate.wait("d", Waiting(run_id="a", priority=0, enqueued=1.0))
    assert gate.leave("c", "a")
    assert gate.position("d", "a") == 1


def test_leaving_tells_whether_the_run_was_there(gate: Gates) -> None:
    enter(gate, "a")
    assert gate.leave("c", "a")
    assert not gate.leave("c", "a")


def test_take_fills_free_slots_from_the_head_and_stops_at_the_limit(gate: Gates) -> None:
    enter(gate, "a", "b", "d")
    assert list(gate.take("c", at=7.0)) == [
        Slot(run_id="a", index=0, taken=7.0),
        Slot(run_id="b", index=1, taken=7.0),
    ]
    assert list(gate.take("c", at=8.0)) == []
    assert [entry.run_id for entry in gate.waiting("c")] == ["d"]
    state = gate.get("c")
    assert state is not None
    assert (state.waiting, state.taken) == (1, 2)


def test_take_gives_at_most_what_was_asked(gate: Gates) -> None:
    enter(gate, "a", "b")
    assert taken(gate.take("c", at=1.0, most=1)) == [("a", 0)]
    assert taken(gate.take("c", at=1.0, most=0)) == []


def test_a_paused_gate_hands_out_nothing_but_keeps_its_slots(gate: Gates) -> None:
    enter(gate, "a", "b")
    gate.take("c", at=1.0, most=1)
    gate.configure("c", limit=2, paused=True)
    assert list(gate.take("c", at=1.0)) == []
    assert taken(gate.slots("c")) == [("a", 0)]


def test_the_smallest_free_index_is_given(gate: Gates) -> None:
    gate.configure("c", limit=3)
    enter(gate, "a", "b", "d", "e", "f")
    gate.take("c", at=1.0)
    gate.release("c", "a")
    gate.release("c", "d")
    assert taken(gate.take("c", at=1.0, most=1)) == [("e", 0)]
    assert taken(gate.take("c", at=1.0)) == [("f", 2)]
    assert taken(gate.slots("c")) == [("e", 0), ("b", 1), ("f", 2)]


def test_a_lowered_limit_lets_the_surplus_end_first(gate: Gates) -> None:
    gate.configure("c", limit=3)
    enter(gate, "a", "b", "d", "e")
    gate.take("c", at=1.0)
    gate.configure("c", limit=1)
    gate.release("c", "a")
    gate.release("c", "b")
    assert list(gate.take("c", at=1.0)) == []
    gate.release("c", "d")
    assert taken(gate.take("c", at=1.0)) == [("e", 0)]


def test_releasing_tells_whether_a_slot_was_held(gate: Gates) -> None:
    enter(gate, "a")
    assert not gate.release("c", "a")
    gate.take("c", at=1.0)
    assert gate.release("c", "a")
    assert not gate.release("c", "a")


def test_a_run_put_back_waits_at_its_old_place_and_its_slot_is_free(gate: Gates) -> None:
    gate.configure("c", limit=1)
    enter(gate, "a", enqueued=1.0)
    enter(gate, "b", enqueued=2.0)
    gate.take("c", at=3.0)
    assert gate.put_back("c", Waiting(run_id="a", priority=0, enqueued=1.0))
    assert not gate.put_back("c", Waiting(run_id="a", priority=0, enqueued=1.0))
    assert [entry.run_id for entry in gate.waiting("c")] == ["a", "b"]
    assert list(gate.slots("c")) == []


def test_many_takers_never_exceed_the_limit_nor_share_an_index(gate: Gates) -> None:
    gate.configure("c", limit=5)
    enter(gate, *(f"run{number:03}" for number in range(60)))

    def take_and_give(worker: int) -> list[str]:
        done: list[str] = []
        for turn in range(12):
            done += [slot.run_id for slot in gate.take("c", at=1.0, most=1 + worker % 3)]
            held = gate.slots("c")
            assert len(held) <= 5
            assert len({slot.index for slot in held}) == len(held)
            assert all(0 <= slot.index < 5 for slot in held)
            if done and turn % 2:
                gate.release("c", done[-1])
        return done

    everyone = [name for names in at_once(8, take_and_give) for name in names]
    assert len(everyone) == len(set(everyone))


def test_arming_twice_gives_one_generation(gate: Gates) -> None:
    assert gate.arm("c", next_at=5.0) == 1
    assert gate.arm("c", next_at=6.0) is None
    state = gate.get("c")
    assert state is not None
    assert (state.generation, state.next_at) == (1, 5.0)


def test_one_of_many_advances_the_watch(gate: Gates) -> None:
    assert gate.arm("c", next_at=5.0) == 1
    answers = at_once(8, lambda number: gate.advance("c", 1, next_at=6.0 + number))
    assert sorted(answers, key=str) == [2] + [None] * 7
    assert gate.advance("c", 1, next_at=99.0) is None
    assert gate.advance("c", 2, next_at=7.0) == 3


def test_one_of_many_arms_the_watch(gate: Gates) -> None:
    assert sorted(at_once(8, lambda _: gate.arm("c", next_at=5.0)), key=str) == [1] + [None] * 7


def test_a_watch_is_disarmed_only_at_its_generation_and_without_slots(gate: Gates) -> None:
    enter(gate, "a")
    gate.take("c", at=1.0)
    assert gate.arm("c", next_at=5.0) == 1
    assert not gate.disarm("c", 1)
    gate.release("c", "a")
    assert not gate.disarm("c", 0)
    assert gate.disarm("c", 1)
    assert not gate.disarm("c", 1)
    state = gate.get("c")
    assert state is not None
    assert state.next_at is None


def test_a_message_from_before_the_disarming_wins_nothing(gate: Gates) -> None:
    gate.arm("c", next_at=5.0)
    gate.disarm("c", 1)
    assert gate.advance("c", 1, next_at=6.0) is None
    assert gate.arm("c", next_at=7.0) == 2
    assert gate.advance("c", 1, next_at=8.0) is None
    assert gate.advance("c", 2, next_at=8.0) == 3


def test_room_is_what_may_be_taken_now(gate: Gates, gates: Gates) -> None:
    assert gates.room("unknown") == 0
    assert gate.room("c") == 2
    enter(gate, "a", "b")
    assert gate.room("c") == 2
    gate.take("c", at=1.0, most=1)
    assert gate.room("c") == 1
    gate.configure("c", limit=2, paused=True)
    assert gate.room("c") == 0
    gate.configure("c", limit=1)
    gate.take("c", at=1.0)
    assert gate.room("c") == 0


def test_who_frees_a_slot_of_a_full_gate_hears_of_those_who_wait(gate: Gates) -> None:
    enter(gate, "a", "b", "c")
    gate.take("c", at=1.0)
    assert gate.release("c", "a")
    assert gate.wanted("c")


def test_who_frees_a_slot_that_nobody_waits_for_hears_of_nobody(gate: Gates) -> None:
    enter(gate, "a", "b")
    gate.take("c", at=1.0)
    for run_id in ("a", "b"):
        assert gate.release("c", run_id)
        assert not gate.wanted("c")
