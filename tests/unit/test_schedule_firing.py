"""Schedules in virtual time: one run for each time, over changes of clocks, pauses and rules for what was missed."""

from __future__ import annotations

import logging

import pytest

from runyard.events.timing import local
from runyard.schedule import fire_due, pause, resume, run_now
from tests.unit.schedule_yard import DAY, HOUR, MADRID, TICK, Yard, at


def test_a_time_makes_one_run_with_its_origin_and_its_values() -> None:
    yard = Yard()
    yard.add(
        zone=MADRID,
        submission={
            "arguments": ["--date={/date}", "{/time}", "--at={/timestamp}"],
            "tags": {"for": "{/local}"},
            "environmentVariables": {"WHEN": "{/scheduled}"},
            "displayName": "{/name} of {/date}",
        },
    )
    yard.live(2 * HOUR)
    run = yard.house.only()
    assert ("schedule", "nightly", "2026-11-24T07:00:00Z") == (run.origin.source, run.origin.name, run.origin.event_id)
    assert {"for": "2026-11-24T08:00:00+01:00"} == run.tags
    assert "nightly of 2026-11-24" == run.display_name
    yard.house.settle()
    spec = yard.house.only().spec
    assert spec is not None
    assert ("--date=2026-11-24", "08:00:00", "--at=1795503600") == spec.arguments
    assert "2026-11-24T07:00:00Z" == spec.environment_variables["WHEN"]
    assert (run.id, at("2026-11-24T07:00Z"), at("2026-11-25T07:00Z")) == (
        yard.now().last_run,
        yard.now().last_at,
        yard.now().next_at,
    )


def test_nothing_is_made_before_its_time_and_nothing_twice() -> None:
    yard = Yard()
    yard.add()
    yard.live(2 * HOUR - TICK)
    assert [] == yard.fired()
    yard.live(TICK)
    for _ in range(5):
        fire_due(yard.ports)
    assert ["11-24 08:00"] == yard.fired()


@pytest.mark.parametrize(
    ("zone", "cron", "start", "days", "expected"),
    [
        (MADRID, "30 2 * * *", "2026-03-27T12:00Z", 3, ["03-28 02:30", "03-29 03:00", "03-30 02:30"]),
        (MADRID, "30 2 * * *", "2026-10-23T12:00Z", 3, ["10-24 02:30", "10-25 02:30", "10-26 02:30"]),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00Z", 2, ["11-01 01:30", "11-02 01:30"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-02T03:00Z", 3, ["10-03 02:15", "10-04 02:30", "10-05 02:15"]),
        ("Asia/Kolkata", "30 2 * * *", "2026-03-27T12:00Z", 2, ["03-28 02:30", "03-29 02:30"]),
        ("UTC", "0 0 29 2 *", "2028-02-27T12:00Z", 4, ["02-29 00:00"]),
    ],
)
@pytest.mark.parametrize("host", ["runs", "is started anew every hour", "sleeps at each time"])
def test_over_a_change_of_the_clock_each_day_has_its_one_run(
    zone: str, cron: str, start: str, days: int, expected: list[str], host: str
) -> None:
    yard = Yard(start=start.replace("Z", "+00:00"))
    yard.add(cron=cron, zone=zone)
    for _ in range(days * 24):
        if host == "runs":
            yard.live(HOUR, step=300.0)
        elif host == "is started anew every hour":
            yard.sleep(HOUR)
            fire_due(yard.ports)
        else:
            yard.sleep(HOUR)
            if local(yard.house.clock.now(), zone).hour == 12:
                fire_due(yard.ports)
    fire_due(yard.ports)
    assert expected == yard.fired(zone)


@pytest.mark.parametrize(
    ("catch_up", "grace", "expected"),
    [
        ("last", None, ["11-27 08:00"]),
        ("all", None, ["11-24 08:00", "11-25 08:00", "11-26 08:00", "11-27 08:00"]),
        ("all", 30 * HOUR, ["11-26 08:00", "11-27 08:00"]),
        ("last", HOUR, []),
        ("none", None, []),
        ("none", 3 * HOUR, ["11-27 08:00"]),
    ],
)
def test_what_was_missed_is_made_up_for_by_the_rule_and_the_rest_is_told(
    catch_up: str, grace: float | None, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    yard = Yard()
    yard.add(catch_up=catch_up, grace=grace)
    yard.sleep(3 * DAY + 4 * HOUR)
    with caplog.at_level(logging.INFO, "runyard"):
        yard.live(60)
    assert expected == yard.fired()
    left = 4 - len(expected)
    assert left == sum(note.count for note in yard.now().skipped)
    missed = [record for record in caplog.records if getattr(record, "action", "") == "schedule.missed"]
    assert bool(left) == bool(missed)
    yard.live(DAY)
    assert [*expected, "11-28 08:00"] == yard.fired()


def test_a_time_that_is_a_little_late_is_not_missed_even_without_catching_up() -> None:
    yard = Yard()
    yard.add(catch_up="none")
    yard.sleep(2 * HOUR + 100)
    fire_due(yard.ports)
    assert ["11-24 08:00"] == yard.fired()


def test_a_year_of_missed_minutes_is_one_run_or_a_hundred() -> None:
    yard = Yard()
    yard.add("last", cron="* * * * *")
    yard.add("all", cron="* * * * *", catch_up="all")
    yard.sleep(365 * DAY)
    fire_due(yard.ports)
    runs = [run.origin.name for run in yard.house.runs()]
    assert (1, 100) == (runs.count("last"), runs.count("all"))
    assert 1000 == yard.now("last").skipped[0].count


@pytest.mark.parametrize("back", [60.0, HOUR, DAY, 400 * DAY])
def test_a_clock_that_is_set_back_makes_no_second_run_and_no_silence(back: float) -> None:
    yard = Yard()
    yard.add(cron="*/10 * * * *")
    yard.live(HOUR)
    assert 6 == len(yard.fired())
    yard.house.clock._now -= back
    yard.live(HOUR)
    fired = [at(run.origin.event_id) for run in yard.house.runs()]
    assert len(set(fired)) == len(fired)
    assert max(at("2026-11-24T07:00Z"), yard.house.clock.now()) - min(fired) < 402 * DAY
    now = yard.house.clock.now()
    assert 6 == sum(now - HOUR < time <= now for time in fired), "an hour has its six"


def test_a_clock_that_jumps_ahead_makes_one_run_and_back_again_it_goes_on() -> None:
    yard = Yard()
    yard.add(cron="*/10 * * * *")
    yard.house.clock._now += 30 * DAY
    yard.live(60)
    assert 1 == len(yard.fired())
    yard.house.clock._now -= 30 * DAY
    yard.live(HOUR)
    assert 7 == len(yard.fired())


def test_an_interval_and_a_single_time() -> None:
    yard = Yard()
    yard.add("often", every=900.0)
    yard.add("once", at="2026-11-24T08:05", zone=MADRID)
    yard.live(2 * HOUR)
    names = [run.origin.name for run in yard.house.runs()]
    assert (8, 1) == (names.count("often"), names.count("once"))
    assert (None, None) == (yard.now("once").next_at, yard.now("once").due)


def test_while_the_run_before_it_goes_on_a_time_is_left_out_if_so_defined() -> None:
    yard = Yard()
    yard.add("one", every=600.0, overlap="skip")
    yard.add("many", every=600.0)
    yard.live(1800)
    names = [run.origin.name for run in yard.house.runs()]
    assert (1, 3) == (names.count("one"), names.count("many"))
    (note,) = yard.now("one").skipped
    assert (2, "the run before it had not ended") == (note.count, note.why)
    yard.end()
    yard.live(600)
    assert 2 == [run.origin.name for run in yard.house.runs()].count("one")


def test_paused_times_are_left_out_and_resumed_it_goes_on_with_the_next() -> None:
    yard = Yard()
    yard.add()
    pause(yard.ports, "nightly")
    pause(yard.ports, "nightly")
    yard.live(3 * DAY, step=HOUR)
    assert [] == yard.fired()
    assert None is yard.now().due
    resume(yard.ports, "nightly")
    resume(yard.ports, "nightly")
    yard.live(DAY, step=HOUR)
    assert ["11-27 08:00"] == yard.fired()


def test_a_run_can_be_had_at_once_and_its_key_makes_one() -> None:
    yard = Yard()
    yard.add(paused=True, submission={"arguments": ["--date={/date}"]})
    run, created = run_now(yard.ports, yard.now(), who="me", key="k")
    again, anew = run_now(yard.ports, yard.now(), who="me", key="k")
    assert (True, False, run.id) == (created, anew, again.id)
    assert "asked for by me at 2026-11-24T06:00:00Z" == run.origin.event_id
    assert (run.id, None) == (yard.now().last_run, yard.now().last_at)
