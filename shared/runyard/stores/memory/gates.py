"""The gates of computes in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from threading import RLock

from runyard.errors import NotFoundError
from runyard.ports.gates import FAR, Gate, Slot, Waiting
from runyard.stores.memory.order import Order


@dataclass(slots=True)
class _Gate:
    limit: int
    paused: bool
    draining: bool = False
    blocked_until: float = 0.0
    blocked_reason: str = ""
    generation: int = 0
    next_at: float | None = None
    waiting: dict[str, Waiting] = field(default_factory=dict)
    order: Order = field(default_factory=Order)
    slots: dict[str, Slot] = field(default_factory=dict)

    def enter(self, entry: Waiting) -> None:
        there = self.waiting.get(entry.run_id)
        if there is None:
            self.waiting[entry.run_id] = entry
            self.order.add(_key(entry))
        elif entry.not_before < there.not_before:
            self.waiting[entry.run_id] = replace(there, not_before=entry.not_before)

    def leave(self, run_id: str) -> bool:
        entry = self.waiting.pop(run_id, None)
        if entry is not None:
            self.order.remove(_key(entry))
        return entry is not None

    def due(self, at: float, most: int) -> list[Waiting]:
        ready = (entry for _, run_id in self.order if (entry := self.waiting[run_id]).not_before <= at)
        return list(islice(ready, most))


class MemoryGates:
    """:class:`~runyard.ports.gates.Gates` behind one lock."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._gates: dict[str, _Gate] = {}

    def configure(self, compute: str, *, limit: int, paused: bool = False) -> None:
        """Create the gate, or set its limit and whether it hands out slots."""
        with self._lock:
            gate = self._gates.setdefault(compute, _Gate(limit, paused))
            gate.limit, gate.paused = limit, paused

    def get(self, compute: str) -> Gate | None:
        """The gate, or ``None``."""
        with self._lock:
            gate = self._gates.get(compute)
            if gate is None:
                return None
            return Gate(
                compute=compute,
                limit=gate.limit,
                paused=gate.paused,
                generation=gate.generation,
                next_at=gate.next_at,
                waiting=len(gate.waiting),
                taken=len(gate.slots),
                draining=gate.draining,
                blocked_until=gate.blocked_until,
                blocked_reason=gate.blocked_reason,
            )

    def drain(self, *, on: bool) -> None:
        """Let every gate hand out no more slots, or end that."""
        with self._lock:
            for gate in self._gates.values():
                gate.draining = on

    def block(self, compute: str, *, until: float, reason: str) -> None:
        """Hand out no slots before ``until``; see the port."""
        with self._lock:
            gate = self._existing(compute)
            if until > gate.blocked_until:
                gate.blocked_until, gate.blocked_reason = until, reason

    def list(self) -> Sequence[Gate]:
        """Every gate."""
        with self._lock:
            return [gate for compute in sorted(self._gates) if (gate := self.get(compute)) is not None]

    def wait(self, compute: str, entry: Waiting) -> None:
        """Put a run on the waiting list; see the port."""
        with self._lock:
            gate = self._existing(compute)
            if entry.run_id not in gate.slots:
                gate.enter(entry)

    def waiting(self, compute: str, limit: int = 100) -> Sequence[Waiting]:
        """The head of the waiting list, in order."""
        with self._lock:
            gate = self._gates.get(compute)
            return [] if gate is None else [gate.waiting[run_id] for _, run_id in gate.order.first(limit)]

    def position(self, compute: str, run_id: str) -> int | None:
        """1 for the next to go, ``FAR`` + 1 beyond ``FAR``; ``None`` if it does not wait."""
        with self._lock:
            gate = self._gates.get(compute)
            entry = None if gate is None else gate.waiting.get(run_id)
            return None if gate is None or entry is None else min(gate.order.before(_key(entry)), FAR) + 1

    def leave(self, compute: str, run_id: str) -> bool:
        """Take a run off the waiting list; whether it was there."""
        with self._lock:
            gate = self._gates.get(compute)
            return gate is not None and gate.leave(run_id)

    def take(self, compute: str, *, at: float, most: int | None = None) -> Sequence[Slot]:
        """Move the first waiting runs to free slots; see the port."""
        with self._lock:
            gate = self._gates.get(compute)
            if gate is None or gate.paused or gate.draining or gate.blocked_until > at:
                return []
            free = gate.limit - len(gate.slots) if most is None else min(most, gate.limit - len(gate.slots))
            held = {slot.index for slot in gate.slots.values()}
            indexes = (index for index in range(gate.limit) if index not in held)
            heads = gate.due(at, max(free, 0))
            slots = [
                Slot(run_id=head.run_id, index=i, taken=at, priority=head.priority, enqueued=head.enqueued)
                for head, i in zip(heads, indexes, strict=False)
            ]
            for slot in slots:
                gate.leave(slot.run_id)
                gate.slots[slot.run_id] = slot
            return slots

    def slots(self, compute: str) -> Sequence[Slot]:
        """Every slot held, by index."""
        with self._lock:
            gate = self._gates.get(compute)
            return [] if gate is None else sorted(gate.slots.values(), key=lambda slot: slot.index)

    def room(self, compute: str) -> int:
        """How many slots are free; see the port."""
        with self._lock:
            gate = self._gates.get(compute)
            closed = gate is None or gate.paused or gate.draining
            return 0 if gate is None or closed else max(gate.limit - len(gate.slots), 0)

    def awaited(self, compute: str) -> bool:
        """Whether somebody waits."""
        return bool(self.waiting(compute, 1))

    def release(self, compute: str, run_id: str, *, taken: float | None = None) -> bool:
        """Free the run's slot; see the port."""
        with self._lock:
            gate = self._gates.get(compute)
            slot = None if gate is None else gate.slots.get(run_id)
            if gate is None or slot is None or taken not in {None, slot.taken}:
                return False
            del gate.slots[run_id]
            return True

    def put_back(self, compute: str, entry: Waiting, *, taken: float | None = None) -> bool:
        """Move a run from its slot back to the waiting list, in one step; see the port."""
        with self._lock:
            gate = self._gates.get(compute)
            slot = None if gate is None else gate.slots.get(entry.run_id)
            if slot is None or taken not in {None, slot.taken}:
                return False
            self.release(compute, entry.run_id)
            self.wait(compute, entry)
            return True

    def confirm(self, compute: str, slots: Sequence[Slot], *, at: float) -> frozenset[str]:
        """Renew the slots of runs that were claimed; see the port."""
        with self._lock:
            gate = self._gates.get(compute)
            held = {} if gate is None else gate.slots
            sure = [slot for slot in slots if slot.run_id in held and held[slot.run_id].taken in {slot.taken, at}]
            held.update({slot.run_id: replace(held[slot.run_id], taken=at) for slot in sure})
            return frozenset(slot.run_id for slot in sure)

    def arm(self, compute: str, *, next_at: float) -> int | None:
        """Arm a disarmed watch; see the port."""
        with self._lock:
            gate = self._existing(compute)
            return None if gate.next_at is not None else _turn(gate, next_at)

    def advance(self, compute: str, generation: int, *, next_at: float) -> int | None:
        """Turn ``generation`` into the next one, due at ``next_at``; ``None`` if another did it first."""
        with self._lock:
            gate = self._gates.get(compute)
            if gate is None or gate.next_at is None or gate.generation != generation:
                return None
            return _turn(gate, next_at)

    def disarm(self, compute: str, generation: int) -> bool:
        """Disarm the watch if it is still at ``generation`` and no slot is held."""
        with self._lock:
            gate = self._gates.get(compute)
            if gate is None or gate.next_at is None or gate.generation != generation or gate.slots:
                return False
            gate.next_at = None
            return True

    def _existing(self, compute: str) -> _Gate:
        gate = self._gates.get(compute)
        if gate is None:
            raise NotFoundError(f"there is no gate for a compute named {compute!r}; configure the compute first")
        return gate


def _key(entry: Waiting) -> tuple[float, str]:
    return entry.rank, entry.run_id


def _turn(gate: _Gate, next_at: float) -> int:
    gate.generation += 1
    gate.next_at = next_at
    return gate.generation
