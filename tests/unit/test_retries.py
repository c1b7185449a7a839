"""What follows when a compute does not take a run, loses it, or takes its machine back: the retry table, in virtual time."""

from __future__ import annotations

import itertools

import pytest

from runyard.dispatch.retries import BACKOFF, MAX_TRIES, PATIENCE
from runyard.errors import RunyardError, ThrottledError
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.testing import Behaviour, Submitting, no_capacity, no_quota, throttled, unavailable
from tests.unit.scripted_house import ScriptedHouse

SHORT = Behaviour(duration=5)


def refusing(*errors: RunyardError) -> Behaviour:
    return Behaviour(duration=5, submitting=Submitting(refusals=errors))


def tries_of(house: ScriptedHouse, run_id: str) -> list[float]:
    """Seconds between the tries, by the history."""
    times = [e.time for e in house.ports.runs.history(run_id) if "tried again in" in e.reason]
    return [after - before for before, after in itertools.pairwise(times)]


@pytest.mark.parametrize(("error", "word"), [(throttled(None), "throttled"), (unavailable(), "transient")])
def test_delays_double_from_2_seconds_to_5_minutes(error: RunyardError, word: str) -> None:
    house = ScriptedHouse()
    house.script.behave(refusing(*[error] * 12))
    run_id = house.start()
    house.pass_time(3000, step=1)
    assert BACKOFF[word] == (2.0, 300.0)
    assert [2, 4, 8, 16, 32, 64, 128, 256][:6] == [round(gap) for gap in tries_of(house, run_id)][:6]


def test_without_capacity_delays_double_from_a_minute_to_half_an_hour_and_end_after_a_day() -> None:
    house = ScriptedHouse()
    house.script.behave(refusing(*[no_capacity()] * 200))
    run_id = house.start()
    house.pass_time(PATIENCE + 3700, step=60)
    gaps = [round(gap / 60) for gap in tries_of(house, run_id)]
    assert [1, 2, 4, 8, 16, 30, 30] == gaps[:7]
    run = house.run(run_id)
    assert (State.FAILED, "capacity") == (run.state, run.error and run.error.error_class)
    assert [] == house.gates()


def test_a_day_of_waiting_in_the_queue_is_no_day_of_being_refused() -> None:
    house = ScriptedHouse(limit=1)
    first = house.start(Behaviour(duration=2 * PATIENCE))
    second = house.start(refusing(no_capacity()), name="exp/b.zip")
    house.pass_time(2 * PATIENCE + 600, step=600)
    house.pass_time(600)
    assert (State.COMPLETED, State.COMPLETED) == (house.run(first).state, house.run(second).state)


def test_a_transient_fault_is_tried_ten_times_and_its_attempts_never_start() -> None:
    house = ScriptedHouse()
    house.script.behave(refusing(*[unavailable()] * 50))
    run_id = house.start()
    house.pass_time(7200)
    run = house.run(run_id)
    assert (State.FAILED, "transient") == (run.state, run.error and run.error.error_class)
    assert 1 + MAX_TRIES == len([call for call in house.script.calls if call.startswith("submit")])
    assert [] == house.script.executions
    assert [] == house.gates()


def test_a_throttled_compute_is_left_alone_by_all_its_runs_until_retry_after() -> None:
    house = ScriptedHouse(limit=2)
    first = house.start(refusing(ThrottledError("slow down", retry_after=50.0)))
    second = house.start(SHORT, name="exp/b.zip")
    house.pass_time(45, step=5)
    assert 1 == len([call for call in house.script.calls if call.startswith("submit")])
    assert (State.QUEUED, State.QUEUED) == (house.run(first).state, house.run(second).state)
    house.pass_time(30, step=5)
    assert (State.COMPLETED, State.COMPLETED) == (house.run(first).state, house.run(second).state)


def test_a_run_that_backs_off_keeps_its_place_and_others_pass_meanwhile() -> None:
    house = ScriptedHouse(limit=1)
    first = house.start(refusing(unavailable()), SHORT)
    second = house.start(Behaviour(duration=1), name="exp/b.zip")
    house.settle()
    assert State.STARTING is house.run(second).state
    house.pass_time(60, step=1)
    assert [second, first] == [ran.run_id for ran in house.script.executions]


def test_without_capacity_a_run_goes_to_its_fallbacks_in_turn() -> None:
    house = ScriptedHouse(others=("second", "third"))
    for name in ("local", "second"):
        house.compute(name)
    run_id = house.start(
        refusing(no_capacity()), refusing(no_quota()), SHORT, runyard={"fallback": ["second", "third"]}
    )
    house.pass_time(120)
    run = house.run(run_id)
    assert (State.COMPLETED, "third") == (run.state, run.compute)
    assert ["third"] == [ran.compute for ran in house.script.executions]
    assert "it now waits for second" in house.story(run_id)
    assert [] == house.gates()


def test_when_no_fallback_has_room_the_first_compute_is_asked_again_later() -> None:
    house = ScriptedHouse(others=("second",))
    jobs = [refusing(no_capacity()), refusing(no_capacity()), SHORT]
    run_id = house.start(*jobs, runyard={"fallback": ["second"]})
    assert ("local", State.QUEUED) == (house.run(run_id).compute, house.run(run_id).state)
    house.pass_time(300)
    assert (State.COMPLETED, "local") == (house.run(run_id).state, house.run(run_id).compute)
    assert 1 == len(house.script.executions)


def test_a_fallback_that_does_not_exist_is_told_when_the_run_is_accepted() -> None:
    house = ScriptedHouse()
    run_id = house.start(runyard={"fallback": ["nowhere"]})
    run = house.run(run_id)
    assert State.FAILED is run.state
    assert run.reason.startswith("runyard.fallback in its run configuration: the target 'nowhere' is no compute")


def test_a_preempted_run_runs_again_only_if_it_asked_for_it() -> None:
    house = ScriptedHouse()
    taken_back = Behaviour(duration=500, preempted_after=30)
    once = house.start(taken_back, runyard={"on_preemption": 0})
    again = house.start(taken_back, SHORT, name="exp/b.zip", runyard={"on_preemption": 1})
    house.pass_time(300)
    run = house.run(once)
    assert (State.FAILED, "preempted") == (run.state, run.error and run.error.error_class)
    assert (State.COMPLETED, 2, 1) == (house.run(again).state, house.run(again).attempt, house.run(again).preemptions)


def test_on_a_spot_compute_three_preemptions_are_made_good() -> None:
    house = ScriptedHouse()
    house.compute("local", spot=True)
    run_id = house.start(*[Behaviour(duration=500, preempted_after=30)] * 4)
    house.pass_time(600)
    run = house.run(run_id)
    assert (State.FAILED, 4, 3) == (run.state, run.attempt, run.preemptions)


def test_retries_and_preemptions_have_budgets_of_their_own() -> None:
    house = ScriptedHouse()
    failing, taken_back = Behaviour(duration=5, exit_code=1), Behaviour(duration=500, preempted_after=30)
    run_id = house.start(failing, taken_back, failing, runyard={"retries": 1, "on_preemption": 1})
    house.pass_time(600)
    run = house.run(run_id)
    assert (State.FAILED, 3, 1, 1) == (run.state, run.attempt, run.failures, run.preemptions)
    assert run.exit_code == 1


def test_a_machine_taken_back_before_the_script_began_costs_no_budget() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(provisioning=60, preempted_after=30), SHORT)
    house.pass_time(300)
    assert (State.COMPLETED, 2) == (house.run(run_id).state, house.run(run_id).attempt)
    assert 1 == len(house.script.executions)


@pytest.mark.parametrize("error", [KeyError, OSError, SystemExit])
def test_what_a_kind_raises_unexpectedly_fails_its_run_and_no_other(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    house = ScriptedHouse(limit=2)
    plan = house.script.plan
    broken: list[str] = []

    def plan_badly(job: object) -> object:
        run = job.run  # type: ignore[attr-defined]
        if not broken or run.id in broken:
            broken[:] = [run.id]
            raise error("secret-of-a-kind")
        return plan(job)  # type: ignore[arg-type]

    monkeypatch.setattr(house.script, "plan", plan_badly)
    first = house.start()
    second = house.start(SHORT, name="exp/b.zip")
    house.pass_time(60)
    assert (State.FAILED, State.COMPLETED) == (house.run(first).state, house.run(second).state)
    assert error.__name__ in house.run(first).reason
    assert "secret" not in house.run(first).reason
    assert [] == house.gates()


def test_a_cleanup_that_fails_is_told_on_the_run_and_tried_again_before_the_slot_is_freed() -> None:
    house = ScriptedHouse(limit=1)
    run_id = house.start(Behaviour(duration=1, cleanup_raises=2))
    house.pass_time(4, step=1)
    assert (State.COMPLETED, [("local", 1, 0)]) == (house.run(run_id).state, house.gates())
    house.pass_time(60)
    assert [] == house.gates()
    assert 3 == len([call for call in house.script.calls if call.startswith("cleanup")])
    assert 1 == house.story(run_id).count("could not be removed")


def test_a_cleanup_that_never_works_frees_the_slot_after_ten_minutes() -> None:
    house = ScriptedHouse(limit=1)
    run_id = house.start(Behaviour(duration=1, cleanup_raises=10_000))
    house.pass_time(700)
    assert [] == house.gates()
    assert "look there for what it left" in house.story(run_id)


def test_a_submission_that_is_answered_and_never_arrives_is_given_up_after_ten_hand_overs() -> None:
    house = ScriptedHouse(limit=1)
    run_id = house.start(Behaviour(submitting=Submitting(vanishes=1000)))
    house.pass_time(12 * 200)
    run = house.run(run_id)
    assert State.FAILED is run.state
    assert "handed the run 10 times" in run.reason
    assert [] == house.gates()
    assert str(Handle(kind="fake", compute="local", id=f"{run_id}/1")) == str(run.handle)
