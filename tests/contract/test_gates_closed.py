"""When a gate hands out nothing, over every adapter: blocked, draining, over its limit; and what races with that."""

from __future__ import annotations

import pytest

from runyard.errors import NotFoundError
from runyard.ports import Gate, Gates, Waiting
from tests.contract.samples import START, at_once


@pytest.fixture
def gate(gates: Gates) -> Gates:
    gates.configure("c", limit=2)
    return gates


def enter(gates: Gates, *names: str) -> None:
    for name in names:
        gates.wait("c", Waiting(run_id=name, priority=0, enqueued=START))


def went(gates: Gates, at: float = START, compute: str = "c") -> list[str]:
    return [slot.run_id for slot in gates.take(compute, at=at)]


def state(gates: Gates, compute: str = "c") -> Gate:
    found = gates.get(compute)
    assert found is not None
    return found


def test_a_blocked_gate_hands_out_nothing_until_its_time(gate: Gates) -> None:
    enter(gate, "a")
    gate.block("c", until=START + 30.0, reason="it asked for a pause")
    assert [] == went(gate, at=START + 29.9)
    assert ["a"] == went(gate, at=START + 30.0)


def test_a_blocked_gate_says_until_when_and_why(gate: Gates) -> None:
    assert (0.0, "") == (state(gate).blocked_until, state(gate).blocked_reason)
    gate.block("c", until=START + 30.0, reason="it asked for a pause")
    assert (START + 30.0, "it asked for a pause") == (state(gate).blocked_until, state(gate).blocked_reason)
    assert [state(gate)] == list(gate.list())


def test_the_later_of_two_blocks_stays_with_its_reason(gate: Gates) -> None:
    gate.block("c", until=START + 30.0, reason="long")
    gate.block("c", until=START + 10.0, reason="short")
    assert (START + 30.0, "long") == (state(gate).blocked_until, state(gate).blocked_reason)
    gate.block("c", until=START + 40.0, reason="longer")
    assert (START + 40.0, "longer") == (state(gate).blocked_until, state(gate).blocked_reason)


def test_a_block_concerns_its_gate_and_survives_a_configuration(gate: Gates) -> None:
    gate.configure("d", limit=1)
    gate.wait("d", Waiting(run_id="x", priority=0, enqueued=START))
    enter(gate, "a")
    gate.block("c", until=START + 30.0, reason="why")
    gate.configure("c", limit=5)
    assert ["x"] == went(gate, compute="d")
    assert [] == went(gate)


def test_blocking_or_waiting_without_a_gate_says_so(gates: Gates) -> None:
    with pytest.raises(NotFoundError, match="'c'"):
        gates.block("c", until=START, reason="why")


def test_a_draining_gate_hands_out_nothing_and_keeps_what_it_gave(gate: Gates) -> None:
    gate.configure("c", limit=1)
    enter(gate, "a", "b")
    went(gate)
    gate.drain(on=True)
    assert state(gate).draining
    assert 0 == gate.room("c")
    gate.release("c", "a")
    assert ([], 0) == (went(gate), gate.room("c"))
    gate.drain(on=False)
    assert not state(gate).draining
    assert 1 == gate.room("c")
    assert ["b"] == went(gate)


def test_draining_concerns_every_gate_but_those_made_later(gate: Gates) -> None:
    gate.configure("d", limit=1)
    gate.drain(on=True)
    gate.configure("e", limit=1)
    assert [("c", True), ("d", True), ("e", False)] == [(each.compute, each.draining) for each in gate.list()]


def test_a_configuration_does_not_undo_a_drain(gate: Gates) -> None:
    enter(gate, "a")
    gate.drain(on=True)
    gate.configure("c", limit=9, paused=False)
    assert (9, True) == (state(gate).limit, state(gate).draining)
    assert [] == went(gate)


def test_draining_and_pausing_are_apart(gate: Gates) -> None:
    gate.configure("c", limit=1, paused=True)
    gate.drain(on=True)
    gate.drain(on=False)
    assert (True, False) == (state(gate).paused, state(gate).draining)


def test_a_run_that_holds_a_slot_does_not_come_to_wait_beside_it(gate: Gates) -> None:
    enter(gate, "a")
    assert ["a"] == went(gate)
    enter(gate, "a")
    assert (0, 1) == (state(gate).waiting, state(gate).taken)
    assert gate.position("c", "a") is None


def test_a_limit_below_what_is_held_takes_nothing_away_and_gives_nothing_out(gate: Gates) -> None:
    gate.configure("c", limit=3)
    enter(gate, "a", "b", "d", "e")
    assert ["a", "b", "d"] == went(gate)
    gate.configure("c", limit=2)
    assert ([], 0) == (went(gate), gate.room("c"))
    assert ["a", "b", "d"] == [slot.run_id for slot in gate.slots("c")]
    gate.release("c", "a")
    assert ([], 0) == (went(gate), gate.room("c"))
    gate.release("c", "b")
    assert ["e"] == went(gate)


def test_many_who_take_wait_and_put_back_lose_nobody(gate: Gates) -> None:
    gate.configure("c", limit=4)
    names = [f"r{number:02}" for number in range(40)]
    enter(gate, *names)

    def work(worker: int) -> list[str]:
        done = []
        for turn in range(25):
            for slot in gate.take("c", at=START, most=2):
                assert 0 <= slot.index < 4
                if (worker + turn) % 3:
                    gate.release("c", slot.run_id)
                    done.append(slot.run_id)
                else:
                    gate.put_back("c", slot.waiting())
        return done

    done = [name for each in at_once(6, work) for name in each]
    left = [entry.run_id for entry in gate.waiting("c", limit=1000)]
    assert names == sorted([*done, *left])
    assert (len(left), 0) == (state(gate).waiting, state(gate).taken)


def test_whoever_holds_a_slot_finds_the_watch_armed_or_arms_it(gate: Gates) -> None:
    """Arm against disarm: a watcher that saw no slot must not disarm what a dispatcher counts on."""
    for round_ in range(40):
        name = f"r{round_}"
        armed = gate.arm("c", next_at=START)
        generation = state(gate).generation
        assert armed in {None, generation}
        enter(gate, name)

        def race(worker: int, generation: int = generation) -> bool:
            if worker == 0:
                return gate.disarm("c", generation)
            went(gate)
            return gate.arm("c", next_at=START + 1.0) is not None

        disarmed, armed_again = at_once(2, race)
        assert state(gate).next_at is not None
        assert armed_again <= disarmed
        gate.release("c", name)
