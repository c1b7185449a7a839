"""The gates of computes in Azure Tables. The rows are told of in :mod:`runyard.stores.azure.gate_rows`.

A crash leaves nothing half done: each method is one transaction, and those that loop (``take`` beyond 49 slots, ``confirm`` beyond
100, ``drain`` over all gates) are made of steps that each stand for themselves. Table operations of each, in the usual case:
``wait`` 1, ``take`` 2, ``confirm``, ``release``, ``advance`` and ``disarm`` 1, ``put_back`` 1, ``arm`` 0 or 1, ``room`` 0 or 1,
``waiting`` 1 or 2.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from runyard.errors import ConflictError, RunyardError, ThrottledError, TransientError
from runyard.ports.gates import Gate, Slot, Waiting
from runyard.stores.azure.gate_line import Line
from runyard.stores.azure.gate_rows import (
    ALL,
    LONGEST_REASON,
    GateRow,
    Held,
    View,
    by_key,
    entry_row,
    gate_row,
    list_key,
    listing,
    partition,
    removal,
    slot_key,
    slot_row,
    sooner,
)
from runyard.stores.azure.gate_swap import (
    HEADS,
    STEADY,
    TRIES,
    Change,
    NoGateError,
    Nothing,
    Step,
    Swaps,
    busy,
)
from runyard.stores.azure.table import MOST_OPERATIONS, Op, Table

ROOM: Final = 1.0
"""Seconds for which it is believed that there is room: at worst a wake is sent for nothing. That there is none is always read,
as the run that was put on the list before may have come too late for whoever freed a slot."""
JUST: Final = 0.5
"""Seconds for which the thread that advanced a watch is given the slots as that swap proved them."""


class AzureGates:
    """:class:`~runyard.ports.gates.Gates` in the table ``gates``."""

    def __init__(
        self,
        table: Table,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``monotonic`` measures how old what is remembered is; ``sleep`` lets others go first."""
        self._swaps = Swaps(table, monotonic=monotonic, sleep=sleep)
        self._line = Line(self._swaps)
        self._table = table
        self._mine = threading.local()
        self._room: dict[str, tuple[float, int]] = {}
        """By compute, what was read of the gate's row alone, and when."""

    def configure(self, compute: str, *, limit: int, paused: bool = False) -> None:
        """Create the gate, or set its limit and whether it hands out slots."""

        def plan(view: View, _: str) -> Step[None]:
            gate = replace(view.gate, limit=limit, paused=paused)
            return Nothing(result=None) if gate == view.gate else Change(gate=gate, result=None)

        if self._swaps.gate(compute) is None:
            # Its name first: a name without a gate is passed over, a gate without a name would never be listed.
            self._table.upsert({"PartitionKey": ALL, "RowKey": partition(compute), "compute": compute})
            try:
                self._table.create(gate_row(GateRow(compute=compute, limit=limit, paused=paused)))
            except ConflictError:
                pass  # another made it, or a lost reply was about ours: now it is there
            else:
                return
        self._swaps.swap(compute, plan)

    def drain(self, *, on: bool) -> None:
        """Let every gate hand out no more slots, or end that."""

        def plan(view: View, _: str) -> Step[None]:
            if view.gate.draining == on:
                return Nothing(result=None)
            return Change(gate=replace(view.gate, draining=on), result=None)

        for compute in self._names():
            if self._swaps.gate(compute) is not None:
                self._swaps.swap(compute, plan)

    def block(self, compute: str, *, until: float, reason: str) -> None:
        """Hand out no slots before ``until``; see the port."""

        def plan(view: View, _: str) -> Step[None]:
            if until <= view.gate.blocked_until:
                return Nothing(result=None, sure=True)
            said = reason[:LONGEST_REASON]
            return Change(gate=replace(view.gate, blocked_until=until, blocked_reason=said), result=None)

        self._swaps.swap(compute, plan)

    def get(self, compute: str) -> Gate | None:
        """The gate, or ``None``."""
        gate = self._swaps.gate(compute)
        return None if gate is None else gate.shown(self._line.count(compute))

    def list(self) -> Sequence[Gate]:
        """Every gate."""
        return [gate for compute in self._names() if (gate := self.get(compute)) is not None]

    def wait(self, compute: str, entry: Waiting) -> None:
        """Put a run on the waiting list; see the port."""
        self._line.wait(compute, entry)

    def waiting(self, compute: str, limit: int = 100) -> Sequence[Waiting]:
        """The head of the waiting list, in order."""
        return self._line.head(compute, limit)

    def position(self, compute: str, run_id: str) -> int | None:
        """1 for the next to go, ``FAR`` + 1 beyond ``FAR``; ``None`` if it does not wait."""
        return self._line.position(compute, run_id)

    def leave(self, compute: str, run_id: str) -> bool:
        """Take a run off the waiting list; whether it was there."""
        return self._line.leave(compute, run_id)

    def take(self, compute: str, *, at: float, most: int | None = None) -> Sequence[Slot]:
        """Move the first waiting runs to free slots; see the port."""
        slots: list[Slot] = []
        while most is None or len(slots) < most:
            left = HEADS if most is None else min(HEADS, most - len(slots))
            try:
                got = self._take_some(compute, at, left)
            except NoGateError:
                break
            except RunyardError:
                if not slots:
                    raise
                break  # those that were taken are the caller's; the others wait on
            slots += got
            if len(got) < left:
                break
        return slots

    def _take_some(self, compute: str, at: float, most: int) -> Sequence[Slot]:
        def plan(view: View, op: str) -> Step[Sequence[Slot] | None]:
            return _taking(view, op, at, most)

        while (got := self._swaps.swap(compute, plan, heads=most)) is None:
            self._line.ripen(compute, at)
        return got

    def slots(self, compute: str) -> Sequence[Slot]:
        """Every slot held, by index. To whoever just advanced the watch, as they were then."""
        view = None
        if self._mine.__dict__.pop("advanced", None) == compute:
            view = self._swaps.known(compute, JUST)
        try:
            view = view or self._swaps.read(compute)
        except NoGateError:
            return []
        return sorted((held.slot for held in view.slots.values()), key=lambda slot: slot.index)

    def room(self, compute: str) -> int:
        """How many slots are free; see the port. What is said to be free may have been taken up to :data:`ROOM` seconds ago."""
        known = self._swaps.known(compute, ROOM)
        at, room = self._room.get(compute, (0.0, 0))
        now = self._swaps.monotonic()
        if known is not None:  # of this process' own doing, and so the newer of the two
            at, room = now, _room(known.gate)
        if not room or now - at > ROOM:
            gate = self._swaps.gate(compute)
            room = 0 if gate is None else _room(gate)
            self._room[compute] = now, room
        return room

    def awaited(self, compute: str) -> bool:
        """Whether somebody waits; see the port. No request if this thread freed its slot of a gate that had room before.

        Whoever waits there came while there was room, so that he or the dispatcher that gave the slots away told of it, or may not go
        yet, or was put back, each of which sends its own wake.
        """
        if self._mine.__dict__.pop("had_room", None) == compute:
            return False
        return bool(self._line.head(compute, 1))

    def release(self, compute: str, run_id: str, *, taken: float | None = None) -> bool:
        """Free the run's slot; see the port."""
        return self._freed(compute, run_id, taken, None)

    def put_back(self, compute: str, entry: Waiting, *, taken: float | None = None) -> bool:
        """Move a run from its slot back to the waiting list, in one step; see the port."""
        return self._freed(compute, entry.run_id, taken, entry)

    def _freed(self, compute: str, run_id: str, taken: float | None, back: Waiting | None) -> bool:
        def plan(view: View, _: str) -> Step[bool]:
            held = view.slots.get(run_id)
            if held is None or taken not in {None, held.slot.taken}:
                return Nothing(result=False)
            self._mine.had_room = compute if _room(view.gate) else None
            return _freeing(view, held, "*" if taken is None else held.etag, back)

        self._mine.had_room = None
        try:
            return self._swaps.swap(compute, plan)
        except NoGateError:
            return False

    def confirm(self, compute: str, slots: Sequence[Slot], *, at: float) -> frozenset[str]:
        """Renew the slots of runs that were claimed; see the port. The gate's row is not touched, the slots' own ETags decide."""
        with self._swaps.turn(compute):
            view = self._swaps.known(compute, STEADY)
            for attempt in range(TRIES):
                known = view is not None
                try:
                    view = view or self._swaps.read(compute)
                except NoGateError:
                    return frozenset()
                held = [
                    view.slots[slot.run_id]
                    for slot in slots
                    if slot.run_id in view.slots and view.slots[slot.run_id].slot.taken in {slot.taken, at}
                ]
                old = [each for each in held if each.slot.taken != at]
                if known and (len(held) < len(slots) or len(old) < len(held)):
                    view = None
                elif self._renew(compute, old, at, attempt):
                    return frozenset(each.slot.run_id for each in held)
                else:
                    view = None
        raise busy(compute)

    def _renew(self, compute: str, old: Sequence[Held], at: float, attempt: int) -> bool:
        """Write that slots count as taken at ``at``; whether all were as they were seen."""
        for start in range(0, len(old), MOST_OPERATIONS):
            some = old[start : start + MOST_OPERATIONS]
            try:
                etags = self._table.transact([_renewal(compute, held, at) for held in some])
            except ConflictError:
                self._swaps.pause(attempt)
                return False
            except (TransientError, ThrottledError):
                after = self._swaps.read(compute).slots
                if any(held.slot.run_id not in after or after[held.slot.run_id].slot.taken != at for held in some):
                    raise
            else:
                renewed = [
                    replace(held, slot=replace(held.slot, taken=at), etag=etag)
                    for held, etag in zip(some, etags, strict=True)
                ]
                self._swaps.amend(compute, {held.slot.run_id: held for held in renewed})
        return True

    def arm(self, compute: str, *, next_at: float) -> int | None:
        """Arm a disarmed watch; see the port.

        That it is armed is believed of a gate that is remembered with slots: whoever took one saw the gate then, and nobody disarms
        while one is held.
        """

        def plan(view: View, op: str) -> Step[int | None]:
            if view.gate.next_at is not None:
                return Nothing(result=None, sure=bool(view.slots))
            return _turning(view.gate, next_at, op)

        return self._swaps.swap(compute, plan)

    def advance(self, compute: str, generation: int, *, next_at: float) -> int | None:
        """Turn ``generation`` into the next one, due at ``next_at``; ``None`` if another did it first."""

        def plan(view: View, op: str) -> Step[int | None]:
            if view.gate.next_at is None or view.gate.generation != generation:
                return Nothing(result=None)
            return _turning(view.gate, next_at, op)

        try:
            turned = self._swaps.swap(compute, plan)
        except NoGateError:
            return None
        self._mine.advanced = compute if turned is not None else None
        return turned

    def disarm(self, compute: str, generation: int) -> bool:
        """Disarm the watch if it is still at ``generation`` and no slot is held; that one is held may be up to a minute old."""

        def plan(view: View, _: str) -> Step[bool]:
            if view.gate.next_at is None or view.gate.generation != generation:
                return Nothing(result=False)
            if view.gate.taken:
                return Nothing(result=False, sure=True)
            return Change(gate=replace(view.gate, next_at=None), result=True)

        try:
            return self._swaps.swap(compute, plan)
        except NoGateError:
            return False

    def _names(self) -> Sequence[str]:
        return sorted(found.row["compute"] for found in self._table.query(ALL))


def _room(gate: GateRow) -> int:
    return 0 if gate.paused or gate.draining else max(gate.limit - gate.taken, 0)


def _taking(view: View, op: str, at: float, most: int) -> Step[Sequence[Slot] | None]:
    """Slots for the first that wait; ``None`` if there are some whose time has come since anybody looked."""
    gate = view.gate
    if gate.closed(at) or not view.free(most):
        return Nothing(result=())
    if 0 < gate.later_at <= at:
        return Nothing(result=None)
    heads = view.heads[: view.free(most)]
    if not heads:
        return Nothing(result=())
    held = {each.slot.index for each in view.slots.values()}
    free = (index for index in count() if index not in held)
    slots = [
        Slot(run_id=head.run_id, index=index, taken=at, priority=head.priority, enqueued=head.enqueued)
        for head, index in zip(heads, free, strict=False)
    ]
    rows = [
        row
        for head, slot in zip(heads, slots, strict=True)
        for row in (
            removal(gate.compute, list_key(head)),
            Op(kind="create", row=slot_row(gate.compute, slot, op)),
        )
    ]
    taken = {slot.run_id: Held(slot, "", op) for slot in slots}
    return Change(
        gate=replace(gate, taken=gate.taken + len(slots)),
        result=slots,
        rows=rows,
        slots={**view.slots, **taken},
        seen=lambda after, mine: any(each.op == mine for each in after.slots.values()),
    )


def _freeing(view: View, held: Held, etag: str, back: Waiting | None) -> Change[bool]:
    """Free a slot, and put its run back to the list if it is given."""
    compute, run_id = view.gate.compute, held.slot.run_id
    rows = [removal(compute, slot_key(run_id), etag)]
    gate = replace(view.gate, taken=view.gate.taken - 1)
    if back is None:
        rows.append(removal(compute, by_key(run_id)))
    else:
        here = entry_row(compute, by_key(run_id), back)
        rows += [Op(kind="update", row=here, etag="*"), *listing(compute, back)]
        if back.not_before > 0:
            gate = replace(gate, later_at=sooner(gate.later_at, back.not_before))
    slots = {name: each for name, each in view.slots.items() if name != run_id}
    return Change(gate=gate, result=True, rows=rows, slots=slots, seen=lambda after, _: run_id not in after.slots)


def _renewal(compute: str, held: Held, at: float) -> Op:
    key: Mapping[str, str] = {"PartitionKey": partition(compute), "RowKey": slot_key(held.slot.run_id)}
    return Op(kind="merge", row={**key, "taken": float(at)}, etag=held.etag)


def _turning(gate: GateRow, next_at: float, op: str) -> Change[int | None]:
    """The next generation of the watch."""
    turned = replace(gate, generation=gate.generation + 1, next_at=next_at, turn=op)
    return Change(gate=turned, result=turned.generation, seen=lambda after, mine: after.gate.turn == mine)
