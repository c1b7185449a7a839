"""Scenarios by seed: lists of what happens, which can be played, and made short while they still go wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from runyard.computes import drain, undrain
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import reconcile, sweep
from tests.model.world import COMPUTES, KIND, World

Happening = tuple[Any, ...]
"""A name and its arguments: ``("advance", 20.0)``."""
LENGTH = 40


@dataclass(frozen=True)
class Scenario:
    """What happens, to which world."""

    seed: int
    trouble: float
    limit: int
    known: bool
    happenings: tuple[Happening, ...]

    def __str__(self) -> str:
        world = f"World(seed={self.seed}, trouble={self.trouble}, limit={self.limit}, known_beforehand={self.known})"
        return "\n".join([world, *(f"  {happening}" for happening in self.happenings)])


def scenario(seed: int, *, trouble: float) -> Scenario:
    """The scenario of a seed."""
    chance = random.Random(seed)
    few = seed % 2 == 1
    return Scenario(
        seed=chance.randrange(1 << 16),
        trouble=trouble,
        limit=chance.randint(1, 3),
        known=chance.random() < 0.5,
        happenings=(
            *(("call_api", chance.randint(0, 1), 0, None), ("handle", SUBMISSIONS, None))
            * (few * chance.randint(1, 2)),
            *(_happening(chance, few=few) for _ in range(LENGTH)),
        ),
    )


def _happening(chance: random.Random, *, few: bool) -> Happening:
    """One of those things. With ``few`` hardly any run comes, and all the more is done about those that are there."""

    def stop() -> int | None:
        return None if chance.random() < 0.6 else chance.randint(0, 14)

    makers: dict[Callable[[], Happening], int] = {
        lambda: ("drop_blob", chance.randint(0, 1), chance.randint(-1, 1), stop()): 0 if few else 8,
        lambda: ("call_api", chance.randint(0, 1), chance.randint(-1, 1), stop()): 1 if few else 6,
        lambda: ("send_submission", chance.randint(0, 1), chance.randint(-1, 1)): 0 if few else 4,
        lambda: ("repeat_event", chance.randint(0, 5)): 2,
        lambda: ("handle", SUBMISSIONS, stop()): 12,
        lambda: ("handle", dispatch_queue(KIND), stop()): 14,
        lambda: ("handle", WATCH, stop()): 14,
        lambda: ("wake", chance.choice(COMPUTES)): 10,
        lambda: ("nudge", chance.choice(COMPUTES)): 6,
        lambda: ("live", chance.choice([10, 60, 200, 700])): 8 if few else 1,
        lambda: ("handle", DEAD_LETTERS, stop()): 2,
        lambda: ("thaw", chance.randint(0, 10), chance.choice([1, 2, 3, 1000])): 8,
        lambda: ("kill", chance.randint(0, 10)): 2,
        lambda: ("advance", chance.choice([0.5, 1, 2, 5, 20, 61, 200, 700])): 14,
        lambda: ("reconcile", stop()): 6,
        lambda: ("sweep", stop()): 2,
        lambda: ("cancel", chance.randint(0, 10), chance.random() < 0.2, stop()): 4,
        lambda: ("configure", chance.randint(1, 3), chance.random() < 0.3, stop()): 3,
        lambda: ("drain", chance.random() < 0.4, stop()): 1,
        lambda: ("prune", chance.randint(0, 2), stop()): 1,
        lambda: ("take_over", stop()): 1,
        lambda: ("faults", chance.choice([0.0, 0.05, 0.3])): 2,
    }
    return chance.choices(list(makers), list(makers.values()))[0]()


def play(played: Scenario) -> World:
    """Let it all happen and look after each whether all holds, then whether all comes to its end.

    Raises:
        AssertionError: if something does not hold, with the story.
    """
    world = World(seed=played.seed, trouble=played.trouble, limit=played.limit, known_beforehand=played.known)
    try:
        for happening in played.happenings:
            world.story.append(f"== {happening} at {world.clock.now() - 1e9:.1f}")
            _do(world, happening)
            world.check()
        world.settle(lose_messages=played.seed % 2 == 0)
    finally:
        while world.frozen:
            world.kill(0)
    return world


def _do(world: World, happening: Happening) -> None:
    name, *given = happening
    if name in {"drop_blob", "call_api"}:
        getattr(world, name)(retries=given[0], priority=given[1], stop=given[2])
    elif name == "send_submission":
        world.send_submission(retries=given[0], priority=given[1])
    elif name in {"repeat_event", "handle", "take_over", "live"} or (name in {"thaw", "kill"} and world.frozen):
        getattr(world, name)(*given)
    elif name == "wake":
        world.plain.queue.wake(dispatch_queue(KIND), msgspec.json.encode({"compute": given[0]}))
    elif name == "nudge":
        world.plain.queue.wake(WATCH, msgspec.json.encode({"compute": given[0]}))
    elif name == "advance":
        world.clock.advance(given[0])
    elif name == "faults":
        world.faults.rate = given[0]
    else:
        _act(world, name, given)


def _act(world: World, name: str, given: list[Any]) -> None:
    stop = given[-1] if given else None
    if name == "reconcile":
        world.attempt(lambda: reconcile(world.ports), stop)
    elif name == "sweep":
        world.attempt(lambda: sweep(world.ports), stop)
    elif name == "cancel":
        world.cancel(given[0], force=given[1], stop=stop)
    elif name == "configure":
        world.configure(given[0], paused=given[1], stop=stop)
    elif name == "drain":
        world.attempt(lambda: drain(world.ports) if given[0] else undrain(world.ports), stop)
    elif name == "prune":
        world.prune(keep=given[0], stop=stop)


def wrong_with(played: Scenario) -> tuple[str, str]:
    """What goes wrong in a scenario: its kind, and its story; two empty texts if nothing does."""
    try:
        play(played)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        kind = re.sub(r"[\d.]+", "N", re.sub(r"exp_\d+_[0-9a-f]+", "RUN", first))[:130]
        return f"{type(error).__name__}: {kind}", str(error)
    return "", ""


def shortest(played: Scenario) -> Scenario:
    """The scenario without all that it can do without and still go wrong in the same way."""
    kind, _ = wrong_with(played)
    changed = True
    while changed:
        changed = False
        for index in reversed(range(len(played.happenings))):
            less = (*played.happenings[:index], *played.happenings[index + 1 :])
            shorter = Scenario(played.seed, played.trouble, played.limit, played.known, less)
            if wrong_with(shorter)[0] == kind:
                played, changed = shorter, True
    return played
