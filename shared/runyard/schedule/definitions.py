"""Defining schedules, and holding them up."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from runyard.accept.concealed import concealed_submission
from runyard.accept.resolve import asked_of
from runyard.computes import resolve
from runyard.errors import ConfigError, ConflictError, EventError, NotFoundError
from runyard.events import template
from runyard.events.timing import Timing
from runyard.ports import Ports, Schedule
from runyard.schedule.changes import change
from runyard.schedule.occasion import document_of, submission_of

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
CATCH_UP: Final = ("last", "all", "none")
OVERLAP: Final = ("allow", "skip")
OF_SCHEDULE: Final = "schedule-"
"""Before a definition's random name: what its template has of secrets is kept under both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What somebody wants of a schedule: one of ``cron``, ``every`` and ``at``, and what to submit."""

    name: str
    submission: Mapping[str, object] = field(default_factory=dict)
    cron: str | None = None
    every: float | None = None
    """Seconds."""
    at: str | None = None
    zone: str = "UTC"
    catch_up: str = "last"
    grace: float | None = None
    overlap: str = "allow"
    paused: bool = False


def timing_of(now: float, *, cron: str | None, every: float | None, at: str | None, zone: str) -> Timing:
    """The one timing that is given.

    Raises:
        EventError: if none or several are, or it cannot be.
    """
    given = [name for name, value in (("cron", cron), ("every", every), ("at", at)) if value is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none of them"
        raise EventError(f"a schedule has one of cron, every and at; {found} {'were' if given else 'was'} given")
    if cron is not None:
        return Timing.of_cron(cron, zone)
    if every is not None:
        return Timing.of_interval(every, now, zone)
    timing = Timing.of_time(at or "", zone)
    if timing.after(now) is None:
        raise EventError(f"{(at or '')[:60]} is over already; give a time to come")
    return timing


def add(ports: Ports, definition: Definition, *, replacing: bool = False) -> Schedule:
    """Define a schedule. What every time of it would fail with is refused now.

    Args:
        ports: The outside.
        definition: What is wanted.
        replacing: Whether one of the same name gives way.

    Raises:
        ConfigError: if it cannot be.
        NotFoundError: if its snapshot is not there.
        ConflictError: if there is one of this name, and it is not to be replaced.
    """
    name, now = definition.name, ports.clock.now()
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:60]!r} is not a schedule's name: 1 to 63 letters, digits, '.', '-' or '_', beginning with a letter or digit"
        )
    _check_choice("catch-up", definition.catch_up, CATCH_UP)
    _check_choice("overlap", definition.overlap, OVERLAP)
    if definition.grace is not None and not definition.grace >= 0:
        raise ConfigError("grace is a number of seconds from 0 on")
    timing = timing_of(now, cron=definition.cron, every=definition.every, at=definition.at, zone=definition.zone)
    before = ports.schedules.get(name)
    if before is not None and not replacing:
        raise ConflictError(f"there is a schedule {name!r} already; remove it first, or replace it (--replace)")
    schedule = Schedule(
        name=name,
        uid=secrets.token_hex(8),
        timing=timing,
        submission=dict(definition.submission),
        catch_up=definition.catch_up,
        grace=definition.grace,
        overlap=definition.overlap,
        paused=definition.paused,
        created=now,
        next_at=timing.after(now),
        moved=now,
        version="" if before is None else before.version,
    )
    _check_possible(ports, schedule)
    masked, secret = concealed_submission(ports, schedule.submission, f"{OF_SCHEDULE}{schedule.uid}")
    try:
        stored = ports.schedules.put(replace(schedule, submission=masked, template_secret=secret))
    except BaseException:
        _forget(ports, secret)
        raise
    _forget(ports, "" if before is None else before.template_secret)
    return stored


def existing(ports: Ports, name: str) -> Schedule:
    """The schedule.

    Raises:
        NotFoundError: if there is none of this name.
    """
    schedule = ports.schedules.get(name)
    if schedule is None:
        raise NotFoundError(f"there is no schedule {name[:63]!r}; `runyard schedule list` shows them")
    return schedule


def pause(ports: Ports, name: str) -> Schedule:
    """Let a schedule make no more runs until it is resumed; times that come meanwhile are left out. Repeatable."""
    return _changed(ports, name, lambda row: None if row.paused else replace(row, paused=True, held=None))


def resume(ports: Ports, name: str) -> Schedule:
    """Let a schedule go on with its next time. Repeatable."""

    def resumed(row: Schedule) -> Schedule | None:
        if not row.paused:
            return None
        now = ports.clock.now()
        return replace(row, paused=False, next_at=row.timing.after(now), moved=now, retry_at=0.0)

    return _changed(ports, name, resumed)


def remove(ports: Ports, name: str) -> None:
    """Remove a schedule; its runs stay.

    Raises:
        NotFoundError: if there is none of this name.
    """
    schedule = existing(ports, name)
    ports.schedules.remove(name)
    _forget(ports, schedule.template_secret)


def upcoming(timing: Timing, now: float, count: int, first: float | None = None) -> Sequence[float]:
    """The next times, ``first`` among them if it is given."""
    times = timing.times(now)
    if first is None:
        return list(islice(times, count))
    return [first, *islice((time for time in times if time > first), count - 1)][:count]


def _forget(ports: Ports, secret: str) -> None:
    if secret:
        ports.secrets.remove(secret)


def _changed(ports: Ports, name: str, make: Callable[[Schedule], Schedule | None]) -> Schedule:
    stored = change(ports, existing(ports, name), make)
    if stored is None:
        raise ConflictError(f"the schedule {name!r} was removed or replaced just now; look at it and try again")
    return stored


def _check_choice(what: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise ConfigError(f"{what} is {' or '.join(allowed)}, and not {given[:30]!r}")


def _check_possible(ports: Ports, schedule: Schedule) -> None:
    """Refuse now what every time would fail with."""
    template.check(schedule.submission)
    moment = schedule.next_at or schedule.created
    known = [f"/{name}" for name in document_of(schedule, moment)]
    for pointer in template.pointers(schedule.submission):
        if pointer not in known:
            raise EventError(f"a schedule has nothing at {pointer[:60]}; there are {', '.join(known)}")
    asked = asked_of(submission_of(ports, schedule, moment))
    if asked.target is not None:
        resolve(ports, asked.target)
    if ports.blobs.head(asked.container, asked.name) is None:
        raise NotFoundError(f"there is no snapshot {asked.container}/{asked.name}; upload it, or check the name")
