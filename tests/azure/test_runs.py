"""What the runs' store in Azure Tables does beyond its contract, against Azurite: requests, races of two processes, sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from runyard.errors import ConfigError, ConflictError
from runyard.ports import Query
from runyard.runs.model import Attempt, JobSpec
from runyard.runs.states import State
from runyard.stores.azure.runs import AzureRunStore
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.testing import ManualClock
from tests.contract.samples import START, a_birth, at_once, moved
from tests.standins.azurite import azurite

ATTEMPT = Attempt(run_id="exp_1700000000_one", number=1, compute="c", name="n", slot=0, claimed=START)


@dataclass
class Process:
    """A process of its own on the account, whose requests are counted."""

    connection: str
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = AzureSettings(storage_connection=self.connection)
        self.stores = AzureStores(settings, ManualClock(START), sent=lambda _, method, path: self.sent.append(method))

    @property
    def runs(self) -> AzureRunStore:
        runs = self.stores.runs
        assert isinstance(runs, AzureRunStore)
        return runs

    def count(self) -> int:
        """Requests since the last time."""
        count = len(self.sent)
        self.sent.clear()
        return count


@pytest.fixture
def processes() -> Iterator[tuple[Process, Process]]:
    connection = azurite().account().connection
    one, other = Process(connection), Process(connection)
    one.stores.make()
    one.count()
    yield one, other
    one.stores.close()
    other.stores.close()


def test_a_run_costs_few_requests(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    runs = one.runs
    run, _ = runs.create(a_birth())
    assert one.count() == 4
    run = runs.transition(moved(run, State.QUEUED))
    run = runs.transition(moved(run, State.STARTING, row=ATTEMPT, attempt=1))
    assert one.count() == 2
    read = runs.get(run.id)
    assert read is not None
    assert runs.attempt(read) == ATTEMPT
    assert one.count() == 1
    runs.transition(moved(run, State.FINALIZING, State.COMPLETED))
    assert one.count() == 4  # the run, two rows of the index, and whether there is a subscription
    assert not runs.outbox(before=START + 99, most=9)
    assert runs.forget(START) == 0
    assert one.count() == 2


def test_the_reconciler_reads_no_run_that_has_ended(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    for number in range(12):
        one.runs.transition(moved(one.runs.create(a_birth(f"{number}"))[0], State.FAILED))
    queued, _ = one.runs.create(a_birth("waits"))
    one.runs.transition(moved(queued, State.QUEUED))
    one.count()
    assert [queued.id] == [run.id for run in one.runs.list(Query(statuses=frozenset({"Queued"}))).runs]
    assert one.count() <= 14  # the floor, the months, eight partitions, the one run; a hint that is out of date
    assert one.runs.list(Query(statuses=frozenset({"NotStarted", "CancelRequested"}))).runs == ()
    assert one.count() <= 11


def test_two_processes_make_one_run_of_an_event(processes: tuple[Process, Process]) -> None:
    for event in range(5):
        births = [
            a_birth(f"{event}", id=f"exp_{1_700_000_000 + number}_{event}", created=START + number)
            for number in range(4)
        ]
        answers = at_once(4, lambda number: processes[number % 2].runs.create(births[number]))  # noqa: B023
        assert 1 == sum(created for _, created in answers)
        assert 1 == len({run.id for run, _ in answers})
    assert 5 == len(processes[0].runs.list(Query()).runs)


def test_of_two_processes_one_changes_a_run(processes: tuple[Process, Process]) -> None:
    run, _ = processes[0].runs.create(a_birth())

    def change(number: int) -> bool:
        try:
            processes[number % 2].runs.transition(moved(run, State.QUEUED))
        except ConflictError:
            return False
        return True

    assert 1 == sum(at_once(6, change))
    assert 2 == len(processes[1].runs.history(run.id))


def test_a_transition_of_more_events_than_a_transaction_takes_keeps_them_all(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    run, _ = one.runs.create(a_birth())
    change = moved(run, State.QUEUED, *([State.STARTING, State.QUEUED] * 120))
    after = one.runs.transition(change)
    assert change.events == tuple(other.runs.history(run.id)[1:])
    assert after == one.runs.transition(change) == other.runs.get(run.id)
    with pytest.raises(ConflictError):
        other.runs.transition(moved(run, State.QUEUED))
    other.runs.delete(other.runs.transition(moved(after, State.FAILED)).id, at=START)
    assert [] == list(one.runs.history(run.id))


def test_a_run_of_several_pieces_comes_back_and_may_become_shorter(processes: tuple[Process, Process]) -> None:
    one, other = processes
    long = JobSpec(script="train.py", arguments=tuple("x" * 1000 for _ in range(300)))
    run, _ = one.runs.create(a_birth(spec=long))
    assert other.runs.get(run.id) == run
    short = one.runs.transition(moved(run, State.QUEUED, spec=None))
    assert other.runs.get(run.id) == short


def test_a_run_that_is_too_large_is_refused_before_anything_is_written(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    huge = JobSpec(script="train.py", arguments=("x" * 800_000,))
    birth = a_birth(spec=huge)
    with pytest.raises(ConfigError, match="a table row holds"):
        one.runs.create(birth)
    run, _ = one.runs.create(a_birth("other"))
    one.count()
    with pytest.raises(ConfigError, match="a table row holds"):
        one.runs.transition(moved(run, State.QUEUED, spec=huge))
    assert one.count() == 0
    assert one.runs.find(birth.after.identity) is None


def test_runs_of_many_months_are_listed_in_order_and_old_ones_on_their_way_are_found(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    month = 31 * 86_400.0
    for number in range(6):
        run, _ = one.runs.create(a_birth(f"{number}", created=START - number * month))
        if number != 3:
            one.runs.transition(moved(run, State.FAILED))
    assert list("012345") == [run.id[-1] for run in one.runs.list(Query()).runs]
    failed = Query(statuses=frozenset({"Failed"}), created_before=START - month, limit=2)
    assert list("24") == [run.id[-1] for run in other.runs.list(failed).runs]
    on_their_way = Query(statuses=frozenset({"NotStarted"}))
    for _ in range(3):  # each may move the floor
        other.stores.clock.advance(601)  # type: ignore[attr-defined]
        assert ["3"] == [run.id[-1] for run in other.runs.list(on_their_way).runs]
    one.runs.create(a_birth("late", created=START - 5 * month))
    assert ["3", "e"] == [run.id[-1] for run in other.runs.list(on_their_way).runs]
