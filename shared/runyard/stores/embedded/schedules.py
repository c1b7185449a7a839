"""Schedules in ``runyard.db``: one row each, found by when it is due."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from runyard.errors import ConflictError
from runyard.ports.schedules import Schedule
from runyard.stores.embedded.database import Database

_NEW: Final = (
    "INSERT INTO schedules (version, due, moved, document, name) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_CHANGE: Final = "UPDATE schedules SET version = ?, due = ?, moved = ?, document = ? WHERE name = ? AND version = ?"
_COLUMNS: Final = "SELECT version, document FROM schedules"


class EmbeddedScheduleStore:
    """A :class:`~runyard.ports.schedules.ScheduleStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._decode = msgspec.json.Decoder(Schedule).decode

    def put(self, schedule: Schedule) -> Schedule:
        """Write it if the row is still at its version; see the port."""
        document = msgspec.json.encode(replace(schedule, version=""))
        moved = None if schedule.paused else schedule.moved
        # A row that is made anew begins with a number that no row of its name ever had.
        before = int(schedule.version) if schedule.version else secrets.randbits(60)
        row = (before + 1, schedule.due, moved, document, schedule.name)

        def write(db: sqlite3.Connection) -> int:
            done = db.execute(_CHANGE, (*row, before)) if schedule.version else db.execute(_NEW, row)
            return done.rowcount

        if not self._database.write(write, durable=True):
            raise ConflictError(f"the schedule {schedule.name!r} was changed by somebody else first")
        return replace(schedule, version=str(before + 1))

    def get(self, name: str) -> Schedule | None:
        """By name."""
        rows = self._database.look(f"{_COLUMNS} WHERE name = ?", (name,))
        return self._read(rows[0]) if rows else None

    def list(self) -> Sequence[Schedule]:
        """All, by name."""
        return [self._read(row) for row in self._database.read(f"{_COLUMNS} ORDER BY name")]

    def due(self, now: float, *, limit: int = 100) -> Sequence[Schedule]:
        """Those that have something to do; see the port."""
        rows = self._database.read(f"{_COLUMNS} WHERE due <= ? ORDER BY due, name LIMIT ?", (now, limit))
        rows += self._database.read(
            f"{_COLUMNS} WHERE moved > ? AND (due IS NULL OR due > ?) ORDER BY moved, name LIMIT ?",
            (now, now, limit - len(rows)),
        )
        return [self._read(row) for row in rows]

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        return self._database.write(
            lambda db: db.execute("DELETE FROM schedules WHERE name = ?", (name,)).rowcount > 0, durable=True
        )

    def _read(self, row: Any) -> Schedule:
        version, document = row
        return replace(self._decode(document), version=str(version))
