"""The shortest stories of what scenarios found."""

from __future__ import annotations

from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.testing import Behaviour, Cancelling, Polling, Submitting, throttled
from tests.model.world import KIND, QUEUES, World


def calm_world(behaviour: Behaviour | None = None, *, known_beforehand: bool = True) -> World:
    """A world where only what the test says goes wrong."""
    world = World(seed=0, known_beforehand=known_beforehand)
    world.target.behave(behaviour or Behaviour())
    world.queue.calm()
    return world


def live(world: World, seconds: int) -> Run:
    """Let time pass, with all messages delivered; returns the first run as it is then."""
    for _ in range(seconds):
        world.clock.advance(1.0)
        for queue in QUEUES:
            world.handle_all(queue)
    world.check()
    return world.runs()[-1]


def test_a_dispatcher_that_froze_before_its_claim_runs_nothing_without_a_slot() -> None:
    world = calm_world()
    world.drop_blob(retries=0, priority=0)
    world.handle(SUBMISSIONS, None)
    world.handle(dispatch_queue(KIND), 4)  # it took the slot and prepared
    world.clock.advance(200.0)  # longer than a claim holds
    world.plain.gates.arm("local", next_at=world.clock.now())
    world.queue.send(WATCH, b'{"compute":"local"}')
    world.handle(WATCH, None)  # gives the slot back
    world.thaw(0, 1000)
    world.check()
    world.settle(lose_messages=False)


def test_a_job_whose_handle_was_lost_is_found_however_often_its_run_was_refused_before() -> None:
    hard = Behaviour(
        submitting=Submitting(refusals=(throttled(1.0),) * 10, lost_replies=1), cancelling=Cancelling(void_raises=1)
    )
    world = calm_world(hard, known_beforehand=False)
    world.drop_blob(retries=0, priority=0)
    assert live(world, 600).state is State.COMPLETED


def test_one_late_answer_after_an_outage_is_no_proof_that_a_job_is_gone() -> None:
    behaviour = Behaviour(
        duration=600,
        submitting=Submitting(frozen=180),
        polling=Polling(unreachable=((5, 260),), repeats=2),
    )
    world = calm_world(behaviour)
    world.drop_blob(retries=0, priority=0)
    assert live(world, 1200).state is State.COMPLETED


def test_a_submission_sent_twice_leaves_nothing_on_the_waiting_list() -> None:
    world = calm_world()
    world.send_submission(retries=0, priority=0)
    world.clock.advance(2.0)
    world.repeat_event(0)
    assert live(world, 60).state is State.COMPLETED
    world.settle(lose_messages=False)


def test_a_run_that_was_taken_before_its_row_was_written_keeps_its_place_and_its_priority() -> None:
    world = calm_world()
    world.call_api(retries=0, priority=1)
    world.handle(SUBMISSIONS, 2)  # the gate's entry is written, the row is not
    world.clock.advance(5.0)
    world.attempt(lambda: world.ports.queue.wake(dispatch_queue(KIND), b'{"compute":"local"}'))
    world.handle(dispatch_queue(KIND), None)
    world.thaw(0, 1000)
    world.check()
    assert live(world, 60).state is State.COMPLETED


def test_what_is_told_of_a_run_after_its_end_does_not_change_when_it_ended() -> None:
    world = calm_world(Behaviour(duration=9.5, cleanup_raises=1))
    world.drop_blob(retries=0, priority=0)
    run = live(world, 60)
    assert State.COMPLETED is run.state
    assert "could not be removed" in world.plain.runs.history(run.id)[-1].reason
    (ran,) = world.target.executions
    assert ran.ended == run.ended
