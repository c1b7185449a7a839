"""When a schedule is due: cron expressions in a time zone, intervals, and single times.

Cron is that of crontab(5) with five fields; :mod:`cronsim` reads it and finds matching wall times. Between wall times and
moments stand the changes of a zone's clock, and these are treated as Debian's cron treats them (cron(8)):

* A job of fixed times (neither minute nor hour begins with ``*``) runs once for each of them. A time that is skipped when
  clocks go forward comes as the first moment after the gap; one that is there twice when they go back, the first time only.
* Any other job runs by the clock on the wall: in a gap there is nothing to match, in a repeated hour everything matches again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from runyard.errors import EventError

SHORTEST: Final = 60.0
"""Seconds of the shortest interval: a cron expression knows none that is shorter."""
LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds of the longest interval."""
LONGEST_CRON: Final = 200
"""Characters of an expression."""

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names of crontab(5) for expressions."""

_NEAR: Final = 2 * 86_400.0
"""Seconds ahead in which a change of the clock makes a wall time ambiguous now. No zone changes by more than a day."""
_STEP: Final = 3600.0
_WALL: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d)?)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One of a cron expression, an interval or a single time. Times are seconds since the epoch, whole ones."""

    cron: str = ""
    """Five fields, as written."""
    every: float = 0.0
    """Seconds between two times."""
    at: float | None = None
    """The one time."""
    zone: str = "UTC"
    """IANA name. It counts for cron, and for how times are shown."""
    anchor: float = 0.0
    """Of an interval: the time from which it is counted."""

    @classmethod
    def of_cron(cls, text: str, zone: str = "UTC") -> Self:
        """Times by a cron expression.

        Raises:
            EventError: if it is none, if it never matches, or if there is no such zone.
        """
        zone_of(zone)
        timing = cls(cron=_checked(text), zone=zone)
        if timing.after(0.0) is None:
            raise EventError(f"{text[:100]!r} never matches: no month of the next 50 years has such a day")
        return timing

    @classmethod
    def of_interval(cls, seconds: float, anchor: float, zone: str = "UTC") -> Self:
        """Times at equal distances, counted from ``anchor``, which is none of them.

        Raises:
            EventError: if the distance is too short or too long, or if there is no such zone.
        """
        zone_of(zone)
        if not SHORTEST <= seconds <= LONGEST or seconds != int(seconds):
            raise EventError(f"an interval is a whole number of seconds from {SHORTEST:.0f} s to 10 years")
        return cls(every=float(seconds), zone=zone, anchor=float(int(anchor)))

    @classmethod
    def of_time(cls, text: str, zone: str = "UTC") -> Self:
        """One time: ``2026-12-01T08:00`` in the zone, or with an offset (``Z``, ``+01:00``) of its own.

        Raises:
            EventError: if it is no time, if clocks skip it, or if there is no such zone.
        """
        where = zone_of(zone)
        try:
            when = datetime.fromisoformat(text.strip())
        except ValueError:
            raise EventError(f"{text[:60]!r} is not a time; write one like 2026-12-01T08:00") from None
        if when.tzinfo is None:
            if not _WALL.fullmatch(text.strip()):
                raise EventError(f"{text[:60]!r} is not a time; write one like 2026-12-01T08:00")
            when = when.replace(tzinfo=where)
            if _is_skipped(when.replace(tzinfo=None), where):
                raise EventError(
                    f"{text[:60]} does not exist in {zone}: clocks go forward over it; choose another time"
                )
        try:
            return cls(at=float(int(when.timestamp())), zone=zone)
        except (OverflowError, ValueError):
            raise EventError(f"{text[:60]} lies outside of the times that can be counted") from None

    def after(self, moment: float) -> float | None:
        """The first time later than ``moment``; ``None`` if there is none (a single time that is over)."""
        if self.cron:
            return _after(self.cron, self.zone, moment)
        if self.every:
            steps = max(0, int((moment - self.anchor) // self.every)) + 1
            return self.anchor + steps * self.every
        return self.at if self.at is not None and self.at > moment else None

    def times(self, moment: float) -> Iterator[float]:
        """Every time later than ``moment``, in order."""
        found = self.after(moment)
        while found is not None:
            yield found
            found = self.after(found)

    def newest(self, first: float, now: float, most: int) -> list[float]:
        """The newest ``most`` times from ``first`` (a time itself) to ``now``, in order.

        The work depends on ``most`` and not on how long ago ``first`` is: a host may have been down for a year.
        """
        back = SHORTEST * most
        while (start := now - back) > first:
            found = list(islice(_until(self.times(start), now), 4 * most + 2))
            if most <= len(found) <= 4 * most + 1:
                return found[-most:]
            if len(found) > 4 * most + 1:  # so dense since then that it has to be passed through
                return _last(_until(self.times(start), now), most)
            back *= 2
        return [first, *_last(_until(self.times(first), now), most)][-most:] if first <= now else []

    def told(self) -> str:
        """In a few words: ``0 8 * * 1-5 Europe/Madrid``, ``every 15 min``, ``once``."""
        if self.cron:
            return f"{self.cron} {self.zone}"
        return f"every {length_of(self.every)}" if self.every else "once"


def _until(times: Iterator[float], end: float) -> Iterator[float]:
    for time in times:
        if time > end:
            return
        yield time


def _last(times: Iterator[float], most: int) -> list[float]:
    kept: list[float] = []
    for time in times:
        kept.append(time)
        if len(kept) > 2 * most:
            del kept[:-most]
    return kept[-most:]


def length_of(seconds: float) -> str:
    """An interval in its largest whole unit: ``90 min``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        EventError: if there is none; with the names that look alike.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # an OSError: the name of a folder of zones
        alike = get_close_matches(name, available_timezones(), 3, 0.6)
        hint = f"did you mean {' or '.join(alike)}?" if alike else "names are like Europe/Madrid or UTC"
        raise EventError(f"there is no time zone {name[:60]!r}; {hint}") from None


def local(moment: float, zone: str) -> datetime:
    """A moment on the clock of a zone."""
    return datetime.fromtimestamp(moment, zone_of(zone))


def _checked(text: str) -> str:
    """The expression with names of its own spelled out.

    Raises:
        EventError: if it is none.
    """
    shown = " ".join(text.split())
    expression = ALIASES.get(shown.lower(), shown)
    form = "it has five fields: minute hour day month weekday, such as '0 8 * * 1-5', or a name such as @daily"
    if len(expression) > LONGEST_CRON or len(fields := expression.split()) != 5:
        count = f"; {len(fields)} were found" if len(expression) <= LONGEST_CRON and fields else ""
        raise EventError(f"{shown[:100]!r} is not a cron expression: {form}{count}")
    try:
        CronSim(expression, datetime(2000, 1, 1))  # noqa: DTZ001 - on no zone's clock
    except CronSimError as error:
        what = f"its {str(error).removeprefix('Bad ')} cannot be"
        if "day-of-month" in what:
            what += ", or none of its months has that day"
        raise EventError(f"{shown[:100]!r} is not a cron expression ({what}): {form}") from None
    except (ValueError, IndexError, AssertionError):
        raise EventError(f"{shown[:100]!r} is not a cron expression: {form}") from None
    return expression


def _after(expression: str, zone: str, moment: float) -> float | None:
    where = _zone(zone)
    try:
        if _is_of_fixed_times(expression):
            return _fixed_after(expression, where, moment)
        return _wall_after(expression, where, moment)
    except (StopIteration, OverflowError, ValueError):  # nothing in 50 years, or beyond the year 9999
        return None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return zone_of(name)


def _is_of_fixed_times(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return not minute.startswith("*") and not hour.startswith("*")


def _fixed_after(expression: str, zone: tzinfo, moment: float) -> float:
    walls = CronSim(expression, _wall(moment, zone))
    while True:
        found = _moment(next(walls), zone)
        if found > moment:  # else: its first coming in a repeated hour, and we are in the second
            return found


def _wall_after(expression: str, zone: tzinfo, moment: float) -> float:
    change = _next_change(zone, moment)
    if change is not None:
        offset = _offset(zone, moment)
        found = next(CronSim(expression, _plain(moment + offset))).replace(tzinfo=UTC).timestamp() - offset
        if found < change:
            return found
        # The first moment of the new time may itself be one that matches; else it goes on from there.
        first = _plain(change + _offset(zone, change))
        matches = next(CronSim(expression, first - timedelta(seconds=1))) == first
        return change if matches else _wall_after(expression, zone, change)
    walls = CronSim(expression, _wall(moment, zone))
    while True:
        wall = next(walls)
        if not _is_skipped(wall, zone):
            found = _moment(wall, zone)
            # A wall time that came before, in the first of two repeated hours, comes now in the second.
            return found if found > moment else wall.replace(tzinfo=zone, fold=1).timestamp()


def _next_change(zone: tzinfo, moment: float) -> float | None:
    """When the clock of the zone changes next, if it does so soon: the first moment of the new time."""
    before = _offset(zone, moment)
    low = moment
    while low < moment + _NEAR:
        high = low + _STEP
        if _offset(zone, high) != before:
            first, last = int(low), int(high)
            while last - first > 1:
                middle = (first + last) // 2
                first, last = (middle, last) if _offset(zone, middle) == before else (first, middle)
            return float(last)
        low = high
    return None


def _offset(zone: tzinfo, moment: float) -> float:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()


def _plain(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None, microsecond=0)


def _wall(moment: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, microsecond=0, fold=0)


def _is_skipped(wall: datetime, zone: tzinfo) -> bool:
    there = wall.replace(tzinfo=zone)
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != wall


def _moment(wall: datetime, zone: tzinfo) -> float:
    """When a wall time is: the first time, if it comes twice; the end of the gap, if it is skipped."""
    if not _is_skipped(wall, zone):
        return wall.replace(tzinfo=zone, fold=0).timestamp()
    # With fold=1 the offset is that of after the gap, so this moment lies before it, and less than a day.
    change = _next_change(zone, wall.replace(tzinfo=zone, fold=1).timestamp() - 1)
    assert change is not None, "a wall time is skipped by a change only"
    return change
