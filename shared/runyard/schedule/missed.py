"""What is to be made up for when times of a schedule have passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from runyard.ports import Ports, Schedule, Skipped
from runyard.runs.identity import identity
from runyard.schedule.occasion import key_of

ON_TIME: Final = 120.0
"""Seconds after its time for which a time is not called missed: the timer comes every 15 s, and a host needs a while to start."""
MOST: Final = 100
"""Times of one schedule that are made up for, whatever was missed: the newest ones."""
COUNTED: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about the times that have come."""

    fire: Sequence[float]
    """Make runs of these, in order."""
    skipped: Skipped | None
    """Times that are given up."""
    done: tuple[float, str] | None
    """The newest time of which there is a run that the schedule's row does not know of, and that run."""
    last: float
    """The newest time that has come."""


def plan(ports: Ports, schedule: Schedule, now: float) -> Plan:
    """Decide by the schedule's rule; its ``next_at`` has come."""
    first = schedule.next_at
    assert first is not None
    times = schedule.timing.newest(first, now, MOST)
    done = _made(ports, schedule, times) if len(times) > 1 else {}
    fire = [time for time in _wanted(schedule, times, now) if time not in done]
    newest = max(done, default=None)
    return Plan(
        fire=fire,
        skipped=_skipped(schedule, first, {*fire, *done}, now),
        done=None if newest is None else (newest, done[newest]),
        last=times[-1],
    )


def _made(ports: Ports, schedule: Schedule, times: Sequence[float]) -> dict[float, str]:
    """The times that have runs: who made one may have died before the row said so."""
    found = ((time, ports.runs.find(identity(key_of(schedule, time)))) for time in times)
    return {time: run for time, run in found if run is not None}


def _wanted(schedule: Schedule, times: Sequence[float], now: float) -> Sequence[float]:
    grace = schedule.grace
    if schedule.catch_up == "none":
        grace = ON_TIME if grace is None else grace
    elif schedule.catch_up == "last":
        times = times[-1:]
    return [time for time in times if grace is None or now - time <= grace]


def _skipped(schedule: Schedule, first: float, taken: set[float], now: float) -> Skipped | None:
    """What of all that has come is not taken. Only so many are counted; the newest of them is exact."""
    count, oldest = 0, None
    for time in chain([first], schedule.timing.times(first)):
        if time > now or count >= COUNTED:
            break
        if time not in taken:
            count += 1
            oldest = time if oldest is None else oldest
    if oldest is None:
        return None
    newest = max(time for time in (oldest, *schedule.timing.newest(first, now, MOST + 1)) if time not in taken)
    return Skipped(first=oldest, last=newest, count=count, why=_why(schedule))


def _why(schedule: Schedule) -> str:
    if schedule.catch_up == "last" and schedule.grace is None:
        return "missed; the newest one is made up for"
    if schedule.catch_up == "all" and schedule.grace is None:
        return f"missed; the newest {MOST} are made up for"
    return "missed; too late to be made up for"
