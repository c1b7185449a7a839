"""Schedules in Azure Tables: one partition, so that those that are due are found by one query.

``version`` is random with each write and stands in the row: whoever changes the row must have seen it, and a write whose reply was
lost is known again by the version that it wrote.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from runyard.errors import ConflictError, NotFoundError, ThrottledError, TransientError
from runyard.ports.schedules import Schedule
from runyard.stores.azure.keys import escaped
from runyard.stores.azure.table import Found, Row, Table, packed

PARTITION: Final = "schedule"
_DUE: Final = "due le @now"
_MOVED: Final = "moved gt @now"


class AzureScheduleStore:
    """A :class:`~runyard.ports.schedules.ScheduleStore` in the table ``schedules``."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._decode = msgspec.json.Decoder(Schedule).decode

    def put(self, schedule: Schedule) -> Schedule:
        """Write it if the row is still at its version; see the port."""
        version = secrets.token_hex(8)
        row = _row(schedule, version)
        try:
            if not schedule.version:
                self._table.create(row)
            else:
                found = self._find(schedule.name)
                if found is None or found.row["version"] != schedule.version:
                    raise _changed(schedule.name)
                self._table.replace(row, found.etag)
        except (ConflictError, NotFoundError, TransientError, ThrottledError) as error:
            after = self._find(schedule.name)
            if after is None or after.row["version"] != version:
                if isinstance(error, TransientError | ThrottledError):
                    raise
                raise _changed(schedule.name) from error
        return replace(schedule, version=version)

    def get(self, name: str) -> Schedule | None:
        """By name."""
        found = self._find(name)
        return None if found is None else self._read(found)

    def list(self) -> Sequence[Schedule]:
        """All, by name."""
        return sorted(map(self._read, self._table.query(PARTITION)), key=lambda schedule: schedule.name)

    def due(self, now: float, *, limit: int = 100) -> Sequence[Schedule]:
        """Those that have something to do; see the port. The service sends no others."""
        where = f"( {_DUE} ) or ( {_MOVED} )"
        rows = self._table.query(PARTITION, where=where, parameters={"now": float(now)})
        found = [self._read(row) for row in rows]
        timely = [each for each in found if each.due is not None and each.due <= now]
        moved = [each for each in found if each.due is None or each.due > now]
        timely.sort(key=lambda each: (each.due or 0.0, each.name))
        moved.sort(key=lambda each: (each.moved, each.name))
        return [*timely, *moved][:limit]

    def remove(self, name: str) -> bool:
        """Remove; whether it was there. It is looked for first: the answer to a removal may be lost."""
        there = self._find(name) is not None
        return self._table.delete(PARTITION, escaped(name)) or there

    def _find(self, name: str) -> Found | None:
        return self._table.get(PARTITION, escaped(name))

    def _read(self, found: Found) -> Schedule:
        return replace(self._decode(found.document), version=found.row["version"])


def _row(schedule: Schedule, version: str) -> Row:
    row: Row = {
        "PartitionKey": PARTITION,
        "RowKey": escaped(schedule.name),
        "version": version,
        **packed(msgspec.json.encode(replace(schedule, version=""))),
    }
    if schedule.due is not None:
        row["due"] = float(schedule.due)
    if not schedule.paused:
        row["moved"] = float(schedule.moved)
    return row


def _changed(name: str) -> ConflictError:
    return ConflictError(f"the schedule {name!r} was changed by somebody else first")
