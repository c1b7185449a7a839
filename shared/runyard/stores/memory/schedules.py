"""Schedules in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import RLock

from runyard.errors import ConflictError
from runyard.ports.schedules import Schedule


class MemoryScheduleStore:
    """A :class:`~runyard.ports.schedules.ScheduleStore` in a dictionary."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._rows: dict[str, Schedule] = {}
        self._writes = 0

    def put(self, schedule: Schedule) -> Schedule:
        """Write it if the row is still at its version; see the port."""
        with self._lock:
            there = self._rows.get(schedule.name)
            if schedule.version != ("" if there is None else there.version):
                raise ConflictError(f"the schedule {schedule.name!r} was changed by somebody else first")
            self._writes += 1
            stored = replace(schedule, version=str(self._writes))
            self._rows[schedule.name] = stored
            return stored

    def get(self, name: str) -> Schedule | None:
        """By name."""
        return self._rows.get(name)

    def list(self) -> Sequence[Schedule]:
        """All, by name."""
        return [schedule for _, schedule in sorted(self._rows.items())]

    def due(self, now: float, *, limit: int = 100) -> Sequence[Schedule]:
        """Those that have something to do; see the port."""
        rows = self.list()
        timely = sorted((row.due, row.name) for row in rows if row.due is not None and row.due <= now)
        moved = sorted((row.moved, row.name) for row in rows if not row.paused and row.moved > now)
        names = dict.fromkeys(name for _, name in [*timely, *moved])
        return [self._rows[name] for name in list(names)[:limit]]

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        with self._lock:
            return self._rows.pop(name, None) is not None
