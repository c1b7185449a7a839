"""The gate of a compute: its limit, its waiting list, its slots and the arming of its watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

AGEING: Final = 3600.0
"""Seconds of waiting that outweigh one step of priority, so that no run waits for ever behind more urgent ones.

As all entries age alike, their order never changes while they wait: it is that of ``enqueued - AGEING * priority``.
"""
FAR: Final = 10_000
"""How far :meth:`Gates.position` counts, and :attr:`Gate.waiting` need count, so that asking costs no more however many runs wait.

Counting so far may take ten requests: nothing asks for it on a run's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run on a waiting list."""

    run_id: str
    priority: int
    """Higher goes first, unless the other has waited :data:`AGEING` seconds longer for each step."""
    enqueued: float
    """Among equals the older goes first."""
    not_before: float = 0.0
    """Until then it keeps its place and is passed over: its last try was refused for a passing reason. It may read 0 once that
    time has come."""

    @property
    def rank(self) -> float:
        """The place in the order of going: the lowest goes first, then the lowest id."""
        return self.enqueued - AGEING * self.priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place on a compute that a run holds."""

    run_id: str
    index: int
    """0 to limit - 1, the smallest that was free: a GPU's number, for instance."""
    taken: float
    priority: int = field(default=0, compare=False)
    enqueued: float = field(default=0.0, compare=False)
    """These two as they were on the waiting list, so that a run which goes back has its old place."""

    def waiting(self, *, not_before: float = 0.0) -> Waiting:
        """The entry to put the run back with."""
        return Waiting(
            run_id=self.run_id, priority=self.priority, enqueued=self.enqueued or self.taken, not_before=not_before
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The gate's own row."""

    compute: str
    limit: int
    paused: bool
    generation: int
    """Of the watch message that counts; older ones complete silently."""
    next_at: float | None
    """When that message is due; ``None`` = the watch is disarmed."""
    waiting: int
    """How many runs wait: exact up to :data:`FAR`, which may stand for more."""
    taken: int
    """How many slots are held."""
    draining: bool = False
    """Whether its host is about to go: no slots are handed out, and what runs goes on."""
    blocked_until: float = 0.0
    """Until then no slots are handed out: the compute asked for it, or has no room now."""
    blocked_reason: str = ""
    """What it said."""


class Gates(Protocol):
    """One gate per compute. Every method is one compare-and-swap on the gate: two callers never both succeed."""

    def configure(self, compute: str, *, limit: int, paused: bool = False) -> None:
        """Create the gate, or set its limit and whether it hands out slots."""
        ...

    def drain(self, *, on: bool) -> None:
        """Let every gate hand out no more slots (``on``), or end that. Gates made later are not concerned."""
        ...

    def block(self, compute: str, *, until: float, reason: str) -> None:
        """Hand out no slots before ``until``; a later time that was set before stays."""
        ...

    def get(self, compute: str) -> Gate | None:
        """The gate, or ``None``."""
        ...

    def list(self) -> Sequence[Gate]:
        """Every gate."""
        ...

    def wait(self, compute: str, entry: Waiting) -> None:
        """Put a run on the waiting list; does nothing if it holds a slot of this compute.

        If it is there already it keeps its place, and the earlier ``not_before`` of the two counts.

        Raises:
            NotFoundError: if there is no such gate.
        """
        ...

    def waiting(self, compute: str, limit: int = 100) -> Sequence[Waiting]:
        """The head of the waiting list, in order (:attr:`Waiting.rank`, then id)."""
        ...

    def position(self, compute: str, run_id: str) -> int | None:
        """1 for the next to go, :data:`FAR` + 1 for all beyond :data:`FAR`; ``None`` if it does not wait."""
        ...

    def leave(self, compute: str, run_id: str) -> bool:
        """Take a run off the waiting list; whether it was there."""
        ...

    def take(self, compute: str, *, at: float, most: int | None = None) -> Sequence[Slot]:
        """Move the first waiting runs whose time has come (``not_before`` ≤ ``at``) to free slots; returns the new slots.

        Nothing while the gate is paused, draining or blocked.
        """
        ...

    def slots(self, compute: str) -> Sequence[Slot]:
        """Every slot held, by index."""
        ...

    def room(self, compute: str) -> int:
        """How many slots are free; 0 while paused or draining, or if there is no such gate.

        A number above 0 may be a second old; 0 is of this moment.
        """
        ...

    def awaited(self, compute: str) -> bool:
        """Whether the dispatcher is to be told that a slot was freed, which is asked right after that: somebody may wait for it.

        Who comes to a gate with room tells the dispatcher himself; so it is about those who came while there was none.
        """
        ...

    def release(self, compute: str, run_id: str, *, taken: float | None = None) -> bool:
        """Free the run's slot; whether it held one.

        Args:
            compute: Whose gate.
            run_id: Whose slot.
            taken: Only if the slot is still as it was taken then (``Slot.taken``), and was not confirmed since: whoever stood
                still may find that the run came back and holds another.
        """
        ...

    def put_back(self, compute: str, entry: Waiting, *, taken: float | None = None) -> bool:
        """Move a run from its slot back to the waiting list, in one step; whether it held a slot.

        Args:
            compute: Whose gate.
            entry: Its place on the list.
            taken: Only if the slot is still as it was taken then (``Slot.taken``), and was not confirmed since.
        """
        ...

    def confirm(self, compute: str, slots: Sequence[Slot], *, at: float) -> frozenset[str]:
        """Renew the slots of runs that were claimed, before anything is handed over: each counts as taken at ``at`` from now on.

        A dispatcher may have been frozen since it took its slots, and others have given them back meanwhile.

        Returns:
            The runs whose slots are still as they were taken (``Slot.taken``); the others hold none, or another's.
        """
        ...

    def arm(self, compute: str, *, next_at: float) -> int | None:
        """Arm a disarmed watch: returns the generation to send, or ``None`` if it is armed already.

        Raises:
            NotFoundError: if there is no such gate: a watch that nobody arms would never observe its runs.
        """
        ...

    def advance(self, compute: str, generation: int, *, next_at: float) -> int | None:
        """Turn ``generation`` into the next one, due at ``next_at``; ``None`` if another did it first."""
        ...

    def disarm(self, compute: str, generation: int) -> bool:
        """Disarm the watch if it is still at ``generation`` and no slot is held.

        ``False`` may be the answer for a minute after another process freed the last slot; ``True`` never is while one is held.
        """
        ...
