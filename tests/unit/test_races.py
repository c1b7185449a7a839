"""The named races of DESIGN §3: each as it would happen, told by its name."""

from __future__ import annotations

import pytest

from runyard.accept import accept, drop, submit
from runyard.accept.acceptor import blob_identity
from runyard.dispatch import dispatch, request_cancel
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import ConflictError
from runyard.events.blob import BlobDrop
from runyard.events.submission import Submission
from runyard.ports import Absent, Compute, Ended, Observation, Plan, Waiting
from runyard.reconcile import reconcile, sweep
from runyard.runs.identity import run_id as make_run_id
from runyard.runs.model import Handle, Origin
from runyard.runs.moves import Move, Transition, transition
from runyard.runs.states import State
from tests.fakes import FakeTarget, runconfig, snapshot
from tests.unit.house import House, started, state

FAKE = dispatch_queue("fake")
WAKE = b'{"compute": "local"}'


def gate_of(house: House) -> tuple[int, int]:
    gate = house.ports.gates.get("local")
    assert gate is not None
    return gate.taken, gate.waiting


def test_an_event_that_comes_after_the_sweep_with_a_later_time_finds_the_run_of_the_sweep() -> None:
    house = House(limit=1)
    info = house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
    house.clock.advance(60)
    assert 1 == sweep(house.ports)
    house.settle()
    late = BlobDrop(
        container="snapshots",
        name=info.name,
        etag=info.etag,
        size=info.size,
        modified=info.modified + 45.0,
        event_id="late",
    )
    drop(house.ports, late)
    house.settle()
    run = house.only()
    assert (1, 0) == gate_of(house)
    assert [f"{run.id}/1"] == house.target.submitted


def test_two_deliveries_of_one_event_with_other_times_leave_no_entry_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(limit=1)
    event = house.drop()
    late = BlobDrop(
        container="snapshots",
        name=event.name,
        etag=event.etag,
        size=event.size,
        modified=event.modified + 45.0,
        event_id="late",
    )
    find = house.ports.runs.find
    # Both deliveries look before either has written.
    monkeypatch.setattr(
        house.ports.runs, "find", lambda identity: None if identity == blob_identity(late) else find(identity)
    )
    drop(house.ports, late)
    house.deliver(SUBMISSIONS)
    run = house.only()
    assert [run.id] == [entry.run_id for entry in house.ports.gates.waiting("local")]


def test_a_submission_that_died_between_its_row_and_its_wake_is_dispatched_when_it_is_delivered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    house.drop()

    def died(_name: str, _body: bytes) -> None:
        raise ConnectionError

    with monkeypatch.context() as dying:
        dying.setattr(house.ports.queue, "wake", died)
        (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
        with pytest.raises(ConnectionError):
            accept(house.ports, message.body, message_id=message.id, enqueued=message.enqueued)
    assert State.QUEUED is house.only().state
    house.ports.queue.abandon(message)
    house.settle()
    assert 1 == len(house.target.submitted)


class Hanging(FakeTarget):
    """A target whose first submission does something while it hangs."""

    def __init__(self, meanwhile: object = None, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self.meanwhile: list[object] = [meanwhile] if meanwhile else []

    def submit(self, plan: Plan) -> Handle:
        while self.meanwhile:
            self.meanwhile.pop()()  # type: ignore[operator]
        return super().submit(plan)


@pytest.mark.parametrize("known_beforehand", [True, False])
def test_a_claim_that_expires_while_its_submission_hangs_is_taken_over_and_starts_once(known_beforehand: bool) -> None:
    target = Hanging(known_beforehand=known_beforehand)
    house = House(target=target)

    def take_over() -> None:
        run = house.only()
        target.seen[f"{run.id}/1"] = lambda h: Absent(handle=h)
        house.pass_time(240)
        assert [f"{run.id}/1"] == target.submitted

    target.meanwhile.append(take_over)
    (run_id,) = started(house)
    assert [f"{run_id}/1"] * 2 == target.submitted
    assert (State.STARTING, 1) == (state(house, run_id), house.only().attempt)
    assert "local" == house.only().compute
    assert f"{run_id}/1" == str(house.only().handle).rpartition("local/")[2]
    target.end(f"{run_id}/1")
    house.pass_time(60)
    assert State.COMPLETED is state(house, run_id)
    assert (0, 0) == gate_of(house)


@pytest.mark.parametrize("known_beforehand", [True, False])
def test_a_frozen_dispatcher_that_wakes_when_the_run_has_ended_and_was_cleaned_up_changes_nothing(
    known_beforehand: bool,
) -> None:
    target = Hanging(known_beforehand=known_beforehand)
    house = House(target=target)

    def live_on() -> None:
        run = house.only()
        target.seen[f"{run.id}/1"] = lambda h: Absent(handle=h)
        house.pass_time(240)
        target.end(f"{run.id}/1")
        house.pass_time(60)
        assert State.COMPLETED is house.only().state

    target.meanwhile.append(live_on)
    (run_id,) = started(house)
    before = house.only()
    house.clock.advance(600)
    reconcile(house.ports)
    house.settle()
    assert before == house.only()
    assert State.COMPLETED is state(house, run_id)
    assert {f"{run_id}/1"} == target.started
    assert (0, 0) == gate_of(house)


def test_a_transition_whose_reply_was_lost_is_known_again_by_its_op_id_though_it_meets_a_conflict() -> None:
    house = House()
    (run_id,) = started(house)
    run = house.only()
    change = transition(run, [Move(state=None, reason="tried", at=house.clock.now())], who="test")
    house.ports.runs.transition(change)  # the reply is lost, and the client sends again
    assert run.version + 1 == house.ports.runs.transition(change).version
    other = transition(run, [Move(state=None, reason="other", at=house.clock.now())], who="test")
    with pytest.raises(ConflictError):
        house.ports.runs.transition(other)
    assert 1 == [event.reason for event in house.ports.runs.history(run_id)].count("tried")


def test_a_watch_message_that_is_doubled_makes_one_poll() -> None:
    house = House()
    started(house)
    (tick,) = house.ports.queue.peek(WATCH)
    house.ports.queue.send(WATCH, tick.body, delay=1.0)
    house.clock.advance(2)
    before = house.target.polls
    house.settle()
    assert before + 1 == house.target.polls
    assert 1 == house.ports.queue.counts()[WATCH]


def test_a_watch_message_that_is_lost_is_made_up_for_by_the_reconciler() -> None:
    house = House()
    (run_id,) = started(house)
    house.clock.advance(2)
    for message in house.ports.queue.receive(WATCH, most=10, lock=60):
        house.ports.queue.complete(message)
    house.target.end(f"{run_id}/1")
    house.clock.advance(35)
    reconcile(house.ports)
    house.clock.advance(2)
    house.settle()
    assert State.COMPLETED is state(house, run_id)


def test_a_watch_is_not_disarmed_when_a_slot_is_taken_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(limit=1)
    (first,) = started(house)
    house.target.end(f"{first}/1")
    house.clock.advance(2)
    house.settle()
    disarm = house.ports.gates.disarm

    def late(compute: str, generation: int) -> bool:
        house.drop("exp/next.zip")  # while the watch has seen no slot, and not disarmed yet
        house.deliver(SUBMISSIONS)
        house.deliver(FAKE)
        return disarm(compute, generation)

    monkeypatch.setattr(house.ports.gates, "disarm", late)
    house.clock.advance(2)
    house.deliver(WATCH)
    monkeypatch.undo()
    second = next(run.id for run in house.runs() if run.id != first)
    house.target.end(f"{second}/1")
    house.clock.advance(5)
    house.settle()
    assert State.COMPLETED is state(house, second)


@pytest.mark.parametrize("known_beforehand", [True, False])
def test_a_cancel_between_submission_and_handle_is_honoured(known_beforehand: bool) -> None:
    house = House(target=FakeTarget(known_beforehand=known_beforehand))
    target = house.target
    submit = target.submit

    def then_cancel(plan: Plan) -> Handle:
        handle = submit(plan)
        request_cancel(house.ports, plan.run_id, who="test")
        return handle

    target.submit = then_cancel  # type: ignore[method-assign]
    (run_id,) = started(house)
    assert "CancelRequested" == house.only().status
    assert f"{run_id}/1" in target.canceled
    target.end(f"{run_id}/1", code=None, outcome="canceled", error="canceled")
    house.clock.advance(5)
    house.settle()
    assert State.CANCELED is state(house, run_id)


@pytest.mark.parametrize("known_beforehand", [True, False])
def test_a_cancel_before_the_submission_keeps_the_script_from_starting(known_beforehand: bool) -> None:
    target = Hanging(known_beforehand=known_beforehand)
    house = House(target=target)
    target.meanwhile.append(lambda: request_cancel(house.ports, house.only().id, who="test"))
    (run_id,) = started(house)
    assert State.CANCELED is state(house, run_id)
    assert set() == target.started
    assert {f"{run_id}/1"} == target.voided
    assert [f"{run_id}/1"] == target.cleaned[-1:]
    assert (0, 0) == gate_of(house)


def test_an_ending_of_attempt_1_that_comes_while_attempt_2_is_claimed_is_only_an_event() -> None:
    house = House()
    house.drop(data=snapshot(config=runconfig(runyard={"retries": 1})))
    house.settle()
    run_id = house.only().id
    house.target.end(f"{run_id}/1", code=1)
    house.clock.advance(2)
    house.settle()
    assert 2 == house.only().attempt
    old = Handle(kind="fake", compute="local", id=f"{run_id}/1")

    def stale(handle: Handle) -> Observation:
        del handle
        return Ended(handle=old, exit_code=0, outcome="exited", started=1e9, ended=1e9)

    house.target.seen[f"{run_id}/2"] = stale
    house.clock.advance(5)
    house.settle()
    assert not house.only().has_ended
    assert any("another attempt" in reason for reason in house.reasons(house.only()))
    house.target.end(f"{run_id}/2", code=0)
    house.clock.advance(60)
    house.settle()
    assert (State.COMPLETED, 2) == (house.only().state, house.only().attempt)


def test_a_slot_that_is_freed_with_no_wake_is_given_away_by_the_reconciler(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(limit=1)
    first, second = started(house, 2)
    house.target.end(f"{first}/1")
    with monkeypatch.context() as lossy:
        lossy.setattr(house.ports.queue, "wake", lambda _name, _body: None)
        house.clock.advance(2)
        house.settle()
    assert (State.COMPLETED, State.QUEUED) == (state(house, first), state(house, second))
    reconcile(house.ports)
    house.settle()
    assert [f"{first}/1", f"{second}/1"] == house.target.submitted


def test_a_cancel_meets_the_ending_and_whoever_is_first_counts() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.end(f"{run_id}/1")
    poll = house.target.poll

    def then_cancel(handles: object) -> object:
        seen = poll(handles)  # type: ignore[arg-type]
        request_cancel(house.ports, run_id, who="test")
        return seen

    house.target.poll = then_cancel  # type: ignore[method-assign, assignment]
    house.clock.advance(2)
    house.settle()
    house.target.poll = poll  # type: ignore[method-assign]
    house.clock.advance(5)
    house.settle()
    assert State.COMPLETED is state(house, run_id)
    assert State.COMPLETED is request_cancel(house.ports, run_id, who="test").state


def test_a_cancel_meets_a_take_over_and_the_script_never_starts() -> None:
    target = FakeTarget()
    house = House(target=target)
    (run_id,) = started(house)
    target.started.clear()
    target.seen[f"{run_id}/1"] = lambda h: Absent(handle=h)
    house.clock.advance(200)
    house.ports.queue.receive(WATCH, most=10, lock=1000)  # its watcher hangs
    request_cancel(house.ports, run_id, who="test")
    assert State.CANCELED is state(house, run_id)
    reconcile(house.ports)
    house.settle()
    assert [f"{run_id}/1"] == target.submitted
    assert (0, 0) == gate_of(house)


def test_an_entry_without_a_row_lets_others_pass_and_is_removed_after_ten_minutes() -> None:
    house = House(limit=1)
    house.ports.gates.wait("local", Waiting(run_id="nobody", priority=5, enqueued=house.clock.now()))
    (run_id,) = started(house)
    house.settle()
    assert [f"{run_id}/1"] == house.target.submitted
    for _ in range(25):
        house.clock.advance(30)
        reconcile(house.ports)
        house.settle()
    assert [] == list(house.ports.gates.waiting("local"))


def test_a_waiting_entry_of_a_run_that_went_to_another_compute_takes_no_slot() -> None:
    house = House(limit=1)
    (run_id,) = started(house)
    other = make_run_id("exp", 1.0, "0" * 8)
    house.ports.gates.configure("elsewhere", limit=1)
    house.ports.gates.wait("elsewhere", Waiting(run_id=run_id, priority=0, enqueued=1.0))
    house.ports.computes.put(Compute(name="elsewhere", kind="fake", limit=1))
    dispatch(house.ports, b'{"compute": "elsewhere"}')
    gate = house.ports.gates.get("elsewhere")
    assert gate is not None
    assert (0, 0) == (gate.taken, gate.waiting)
    assert other not in house.target.submitted


def test_two_dispatchers_that_claim_one_run_submit_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(limit=1)
    house.drop()
    house.deliver(SUBMISSIONS)
    write = house.ports.runs.transition

    def after_another(change: Transition, *, durable: bool = False) -> object:
        monkeypatch.undo()
        house.ports.gates.put_back("local", Waiting(run_id=change.before.id, priority=0, enqueued=1.0))
        dispatch(house.ports, WAKE)
        return write(change, durable=durable)

    monkeypatch.setattr(house.ports.runs, "transition", after_another)
    dispatch(house.ports, WAKE)
    house.settle()
    assert [f"{house.only().id}/1"] == house.target.submitted
    assert (1, 0) == gate_of(house)


def test_a_repeated_request_of_the_api_finds_the_run_whose_reply_was_lost() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    first, created = submit(house.ports, asked, origin=Origin(source="api", name="me"), key="k")
    house.settle()
    second, again = submit(house.ports, asked, origin=Origin(source="api", name="me"), key="k")
    house.settle()
    assert (True, False, first.id) == (created, again, second.id)
    assert [f"{first.id}/1"] == house.target.submitted
