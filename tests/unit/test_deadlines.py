"""Runs that stay in a state for too long, and runs that are not heard of: what is done, and what is not."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from runyard.dispatch.claims import CLAIM
from runyard.dispatch.retries import BACKOFF, MAX_TRIES, PATIENCE
from runyard.runs.deadlines import DEADLINES, deadline
from runyard.runs.states import State
from runyard.testing import Behaviour, Cancelling, Polling
from runyard.watch.silence import SILENCE
from tests.unit.scripted_house import ScriptedHouse

FOREVER = math.inf


def test_the_deadlines_are_those_of_the_design() -> None:
    minutes = {str(state): seconds / 60 for state, seconds in DEADLINES.items()}
    assert {"NotStarted": 15, "Provisioning": 20, "Preparing": 60, "Finalizing": 30} == minutes
    assert 5.0 == deadline(State.PREPARING, {"Preparing": 5.0})
    assert deadline(State.QUEUED, {}) is None


def test_a_machine_that_does_not_come_within_20_minutes_counts_as_no_capacity() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(provisioning=FOREVER), Behaviour(duration=5))
    house.pass_time(19 * 60)
    assert State.PROVISIONING is house.run(run_id).state
    house.pass_time(5 * 60)
    assert State.COMPLETED is house.run(run_id).state
    assert "had no machine for it within 20 min" in house.story(run_id)
    assert [2] == [ran.attempt for ran in house.script.executions]
    assert [] == house.gates()


def test_a_compute_that_has_a_job_and_never_begins_with_it_counts_as_one_without_a_machine() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(starting=FOREVER), Behaviour(duration=5))
    house.pass_time(19 * 60)
    assert (State.STARTING, 1) == (house.run(run_id).state, house.run(run_id).attempt)
    house.pass_time(5 * 60)
    assert State.COMPLETED is house.run(run_id).state
    assert "had it, and did not begin with it, within 20 min" in house.story(run_id)
    assert [2] == [ran.attempt for ran in house.script.executions]
    assert [] == house.gates()


def test_a_machine_that_does_not_come_lets_the_run_go_to_its_fallback() -> None:
    house = ScriptedHouse(others=("second",))
    run_id = house.start(Behaviour(provisioning=FOREVER), Behaviour(duration=5), runyard={"fallback": ["second"]})
    house.pass_time(25 * 60)
    assert (State.COMPLETED, "second") == (house.run(run_id).state, house.run(run_id).compute)


def test_a_compute_may_allow_more_or_less() -> None:
    house = ScriptedHouse()
    house.compute("local", deadlines={"Provisioning": 60.0})
    run_id = house.start(Behaviour(provisioning=FOREVER), Behaviour(duration=5))
    house.pass_time(5 * 60)
    assert State.COMPLETED is house.run(run_id).state


def test_a_preparation_of_more_than_an_hour_is_ended_and_then_the_run_has_failed() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(preparing=FOREVER, cancelling=Cancelling(lost=2, ignored_for=120)))
    house.pass_time(61 * 60)
    run = house.run(run_id)
    assert State.PREPARING is run.state
    assert run.giving_up is not None
    house.pass_time(15 * 60)
    run = house.run(run_id)
    assert (State.FAILED, "PreparationTooLong") == (run.state, run.error and run.error.code)
    assert "still being prepared after 60 min" in run.reason
    assert [] == house.gates()


def test_a_script_that_begins_just_as_its_preparation_is_given_up_is_ended_or_counts_as_it_ended() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(preparing=3700, duration=10, cancelling=Cancelling(lost=1000)))
    house.pass_time(2 * 3600)
    assert State.COMPLETED is house.run(run_id).state


def test_files_that_are_not_collected_within_half_an_hour_leave_the_run_as_its_script_ended() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=5, exit_code=0, finalizing=FOREVER))
    house.pass_time(60)
    assert State.FINALIZING is house.run(run_id).state
    house.pass_time(31 * 60)
    run = house.run(run_id)
    assert (State.COMPLETED, 0, False) == (run.state, run.exit_code, run.log_complete)
    assert [] == house.gates()


def test_a_compute_that_vanishes_while_files_are_collected_leaves_the_run_as_its_script_ended() -> None:
    house = ScriptedHouse()
    gone = Polling(unreachable=((60, FOREVER),))
    run_id = house.start(Behaviour(duration=5, exit_code=4, finalizing=FOREVER, polling=gone))
    house.pass_time(40 * 60)
    run = house.run(run_id)
    assert (State.FAILED, 4, False) == (run.state, run.exit_code, run.log_complete)
    assert run.error is not None
    assert "ScriptFailed" == run.error.code


def test_files_that_come_late_are_all_there_at_the_end() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=5, finalizing=120))
    house.pass_time(300)
    assert (State.COMPLETED, True) == (house.run(run_id).state, house.run(run_id).log_complete)


def test_one_look_that_finds_nothing_is_no_silence() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=3600, polling=Polling(blips=frozenset({5}), raises=frozenset({9}))))
    house.pass_time(1800)
    states = {event.state for event in house.ports.runs.history(run_id)}
    assert State.NOT_RESPONDING not in states
    house.pass_time(2400)
    assert (State.COMPLETED, 1) == (house.run(run_id).state, house.run(run_id).attempt)


def test_a_healthy_job_that_is_not_heard_of_for_hours_is_never_started_again() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=20_000, polling=Polling(unreachable=((60, 15_000),))))
    house.pass_time(3600)
    assert State.NOT_RESPONDING is house.run(run_id).state
    assert "cancel --force" in house.run(run_id).reason
    house.pass_time(20_000, step=60)
    assert (State.COMPLETED, 1) == (house.run(run_id).state, len(house.script.executions))


def test_silence_is_counted_from_when_it_began_and_anew_after_each_sign_of_life() -> None:
    house = ScriptedHouse()
    short = tuple((start, start + SILENCE - 40) for start in (100.0, 300.0, 500.0, 700.0))
    run_id = house.start(Behaviour(duration=2000, polling=Polling(unreachable=short)))
    house.pass_time(1500, step=5)
    assert State.NOT_RESPONDING not in {event.state for event in house.ports.runs.history(run_id)}


def test_a_run_that_is_not_heard_of_ends_by_the_clock_only_when_its_maximum_duration_is_long_over() -> None:
    house = ScriptedHouse()
    silent = Behaviour(duration=100_000, polling=Polling(unreachable=((60, FOREVER),)))
    run_id = house.start(silent, maxRunDurationSeconds=3600)
    house.pass_time(60, step=10)
    house.pass_time(3600 + 300, step=60)
    assert State.NOT_RESPONDING is house.run(run_id).state
    house.pass_time(600, step=60)
    run = house.run(run_id)
    assert (State.FAILED, "MaxDurationExceeded") == (run.state, run.error and run.error.code)
    assert "nothing was heard of it any more" in run.reason
    assert [] == house.gates()


@pytest.mark.parametrize("retries", [0, 1])
def test_a_started_job_that_its_compute_does_not_know_any_more_is_interrupted(
    retries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runyard.ports import Absent

    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=FOREVER), Behaviour(duration=5), runyard={"retries": retries})
    house.pass_time(60)
    poll = house.script.poll
    monkeypatch.setattr(
        house.script,
        "poll",
        lambda handles: [Absent(handle=h) if h.id.endswith("/1") else poll([h])[0] for h in handles],
    )
    house.pass_time(60)
    assert State.RUNNING is house.run(run_id).state  # a listing may lag behind
    house.pass_time(400)
    run = house.run(run_id)
    expected = State.COMPLETED if retries else State.FAILED
    assert (expected, 1 + retries) == (run.state, run.attempt)
    assert "how it ended is not known" in house.story(run_id)


def test_the_page_on_deadlines_and_retries_gives_the_numbers_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "retries.md").read_text()
    rows = dict(re.findall(r"^\| `?(\w+)`?(?:, `\w+`)* \| (.+) \|$", page, re.MULTILINE))
    for state, seconds in DEADLINES.items():
        assert f"{seconds / 60:.0f} min" in rows[str(state)]
    assert f"{CLAIM:.0f} s" in rows["Starting"]
    for word, (first, most) in BACKOFF.items():
        row = rows.get(word) or rows["capacity"]
        if word in {"throttled", "capacity", "quota"}:
            assert f"{PATIENCE / 3600:.0f} h" in row
        shown = f"{first:.0f} s" if first < 60 else f"{first / 60:.0f} min"
        assert f"{shown} doubling to {most / 60:.0f} min" in row
    assert 10 == MAX_TRIES
    assert "ten times" in rows["transient"]
