"""Changing a schedule's row: compare-and-swap, and again on what is there now if somebody else was first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from runyard.errors import ConflictError
from runyard.ports import Ports, Schedule, Skipped

TRIES: Final = 8
KEPT: Final = 20
"""Notes on skipped times that a schedule keeps."""

Change = Callable[[Schedule], Schedule | None]
"""Makes the row that should be; ``None``: what is there is right already."""


def change(ports: Ports, schedule: Schedule, make: Change) -> Schedule | None:
    """Change a schedule; returns what is stored now, or ``None`` if it was removed or defined anew meanwhile.

    Raises:
        ConflictError: if others keep coming first.
    """
    current: Schedule | None = schedule
    for _ in range(TRIES):
        if current is None or current.uid != schedule.uid:
            return None
        wanted = make(current)
        if wanted is None:
            return current
        try:
            return ports.schedules.put(wanted)
        except ConflictError:
            current = ports.schedules.get(schedule.name)
    raise ConflictError(f"the schedule {schedule.name!r} is being changed all the time; try again")


def with_note(schedule: Schedule, note: Skipped | None) -> Schedule:
    """The schedule with one more note; one that follows the newest for the same reason, without a run between, is joined to it."""
    if note is None:
        return schedule
    before = schedule.skipped
    if (
        before
        and before[-1].why == note.why
        and before[-1].last < note.first
        and (schedule.last_at or 0.0) < before[-1].last
    ):
        last = before[-1]
        note = replace(note, first=last.first, count=last.count + note.count)
        before = before[:-1]
    return replace(schedule, skipped=(*before, note)[-KEPT:])
