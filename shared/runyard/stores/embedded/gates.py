"""The gates of computes in SQLite: each change is one transaction of the one writer, and so a compare-and-swap."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from runyard.errors import NotFoundError
from runyard.ports.gates import FAR, Gate, Slot, Waiting
from runyard.stores.embedded.database import Database

_CONFIGURE: Final = (
    "INSERT INTO gates (compute, slot_limit, paused) VALUES (?, ?, ?)"
    " ON CONFLICT (compute) DO UPDATE SET slot_limit = excluded.slot_limit, paused = excluded.paused"
)
_GATES: Final = (
    "SELECT compute, slot_limit, paused, generation, next_at, draining, blocked_until, blocked_reason, waiting_count,"
    " (SELECT count(*) FROM slots WHERE slots.compute = gates.compute) FROM gates"
)
_WAIT: Final = (
    "INSERT INTO waiting (compute, run_id, rank, enqueued, priority, not_before) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
    " WHERE EXISTS (SELECT 1 FROM gates WHERE compute = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM slots WHERE compute = ?1 AND run_id = ?2)"
    " ON CONFLICT DO UPDATE SET not_before = min(not_before, excluded.not_before)"
)
_HEAD: Final = (
    "SELECT run_id, priority, enqueued, not_before FROM waiting WHERE compute = ? ORDER BY rank, run_id LIMIT ?"
)
# Those whose time has come are marked once, so that no take has to pass over those whose time has not.
_RIPEN: Final = "UPDATE waiting SET not_before = 0 WHERE compute = ? AND not_before > 0 AND not_before <= ?"
_DUE: Final = (
    "SELECT run_id, priority, enqueued FROM waiting WHERE compute = ? AND not_before = 0 ORDER BY rank, run_id LIMIT ?"
)
_AHEAD: Final = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM waiting AS other WHERE other.compute = me.compute"  # noqa: S608  # a number
    f" AND (other.rank, other.run_id) <= (me.rank, me.run_id) LIMIT {FAR + 1}))"
    " FROM waiting AS me WHERE me.compute = ? AND me.run_id = ?"
)
_LEAVE: Final = "DELETE FROM waiting WHERE compute = ? AND run_id = ?"
_FILL: Final = "INSERT INTO slots (compute, run_id, number, taken, priority, enqueued) VALUES (?, ?, ?, ?, ?, ?)"
_RELEASE: Final = "DELETE FROM slots WHERE compute = ?1 AND run_id = ?2 AND (?3 IS NULL OR taken = ?3)"
_CONFIRM: Final = "UPDATE slots SET taken = ?1 WHERE compute = ?2 AND run_id = ?3 AND taken IN (?4, ?1)"
_ROOM: Final = (
    "SELECT slot_limit - (SELECT count(*) FROM slots WHERE compute = ?1) FROM gates"
    " WHERE compute = ?1 AND NOT paused AND NOT draining"
)
_BLOCK: Final = (
    "UPDATE gates SET blocked_until = max(blocked_until, ?2),"
    " blocked_reason = CASE WHEN ?2 > blocked_until THEN ?3 ELSE blocked_reason END WHERE compute = ?1"
)
_STATE: Final = "SELECT slot_limit, paused OR draining OR blocked_until > ? FROM gates WHERE compute = ?"
_ARMED: Final = "SELECT 1 FROM gates WHERE compute = ? AND next_at IS NOT NULL"
_ARM: Final = (
    "UPDATE gates SET generation = generation + 1, next_at = ? WHERE compute = ? AND next_at IS NULL"
    " RETURNING generation"
)
_ADVANCE: Final = (
    "UPDATE gates SET generation = generation + 1, next_at = ?"
    " WHERE compute = ? AND generation = ? AND next_at IS NOT NULL RETURNING generation"
)
_DISARM: Final = (
    "UPDATE gates SET next_at = NULL WHERE compute = ?1 AND generation = ?2 AND next_at IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM slots WHERE compute = ?1)"
)


class EmbeddedGates:
    """:class:`~runyard.ports.gates.Gates` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def configure(self, compute: str, *, limit: int, paused: bool = False) -> None:
        """Create the gate, or set its limit and whether it hands out slots."""
        self._database.write(_run(_CONFIGURE, compute, limit, paused))

    def get(self, compute: str) -> Gate | None:
        """The gate, or ``None``."""
        rows = self._database.read(f"{_GATES} WHERE compute = ?", (compute,))
        return _gate(rows[0]) if rows else None

    def drain(self, *, on: bool) -> None:
        """Let every gate hand out no more slots, or end that."""
        self._database.write(_run("UPDATE gates SET draining = ?", on), durable=True)

    def block(self, compute: str, *, until: float, reason: str) -> None:
        """Hand out no slots before ``until``; see the port."""

        def work(db: sqlite3.Connection) -> None:
            if db.execute(_BLOCK, (compute, until, reason)).rowcount == 0:
                _must_exist(db, compute)

        self._database.write(work)

    def list(self) -> Sequence[Gate]:
        """Every gate."""
        return [_gate(row) for row in self._database.read(f"{_GATES} ORDER BY compute")]

    def wait(self, compute: str, entry: Waiting) -> None:
        """Put a run on the waiting list; see the port."""

        def work(db: sqlite3.Connection) -> None:
            if db.execute(_WAIT, _row(compute, entry)).rowcount == 0:
                _must_exist(db, compute)

        self._database.write(work)

    def waiting(self, compute: str, limit: int = 100) -> Sequence[Waiting]:
        """The head of the waiting list, in order."""
        rows = self._database.look(_HEAD, (compute, limit))
        return [
            Waiting(run_id=run_id, priority=priority, enqueued=enqueued, not_before=not_before)
            for run_id, priority, enqueued, not_before in rows
        ]

    def position(self, compute: str, run_id: str) -> int | None:
        """1 for the next to go, ``FAR`` + 1 beyond ``FAR``; ``None`` if it does not wait."""
        rows = self._database.read(_AHEAD, (compute, run_id))
        return int(rows[0][0]) if rows else None

    def leave(self, compute: str, run_id: str) -> bool:
        """Take a run off the waiting list; whether it was there."""
        return self._database.write(_run(_LEAVE, compute, run_id)) > 0

    def take(self, compute: str, *, at: float, most: int | None = None) -> Sequence[Slot]:
        """Move the first waiting runs to free slots; see the port."""

        def work(db: sqlite3.Connection) -> list[Slot]:
            gate = db.execute(_STATE, (at, compute)).fetchone()
            if gate is None or gate[1]:
                return []
            held = {row[0] for row in db.execute("SELECT number FROM slots WHERE compute = ?", (compute,))}
            free = gate[0] - len(held) if most is None else min(most, gate[0] - len(held))
            if free <= 0:
                return []
            db.execute(_RIPEN, (compute, at))
            heads = db.execute(_DUE, (compute, free)).fetchall()
            indexes = (index for index in range(gate[0]) if index not in held)
            slots = [
                Slot(run_id=run_id, index=index, taken=at, priority=priority, enqueued=enqueued)
                for (run_id, priority, enqueued), index in zip(heads, indexes, strict=False)
            ]
            for slot in slots:
                db.execute(_LEAVE, (compute, slot.run_id))
                db.execute(_FILL, (compute, slot.run_id, slot.index, at, slot.priority, slot.enqueued))
            return slots

        return self._database.write(work)

    def slots(self, compute: str) -> Sequence[Slot]:
        """Every slot held, by index."""
        rows = self._database.look(
            "SELECT run_id, number, taken, priority, enqueued FROM slots WHERE compute = ? ORDER BY number", (compute,)
        )
        return [
            Slot(run_id=run_id, index=number, taken=taken, priority=priority, enqueued=enqueued)
            for run_id, number, taken, priority, enqueued in rows
        ]

    def room(self, compute: str) -> int:
        """How many slots are free; see the port."""
        rows = self._database.look(_ROOM, (compute,))
        return max(rows[0][0], 0) if rows else 0

    def awaited(self, compute: str) -> bool:
        """Whether somebody waits."""
        return bool(self.waiting(compute, 1))

    def release(self, compute: str, run_id: str, *, taken: float | None = None) -> bool:
        """Free the run's slot; see the port."""
        return self._database.write(_run(_RELEASE, compute, run_id, taken)) > 0

    def put_back(self, compute: str, entry: Waiting, *, taken: float | None = None) -> bool:
        """Move a run from its slot back to the waiting list, in one step; see the port."""

        def work(db: sqlite3.Connection) -> bool:
            if db.execute(_RELEASE, (compute, entry.run_id, taken)).rowcount == 0:
                return False
            db.execute(_WAIT, _row(compute, entry))
            return True

        return self._database.write(work)

    def confirm(self, compute: str, slots: Sequence[Slot], *, at: float) -> frozenset[str]:
        """Renew the slots of runs that were claimed; see the port."""
        keys = [(at, compute, slot.run_id, slot.taken) for slot in slots]
        held = self._database.write(lambda db: [db.execute(_CONFIRM, key).rowcount for key in keys])
        return frozenset(slot.run_id for slot, count in zip(slots, held, strict=True) if count)

    def arm(self, compute: str, *, next_at: float) -> int | None:
        """Arm a disarmed watch; see the port. It is armed nearly always, so a read comes first.

        That is safe: the caller holds a slot, and while one is held nobody disarms.
        """
        if self._database.look(_ARMED, (compute,)):
            return None

        def work(db: sqlite3.Connection) -> int | None:
            rows = db.execute(_ARM, (next_at, compute)).fetchall()
            if rows:
                return int(rows[0][0])
            _must_exist(db, compute)
            return None

        return self._database.write(work)

    def advance(self, compute: str, generation: int, *, next_at: float) -> int | None:
        """Turn ``generation`` into the next one, due at ``next_at``; ``None`` if another did it first."""
        rows = self._database.write(lambda db: db.execute(_ADVANCE, (next_at, compute, generation)).fetchall())
        return int(rows[0][0]) if rows else None

    def disarm(self, compute: str, generation: int) -> bool:
        """Disarm the watch if it is still at ``generation`` and no slot is held."""
        if self.slots(compute):
            return False  # at each poll, and so it does not wait for the writer
        return self._database.write(_run(_DISARM, compute, generation)) > 0


def _row(compute: str, entry: Waiting) -> tuple[object, ...]:
    return compute, entry.run_id, entry.rank, entry.enqueued, entry.priority, max(entry.not_before, 0.0)


def _run(sql: str, *args: object) -> Callable[[sqlite3.Connection], int]:
    """A write of one statement; it returns how many rows it changed."""
    return lambda db: db.execute(sql, args).rowcount


def _must_exist(db: sqlite3.Connection, compute: str) -> None:
    if db.execute("SELECT 1 FROM gates WHERE compute = ?", (compute,)).fetchone() is None:
        raise NotFoundError(f"there is no gate for a compute named {compute!r}; configure the compute first")


def _gate(row: tuple[Any, ...]) -> Gate:
    compute, limit, paused, generation, next_at, draining, blocked_until, blocked_reason, waiting, taken = row
    return Gate(
        compute=compute,
        limit=limit,
        paused=bool(paused),
        generation=generation,
        next_at=next_at,
        waiting=waiting,
        taken=taken,
        draining=bool(draining),
        blocked_until=blocked_until,
        blocked_reason=blocked_reason,
    )
