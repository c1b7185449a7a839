"""What waits costs nothing: the same work is done for one run, and by every round of the host, however many runs wait."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runyard.computes import overview
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.ports import Query
from runyard.reconcile import prune, reconcile, recover
from runyard.reconcile.wake_up import STALE
from runyard.runs.states import State
from runyard.services.checks import run_checks
from tests.unit.crowd import EmbeddedHouse, Work, counting

FEW, MANY = 100, 100_000
FACTOR = 2.0
"""A tree of 100,000 entries is one or two levels deeper than one of 100; nothing else may grow."""
MEMORY = 16 << 20


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, tuple[EmbeddedHouse, Work]]]:
    """A house with few waiting runs and one with many; nothing in them is changed but what a test undoes."""
    with ExitStack() as closing:
        made = {}
        for count in (FEW, MANY):
            work = closing.enter_context(counting())
            house = EmbeddedHouse(root=tmp_path_factory.mktemp("crowd") / "root", limit=1)
            closing.callback(house.stores.database.close)
            house.crowd(count)
            made[count] = house, work
        yield made


def whole_life(house: EmbeddedHouse) -> None:
    """One run from its submission to its ending, past all that wait; then the next one's start is undone."""
    gates, now = house.ports.gates, house.clock.now()
    asked = {"experiment": "one", "snapshot": "uploads/one.zip", "priority": 100, "target": "local"}
    house.send(asked)
    house.settle()
    (slot,) = gates.slots("local")
    run = house.ports.runs.get(slot.run_id)
    assert run is not None
    assert (run.experiment, run.state) == ("one", State.STARTING)
    house.target.end(f"{run.id}/1")
    gates.configure("local", limit=1, paused=True)
    house.clock.advance(60)
    house.settle()
    ended = house.ports.runs.get(run.id)
    assert ended is not None
    assert ended.state is State.COMPLETED
    assert now < house.clock.now()
    gates.configure("local", limit=1)


def one_page(**query: object) -> Callable[[EmbeddedHouse], object]:
    return lambda house: house.ports.runs.list(Query(**query))  # type: ignore[arg-type]


ROUNDS: dict[str, Callable[[EmbeddedHouse], object]] = {
    "reconcile": lambda house: reconcile(house.ports),
    "recover": lambda house: recover(house.ports),
    "gate": lambda house: house.ports.gates.get("local"),
    "overview": lambda house: overview(house.ports),
    "doctor": lambda house: run_checks(house.ports, None),
    "newest page": one_page(),
    "those that run": one_page(statuses=frozenset({"Running", "Starting"})),
    "those that run, of an experiment": one_page(statuses=frozenset({"Running"}), experiment="crowd"),
    "those that run, of a compute": one_page(statuses=frozenset({"Running"}), target="local"),
    "those that failed": one_page(statuses=frozenset({"Failed"})),
    "those not accepted": one_page(statuses=frozenset({"NotStarted"}), created_before=2e9),
}


@pytest.mark.slow
def test_a_run_costs_the_same_whether_100_or_100_000_wait(worlds: dict[int, tuple[EmbeddedHouse, Work]]) -> None:
    costs = {}
    for count, (house, work) in worlds.items():
        whole_life(house)  # once, so that nothing is made or prepared while it is counted
        costs[count] = work.of(lambda house=house: whole_life(house))  # type: ignore[misc]
    assert costs[MANY] <= FACTOR * costs[FEW], costs


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDS)
def test_a_round_of_the_host_costs_the_same_whether_100_or_100_000_wait(
    worlds: dict[int, tuple[EmbeddedHouse, Work]], name: str
) -> None:
    costs = {}
    for count, (house, work) in worlds.items():
        ROUNDS[name](house)
        costs[count] = work.of(lambda house=house: ROUNDS[name](house))  # type: ignore[misc]
    assert 0 < costs[MANY] <= FACTOR * costs[FEW], costs


@pytest.mark.slow
def test_the_host_holds_no_list_of_what_waits(worlds: dict[int, tuple[EmbeddedHouse, Work]]) -> None:
    house, _ = worlds[MANY]
    gone = 10_000 * 86_400.0
    calls: list[Callable[[EmbeddedHouse], object]] = [
        *ROUNDS.values(),
        whole_life,
        lambda house: prune(house.ports, snapshots_older_than=gone),
    ]
    tracemalloc.start()
    try:
        peaks = []
        for call in calls:
            tracemalloc.reset_peak()
            base, _ = tracemalloc.get_traced_memory()
            call(house)
            peaks.append(tracemalloc.get_traced_memory()[1] - base)
    finally:
        tracemalloc.stop()
    assert max(peaks) < MEMORY, peaks


@pytest.mark.slow
def test_what_was_not_accepted_yet_is_looked_at_in_small_numbers(tmp_path: Path) -> None:
    costs = {}
    for count in (1_000, 20_000):
        with counting() as work:
            house = EmbeddedHouse(root=tmp_path / str(count))
            house.crowd(count, state=State.NOT_STARTED, age=STALE + count * 0.01)
            costs[count] = work.of(lambda house=house: reconcile(house.ports))  # type: ignore[misc]
            assert 0 < house.ports.queue.counts()[SUBMISSIONS] <= 200
            house.stores.database.close()
    assert costs[20_000] <= FACTOR * costs[1_000], costs
