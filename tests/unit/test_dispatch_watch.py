"""From the waiting list to an ending: limits, order, cancels, retries, lost wakes."""

from __future__ import annotations

import pytest

from runyard.accept import drop
from runyard.accept.acceptor import blob_identity
from runyard.computes import alias, overview, put, remove, resolve
from runyard.dispatch import dispatch, request_cancel
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue, nudge
from runyard.errors import (
    CapacityError,
    ConfigError,
    EventError,
    NotFoundError,
    ThrottledError,
    TransientError,
    UnsupportedError,
)
from runyard.ports import Absent, Ended, Observation, Running, Waiting
from runyard.reconcile import is_known, prune, reconcile, recover, redrive, sweep
from runyard.runs import identity
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.watch import watch
from tests.fakes import FakeTarget, runconfig, snapshot
from tests.unit.house import House

FAKE = dispatch_queue("fake")


def started(house: House, count: int = 1) -> list[str]:
    for number in range(count):
        house.drop(f"exp/{number}.zip")
        house.clock.advance(1)
    house.settle()
    return [run.id for run in reversed(house.runs())]


def state(house: House, run_id: str) -> State:
    run = house.ports.runs.get(run_id)
    assert run is not None
    return run.state


@pytest.mark.parametrize("known_beforehand", [True, False])
def test_a_run_goes_through_its_states_to_completed(known_beforehand: bool) -> None:
    house = House(target=FakeTarget(known_beforehand=known_beforehand))
    (run_id,) = started(house)
    house.clock.advance(1)
    house.settle()
    assert State.RUNNING is state(house, run_id)
    house.target.end(f"{run_id}/1")
    house.clock.advance(5)
    house.settle()
    run = house.only()
    assert (State.COMPLETED, 0, 1) == (run.state, run.exit_code, run.attempt)
    assert 1_000_000_020.0 == run.ended
    states = [event.state for event in house.ports.runs.history(run_id)]
    assert ["NotStarted", "Queued", "Starting", "Running", "Finalizing", "Completed"] == list(dict.fromkeys(states))
    assert [f"{run_id}/1"] == house.target.cleaned
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert (0, 0) == (gate.taken, gate.waiting)
    (attempt,) = house.ports.runs.attempts(run_id)
    assert ("exited", 0) == (attempt.outcome, attempt.exit_code)


def test_the_limit_holds_and_a_freed_slot_goes_to_the_oldest() -> None:
    house = House(limit=2)
    ids = started(house, 4)
    assert ids[:2] == [job.split("/")[0] for job in house.target.submitted]
    house.target.end(f"{ids[1]}/1")
    house.clock.advance(2)
    house.settle()
    assert ids[:3] == [job.split("/")[0] for job in house.target.submitted]


def test_a_higher_priority_goes_first() -> None:
    house = House(limit=1)
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    for priority in (0, 0, 5):
        house.send(
            {
                "experiment": "exp",
                "snapshot": "uploads/a.zip",
                "priority": priority,
                "id": f"p{priority}-{house.clock.now()}",
            }
        )
        house.clock.advance(1)
    house.deliver(SUBMISSIONS)
    house.settle()
    first = house.ports.runs.get(house.target.submitted[0].split("/")[0])
    assert first is not None
    assert 5 == first.priority


def test_a_failing_script_fails_its_run_with_its_code() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.end(f"{run_id}/1", code=3)
    house.clock.advance(2)
    house.settle()
    run = house.only()
    assert (State.FAILED, 3) == (run.state, run.exit_code)
    assert run.error is not None
    assert ("user", "ScriptFailed") == (run.error.error_class, run.error.code)


def test_a_run_that_asked_for_retries_gets_new_attempts_and_no_more() -> None:
    house = House()
    house.drop(data=snapshot(config=runconfig(runyard={"retries": 1})))
    house.settle()
    run_id = house.only().id
    house.target.end(f"{run_id}/1", code=1)
    house.clock.advance(2)
    house.settle()
    assert [f"{run_id}/1", f"{run_id}/2"] == house.target.submitted
    house.target.end(f"{run_id}/2", code=1)
    house.clock.advance(2)
    house.settle()
    assert (State.FAILED, 2) == (house.only().state, house.only().attempt)
    assert 2 == len(house.ports.runs.attempts(run_id))


def test_a_compute_that_refuses_as_written_fails_the_run_and_frees_the_slot() -> None:
    house = House(limit=1)
    house.target.plan_error = UnsupportedError("this kind has no GPUs")
    ids = started(house, 2)
    assert [State.FAILED, State.FAILED] == [state(house, i) for i in ids]
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert 0 == gate.taken


@pytest.mark.parametrize(
    ("error", "delay"),
    [(TransientError("reset"), 2.0), (ThrottledError("slow down", 7.0), 7.0), (CapacityError("no room"), 60.0)],
)
def test_a_passing_refusal_is_tried_again_after_its_delay_with_the_same_attempt(
    error: TransientError, delay: float
) -> None:
    house = House()
    house.target.refusals = [error]
    (run_id,) = started(house)
    assert State.QUEUED is state(house, run_id)
    assert f"{error.message}; tried again in" in house.only().reason
    house.clock.advance(delay - 1.5)
    house.settle()
    assert [] == house.target.submitted
    house.clock.advance(1.5)
    house.settle()
    assert [f"{run_id}/1"] == house.target.submitted


def test_a_compute_that_keeps_refusing_fails_the_run_after_ten_tries() -> None:
    house = House()
    house.target.refusals = [TransientError("reset") for _ in range(11)]
    (run_id,) = started(house)
    for _ in range(20):
        house.clock.advance(300)
        house.settle()
    assert State.FAILED is state(house, run_id)
    assert [] == house.target.submitted


def test_a_waiting_run_is_canceled_at_once() -> None:
    house = House(limit=1)
    ids = started(house, 2)
    run = request_cancel(house.ports, ids[1], who="test")
    assert State.CANCELED is run.state
    assert house.ports.gates.position("local", ids[1]) is None
    assert State.CANCELED is request_cancel(house.ports, ids[1], who="test").state
    with pytest.raises(NotFoundError):
        request_cancel(house.ports, "nobody", who="test")


def test_a_running_run_is_canceled_when_nothing_of_it_runs_any_more() -> None:
    house = House()
    (run_id,) = started(house)
    run = request_cancel(house.ports, run_id, who="test")
    assert "CancelRequested" == run.status
    house.settle()
    assert "CancelRequested" == house.only().status
    assert f"{run_id}/1" in house.target.canceled
    house.target.end(f"{run_id}/1", code=None, outcome="canceled", error="canceled")
    house.clock.advance(5)
    house.settle()
    assert "Canceled" == house.only().status


def test_a_script_that_completes_before_the_cancel_reaches_it_has_completed() -> None:
    house = House()
    (run_id,) = started(house)
    request_cancel(house.ports, run_id, who="test")
    house.target.end(f"{run_id}/1")
    house.clock.advance(5)
    house.settle()
    assert "Completed" == house.only().status


def test_a_cancel_between_slot_and_claim_wins() -> None:
    house = House()
    house.drop()
    house.deliver(SUBMISSIONS)
    run_id = house.only().id
    house.ports.gates.take("local", at=house.clock.now())
    request_cancel(house.ports, run_id, who="test")
    house.ports.gates.put_back("local", Waiting(run_id=run_id, priority=0, enqueued=0.0))
    house.settle()
    assert State.CANCELED is state(house, run_id)
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert (0, 0) == (gate.taken, gate.waiting)


def test_an_unreachable_compute_is_never_a_failure() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.fall_silent(f"{run_id}/1")
    for _ in range(60):
        house.clock.advance(30)
        house.settle()
    assert State.NOT_RESPONDING is state(house, run_id)
    house.target.seen[f"{run_id}/1"] = lambda h: Running(handle=h, phase=State.RUNNING, started=1e9)
    house.clock.advance(30)
    house.settle()
    assert State.RUNNING is state(house, run_id)


def test_an_expired_claim_is_taken_over_with_the_same_attempt_number() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.seen[f"{run_id}/1"] = lambda h: Absent(handle=h)
    run = house.only()
    if run.state is not State.STARTING:
        pytest.fail(f"expected Starting, not {run.state}")
    house.clock.advance(100)
    house.settle()
    assert 1 == len(house.target.submitted)
    house.clock.advance(100)
    house.settle()
    assert [f"{run_id}/1"] * 2 == house.target.submitted
    assert 1 == house.only().attempt


def test_polls_are_rarer_while_nothing_changes_and_end_with_the_last_run() -> None:
    house = House()
    (run_id,) = started(house)
    polls = []
    for _ in range(200):
        house.clock.advance(1)
        house.settle()
        polls.append(house.target.polls)
    assert polls[-1] < 20
    house.target.end(f"{run_id}/1")
    for _ in range(70):
        house.clock.advance(1)
        house.settle()
    assert State.COMPLETED is state(house, run_id)
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert gate.next_at is None
    assert {} == {name: count for name, count in house.ports.queue.counts().items() if count}


def test_a_doubled_watch_message_polls_once() -> None:
    house = House()
    started(house)
    (tick,) = house.ports.queue.peek(WATCH)
    house.clock.advance(2)
    before = house.target.polls
    watch(house.ports, tick.body)
    watch(house.ports, tick.body)
    assert before + 1 == house.target.polls


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


def test_messages_of_another_form_or_a_newer_schema_are_refused_with_a_sentence() -> None:
    house = House()
    for body in (b"", b"[]", b'{"schema": 1}', b'{"compute": "local", "schema": 99}'):
        with pytest.raises(EventError):
            dispatch(house.ports, body)
        with pytest.raises(EventError):
            watch(house.ports, body)
    watch(house.ports, nudge("nobody"))


def test_a_dead_submission_leaves_a_failed_run_and_the_message_for_redrive() -> None:
    house = House()
    house.send(b'{"experiment": "exp"}', message_id="m")
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    house.ports.queue.dead_letter(message, reason="MaxDeliveryCountExceeded", description="the handler raised")
    house.settle()
    assert "could not be accepted: the handler raised" == house.only().reason
    assert 1 == house.ports.queue.counts()["buried"]
    assert 0 == redrive(house.ports, source="watch")
    assert 1 == redrive(house.ports, source=SUBMISSIONS)
    assert 1 == house.ports.queue.counts()[SUBMISSIONS]


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
    assert is_known(house.ports, "snapshots", info.name, info.etag)


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
    house.target.plan_error = UnsupportedError("the compute was changed meanwhile")
    house.clock.advance(400)
    house.settle()
    assert State.FAILED is state(house, run_id)


def test_a_full_compute_is_not_woken_by_those_who_come_to_wait() -> None:
    house = House(limit=1)
    started(house)
    house.drop("exp/next.zip")
    house.deliver(SUBMISSIONS)
    assert FAKE not in house.ports.queue.counts()


def test_a_freed_slot_wakes_the_dispatcher_only_if_somebody_waits() -> None:
    house = House(limit=1)
    first, second = started(house, 2)
    house.target.end(f"{first}/1")
    house.clock.advance(2)
    house.deliver(WATCH)
    assert house.ports.queue.counts()[FAKE] == 1
    house.settle()
    house.target.end(f"{second}/1")
    house.clock.advance(30)
    house.deliver(WATCH)
    assert state(house, second) is State.COMPLETED
    assert FAKE not in house.ports.queue.counts()


def test_a_run_whose_row_comes_while_its_slot_is_given_back_is_dispatched(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(limit=1)
    event = house.drop()
    ident = identity.run_id("exp", event.modified, blob_identity(event))
    house.ports.gates.wait("local", Waiting(run_id=ident, priority=0, enqueued=1.0))
    give_back = house.ports.gates.put_back

    def late(compute: str, entry: Waiting) -> bool:
        house.deliver(SUBMISSIONS)  # sees the slot held, and wakes nobody
        assert FAKE not in house.ports.queue.counts()
        return give_back(compute, entry)

    monkeypatch.setattr(house.ports.gates, "put_back", late)
    dispatch(house.ports, b'{"compute": "local"}')
    house.settle()
    assert [f"{ident}/1"] == house.target.submitted


def test_metrics_that_cannot_be_read_do_not_keep_a_run_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    ids = started(house, 2)

    def refuse(*_args: object, **_more: object) -> None:
        raise ConfigError("metrics.jsonl is a link out of its container")

    monkeypatch.setattr(house.ports.blobs, "open", refuse)
    for run_id in ids:
        house.target.end(f"{run_id}/1")
    house.clock.advance(2)
    house.settle()
    assert [State.COMPLETED, State.COMPLETED] == [state(house, run_id) for run_id in ids]
    assert any("its metrics could not be read" in reason for reason in house.reasons(house.runs()[0]))


def test_what_goes_wrong_with_one_run_is_told_on_it_once_and_harms_no_other() -> None:
    house = House()
    first, second = started(house, 2)

    def broken(handle: Handle) -> Observation:
        raise_for = Ended(handle=handle, exit_code=0, outcome="exited", started=1e9, ended=1e9)
        house.target.cleanup = refuse  # type: ignore[method-assign]
        return raise_for

    def refuse(handle: Handle) -> None:
        if handle.id.startswith(first):
            raise OSError(5, "Input/output error")

    house.target.seen[f"{first}/1"] = broken
    house.target.end(f"{second}/1")
    for _ in range(3):
        house.clock.advance(40)
        house.settle()
    assert State.COMPLETED is state(house, second)
    assert 1 >= sum("could not be carried out" in reason for reason in house.reasons(house.ports.runs.get(first)))  # type: ignore[arg-type]
