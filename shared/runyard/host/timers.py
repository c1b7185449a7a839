"""Timer functions: six-field NCRONTAB schedules in UTC."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from cronsim import CronSim, CronSimError

from runyard.errors import ConfigError
from runyard.host.agenda import Agenda
from runyard.host.app import Served
from runyard.host.bindings import timer_request
from runyard.host.calls import invoke, report_failure
from runyard.ports.clock import Clock

LATE: Final = 1.0
"""Seconds after its time from which a timer is past due."""
_VALUE: Final = r"(?:\*|\d+|[A-Za-z]{3})"
_TERM: Final = rf"{_VALUE}(?:-{_VALUE})?(?:/\d+)?"
_FIELD: Final = re.compile(rf"{_TERM}(?:,{_TERM})*")
_STEP_FROM_DAY: Final = re.compile(r"(?<![-\w])(\w+)/(\d+)")

log = logging.getLogger("runyard.host")


class Schedule:
    """A six-field NCRONTAB expression: ``{second} {minute} {hour} {day} {month} {day-of-week}``.

    As in Azure Functions, a day must match both the day and the day-of-week field, days of the week are 0 (Sunday) to 6,
    and names have three letters. https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer
    """

    def __init__(self, text: str) -> None:
        """Read an expression.

        Raises:
            ConfigError: if it is not one.
        """
        self.text = text
        fields = text.split()
        problem = "it has six fields: second minute hour day month day-of-week, such as '0 */5 * * * *'"
        if len(fields) != 6 or not all(_FIELD.fullmatch(each) for each in fields) or _has_seven(fields[5]):
            raise ConfigError(f"{text[:100]!r} is not a timer schedule; {problem}")
        fields[5] = _STEP_FROM_DAY.sub(r"\1-6/\2", fields[5])
        self._expression = " ".join(fields)
        try:
            self._simulation(0.0)
        except CronSimError as error:
            raise ConfigError(f"{text[:100]!r} is not a timer schedule ({error}); {problem}") from None

    def after(self, moment: float) -> float | None:
        """The first time later than ``moment``, in seconds since the epoch; ``None`` if there is none in 50 years."""
        try:
            return next(self._simulation(moment)).timestamp()
        except StopIteration:
            return None

    def _simulation(self, moment: float) -> CronSim:
        simulation = CronSim(self._expression, datetime.fromtimestamp(moment, UTC))
        simulation.day_and = True  # NCRONTAB; in cron a restricted day or day-of-week suffices
        return simulation


def _has_seven(field: str) -> bool:
    return any("7" in re.split(r"-", part.split("/")[0]) for part in field.split(","))


class TimerMemory:
    """Remembers when each timer was due last, so that a time which passed while the host was down is made up for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        try:
            self._last = msgspec.json.decode(path.read_bytes(), type=dict[str, float])
        except FileNotFoundError:
            pass
        except (msgspec.DecodeError, msgspec.ValidationError):
            log.warning("%s cannot be read; the timers begin anew", path.name, extra={"action": "timer.memory"})

    def last(self, name: str) -> float | None:
        """When the timer was due last, as far as known."""
        return self._last.get(name)

    def remember(self, name: str, at: float) -> None:
        """Note that the timer's time ``at`` has been dealt with."""
        with self._lock:
            self._last[name] = at
            draft = self._path.with_suffix(".tmp")
            try:
                draft.write_bytes(msgspec.json.encode(self._last))
                draft.replace(self._path)
            except OSError as error:
                log.warning(
                    "%s cannot be written (%s); a restart may repeat a timer",
                    self._path.name,
                    error.strerror,
                    extra={"action": "timer.memory"},
                )


class Timer:
    """One timer function. It never overlaps with itself: a time that passes while it runs is left out."""

    def __init__(
        self,
        served: Served,
        clock: Clock,
        agenda: Agenda,
        memory: TimerMemory,
        run: Callable[[Callable[[], None]], Any],
    ) -> None:
        """Make a timer.

        Args:
            served: The function.
            clock: Tells the time.
            agenda: Where the next time is put down.
            memory: Where the last time is kept.
            run: Hands a call to a pool.

        Raises:
            ConfigError: naming the function, if its schedule cannot be read.
        """
        try:
            self.schedule = Schedule(str(served.settings["schedule"]))
        except ConfigError as error:
            raise ConfigError(f"function {served.name!r}: {error.message}") from None
        self._served = served
        self._clock = clock
        self._agenda = agenda
        self._memory = memory
        self._run = run

    def start(self) -> None:
        """Put the first time on the agenda; a missed time, and ``runOnStartup``, are now."""
        now = self._clock.now()
        missed = self._missed(now)
        if missed is not None:
            self._agenda.add(now, partial(self._due, missed))
        elif self._served.settings.get("runOnStartup"):
            self._agenda.add(now, partial(self._due, now))
        else:
            self._plan(now)

    def _missed(self, now: float) -> float | None:
        """The time that passed while nobody was there, if one did."""
        if not self._monitored(now):
            return None
        last = self._memory.last(self._served.name)
        if last is None:
            self._memory.remember(self._served.name, now)
            return None
        missed = self.schedule.after(last)
        return missed if missed is not None and missed <= now else None

    def _monitored(self, now: float) -> bool:
        """Whether missed times count: as in Azure, unless told otherwise or due more often than once a minute."""
        following = self.schedule.after(now)
        second = None if following is None else self.schedule.after(following)
        often = following is not None and second is not None and second - following < 60.0
        return not often and bool(self._served.settings.get("useMonitor", True))

    def _plan(self, after: float) -> None:
        at = self.schedule.after(after)
        if at is not None:
            self._agenda.add(at, partial(self._due, at))

    def _due(self, at: float) -> None:
        self._run(partial(self._fire, at))

    def _fire(self, at: float) -> None:
        now = self._clock.now()
        following = self.schedule.after(max(now, at))
        status = {"Last": _iso(at), "Next": _iso(following or at), "LastUpdated": _iso(now)}
        try:
            invoke(self._served, timer_request(past_due=now - at > LATE, status=status))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of a call: recorded, and due again next time
            report_failure(self._served, "the timer failed", error)
        end = max(self._clock.now(), at)
        self._plan(end)
        if self._monitored(end):
            self._memory.remember(self._served.name, end)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
