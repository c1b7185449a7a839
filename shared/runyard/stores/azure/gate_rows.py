"""The rows of a gate. PartitionKey = compute, so that each change of a gate is one entity-group transaction.

========================  ==================================================================================================
RowKey                    what
========================  ==================================================================================================
``by|<id>``               one row per run that is at this gate: its entry, from :meth:`~runyard.ports.gates.Gates.wait` until it
                          leaves or its slot is freed. It keeps a run from being here twice, and says where it waits
``gate``                  limit, watch, blocks, number of slots; its ETag is what every change of slots is swapped against
``r|<id>``                a slot
``w|<rank>|<id>``         a run that waits and may go, in the order of going
``y|<rank>|<id>``         a run whose ``not_before`` has not come, as far as anybody looked
``z|<not_before>|<id>``   the same once more, by when it may go
========================  ==================================================================================================

So the range from ``gate`` on has all that a dispatcher needs: the gate, the slots and the head of the waiting list. Those whose time
has not come are out of its way; ``gate.later_at`` (never later than the first of them) says when to look for ripe ones, which
then move to ``w|``. A run's ``by|`` row has ``not_before`` = 0 exactly if it is in ``w|`` or holds a slot.

The computes that have a gate are listed in a partition of their own, so that nobody reads the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from runyard.ports.gates import Gate, Slot, Waiting
from runyard.stores.azure.keys import AFTER, ascending, escaped
from runyard.stores.azure.table import Found, Op, Row

ALL: Final = "=gates"
"""The partition that names the computes; no compute's own key can be this."""
GATE: Final = "gate"
SLOT: Final = "r|"
DUE: Final = "w|"
LATER: Final = "y|"
TIMED: Final = "z|"
SLOTS_END: Final = SLOT + AFTER
DUE_END: Final = DUE + AFTER
WAITING_END: Final = LATER + AFTER

OP: Final = 8
"""Characters of an op id."""
HISTORY: Final = 40
"""How many changes back the gate remembers the op ids."""
LONGEST_REASON: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """The row ``gate``."""

    compute: str
    limit: int
    paused: bool = False
    draining: bool = False
    blocked_until: float = 0.0
    blocked_reason: str = ""
    generation: int = 0
    next_at: float | None = None
    turn: str = ""
    """The op id of the change that made :attr:`generation`."""
    taken: int = 0
    """How many ``r|`` rows there are."""
    later_at: float = 0.0
    """Not after the first ``z|`` row; 0 = there is none."""
    seq: int = 0
    """Counts the changes of this row."""
    ops: str = ""
    """The op ids of the newest :data:`HISTORY` changes, the newest first."""

    def closed(self, at: float) -> bool:
        """Whether it hands out nothing."""
        return self.paused or self.draining or self.blocked_until > at

    def wrote(self, op: str, seq: int) -> bool | None:
        """Whether ``op`` made the change after ``seq``; ``None`` if that is longer ago than the row remembers."""
        back = self.seq - seq - 1
        if back >= HISTORY:
            return None
        return back >= 0 and self.ops[back * OP : (back + 1) * OP] == op

    def next(self, op: str) -> GateRow:
        """The same after one more change."""
        return replace(self, seq=self.seq + 1, ops=(op + self.ops)[: HISTORY * OP])

    def shown(self, waiting: int) -> Gate:
        """As the port shows it."""
        return Gate(
            compute=self.compute,
            limit=self.limit,
            paused=self.paused,
            generation=self.generation,
            next_at=self.next_at,
            waiting=waiting,
            taken=self.taken,
            draining=self.draining,
            blocked_until=self.blocked_until,
            blocked_reason=self.blocked_reason,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A slot's row."""

    slot: Slot
    etag: str
    op: str
    """The op id of the change that took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A gate as it was read in one piece, or as a swap that succeeded proved it to be."""

    gate: GateRow
    etag: str
    slots: Mapping[str, Held] = field(default_factory=dict)
    heads: tuple[Waiting, ...] = ()
    """The first that wait and may go, if they were asked for."""
    at: float = 0.0
    """When that was, by a clock that only goes forward."""

    def free(self, most: int | None = None) -> int:
        """How many slots are free, at most ``most``; 0 also if more are held than the limit allows now."""
        free = max(self.gate.limit - len(self.slots), 0)
        return free if most is None else max(min(free, most), 0)


def partition(compute: str) -> str:
    """The PartitionKey of a compute's rows."""
    return escaped(compute)


def gate_row(gate: GateRow) -> Row:
    """As it is stored; whole numbers that may grow beyond 32 bits are stored as doubles."""
    row: Row = {
        "PartitionKey": partition(gate.compute),
        "RowKey": GATE,
        "compute": gate.compute,
        "limit": gate.limit,
        "paused": gate.paused,
        "draining": gate.draining,
        "blocked_until": float(gate.blocked_until),
        "blocked_reason": gate.blocked_reason[:LONGEST_REASON],
        "generation": float(gate.generation),
        "turn": gate.turn,
        "taken": gate.taken,
        "later_at": float(gate.later_at),
        "seq": float(gate.seq),
        "ops": gate.ops,
    }
    return row if gate.next_at is None else {**row, "next_at": float(gate.next_at)}


def gate_of(row: Row) -> GateRow:
    """What :func:`gate_row` stored."""
    next_at = row.get("next_at")
    return GateRow(
        compute=row["compute"],
        limit=int(row["limit"]),
        paused=bool(row["paused"]),
        draining=bool(row["draining"]),
        blocked_until=float(row["blocked_until"]),
        blocked_reason=row["blocked_reason"],
        generation=int(row["generation"]),
        next_at=None if next_at is None else float(next_at),
        turn=row["turn"],
        taken=int(row["taken"]),
        later_at=float(row["later_at"]),
        seq=int(row["seq"]),
        ops=row["ops"],
    )


def slot_key(run_id: str) -> str:
    """The RowKey of a run's slot."""
    return SLOT + escaped(run_id)


def slot_row(compute: str, slot: Slot, op: str) -> Row:
    """A slot as it is stored."""
    return {
        "PartitionKey": partition(compute),
        "RowKey": slot_key(slot.run_id),
        "run": slot.run_id,
        "index": slot.index,
        "taken": float(slot.taken),
        "priority": slot.priority,
        "enqueued": float(slot.enqueued),
        "op": op,
    }


def held_of(found: Found) -> Held:
    """What :func:`slot_row` stored."""
    row = found.row
    slot = Slot(
        run_id=row["run"],
        index=int(row["index"]),
        taken=float(row["taken"]),
        priority=int(row["priority"]),
        enqueued=float(row["enqueued"]),
    )
    return Held(slot, found.etag, row["op"])


def by_key(run_id: str) -> str:
    """The RowKey that says that a run is here."""
    return "by|" + escaped(run_id)


def place(entry: Waiting) -> str:
    """Where an entry stands in the order of going."""
    return f"{ascending(entry.rank)}|{escaped(entry.run_id)}"


def list_key(entry: Waiting) -> str:
    """The RowKey of its row in the waiting list."""
    return (LATER if entry.not_before > 0 else DUE) + place(entry)


def timed_key(entry: Waiting) -> str:
    """The RowKey by which one whose time has not come is found when it has."""
    return f"{TIMED}{ascending(entry.not_before)}|{escaped(entry.run_id)}"


def entry_row(compute: str, key: str, entry: Waiting) -> Row:
    """An entry as it is stored, under any of its keys."""
    return {
        "PartitionKey": partition(compute),
        "RowKey": key,
        "run": entry.run_id,
        "priority": entry.priority,
        "enqueued": float(entry.enqueued),
        "not_before": max(float(entry.not_before), 0.0),
    }


def entry_of(row: Row) -> Waiting:
    """What :func:`entry_row` stored."""
    return Waiting(
        run_id=row["run"],
        priority=int(row["priority"]),
        enqueued=float(row["enqueued"]),
        not_before=float(row["not_before"]),
    )


def listing(compute: str, entry: Waiting) -> list[Op]:
    """The operations that put an entry on the list."""
    keys = [list_key(entry), *([timed_key(entry)] if entry.not_before > 0 else [])]
    return [Op(kind="create", row=entry_row(compute, key, entry)) for key in keys]


def unlisting(compute: str, entry: Waiting) -> list[Op]:
    """The operations that take it off the list; refused if it is not there."""
    keys = [list_key(entry), *([timed_key(entry)] if entry.not_before > 0 else [])]
    return [removal(compute, key) for key in keys]


def removal(compute: str, key: str, etag: str = "*") -> Op:
    """The operation that removes a row of a gate."""
    return Op(kind="delete", row={"PartitionKey": partition(compute), "RowKey": key}, etag=etag)


def sooner(first: float, not_before: float) -> float:
    """``later_at`` after one more entry came that may go at ``not_before``."""
    return min(first, not_before) if first > 0 else not_before
