"""Alarms of schedules: those that fail again and again, and those whose time came and nobody was there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runyard.ports import Ports, Schedule
from runyard.reconcile.alarm import Alarm, lasting, many

OFTEN: Final = 3
"""Times in a row without a run, or with one that failed."""
LATE: Final = 300.0
"""Seconds after its time when a schedule is called overdue: the timer comes every 15."""


def of_schedules(ports: Ports) -> Iterator[Alarm]:
    """What is amiss with schedules now."""
    now = ports.clock.now()
    schedules = [schedule for schedule in ports.schedules.list() if not schedule.paused]
    for schedule in schedules:
        if schedule.failures >= OFTEN:
            yield _failing(schedule)
    late = sorted((schedule.due, schedule.name) for schedule in schedules if schedule.due is not None)
    late = [(due, name) for due, name in late if now - due > LATE]
    if late:
        due, name = late[0]
        yield Alarm(
            name="schedules overdue",
            detail=f"{many(len(late), 'schedule')} not looked at, {name} for {lasting(now - due)}",
            fix="start a host with `runyard up`; if one runs, its log says what keeps it",
        )


def _failing(schedule: Schedule) -> Alarm:
    last = schedule.last_error or f"the newest run is {schedule.last_run}"
    return Alarm(
        name=f"schedule {schedule.name} keeps failing",
        detail=f"it failed {schedule.failures} times in a row: {last}",
        fix=f"see `runyard schedule show {schedule.name}`; hold it up with `runyard schedule pause {schedule.name}`",
    )
