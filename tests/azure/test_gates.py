"""What the contracts do not say of gates in Azure Tables: several processes, lost replies, and what things cost."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from runyard.errors import ThrottledError, TransientError
from runyard.ports import Gates, Waiting
from runyard.ports.gates import FAR
from runyard.stores.azure.gate_rows import HISTORY
from runyard.stores.azure.gates import AzureGates
from runyard.stores.azure.table import Table
from runyard.testing import MemoryGates
from tests.contract.crowd import crowd
from tests.contract.samples import START, at_once
from tests.standins.tables import MemoryTables

RUNS = [f"r{number}" for number in range(8)]
LONG = 100.0
"""Seconds after which nothing that is remembered is believed."""


class World:
    """One account, and processes with memories of their own."""

    def __init__(self, processes: int = 1) -> None:
        self.now = 0.0
        self.slept = 0
        self.tables = MemoryTables(told=self._told)
        self.requests: list[str] = []
        table = cast("Table", self.tables.table("gates"))
        self.gates = [
            AzureGates(table, monotonic=lambda: self.now, sleep=self._sleep) for _ in range(processes)
        ]  # fmt: skip

    def _told(self, table: str, verb: str, partition: str, entities: int) -> None:
        self.requests.append(verb)

    def _sleep(self, seconds: float) -> None:
        self.slept += 1

    def costs(self, work: Callable[[], object]) -> list[str]:
        """The requests that something takes."""
        self.requests.clear()
        work()
        return list(self.requests)


@pytest.fixture
def world() -> World:
    world = World(2)
    world.gates[0].configure("c", limit=2)
    return world


def enter(gates: Gates, *names: str, not_before: float = 0.0) -> None:
    for name in names:
        gates.wait("c", Waiting(run_id=name, priority=0, enqueued=1.0, not_before=not_before))


def a_step(random_: random.Random, at: float) -> tuple[str, Callable[[Gates], object]]:
    """One call, with its name."""
    run = random_.choice(RUNS)
    not_before = random_.choice([0.0, 0.0, at + random_.randint(-3, 6)])
    entry = Waiting(
        run_id=run, priority=random_.randint(-1, 1), enqueued=float(random_.randint(1, 9)), not_before=not_before
    )
    taken = random_.choice([None, None, at - 1.0, at - 2.0])
    generation = random_.randint(0, 6)
    limit, paused = random_.randint(0, 4), random_.random() < 0.1
    most = random_.choice([None, 1, 2])
    steps: dict[str, Callable[[Gates], object]] = {
        "wait": lambda gates: gates.wait("c", entry),
        "leave": lambda gates: gates.leave("c", run),
        "take": lambda gates: list(gates.take("c", at=at, most=most)),
        "release": lambda gates: gates.release("c", run, taken=taken),
        "put_back": lambda gates: gates.put_back("c", entry, taken=taken),
        "confirm": lambda gates: gates.confirm("c", list(gates.slots("c"))[:2], at=at),
        "arm": lambda gates: gates.arm("c", next_at=at),
        "advance": lambda gates: gates.advance("c", generation, next_at=at),
        "configure": lambda gates: gates.configure("c", limit=limit, paused=paused),
        "block": lambda gates: gates.block("c", until=at + 2.0, reason="why"),
        "drain": lambda gates: gates.drain(on=False),
    }
    weights = {"wait": 6, "take": 6, "block": 0.3, "drain": 0.3, "configure": 1.0}
    name = random_.choices(list(steps), [weights.get(each, 2.0) for each in steps])[0]
    return name, steps[name]


def everything(gates: Gates) -> tuple[Any, ...]:
    waiting = [(entry.run_id, entry.rank) for entry in gates.waiting("c", limit=50)]
    slots = [(slot.run_id, slot.index, slot.taken, slot.priority, slot.enqueued) for slot in gates.slots("c")]
    return gates.get("c"), waiting, slots, [gates.position("c", run) for run in RUNS], gates.list()


def a_walk(world: World, seed: int, steps: int = 120) -> Iterator[None]:
    """Random calls, each by one process and by the model; what they say and leave behind is the same."""
    random_ = random.Random(seed)
    model = MemoryGates()
    model.configure("c", limit=2)
    for number in range(steps):
        at = START + number
        world.now += random_.choice([0.01, 0.3, 1.0, 5.0])
        gates = random_.choice(world.gates)
        name, step = a_step(random_, at)
        if name == "confirm":
            world.now += 1.0  # who has just advanced the watch is given the slots as they were then
        assert step(model) == step(gates), (seed, number, name)
        if number % 6 == 0:
            world.now += LONG
            assert everything(model) == everything(random_.choice(world.gates)), (seed, number, name)
        yield


@pytest.mark.parametrize("seed", range(40))
def test_two_processes_are_one_gate(world: World, seed: int) -> None:
    for _ in a_walk(world, seed):
        pass


@pytest.mark.parametrize("seed", range(40))
def test_nobody_notices_that_writes_are_sent_twice(world: World, seed: int) -> None:
    random_ = random.Random(-seed - 1)
    world.tables.resent = lambda: random_.random() < 0.3
    for _ in a_walk(world, seed):
        pass


@pytest.mark.parametrize("seed", range(20))
def test_a_swap_whose_answer_never_came_is_known_to_be_done(world: World, seed: int) -> None:
    """Of what swaps the gate's row; what may simply be repeated (``wait``, ``leave``) raises."""
    random_ = random.Random(seed)
    gates, lost = world.gates[0], [0]

    def answered(table: str, verb: str, partition: str, entities: int) -> None:
        if verb in {"transact", "update"} and random_.random() < 0.5:
            lost[0] += 1
            raise TransientError("no answer")

    enter(gates, *RUNS[:4])
    world.tables.answered = answered
    first = list(gates.take("c", at=1.0))
    assert [("r0", 0), ("r1", 1)] == [(slot.run_id, slot.index) for slot in first]
    assert frozenset({"r0", "r1"}) == gates.confirm("c", first, at=2.0)
    assert 1 == gates.arm("c", next_at=3.0)
    assert 2 == gates.advance("c", 1, next_at=4.0)
    assert gates.release("c", "r0")
    assert gates.put_back("c", first[1].waiting(), taken=2.0)
    assert gates.disarm("c", 2)
    assert ["r1", "r2"] == [slot.run_id for slot in gates.take("c", at=5.0)]
    assert seed or lost[0]


def test_what_was_done_so_long_ago_that_the_gate_forgot_is_told_by_its_traces(world: World) -> None:
    """While the answer to a swap is lost, others change the gate more often than it remembers."""
    mine, other = world.gates
    enter(mine, "a", "b")

    def many_others(table: str, verb: str, partition: str, entities: int) -> None:
        if verb == "transact":
            world.tables.answered = lambda *_: None
            for number in range(HISTORY + 2):
                other.block("c", until=float(number + 1), reason="again")
            raise TransientError("no answer")

    world.tables.answered = many_others
    assert ["a", "b"] == [slot.run_id for slot in mine.take("c", at=500.0)]
    world.tables.answered = many_others
    assert mine.release("c", "a")


def test_what_was_not_done_raises(world: World) -> None:
    gates = world.gates[0]
    enter(gates, "a")

    def told(table: str, verb: str, partition: str, entities: int) -> None:
        if verb == "transact":
            raise TransientError("not reached")

    world.tables.told = told
    with pytest.raises(TransientError):
        gates.take("c", at=1.0)
    world.tables.told = lambda *_: None
    assert ["a"] == [slot.run_id for slot in gates.take("c", at=1.0)]


def test_a_gate_that_others_always_change_first_says_so(world: World) -> None:
    mine, other = world.gates
    busy = [True]

    def told(table: str, verb: str, partition: str, entities: int) -> None:
        if verb == "update" and busy[0]:
            busy[0] = False
            other.configure("c", limit=int(world.slept) + 10)
            busy[0] = True

    world.tables.told = told
    with pytest.raises(ThrottledError, match="'c'"):
        mine.arm("c", next_at=1.0)
    assert world.slept


def test_threads_of_two_processes_never_exceed_the_limit_and_lose_nobody() -> None:
    world = World(2)
    world.gates[0].configure("c", limit=3)
    names = [f"r{number:03}" for number in range(60)]
    enter(world.gates[0], *names)

    def work(worker: int) -> list[str]:
        gates, done = world.gates[worker % 2], []
        for turn in range(40):
            for slot in gates.take("c", at=START, most=2):
                assert 0 <= slot.index < 3
                assert gates.arm("c", next_at=START) is None or turn >= 0
                state = gates.get("c")
                assert state is not None
                assert state.next_at is not None
                assert state.taken <= 3
                if (worker + turn) % 3:
                    assert gates.release("c", slot.run_id)
                    done.append(slot.run_id)
                else:
                    assert gates.put_back("c", slot.waiting(not_before=START - turn % 2))
            gates.disarm("c", cast("Any", gates.get("c")).generation)
        return done

    done = [name for each in at_once(6, work) for name in each]
    left = [entry.run_id for entry in world.gates[1].waiting("c", limit=1000)]
    assert names == sorted([*done, *left])


def test_a_slot_that_another_process_freed_is_taken_at_once(world: World) -> None:
    mine, other = world.gates
    enter(mine, "a", "b", "d")
    mine.take("c", at=1.0)
    assert 0 == mine.room("c")
    other.release("c", "a")
    assert 1 == mine.room("c")
    assert ["d"] == [slot.run_id for slot in mine.take("c", at=1.0)]


def test_a_watch_that_another_process_disarmed_is_armed_by_who_takes_a_slot_next(world: World) -> None:
    mine, other = world.gates
    enter(mine, "a")
    mine.take("c", at=1.0)
    assert 1 == mine.arm("c", next_at=2.0)
    other.release("c", "a")
    assert other.disarm("c", 1)
    enter(other, "b")
    assert ["b"] == [slot.run_id for slot in mine.take("c", at=3.0)]
    assert 2 == mine.arm("c", next_at=4.0)


def test_a_lone_run_costs_ten_requests(world: World) -> None:
    gates = world.gates[0]
    enter(gates, "earlier")  # from now on it is known that there is a gate
    gates.leave("c", "earlier")

    def life() -> None:
        enter(gates, "a")
        assert gates.room("c")
        slots = gates.take("c", at=1.0)
        assert gates.confirm("c", slots, at=2.0)
        assert 1 == gates.arm("c", next_at=3.0)
        assert not gates.disarm("c", 1)
        assert 2 == gates.advance("c", 1, next_at=4.0)
        assert ["a"] == [slot.run_id for slot in gates.slots("c")]
        assert gates.release("c", "a")
        assert not gates.waiting("c", limit=1)
        assert gates.disarm("c", 2)

    expected = ["transact", "get", "query", "transact", "transact", "update", "update", "transact", "query", "update"]
    assert expected == world.costs(life)


def test_a_burst_of_a_hundred_is_taken_by_a_few_requests(world: World) -> None:
    gates = world.gates[0]
    gates.configure("c", limit=100)
    enter(gates, *(f"r{number:03}" for number in range(100)))
    assert ["query", "transact"] * 3 == world.costs(lambda: gates.take("c", at=1.0))[:6]
    assert ["transact"] == world.costs(lambda: gates.confirm("c", gates.slots("c"), at=2.0))[1:]


def test_those_whose_time_has_not_come_cost_a_take_nothing(world: World) -> None:
    gates = world.gates[0]
    later = [Waiting(run_id=f"l{n:05}", priority=9, enqueued=1.0, not_before=900.0 + n) for n in range(2000)]
    for entry in later[:2]:
        gates.wait("c", entry)
    crowd(gates, "c", later[2:])
    enter(gates, "a")
    assert ["query", "transact"] == world.costs(lambda: gates.take("c", at=1.0))
    assert ["l00000"] == [slot.run_id for slot in gates.take("c", at=900.0)]


def test_a_place_is_counted_as_far_as_the_port_says(world: World) -> None:
    gates = world.gates[0]
    crowd(gates, "c", [Waiting(run_id=f"r{n:06}", priority=0, enqueued=START) for n in range(FAR + 3)])
    assert [1, FAR, FAR + 1] == [gates.position("c", f"r{n:06}") for n in (0, FAR - 1, FAR + 2)]
    state = gates.get("c")
    assert state is not None
    assert FAR == state.waiting
