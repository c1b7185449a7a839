"""Cancel, in every state and by force."""

from __future__ import annotations

import pytest

from runyard.accept import submit
from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.events.submission import Submission
from runyard.reconcile import reconcile
from runyard.runs.model import Origin
from runyard.runs.moves import Move, transition
from runyard.runs.states import State
from runyard.testing import Behaviour, Cancelling, Polling, Submitting
from tests.fakes import snapshot
from tests.unit.scripted_house import ScriptedHouse

LONG = 100_000.0


@pytest.mark.parametrize(
    ("wanted", "behaviour", "after"),
    [
        (State.STARTING, Behaviour(starting=LONG), 0.0),
        (State.STARTING, Behaviour(submitting=Submitting(vanishes=99)), 10.0),
        (State.PROVISIONING, Behaviour(provisioning=LONG), 10.0),
        (State.PREPARING, Behaviour(preparing=LONG), 10.0),
        (State.RUNNING, Behaviour(duration=LONG), 10.0),
        (State.RUNNING, Behaviour(duration=LONG, cancelling=Cancelling(raises=2, lost=2, ignored_for=60)), 10.0),
        (State.NOT_RESPONDING, Behaviour(duration=LONG, polling=Polling(unreachable=((20, 600),))), 400.0),
    ],
)
def test_a_run_in_any_state_on_a_compute_is_canceled_when_nothing_of_it_runs(
    wanted: State, behaviour: Behaviour, after: float
) -> None:
    house = ScriptedHouse(limit=1)
    run_id = house.start(behaviour)
    if after:
        house.pass_time(after, step=5)
    assert wanted is house.run(run_id).state
    request_cancel(house.ports, run_id, who="test")
    house.pass_time(900, step=10)
    assert State.CANCELED is house.run(run_id).state
    assert [] == house.gates()
    assert [] == house.script.running("local")


def test_a_run_that_is_not_accepted_yet_is_canceled_at_once_and_never_accepted() -> None:
    house = ScriptedHouse()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    run, _ = submit(house.ports, asked, origin=Origin(source="api", name="me"), key="k")
    assert State.CANCELED is request_cancel(house.ports, run.id, who="test").state
    house.settle()
    assert (State.CANCELED, []) == (house.run(run.id).state, house.gates())
    assert [] == house.script.calls


def test_a_run_that_backs_off_is_canceled_at_once() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(submitting=Submitting(lost_replies=1), provisioning=LONG))
    assert State.QUEUED is house.run(run_id).state
    assert State.CANCELED is request_cancel(house.ports, run_id, who="test").state
    house.pass_time(600)
    assert ([], []) == (house.script.executions, house.gates())


def test_a_run_that_is_finalizing_ends_as_its_script_did() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=5, finalizing=100))
    house.pass_time(30, step=5)
    assert State.FINALIZING is house.run(run_id).state
    request_cancel(house.ports, run_id, who="test")
    house.pass_time(200)
    assert State.COMPLETED is house.run(run_id).state


def test_a_canceled_run_gets_no_further_attempt() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=20, exit_code=1), runyard={"retries": 5})
    house.pass_time(10, step=5)
    request_cancel(house.ports, run_id, who="test")
    house.pass_time(100)
    assert (State.CANCELED, 1) == (house.run(run_id).state, house.run(run_id).attempt)


def test_by_force_a_run_that_is_not_heard_of_ends_now_and_says_that_it_may_go_on() -> None:
    house = ScriptedHouse(limit=1)
    run_id = house.start(Behaviour(duration=LONG, polling=Polling(unreachable=((20, LONG),))))
    waiting = house.start(Behaviour(duration=5), name="exp/b.zip")
    house.pass_time(300)
    run = request_cancel(house.ports, run_id, who="alice", force=True)
    assert State.CANCELED is run.state
    assert "may still be running on local as fake://local/" in run.reason
    assert "alice" in run.reason
    house.pass_time(60)
    assert State.COMPLETED is house.run(waiting).state
    assert State.CANCELED is house.run(run_id).state
    assert "abandoned" == house.ports.runs.attempts(run_id)[0].outcome


def test_by_force_a_run_that_can_be_kept_from_starting_is_simply_canceled() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(submitting=Submitting(vanishes=99)))
    run = request_cancel(house.ports, run_id, who="alice", force=True)
    assert State.CANCELED is run.state
    assert "may still" not in run.reason


def test_by_force_a_run_that_has_ended_stays_as_it_is() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=1))
    house.pass_time(30)
    before = house.run(run_id)
    assert before == request_cancel(house.ports, run_id, who="alice", force=True)


def test_a_cancel_that_died_between_flag_and_ending_is_carried_out_by_the_reconciler() -> None:
    house = ScriptedHouse(limit=1)
    house.start(Behaviour(duration=LONG))
    run_id = house.start(name="exp/b.zip")
    flag = Move(state=None, reason="cancel requested", at=house.clock.now())
    house.ports.runs.transition(transition(house.run(run_id), [flag], who="test", cancel_requested=True))
    reconcile(house.ports)
    assert State.CANCELED is house.run(run_id).state
    assert [("local", 1, 0)] == house.gates()


def test_a_cancel_while_the_submission_waits_in_its_queue_ends_the_run_once() -> None:
    house = ScriptedHouse()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    run, _ = submit(house.ports, asked, origin=Origin(source="api", name="me"), key="k")
    (message,) = house.ports.queue.peek(SUBMISSIONS)
    house.ports.queue.send(SUBMISSIONS, message.body, delay=50)
    request_cancel(house.ports, run.id, who="test")
    house.pass_time(100)
    assert 1 == [event.state for event in house.ports.runs.history(run.id)].count(State.CANCELED)
