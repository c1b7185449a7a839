"""Submitting to the compute in virtual time: its start registers hold, whatever its jobs are scripted to do."""

from __future__ import annotations

import pytest

from runyard.errors import CapacityError, QuotaError, RunyardError, ThrottledError, TransientError
from runyard.ports import Absent, Ended
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.testing import (
    Behaviour,
    Submitting,
    name_in_transition,
    no_capacity,
    no_quota,
    throttled,
    unavailable,
)
from tests.unit.scripted import Yard, attempt, cancelling, script, submitting


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_a_job_goes_through_its_life_as_the_clock_is_turned(yard: Yard) -> None:
    script(yard, starting=1, provisioning=2, preparing=3, duration=4, exit_code=7, finalizing=5)
    handle = yard.submit()
    phases = []
    for seconds in (0, 1, 2, 3):
        yard.clock.advance(seconds)
        phases.append(yard.phase(handle))
    assert [State.STARTING, State.PROVISIONING, State.PREPARING, State.RUNNING] == phases
    yard.clock.advance(4)
    over = Ended(
        handle=handle,
        exit_code=7,
        outcome="exited",
        error_class="user",
        started=6.0,
        ended=10.0,
        log_bytes=22,
        collected=False,
    )
    assert over == yard.look(handle)
    yard.clock.advance(5)
    assert yard.ended(handle).collected


def test_a_job_that_was_never_submitted_is_absent(yard: Yard) -> None:
    handle = yard.plan().handle
    assert handle is not None
    assert isinstance(yard.look(handle), Absent)


def test_the_handle_may_be_known_only_after_the_submission(yard: Yard) -> None:
    yard.target.known_beforehand = False
    assert yard.plan().handle is None
    assert Handle(kind="scripted", compute="c", id="r/1") == yard.submit()


def test_submitting_again_finds_the_job_and_does_not_run_it_twice(yard: Yard) -> None:
    assert yard.submit() == yard.submit()
    yard.clock.advance(10)
    yard.submit()
    yard.clock.advance(100)
    assert [(0.0, 10.0)] == [(ran.started, ran.ended) for ran in yard.target.executions_of("r")]
    assert ["r/1", "r/1"] == yard.target.refused_starts


def test_an_ended_job_that_the_platform_starts_again_is_refused_by_its_register(yard: Yard) -> None:
    script(yard, restarts=3, exit_code=1)
    handle = yard.submit()
    assert 0 == yard.target.refused_restarts("r")
    yard.clock.advance(100)
    assert 3 == yard.target.refused_restarts("r")
    assert 1 == len(yard.target.executions_of("r"))
    assert 1 == yard.ended(handle).exit_code


def test_a_start_that_was_voided_never_happens_whenever_its_job_comes(yard: Yard) -> None:
    assert yard.target.void(attempt(), "the run was canceled")
    assert yard.target.void(attempt(), "again")
    handle = yard.submit()
    yard.clock.advance(100)
    seen = yard.ended(handle)
    assert ("void", "the run was canceled", None) == (seen.outcome, seen.error, seen.started)
    assert [] == yard.target.executions
    assert ["r/1"] == yard.target.refused_starts


def test_a_script_that_began_cannot_be_voided(yard: Yard) -> None:
    script(yard, provisioning=5)
    handle = yard.submit()
    yard.clock.advance(5)
    assert not yard.target.void(attempt(), "too late")
    yard.clock.advance(10)
    assert "exited" == yard.ended(handle).outcome
    assert not yard.target.void(attempt(), "much too late")


def test_the_register_can_be_out_of_reach_and_its_answer_lost(yard: Yard) -> None:
    cancelling(yard, void_raises=1, void_lost_replies=1)
    for _ in range(2):
        with pytest.raises(TransientError, match="start register"):
            yard.target.void(attempt(), "why")
    assert yard.target.void(attempt(), "why")
    script(yard)
    yard.submit()
    yard.clock.advance(100)
    assert [] == yard.target.executions


def test_a_register_that_was_forgotten_guards_nothing(yard: Yard) -> None:
    yard.submit()
    yard.clock.advance(100)
    yard.target.forget(attempt())
    yard.submit()
    yard.clock.advance(100)
    assert 2 == len(yard.target.executions_of("r"))


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (no_capacity(), CapacityError),
        (no_quota(), QuotaError),
        (throttled(), ThrottledError),
        (name_in_transition(), TransientError),
        (unavailable(), TransientError),
    ],
)
def test_a_refused_submission_leaves_nothing_behind(
    yard: Yard, refusal: RunyardError, kind: type[RunyardError]
) -> None:
    submitting(yard, refusals=(refusal,))
    with pytest.raises(kind):
        yard.submit()
    handle = yard.plan().handle
    assert handle is not None
    assert isinstance(yard.look(handle), Absent)
    assert State.RUNNING is yard.phase(yard.submit())


def test_preparing_may_be_refused(yard: Yard) -> None:
    submitting(yard, prepare_refusals=(unavailable(),))
    with pytest.raises(TransientError):
        yard.target.prepare(yard.plan())
    yard.target.prepare(yard.plan())
    assert ["prepare r/1", "prepare r/1"] == yard.target.calls


def test_one_refused_submission_of_many_is_no_matter_of_the_others(yard: Yard) -> None:
    yard.target.next_jobs(Behaviour(submitting=Submitting(refusals=(no_capacity(),))))
    answers = yard.target.submit_many([yard.plan("a"), yard.plan("b")])
    assert isinstance(answers[0], CapacityError)
    assert isinstance(answers[1], Handle)


def test_a_submission_whose_reply_is_lost_has_its_job(yard: Yard) -> None:
    submitting(yard, lost_replies=1)
    with pytest.raises(TransientError, match="lost"):
        yard.submit()
    yard.clock.advance(3)
    yard.submit()
    assert [0.0] == [ran.started for ran in yard.target.executions]


def test_a_submission_hangs_before_its_effect_or_before_its_answer(yard: Yard) -> None:
    yard.target.next_jobs(Behaviour(submitting=Submitting(hangs=50)), Behaviour(submitting=Submitting(answers_late=70)))
    yard.submit("a")
    yard.submit("b")
    assert 120.0 == yard.clock.now()
    assert [("a", 50.0), ("b", 50.0)] == [(ran.run_id, ran.started) for ran in yard.target.executions]


def test_anything_may_happen_while_a_submission_hangs(yard: Yard) -> None:
    submitting(yard, hangs=200)
    yard.target.slow = lambda seconds: yard.target.void(attempt(), f"given up after {seconds:.0f} s")
    handle = yard.submit()
    assert "given up after 200 s" == yard.ended(handle).error


def test_a_frozen_submission_has_its_job_later_unless_another_brings_it(yard: Yard) -> None:
    submitting(yard, frozen=300)
    handle = yard.submit()
    yard.submit("other")
    yard.clock.advance(200)
    assert isinstance(yard.look(handle), Absent)
    yard.submit("other")
    yard.clock.advance(100)
    assert State.RUNNING is yard.phase(handle)
    assert {"r": 300.0, "other": 200.0} == {ran.run_id: ran.started for ran in yard.target.executions}


def test_a_submission_may_come_to_nothing(yard: Yard) -> None:
    submitting(yard, vanishes=1)
    handle = yard.submit()
    yard.clock.advance(1000)
    assert isinstance(yard.look(handle), Absent)
    yard.submit()
    assert State.RUNNING is yard.phase(handle)
