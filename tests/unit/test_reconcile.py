"""What moves on when a wake, a process or an event was lost; retention; the catalog of computes."""

from __future__ import annotations

import pytest

from runyard.accept import drop, submit
from runyard.computes import alias, overview, put, remove, resolve
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import (
    ConfigError,
    NotFoundError,
    UnsupportedError,
)
from runyard.events.submission import Submission
from runyard.ports import Absent
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import is_known, prune, reconcile, recover, redrive, sweep
from runyard.runs.model import Origin
from runyard.runs.states import State
from tests.fakes import snapshot
from tests.unit.house import House, started, state

FAKE = dispatch_queue("fake")


def test_a_lost_watch_message_is_armed_again_by_the_reconciler() -> None:
    house = House()
    (run_id,) = started(house)
    for message in house.ports.queue.receive(WATCH, most=10, lock=1) or []:
        house.ports.queue.complete(message)
    house.clock.advance(1)
    for message in house.ports.queue.receive(WATCH, most=10, lock=1):
        house.ports.queue.complete(message)
    house.target.end(f"{run_id}/1")
    house.clock.advance(120)
    house.settle()
    assert State.COMPLETED is not state(house, run_id)
    reconcile(house.ports)
    house.clock.advance(2)
    house.settle()
    assert State.COMPLETED is state(house, run_id)


def test_a_lost_dispatch_wake_is_sent_again_by_the_reconciler() -> None:
    house = House()
    house.drop()
    house.deliver(SUBMISSIONS)
    for message in house.ports.queue.receive(FAKE, most=10, lock=60):
        house.ports.queue.complete(message)
    house.settle()
    assert [] == house.target.submitted
    reconcile(house.ports)
    house.settle()
    assert 1 == len(house.target.submitted)


def test_a_paused_compute_starts_nothing_until_it_is_resumed() -> None:
    house = House()
    put(house.ports, "local", paused=True)
    (run_id,) = started(house)
    assert State.QUEUED is state(house, run_id)
    put(house.ports, "local", paused=False)
    house.settle()
    assert State.STARTING is state(house, run_id)


def test_a_dead_submission_leaves_a_failed_run_and_the_message_for_redrive() -> None:
    house = House()
    house.send(b'{"experiment": "exp"}', message_id="m")
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    house.ports.queue.dead_letter(message, reason="MaxDeliveryCountExceeded", description="the handler raised")
    house.settle()
    reason = "could not be accepted: the handler raised; once that is mended, `runyard queue redrive` sends it again"
    assert reason == house.only().reason
    assert 1 == house.ports.queue.counts()["buried"]
    assert 0 == redrive(house.ports, source="watch")
    assert 1 == redrive(house.ports, source=SUBMISSIONS)
    assert 1 == house.ports.queue.counts()[SUBMISSIONS]


def test_a_letter_that_came_from_nowhere_is_sent_again_to_accept_which_tells_what_is_wrong() -> None:
    house = House()
    house.ports.queue.send(DEAD_LETTERS, b"rubbish")
    house.settle()
    assert [] == house.runs()
    assert 1 == redrive(house.ports)
    house.settle()
    assert ("_rejected", State.FAILED) == (house.only().experiment, house.only().state)
    assert 0 == sum(house.ports.queue.counts().values())


def test_the_sweep_finds_snapshots_that_raised_no_event() -> None:
    house = House()
    info = house.ports.blobs.put("snapshots", "exp/missed.zip", snapshot())
    house.ports.blobs.put("snapshots", "exp/notes.txt", b"")
    assert 0 == sweep(house.ports)
    house.clock.advance(60)
    assert 1 == sweep(house.ports)
    house.settle()
    assert "sweep" == house.only().origin.event_id
    assert 0 == sweep(house.ports)
    assert is_known(house.ports, "snapshots", info.name, info.etag, info.modified)


def test_prune_removes_ended_runs_and_their_event_never_runs_again() -> None:
    house = House()
    event = house.drop()
    house.settle()
    run_id = house.only().id
    house.ports.blobs.put("runs", f"{run_id}/1/outputs/m.pkl", b"12345")
    assert 0 == prune(house.ports, runs_older_than=0).runs
    house.target.end(f"{run_id}/1")
    house.clock.advance(5)
    house.settle()
    house.clock.advance(100)
    would = prune(house.ports, runs_older_than=10, dry_run=True)
    assert (1, 5) == (would.runs, would.bytes)
    assert 1 == len(house.runs())
    report = prune(house.ports, runs_older_than=10, snapshots_older_than=10)
    assert (1, 1) == (report.runs, report.snapshots)
    assert [] == house.runs()
    drop(house.ports, event)
    house.settle()
    assert [] == [run for run in house.runs() if run.state is not State.FAILED]


def test_prune_keeps_the_snapshots_of_runs_that_have_not_ended() -> None:
    house = House(limit=1)
    first, second = started(house, 2)
    house.target.end(f"{first}/1")
    house.clock.advance(5)
    house.settle()
    house.clock.advance(100)
    assert 1 == prune(house.ports, snapshots_older_than=10).snapshots
    waiting = house.ports.runs.get(second)
    assert waiting is not None
    assert waiting.snapshot is not None
    assert [waiting.snapshot.name] == [info.name for info in house.ports.blobs.list("snapshots")]


def test_compute_names_kinds_and_limits_are_checked() -> None:
    house = House()
    with pytest.raises(ConfigError, match="not a compute name"):
        put(house.ports, "a b", kind="fake")
    with pytest.raises(ConfigError, match="say its kind"):
        put(house.ports, "new")
    with pytest.raises(ConfigError, match="kind never changes"):
        put(house.ports, "local", kind="other")
    with pytest.raises(ConfigError, match="1 to"):
        put(house.ports, "local", limit=0)
    alias(house.ports, "cpu-cluster", "local")
    assert "local" == resolve(house.ports, "CPU-Cluster").name
    (view,) = overview(house.ports)
    assert ("cpu-cluster",) == view.aliases
    with pytest.raises(NotFoundError):
        alias(house.ports, "x", "nobody")
    with pytest.raises(NotFoundError):
        remove(house.ports, "nobody")


def test_a_slot_whose_dispatcher_died_before_the_claim_is_given_back() -> None:
    house = House(limit=1)
    house.drop()
    house.deliver(SUBMISSIONS)
    for message in house.ports.queue.receive(FAKE, most=10, lock=60):
        house.ports.queue.complete(message)
    house.ports.gates.take("local", at=house.clock.now())  # and here it died
    house.settle()
    assert [] == house.target.submitted
    for _ in range(10):
        house.clock.advance(30)
        reconcile(house.ports)
        house.settle()
    assert 1 == len(house.target.submitted)


def test_a_host_that_takes_a_root_over_goes_on_at_once() -> None:
    house = House(limit=2)
    house.drop("exp/slot.zip")
    house.drop("exp/claim.zip")
    house.deliver(SUBMISSIONS)
    house.deliver(FAKE, most=1)
    ids = [job.split("/")[0] for job in house.target.submitted]
    for run_id in ids:  # claimed, never handed over
        house.target.seen[f"{run_id}/1"] = lambda h: Absent(handle=h)
    house.target.submitted.clear()
    house.ports.gates.take("local", at=house.clock.now())
    recover(house.ports)
    house.clock.advance(1)
    house.settle()
    assert sorted(run.id for run in house.runs()) == sorted(job.split("/")[0] for job in house.target.submitted)
    assert {1} == {run.attempt for run in house.runs()}


def test_a_take_over_that_is_refused_fails_the_run() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.seen[f"{run_id}/1"] = lambda h: Absent(handle=h)
    house.target.started.clear()
    house.target.plan_error = UnsupportedError("the compute was changed meanwhile")
    house.clock.advance(400)
    house.settle()
    assert State.FAILED is state(house, run_id)


def test_a_run_that_was_never_accepted_is_given_up_after_15_minutes_but_not_while_submissions_wait() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    run, _ = submit(house.ports, asked, origin=Origin(source="api", name="me"), key="k")
    house.clock.advance(12 * 3600)  # a night without a host
    reconcile(house.ports)
    assert State.NOT_STARTED is state(house, run.id)
    for message in house.ports.queue.receive(SUBMISSIONS, most=10, lock=60):
        house.ports.queue.complete(message)  # lost
    reconcile(house.ports)
    assert State.FAILED is state(house, run.id)
    assert "was not accepted within 15 minutes" in house.only().reason


def test_a_run_whose_submission_was_lost_is_sent_to_accept_again_after_a_minute() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    run, _ = submit(house.ports, asked, origin=Origin(source="api", name="me"), key="k")
    for message in house.ports.queue.receive(SUBMISSIONS, most=10, lock=60):
        house.ports.queue.complete(message)  # lost
    house.clock.advance(90)
    reconcile(house.ports)
    house.settle()
    assert [f"{run.id}/1"] == house.target.submitted


def test_a_watch_that_is_late_and_not_lost_is_not_overtaken_by_the_reconciler() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.end(f"{run_id}/1")
    for _ in range(5):
        house.clock.advance(120)  # each time later than the reconciler has patience
        reconcile(house.ports)
    house.settle()
    assert State.COMPLETED is state(house, run_id)
