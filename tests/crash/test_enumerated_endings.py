"""Every point at which a program can be killed while a run's ending goes out: announced whatever happens, told at least once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runyard.dispatch.wakes import SUBMISSIONS
from runyard.events.endings import HOPS
from runyard.events.signatures import STANDARD, Signing, header_of, new_secret, verify
from runyard.notify import Definition, define
from runyard.ports import Ports, Query, Receipt
from runyard.ports.deliveries import DELIVERED
from runyard.testing import ManualClock, MemoryCourier, Moment, ScriptedTarget
from tests.crash.conftest import Count
from tests.crash.life import Life, check, live
from tests.crash.plots import PLOTS, Plot, dropped, posted
from tests.crash.test_enumerated_faults import enumerate_faults
from tests.crash.worlds import EmbeddedWorld, MakeWorld, MemoryWorld, World

SECRET = new_secret(STANDARD)


@dataclass(frozen=True)
class ToldPlot(Plot):
    """A life that somebody listens to. His receiver fails once, so that the retry is in it."""

    def prepare(self, ports: Ports) -> None:
        super().prepare(ports)
        define(ports, Definition(name="ear", url="https://ear.example/in", secret=SECRET))
        courier = ports.courier
        assert isinstance(courier, MemoryCourier)
        courier.answers = [Receipt(status=503)]


@dataclass(frozen=True)
class ChainPlot(Plot):
    """A run whose ending starts another one, which ends it."""

    def prepare(self, ports: Ports) -> None:
        super().prepare(ports)
        template = {
            "experiment": "second",
            "snapshot": "uploads/a.zip",
            "target": "other",
            "arguments": ["--from={/data/runId}"],
        }
        define(ports, Definition(name="chain", queue=SUBMISSIONS, experiment="exp", template=template))


def unreadable(ports: Ports) -> None:
    """Somebody sends what is no submission, under an id of its own."""
    ports.queue.send(SUBMISSIONS, b"not a submission", message_id="m-1", durable=True)


ENDINGS = (
    "a posted run completes",
    "a failing script fails",
    "a run that asked for a retry gets it",
    "a running run is canceled",
    "a cancel meets the submission",
    "a run is canceled by force",
    "a compute without room passes its run on",
)
TOLD = (
    *(ToldPlot(**vars(plot)) for plot in PLOTS if plot.name in ENDINGS),
    ToldPlot("a message is rejected", {0: unreadable}, "Failed", 0, exit_code=None),
    ToldPlot("a run that cannot run fails", {0: posted}, "Failed", 0, config={"target": "nowhere"}, exit_code=None),
    ToldPlot(
        "a snapshot that cannot run fails", {0: dropped}, "Failed", 0, config={"target": "nowhere"}, exit_code=None
    ),
)


def check_told(life: Life) -> None:
    """As without a listener; and he was told of this ending, under one id, signed, and with the same words each time."""
    check(life)
    ports = life.steps.inner
    (run,) = ports.runs.list(Query()).runs
    (delivery,) = ports.deliveries.list()
    assert (DELIVERED, run.id) == (delivery.state, delivery.run_id)
    courier = ports.courier
    assert isinstance(courier, MemoryCourier)
    assert len(courier.parcels) >= 2, "the first one is answered with 503"
    assert {delivery.body} == {parcel.body for parcel in courier.parcels}
    now = ports.clock.now()
    proofs = [
        verify(Signing(scheme=STANDARD, tolerance=86_400), [SECRET], header_of(each.headers), each.body, now=now)
        for each in courier.parcels
    ]
    assert {delivery.id} == {proof.ident for proof in proofs}
    event = json.loads(delivery.body)
    assert f"io.runyard.run.{str(run.state).lower()}" == event["type"]
    assert (run.id, str(run.state)) == (event["subject"], event["data"]["status"])


def check_chain(life: Life) -> None:
    """Two runs, each once, the second with what the first one's ending says."""
    ports = life.steps.inner
    second, first = ports.runs.list(Query()).runs
    assert [("exp", "Completed"), ("second", "Completed")] == [(r.experiment, r.status) for r in (first, second)]
    assert second.spec is not None
    assert (f"--from={first.id}",) == second.spec.arguments
    assert "1" == second.tags[HOPS]
    assert 2 == len(life.target.executions)
    assert 1 == len(ports.deliveries.list())


def enumerate_kills(plot: Plot, make: MakeWorld, verdict: Callable[[Life], object]) -> int:
    """As for the lives that nobody listens to."""
    whole = live(plot, make, None, known_beforehand=True, verdict=verdict)
    assert 0 == whole.kills
    assert "courier.deliver" in whole.steps.seen or "deliveries.add" in whole.steps.seen
    kills = 0
    for number in range(1, whole.steps.count + 1):
        for moment in Moment:
            kills += live(plot, make, (number, moment), known_beforehand=True, verdict=verdict).kills
    assert 2 * whole.steps.count == kills
    return kills


def on_roots(folder: Path) -> Callable[[ManualClock, ScriptedTarget], World]:
    roots = iter(range(1_000_000))
    return lambda clock, target: EmbeddedWorld(clock, target, folder / str(next(roots)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", TOLD, ids=[plot.name for plot in TOLD])
def test_killed_at_any_write_the_ending_is_told_under_one_id(plot: Plot, count: Count) -> None:
    count("memory, endings told", enumerate_kills(plot, MemoryWorld, check_told))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", [TOLD[0], TOLD[4], TOLD[-1]], ids=lambda plot: plot.name)
def test_killed_at_any_write_the_ending_is_told_from_a_root(plot: Plot, tmp_path: Path, count: Count) -> None:
    count("embedded, endings told", enumerate_kills(plot, on_roots(tmp_path), check_told))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", [TOLD[0], TOLD[4], TOLD[-1]], ids=lambda plot: plot.name)
def test_any_write_fails_once_and_the_ending_is_told_all_the_same(plot: Plot, count: Count) -> None:
    count("memory, endings told, faults", enumerate_faults(plot, MemoryWorld, known=True, verdict=check_told))


CHAIN = ChainPlot("one run's end starts another", {0: posted}, "Completed", 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_write_the_next_run_of_a_chain_runs_once(tmp_path: Path, count: Count) -> None:
    jobs = replace(CHAIN, jobs=CHAIN.jobs * 2)
    count("memory, endings told", enumerate_kills(jobs, MemoryWorld, check_chain))
    count("embedded, endings told", enumerate_kills(jobs, on_roots(tmp_path), check_chain))


def test_the_ending_is_written_before_it_is_announced_and_the_slot_is_freed_last() -> None:
    life = live(TOLD[0], MemoryWorld, None, known_beforehand=True, verdict=check_told)
    seen = life.steps.seen
    cleaned = seen.index("target.cleanup")
    assert ["target.cleanup", "queue.wake", "gates.release"] == seen[cleaned : cleaned + 3]
    assert seen.index("gates.release") < seen.index("deliveries.add") < seen.index("runs.announced")
