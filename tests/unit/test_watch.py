"""From a compute to an ending: what is observed, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runyard.dispatch import dispatch, request_cancel
from runyard.dispatch.wakes import WATCH, dispatch_queue, nudge
from runyard.errors import (
    ConfigError,
    EventError,
)
from runyard.ports import Absent, Ended, Observation, Running
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.watch import watch
from tests.fakes import FakeTarget, runconfig, snapshot
from tests.unit.house import House, started, state

FAKE = dispatch_queue("fake")


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


def test_messages_of_another_form_or_a_newer_schema_are_refused_with_a_sentence() -> None:
    house = House()
    for body in (b"", b"[]", b'{"schema": 1}', b'{"compute": "local", "schema": 99}'):
        with pytest.raises(EventError):
            dispatch(house.ports, body)
        with pytest.raises(EventError):
            watch(house.ports, body)
    watch(house.ports, nudge("nobody"))


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


@pytest.mark.parametrize(
    "odd", [lambda handle: Running(handle=handle, phase=State.NOT_RESPONDING), lambda handle: None]
)
def test_an_observation_that_no_kind_may_make_harms_no_other_run(odd: Callable[[Handle], object]) -> None:
    house = House()
    first, second = started(house, 2)
    house.target.seen[f"{first}/1"] = odd  # type: ignore[assignment]
    house.target.end(f"{second}/1")
    house.clock.advance(40)
    house.settle()
    assert State.COMPLETED is state(house, second)
    assert any("could not be carried out" in reason for reason in house.reasons(house.ports.runs.get(first)))  # type: ignore[arg-type]


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


def test_a_late_tick_of_an_old_generation_does_nothing() -> None:
    house = House()
    (run_id,) = started(house)
    (old,) = house.ports.queue.peek(WATCH)
    house.clock.advance(2)
    house.settle()
    polls = house.target.polls
    house.target.seen[f"{run_id}/1"] = lambda h: Running(handle=h, phase=State.RUNNING, started=1e9)
    watch(house.ports, old.body)
    assert polls == house.target.polls
