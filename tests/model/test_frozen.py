"""Everybody who carries a run stands still at each place, for long and for short, while all others live on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from runyard.runs.states import State
from runyard.testing import (
    Behaviour,
    Cancelling,
    Polling,
    Submitting,
    no_capacity,
    throttled,
    unavailable,
)
from tests.model.world import FAR, World

STEP = 4.0
LONGEST = 20_000.0
FREEZES = (STEP, 30.0, 250.0, 1000.0)
"""Seconds: shorter than a lock, than a claim, longer than a claim, longer than an entry without a row may be there."""
FULL = Behaviour(submitting=Submitting(refusals=(no_capacity(),)))
SHORT = Behaviour(provisioning=5, duration=10)


@dataclass(frozen=True)
class Tale:
    """How the attempts of two runs behave, in the order of their preparation, and what somebody does meanwhile."""

    name: str
    jobs: tuple[Behaviour, ...]
    act: Callable[[World], None] | None = None
    retries: int = 0


def cancel_all(world: World, *, force: bool) -> None:
    """Ask for the end of all runs there are: which of them is the long one depends on who stands still."""
    for number in range(len(world.runs())):
        world.cancel(number, force=force, stop=FAR)


TALES = (
    Tale("both complete", ()),
    Tale(
        "a compute refuses and is tried later", (Behaviour(submitting=Submitting(prepare_refusals=(unavailable(),))),)
    ),
    Tale("a compute is full and so is the other", (FULL, FULL, Behaviour(duration=400))),
    Tale("a script fails and is tried again", (Behaviour(duration=5, exit_code=1), Behaviour(duration=400)), retries=1),
    Tale("a reply is lost", (Behaviour(provisioning=20, submitting=Submitting(lost_replies=1)),)),
    Tale("a job vanishes", (Behaviour(submitting=Submitting(vanishes=1)),)),
    Tale("a compute is throttled", (Behaviour(submitting=Submitting(refusals=(throttled(), throttled()))),)),
    Tale("a machine never comes", (Behaviour(provisioning=1e12), SHORT, SHORT)),
    Tale("a compute is not heard of", (Behaviour(duration=60, polling=Polling(unreachable=((5, 200),))),)),
    Tale("a cleanup fails", (Behaviour(duration=5, cleanup_raises=2),)),
    Tale("a run is canceled", (Behaviour(duration=1e6),), lambda world: cancel_all(world, force=False)),
    Tale(
        "a cancel is hard to carry out",
        (Behaviour(starting=30, duration=1e6, cancelling=Cancelling(raises=1, void_raises=1, void_lost_replies=1)),),
        lambda world: cancel_all(world, force=False),
    ),
    Tale("a run is canceled by force", (Behaviour(duration=1e6),), lambda world: cancel_all(world, force=True)),
    Tale("old runs are pruned", (), lambda world: world.prune(keep=0, stop=FAR)),
    Tale("a compute changes", (), lambda world: world.configure(2, paused=False, stop=FAR)),
)
ACTS = (20.0, 60.0)


def live(tale: Tale, freeze_at: int, frozen_for: float, *, known: bool) -> World:
    """Two runs, and one who stands still."""
    world = World(seed=0, known_beforehand=known)
    world.target.behave(SHORT)
    world.target.next_jobs(*tale.jobs)
    world.queue.calm()
    world.freeze_at = freeze_at
    world.call_api(retries=tale.retries, priority=0, stop=FAR)
    world.clock.advance(1.0)
    world.drop_blob(retries=0, priority=0, stop=FAR)
    begin, thaw, acts = world.clock.now(), 0.0, [*(ACTS if tale.act else ())]
    while not world.runs() or world.frozen or acts or not world.is_over():
        now = world.clock.now()
        if now - begin > LONGEST:
            raise AssertionError(world.tell(f"{tale.name} does not end: {world.left()}"))
        if acts and tale.act is not None and now - begin >= acts[0]:
            acts.pop(0)
            tale.act(world)
        world.live_in_threads(STEP, STEP)
        if world.frozen:
            thaw = thaw or now + frozen_for
            if now >= thaw:
                world.thaw(0, FAR)
                world.check()
        if world.pruned and not acts:
            break
    return world


def enumerate_freezes(tale: Tale, lengths: Sequence[float], *, known: bool, every: int = 1) -> int:
    """Live once to count the places, then once for each of them and each length; returns how many lives that were."""
    whole = live(tale, 0, 0.0, known=known)
    places = range(1, whole.places + 1, every)
    for place in places:
        for seconds in lengths:
            try:
                live(tale, place, seconds, known=known)
            except Exception as error:
                error.add_note(f"{tale.name}: frozen at place {place} for {seconds} s")
                raise
    return len(places) * len(lengths)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("known", [True, False], ids=["handle known beforehand", "handle known after"])
@pytest.mark.parametrize("tale", TALES, ids=[tale.name for tale in TALES])
def test_whoever_stands_still_wherever_for_however_long(tale: Tale, known: bool) -> None:
    every = 5  # `python -m tests.model --frozen` takes every one, and each length
    assert 0 < enumerate_freezes(tale, [250.0], known=known, every=every)


def test_all_tales_end_when_nobody_stands_still() -> None:
    for tale in TALES:
        world = live(tale, 0, 0.0, known=True)
        assert [] == [run.id for run in world.runs() if run.state not in {State.COMPLETED, State.CANCELED}]
