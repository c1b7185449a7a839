"""When schedules are due: cron, zones whose clocks change, intervals and single times."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from runyard.errors import EventError
from runyard.events.timing import Timing, local

MADRID, NEW_YORK, LORD_HOWE = "Europe/Madrid", "America/New_York", "Australia/Lord_Howe"


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def times(cron: str, zone: str, start: str, count: int) -> list[str]:
    """The next times as that zone's clock shows them."""
    return [local(time, zone).isoformat()[5:] for time in islice(Timing.of_cron(cron, zone).times(at(start)), count)]


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        # Clocks go forward: what is skipped comes at the end of the gap, once.
        ("30 2 * * *", MADRID, "2026-03-28T12:00+01:00", ["03-29T03:00:00+02:00", "03-30T02:30:00+02:00"]),
        ("15,45 2 * * *", MADRID, "2026-03-28T12:00+01:00", ["03-29T03:00:00+02:00", "03-30T02:15:00+02:00"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00-05:00", ["03-08T03:00:00-04:00", "03-09T02:30:00-04:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00+10:30", ["10-04T02:30:00+11:00", "10-05T02:15:00+11:00"]),
        ("0 0 * * *", "America/Havana", "2026-03-07T12:00-05:00", ["03-08T01:00:00-04:00", "03-09T00:00:00-04:00"]),
        # They go back: what comes twice counts once, the first time.
        ("30 2 * * *", MADRID, "2026-10-24T12:00+02:00", ["10-25T02:30:00+02:00", "10-26T02:30:00+01:00"]),
        ("30 1 * * *", NEW_YORK, "2026-11-01T01:10-05:00", ["11-02T01:30:00-05:00", "11-03T01:30:00-05:00"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00+11:00", ["04-05T01:45:00+11:00", "04-06T01:45:00+10:30"]),
        # A day that a zone left out.
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00-10:00", ["12-31T00:00:00+14:00", "12-31T09:00:00+14:00"]),
        # A job that goes by the clock on the wall.
        ("*/30 * * * *", MADRID, "2026-03-29T01:20+01:00", ["03-29T01:30:00+01:00", "03-29T03:00:00+02:00"]),
        (
            "*/30 2 * * *",
            MADRID,
            "2026-10-25T01:50+02:00",
            ["10-25T02:00:00+02:00", "10-25T02:30:00+02:00", "10-25T02:00:00+01:00", "10-25T02:30:00+01:00"],
        ),
        ("*/15 3 * * *", LORD_HOWE, "2026-10-03T23:00+10:30", ["10-04T03:00:00+11:00", "10-04T03:15:00+11:00"]),
        ("*/15 1 * * *", LORD_HOWE, "2026-04-05T01:50+11:00", ["04-05T01:30:00+10:30", "04-05T01:45:00+10:30"]),
        # A zone without.
        ("30 2 * * *", "Asia/Kolkata", "2026-03-28T12:00+05:30", ["03-29T02:30:00+05:30", "03-30T02:30:00+05:30"]),
        # The change of the clock is on the way to a time years ahead.
        ("*/30 2 29 2 *", MADRID, "2026-03-28T12:00+01:00", ["02-29T02:00:00+01:00", "02-29T02:30:00+01:00"]),
        # Day of the month or of the week, if both are restricted; leap days; the last day of a month.
        ("0 0 13 * FRI", "UTC", "2026-01-10T00:00+00:00", ["01-13T00:00:00+00:00", "01-16T00:00:00+00:00"]),
        ("0 0 29 2 *", "UTC", "2026-01-10T00:00+00:00", ["02-29T00:00:00+00:00", "02-29T00:00:00+00:00"]),
        ("0 0 L * *", "UTC", "2028-01-31T12:00+00:00", ["02-29T00:00:00+00:00", "03-31T00:00:00+00:00"]),
        ("@weekly", "UTC", "2026-11-24T12:00+00:00", ["11-29T00:00:00+00:00", "12-06T00:00:00+00:00"]),
    ],
)
def test_the_next_times(cron: str, zone: str, start: str, expected: Sequence[str]) -> None:
    assert expected == times(cron, zone, start, len(expected))


CHANGES = [
    (MADRID, "2026-03-28"),
    (MADRID, "2026-10-24"),
    (NEW_YORK, "2026-03-07"),
    (NEW_YORK, "2026-10-31"),
    (LORD_HOWE, "2026-10-03"),
    (LORD_HOWE, "2026-04-04"),
    ("Asia/Kolkata", "2026-03-28"),
    ("America/Havana", "2026-03-07"),
    ("Africa/Cairo", "2026-04-23"),
    ("Pacific/Apia", "2011-12-28"),
]


def random_expression(chance: random.Random) -> str:
    def field(low: int, high: int, stars: Sequence[str]) -> str:
        if chance.random() < 0.5:
            return chance.choice(stars)
        first = chance.randint(low, high)
        return chance.choice([str(first), f"{first}-{min(high, first + 3)}", f"{first},{chance.randint(low, high)}"])

    return f"{field(0, 59, ('*', '*/7', '*/15'))} {field(0, 6, ('*', '*/2'))} * * {chance.choice(['*', 'SUN,SAT'])}"


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_every_minute_around_a_change_of_the_clock_is_judged_as_by_looking_at_the_clock(zone: str, day: str) -> None:
    chance, where = random.Random(day), ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=where).timestamp()
    minutes = [start + 60 * number for number in range(1, 60 * 60)]
    walls = {minute: datetime.fromtimestamp(minute, where) for minute in minutes}
    for _ in range(15):
        expression = random_expression(chance)
        timing, rule = Timing.of_cron(expression, zone), CronSim(expression, datetime(2020, 1, 1))  # noqa: DTZ001
        found = list(takewhile(lambda time: time <= minutes[-1], timing.times(start)))
        match = [
            minute
            for minute, wall in walls.items()
            if wall.minute in rule.minutes and wall.hour in rule.hours and rule.match_day(wall.date())
        ]
        if any(each.startswith("*") for each in expression.split()[:2]):
            assert match == found, expression
        else:
            first = [minute for minute in match if walls[minute].fold == 0]
            added = [local(time, zone) for time in found if time not in first]
            assert set(first) <= set(found), expression
            assert all(end.utcoffset() != local(end.timestamp() - 1, zone).utcoffset() for end in added), expression
        assert sorted(set(found)) == found
        for moment in chance.sample(minutes, 20):  # from wherever one looks, the next is the same
            assert next((time for time in found if time > moment), None) in {timing.after(moment), None}, expression
        for most in (1, 3, 10):
            assert found[-most:] == (timing.newest(found[0], minutes[-1], most) if found else [])


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 0 30 2 *", "none of its months has that day"),
        ("0 0 31 4,6 *", "none of its months has that day"),
        ("61 * * * *", "minute cannot be"),
        ("0 0 * * FRI-MON", "day-of-week cannot be"),
        ("*/0 * * * *", "minute cannot be"),
        ("0 0 * * * *", "6 were found"),
        ("@reboot", "a name such as @daily"),
        ("", "five fields"),
        ("1" * 10_000, "not a cron expression"),
        ("0 0 * 2 MON#6", "cannot be"),
    ],
)
def test_what_is_no_expression_is_refused_in_one_sentence(cron: str, said: str) -> None:
    with pytest.raises(EventError, match=said) as caught:
        Timing.of_cron(cron)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("name", ["Europe/Madird", "", "../etc/passwd", "Europe", "x" * 300, "a\0b"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(EventError, match="there is no time zone"):
        Timing.of_cron("@daily", name)


def test_a_misspelt_zone_is_told_the_right_one() -> None:
    with pytest.raises(EventError, match="did you mean Europe/Madrid"):
        Timing.of_cron("@daily", "Europe/Madird")


def test_an_interval_is_counted_from_its_anchor_whatever_the_clocks_do() -> None:
    timing = Timing.of_interval(900.0, 1000.7, MADRID)
    assert [1900.0, 2800.0, 3700.0] == list(islice(timing.times(1000.0), 3))
    assert 1900.0 == timing.after(-5e9)
    assert [999_100.0, 1_000_000.0] == timing.newest(1900.0, 1_000_050.0, 2)


@pytest.mark.parametrize("seconds", [0.0, 30.0, -60.0, 61.5, 1e12, float("nan"), float("inf")])
def test_an_interval_that_cannot_be_is_refused(seconds: float) -> None:
    with pytest.raises(EventError, match="an interval is"):
        Timing.of_interval(seconds, 0.0)


def test_a_single_time_is_of_its_zone_or_of_its_own_offset_and_comes_once() -> None:
    for text in ("2026-12-01T08:00", "2026-12-01 08:00:00", "2026-12-01T07:00Z", "2026-12-01T02:00-05:00"):
        timing = Timing.of_time(text, MADRID)
        assert [at("2026-12-01T07:00+00:00")] == list(timing.times(0.0)), text
    assert None is timing.after(at("2026-12-01T07:00+00:00"))
    assert "2026-12-01T00:00:00+01:00" == local(Timing.of_time("2026-12-01", MADRID).at or 0, MADRID).isoformat()


@pytest.mark.parametrize("text", ["2026-03-29T02:30", "tomorrow", "", "2026-13-01T00:00", "08:00", "20261"])
def test_a_single_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(EventError):
        Timing.of_time(text, MADRID)


def test_the_newest_of_a_year_of_minutes_are_found_without_passing_through_the_year(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    after = Timing.after

    def counted(timing: Timing, moment: float) -> float | None:
        nonlocal asked
        asked += 1
        return after(timing, moment)

    monkeypatch.setattr(Timing, "after", counted)
    now = at("2026-11-24T12:00:30+00:00")
    found = Timing.of_cron("* * * * *").newest(now - 365 * 86_400 - 30, now, 100)
    assert [now - 30 - 60 * back for back in range(99, -1, -1)] == found
    assert asked < 1000
