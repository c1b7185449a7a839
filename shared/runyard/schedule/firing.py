"""Firing: the clock's door.

For each time of a schedule the run is written first and the schedule's row is moved on after that. Who dies in between leaves
a time that comes again, and that finds its run by its identity: one run for each time, however many hosts there are.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from runyard.accept import reject, submit
from runyard.errors import ConfigError, ConflictError, NotFoundError, RunyardError, ThrottledError
from runyard.ports import Ports, Schedule, Skipped
from runyard.runs.identity import identity
from runyard.runs.model import Origin, Run
from runyard.runs.states import State
from runyard.schedule.changes import change, with_note
from runyard.schedule.missed import plan
from runyard.schedule.occasion import SOURCE, key_of, origin_of, submission_of, utc

BATCH: Final = 200
"""Schedules that are looked at in one go; the next go follows at once while there are more."""
ROUNDS: Final = 50
RETRY: Final = 60.0
"""Seconds after which a time that could not be submitted is tried again."""

log = logging.getLogger(__name__)


def fire_due(ports: Ports) -> int:
    """Submit every time that has come; returns how many runs were asked for. Only schedules that are due are read.

    A time that cannot be submitted now (a flood, a full disk) stays due. What cannot be submitted at all makes a ``Failed``
    run in ``_rejected``, and the schedule goes on.
    """
    count = 0
    for _ in range(ROUNDS):
        due = ports.schedules.due(ports.clock.now(), limit=BATCH)
        for schedule in due:
            try:
                count += _fire(ports, schedule)
            except (RunyardError, OSError) as error:
                _put_off(ports, schedule, error)
        if len(due) < BATCH:
            break
    return count


def run_now(ports: Ports, schedule: Schedule, *, who: str, key: str | None = None) -> tuple[Run, bool]:
    """Make a run of a schedule now, whatever its times are; returns it and whether this call made it.

    Raises:
        RunyardError: as for :func:`runyard.accept.submit`.
    """
    now = float(int(ports.clock.now()))
    unique = f"schedule\n{schedule.name}\n{schedule.uid}\nnow\n{key or secrets.token_hex(16)}"
    origin = Origin(source=SOURCE, name=schedule.name, event_id=f"asked for by {who} at {utc(now)}")
    run, created = submit(ports, submission_of(ports, schedule, now), origin=origin, key=unique)
    change(ports, schedule, lambda row: None if row.last_run == run.id else replace(row, last_run=run.id))
    return run, created


def _fire(ports: Ports, schedule: Schedule) -> int:
    now = ports.clock.now()
    current: Schedule | None = schedule
    if schedule.moved > now:
        return _set_back(ports, schedule, now)
    count = 0
    if schedule.held is not None:
        current, made = _submit(ports, schedule, schedule.held, None)
        count += made
    if current is None or current.next_at is None or current.next_at > now or current.paused:
        return count
    todo = plan(ports, current, now)
    if todo.done is not None:  # whoever made it died before the row said so
        at, run_id = todo.done
        current = replace(current, last_at=at, last_run=run_id)
    _tell_skipped(current, todo.skipped)
    if not todo.fire:
        _move(ports, current, todo.last, lambda row: with_note(row, todo.skipped))
    for number, time in enumerate(todo.fire):
        current, made = _submit(ports, current, time, todo.skipped if number == 0 else None)
        count += made
        if current is None or current.held is not None:
            break
    return count


def _submit(ports: Ports, schedule: Schedule, time: float, note: Skipped | None) -> tuple[Schedule | None, int]:
    """Make the run of one time, then move the row on; what is stored, and how many runs were made."""
    previous = ports.runs.get(schedule.last_run) if schedule.last_run else None
    own = ports.runs.find(identity(key_of(schedule, time)))
    if own is None and schedule.overlap == "skip" and previous is not None and not previous.has_ended:
        running = Skipped(first=time, last=time, count=1, why="the run before it had not ended")
        log.info(
            "%s: %s left out: %s had not ended",
            schedule.name,
            utc(time),
            previous.id,
            extra=_extra(schedule, "schedule.fired"),
        )
        return _move(ports, schedule, time, lambda row: with_note(with_note(row, note), running)), 0
    try:
        run, created = submit(
            ports, submission_of(ports, schedule, time), origin=origin_of(schedule, time), key=key_of(schedule, time)
        )
    except ConflictError:  # its run was made and deleted
        return _move(ports, schedule, time, lambda row: with_note(row, note)), 0
    except (ConfigError, NotFoundError) as error:
        return _refused(ports, schedule, time, error, note), 0
    except (RunyardError, OSError) as error:
        return _hold(ports, schedule, time, error, note), 0
    if created:
        log.info(
            "%s: %s is %s",
            schedule.name,
            utc(time),
            run.id,
            extra={**_extra(schedule, "schedule.fired"), **run.log_context()},
        )
    failures = _failures(schedule, previous, run)
    return _move(ports, schedule, time, lambda row: _made(with_note(row, note), time, run.id, failures)), int(created)


def _failures(schedule: Schedule, previous: Run | None, run: Run) -> int:
    """How many failed in a row, now that there is another run: what the previous one came to counts from here."""
    if previous is None or previous.state is State.COMPLETED:
        return 0
    return schedule.failures + (previous.id != run.id and previous.state is State.FAILED)


def _made(row: Schedule, time: float, run_id: str, failures: int) -> Schedule:
    return replace(row, last_at=time, last_run=run_id, last_error="", failures=failures, retry_at=0.0)


def _refused(
    ports: Ports, schedule: Schedule, time: float, error: RunyardError, note: Skipped | None
) -> Schedule | None:
    """A time that can make no run: a ``Failed`` one says so, and the schedule goes on."""
    reject(ports, origin_of(schedule, time), error, at=time, ident=identity(key_of(schedule, time)))
    log.warning(
        "%s: %s made no run: %s", schedule.name, utc(time), error.message, extra=_extra(schedule, "schedule.failed")
    )
    return _move(
        ports,
        schedule,
        time,
        lambda row: replace(with_note(row, note), last_error=error.message, failures=row.failures + 1, retry_at=0.0),
    )


def _move(ports: Ports, schedule: Schedule, time: float, make: Callable[[Schedule], Schedule]) -> Schedule | None:
    """Let a schedule be done with a time, and with all before it."""

    def moved(row: Schedule) -> Schedule | None:
        if row.held == time:
            return replace(make(row), held=None, moved=ports.clock.now())
        if row.next_at is None or row.next_at > time:
            return None  # another host was first
        return replace(make(row), next_at=row.timing.after(time), moved=ports.clock.now())

    return change(ports, schedule, moved)


def _hold(
    ports: Ports, schedule: Schedule, time: float, error: RunyardError | OSError, note: Skipped | None
) -> Schedule | None:
    """Keep a time that cannot be submitted now: it goes first when it can, and does not count as missed."""
    flood = isinstance(error, ThrottledError)
    delay = (error.retry_after if isinstance(error, ThrottledError) else None) or RETRY
    said = _said(error)
    log.warning("%s: %s waits: %s", schedule.name, utc(time), said, extra=_extra(schedule, "schedule.waits"))
    until = ports.clock.now() + delay

    def held(row: Schedule) -> Schedule | None:
        waiting = replace(row, retry_at=until, last_error=said, failures=row.failures + (not flood))
        if row.held == time:
            return waiting
        if row.next_at is None or row.next_at > time:
            return None  # another host could
        following = row.timing.after(time)
        return replace(with_note(waiting, note), held=time, next_at=following, moved=ports.clock.now())

    return change(ports, schedule, held)


def _put_off(ports: Ports, schedule: Schedule, error: RunyardError | OSError) -> None:
    """Look at a schedule again later, and at the others now."""
    said = _said(error)
    log.warning(
        "%s: is looked at again in a minute: %s", schedule.name, said, extra=_extra(schedule, "schedule.failed")
    )
    until = ports.clock.now() + RETRY
    try:
        change(ports, schedule, lambda row: replace(row, retry_at=until, last_error=said, failures=row.failures + 1))
    except (RunyardError, OSError) as second:  # the store itself: everything is due as before
        log.warning(
            "%s: its row cannot be written: %s", schedule.name, _said(second), extra=_extra(schedule, "schedule.failed")
        )


def _said(error: RunyardError | OSError) -> str:
    return error.message if isinstance(error, RunyardError) else (error.strerror or type(error).__name__)


def _set_back(ports: Ports, schedule: Schedule, now: float) -> int:
    """The clock was set back since the row was moved: its next time is by the clock of now. Times that had their runs find them."""
    log.info(
        "%s: the clock was set back; its next time is found anew",
        schedule.name,
        extra=_extra(schedule, "schedule.fired"),
    )

    def found(row: Schedule) -> Schedule | None:
        if row.moved <= now:
            return None
        times = [time for time in (row.next_at, row.timing.after(now)) if time is not None]
        return replace(row, next_at=min(times, default=None), moved=now, retry_at=min(row.retry_at, now))

    change(ports, schedule, found)
    return 0


def _tell_skipped(schedule: Schedule, note: Skipped | None) -> None:
    if note is None:
        return
    which = utc(note.first) if note.count == 1 else f"{note.count:,} times from {utc(note.first)} to {utc(note.last)}"
    log.warning("%s: %s %s", schedule.name, which, note.why, extra=_extra(schedule, "schedule.missed"))


def _extra(schedule: Schedule, action: str) -> dict[str, object]:
    return {"action": action, "schedule": schedule.name}
