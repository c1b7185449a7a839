"""What the compute in virtual time shows of its jobs, and the books that it keeps."""

from __future__ import annotations

import math
import random

import pytest

from runyard.errors import RunyardError, TransientError
from runyard.ports import Absent, Compute, Ended, LogChunk, Observation, Running, Unreachable
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.testing import (
    Behaviour,
    Cancelling,
    ManualClock,
    OnlyTargets,
    Polling,
    ScriptedTarget,
)
from tests.unit.scripted import Yard, attempt, cancelling, polling, script


@pytest.fixture
def yard() -> Yard:
    return Yard()


@pytest.mark.parametrize(
    ("stage", "phase"),
    [("starting", State.STARTING), ("provisioning", State.PROVISIONING), ("preparing", State.PREPARING)],
)
def test_a_job_can_be_stuck_for_ever_in_each_phase(yard: Yard, stage: str, phase: State) -> None:
    script(yard, **{stage: math.inf})
    handle = yard.submit()
    yard.clock.advance(1e9)
    assert phase is yard.phase(handle)
    assert [] == yard.target.executions


def test_a_job_can_be_stuck_in_finalizing_for_ever(yard: Yard) -> None:
    script(yard, finalizing=math.inf)
    handle = yard.submit()
    yard.clock.advance(1e9)
    assert not yard.ended(handle).collected


def test_an_unreachable_job_goes_on(yard: Yard) -> None:
    polling(yard, unreachable=((60, 300),))
    yard.target.behave(Behaviour(duration=1000, polling=Polling(unreachable=((60, 300),))), run_id="r")
    handle = yard.submit()
    seen = []
    for _ in range(4):
        seen.append(type(yard.look(handle)))
        yard.clock.advance(100)
    assert [Running, Unreachable, Unreachable, Running] == seen
    yard.clock.advance(1000)
    assert 0 == yard.ended(handle).exit_code


def test_a_single_poll_may_fail_as_an_observation_or_as_an_error(yard: Yard) -> None:
    polling(yard, blips=frozenset({1}), raises=frozenset({2}))
    handle = yard.submit()
    assert isinstance(yard.look(handle), Unreachable)
    with pytest.raises(TransientError, match="503"):
        yard.look(handle)
    assert isinstance(yard.look(handle), Running)


def test_observations_may_be_repeated_though_they_are_stale(yard: Yard) -> None:
    polling(yard, repeats=1)
    handle = yard.submit()
    first = yard.look(handle)
    yard.clock.advance(100)
    assert first == yard.look(handle)
    assert yard.ended(handle) == yard.ended(handle)


def test_an_observation_may_be_that_of_the_attempt_before(yard: Yard) -> None:
    first = yard.submit()
    yard.clock.advance(100)
    polling(yard, stale=1)
    second = yard.submit(number=2)
    assert first == yard.ended(second).handle
    assert second == yard.look(second).handle


def test_a_whole_compute_can_be_down(yard: Yard) -> None:
    handle = yard.submit()
    yard.target.be_down(60)
    assert isinstance(yard.look(handle), Unreachable)
    with pytest.raises(TransientError, match="does not answer"):
        yard.submit("other")
    with pytest.raises(TransientError):
        yard.target.cancel(handle)
    yard.clock.advance(60)
    assert 0 == yard.ended(handle).exit_code


def test_a_preempted_script_is_told_from_one_that_had_not_begun(yard: Yard) -> None:
    yard.target.next_jobs(Behaviour(preempted_after=5), Behaviour(provisioning=9, preempted_after=5))
    begun, waiting = yard.submit("a"), yard.submit("b")
    yard.clock.advance(100)
    ends = [yard.ended(begun), yard.ended(waiting)]
    assert [("preempted", "preempted", 0.0, 5.0), ("preempted", "preempted", None, 5.0)] == [
        (end.outcome, end.error_class, end.started, end.ended) for end in ends
    ]
    assert ["a"] == [ran.run_id for ran in yard.target.executions]
    assert yard.target.void(attempt("b"), "a new attempt follows")
    assert not yard.target.void(attempt("a"), "a new attempt follows")


def test_a_capacity_error_ends_a_job_unless_it_is_older_than_the_submission(yard: Yard) -> None:
    yard.target.next_jobs(
        Behaviour(provisioning=900, resize_error=300.0), Behaviour(provisioning=900, resize_error=-86400.0)
    )
    new, old = yard.submit("a"), yard.submit("b")
    yard.clock.advance(300)
    end = yard.ended(new)
    assert ("failed", "capacity", None) == (end.outcome, end.error_class, end.started)
    waiting = yard.look(old)
    assert isinstance(waiting, Running)
    assert (State.PROVISIONING, True) == (waiting.phase, "AllocationTimedout" in waiting.detail)
    yard.clock.advance(1000)
    assert ["b"] == [ran.run_id for ran in yard.target.executions]


def test_a_log_may_be_cut_off_and_says_so(yard: Yard) -> None:
    script(yard, log=b"0123456789", log_cut=4)
    handle = yard.submit()
    assert b"0123456789" == yard.target.logs(handle, 0).data
    yard.clock.advance(100)
    end = yard.ended(handle)
    assert (4, False) == (end.log_bytes, end.log_complete)
    assert LogChunk(data=b"2", next_offset=3, complete=False) == yard.target.logs(handle, 2, 1)
    assert LogChunk(data=b"", next_offset=4, complete=True) == yard.target.logs(handle, 4)


def test_a_canceled_script_ends_when_it_will_and_at_the_latest_after_the_grace(yard: Yard) -> None:
    yard.target.next_jobs(*(Behaviour(duration=100, cancelling=Cancelling(takes=takes)) for takes in (0, 5, math.inf)))
    handles = [yard.submit(run) for run in "abc"]
    yard.clock.advance(1)
    for handle in handles:
        yard.target.cancel(handle, grace=10)
        yard.target.cancel(handle, grace=10)
    yard.clock.advance(50)
    assert [("canceled", 1.0), ("canceled", 6.0), ("canceled", 11.0)] == [
        (end.outcome, end.ended) for end in map(yard.ended, handles)
    ]


def test_a_script_may_end_by_itself_before_its_cancel_takes_effect(yard: Yard) -> None:
    cancelling(yard, ignored_for=60)
    handle = yard.submit()
    yard.target.cancel(handle)
    yard.clock.advance(100)
    assert "exited" == yard.ended(handle).outcome


def test_a_cancel_keeps_a_job_from_starting_whether_it_is_there_or_not(yard: Yard) -> None:
    script(yard, provisioning=60)
    there, handle = yard.submit("a"), yard.plan("b").handle
    assert handle is not None
    yard.target.cancel(there)
    yard.target.cancel(handle)
    yard.submit("b")
    yard.clock.advance(1000)
    assert ["void", "void"] == [yard.ended(there).outcome, yard.ended(handle).outcome]
    assert [] == yard.target.executions


def test_requests_to_cancel_may_fail_and_be_lost(yard: Yard) -> None:
    script(yard, duration=math.inf, cancelling=Cancelling(raises=1, lost=1))
    handle = yard.submit()
    with pytest.raises(TransientError):
        yard.target.cancel(handle)
    yard.target.cancel(handle)
    yard.clock.advance(100)
    assert State.RUNNING is yard.phase(handle)
    yard.target.cancel(handle)
    assert "canceled" == yard.ended(handle).outcome


def test_a_cleanup_may_fail_and_leaves_the_ending_to_be_seen(yard: Yard) -> None:
    script(yard, cleanup_raises=1)
    handle = yard.submit()
    yard.clock.advance(100)
    with pytest.raises(TransientError):
        yard.target.cleanup(handle)
    yard.target.cleanup(handle)
    assert 0 == yard.ended(handle).exit_code


def test_the_books_tell_how_many_scripts_ran_at_a_time(yard: Yard) -> None:
    for run in "ab":
        yard.submit(run)
    yard.clock.advance(10)
    yard.submit("c")
    assert 2 == yard.target.most_at_once("c")
    assert 1 == yard.target.most_at_once("c", since=10.0)
    assert 0 == yard.target.most_at_once("elsewhere")
    assert ["c"] == [ran.run_id for ran in yard.target.running("c")]


def test_scripts_of_no_length_run_one_after_another(yard: Yard) -> None:
    script(yard, duration=0)
    for run in "ab":
        yard.submit(run)
    assert 1 == yard.target.most_at_once("c")


def test_a_behaviour_is_that_of_the_attempt_else_of_the_run_else_the_next_else_the_default(yard: Yard) -> None:
    script(yard, duration=1)
    yard.target.behave(Behaviour(duration=2), run_id="r")
    yard.target.behave(Behaviour(duration=3), run_id="r", attempt=2)
    yard.target.next_jobs(Behaviour(duration=4))
    for run, number in (("r", 1), ("r", 2), ("s", 1), ("t", 1)):
        yard.submit(run, number)
    yard.clock.advance(10)
    assert [2.0, 3.0, 4.0, 1.0] == [ran.ended for ran in yard.target.executions]


def test_random_behaviour_is_that_of_its_seed_in_any_order() -> None:
    def lengths(seed: int, runs: str) -> dict[str, float | None]:
        clock = ManualClock(start=0.0)
        target = ScriptedTarget(clock=clock, seed=seed, trouble=0.0)
        yard = Yard(clock)
        for run in runs:
            target.submit(yard.plan(run))
        clock.advance(1000)
        return {ran.run_id: ran.ended for ran in target.executions}

    assert lengths(1, "abc") == lengths(1, "cab")
    assert lengths(1, "abc") != lengths(2, "abc")


def test_all_random_trouble_passes_by_itself_or_ends_the_attempt() -> None:
    clock = ManualClock(start=0.0)
    target = ScriptedTarget(clock=clock, seed=3, trouble=0.5)
    yard = Yard(clock)
    handles = []
    for number in range(100):
        plan = yard.plan(f"r{number}")
        for _ in range(12):
            try:
                target.prepare(plan)
                handles.append(target.submit(plan))
            except RunyardError:
                continue
    clock.advance(10_000)
    for _ in range(6):
        seen: list[Observation] = []
        for handle in sorted(set(handles), key=str):
            try:
                seen += target.poll([handle])
            except TransientError:
                continue
    assert 100 == len(seen)
    assert all(isinstance(one, Ended) and one.collected for one in seen)
    assert 50 < len(target.executions) <= 100


def test_a_random_behaviour_can_be_drawn_alone() -> None:
    assert repr(Behaviour.random(random.Random(1))) == repr(Behaviour.random(random.Random(1)))
    assert Polling() == Behaviour.random(random.Random(1), trouble=0.0).polling


def test_only_the_targets_that_were_given_are_there(yard: Yard) -> None:
    targets = OnlyTargets(yard.target)
    assert yard.target is targets.get("scripted")
    with pytest.raises(RunyardError, match="there is no kind 'aci' here; there are: scripted"):
        targets.get("aci")
    assert yard.target.check(compute := Compute(name="c", kind="scripted", limit=1)) is compute
    yard.target.close()


def test_the_truth_is_told_whatever_polls_say(yard: Yard) -> None:
    polling(yard, unreachable=((0, math.inf),))
    handle = yard.submit()
    yard.clock.advance(100)
    assert isinstance(yard.look(handle), Unreachable)
    truth = yard.target.truth(handle)
    assert isinstance(truth, Ended)
    assert (0, 10.0) == (truth.exit_code, truth.ended)
    assert isinstance(yard.target.truth(Handle(kind="scripted", compute="c", id="none/1")), Absent)
