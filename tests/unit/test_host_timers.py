from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import azure.functions as func
import pytest

from runyard.errors import ConfigError
from runyard.host.agenda import Agenda
from runyard.host.app import TIMER
from runyard.host.timers import Schedule, Timer, TimerMemory
from runyard.stores.clock import SystemClock
from runyard.testing import ManualClock
from tests.host_helpers import served


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "after", "then"),
    [
        ("0 */5 * * * *", "2026-11-22 10:02:17", "2026-11-22 10:05:00"),
        ("0 */5 * * * *", "2026-11-22 10:05:00", "2026-11-22 10:10:00"),
        ("*/15 * * * * *", "2026-11-22 10:02:17", "2026-11-22 10:02:30"),
        ("30 0 3 * * *", "2026-11-22 03:00:30.5", "2026-11-23 03:00:30"),
        ("0 30 9 * * MON-FRI", "2026-11-20 09:30:00", "2026-11-23 09:30:00"),
        ("0 0 0 1 Jan,Jul *", "2026-11-22 00:00:00", "2027-01-01 00:00:00"),
        ("0 0 0 * * 0", "2026-11-22 00:00:00", "2026-11-29 00:00:00"),
        ("0 0 0 * * 5/1", "2026-11-22 00:00:00", "2026-11-27 00:00:00"),
        ("0 0 0 29 2 *", "2026-11-22 00:00:00", "2028-02-29 00:00:00"),
        ("10-20/5,50 59 23 31 12 *", "2026-12-31 23:59:20", "2026-12-31 23:59:50"),
    ],
)
def test_a_schedule_has_six_fields_in_utc(schedule: str, after: str, then: str) -> None:
    assert Schedule(schedule).after(at(after)) == at(then)


def test_a_day_must_match_both_of_its_fields() -> None:
    # The 13th that is a Friday; cron itself would take every 13th and every Friday.
    assert Schedule("0 0 0 13 * FRI").after(at("2026-11-22 00:00:00")) == at("2027-08-13 00:00:00")


def test_a_schedule_that_never_comes_has_no_next_time() -> None:
    assert Schedule("0 0 0 31 2,4 MON").after(at("2026-11-22 00:00:00")) is None


@pytest.mark.parametrize(
    "text",
    ["", "*/5 * * * *", "0 0 0 0 * *", "60 * * * * *", "0 0 0 * * 7", "0 0 0 L * *", "0 0 0 * * 5#2", "00:05:00"],
)
def test_what_is_no_schedule_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"six fields: second minute hour day month day-of-week"):
        Schedule(text)


class Bench:
    """One timer on a clock that is turned by hand; calls run at once."""

    def __init__(self, folder: Path, *, start: str = "2026-11-22 10:00:10") -> None:
        self.clock = ManualClock(at(start))
        self.calls: list[tuple[str, bool]] = []
        self.during: Callable[[], None] = lambda: None
        self.folder = folder
        self.boot()

    def boot(self) -> None:
        self.agenda = Agenda(self.clock)
        self.memory = TimerMemory(self.folder / "timers.json")

    def timer(self, **settings: object) -> None:
        function = served(self._called, TIMER, **{"schedule": "0 */5 * * * *", "runOnStartup": False, **settings})
        Timer(function, self.clock, self.agenda, self.memory, lambda call: call()).start()

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.agenda.run_due()

    def _called(self, timer: func.TimerRequest) -> None:
        moment = datetime.fromtimestamp(self.clock.now(), UTC)
        self.calls.append((moment.strftime("%H:%M:%S"), timer.past_due))
        self.during()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_timer_is_called_at_its_times(bench: Bench) -> None:
    bench.timer()
    bench.turn(0)
    bench.turn(289)
    assert bench.calls == []
    bench.turn(1)
    bench.turn(300)

    assert bench.calls == [("10:05:00", False), ("10:10:00", False)]


def test_a_timer_that_is_late_is_past_due_and_called_once(bench: Bench) -> None:
    bench.timer()
    bench.turn(3600)
    bench.turn(0)

    assert bench.calls == [("11:00:10", True)]
    assert bench.agenda.next_at() == at("2026-11-22 11:05:00")


def test_a_timer_can_run_at_the_start(bench: Bench) -> None:
    bench.timer(runOnStartup=True)
    bench.turn(0)

    assert bench.calls == [("10:00:10", False)]
    assert bench.agenda.next_at() == at("2026-11-22 10:05:00")


def test_a_time_missed_while_the_host_was_down_is_made_up_for(bench: Bench) -> None:
    bench.timer(schedule="0 0 3 * * *")
    bench.clock.advance(20 * 3600)
    bench.boot()
    bench.timer(schedule="0 0 3 * * *")
    bench.turn(0)
    bench.boot()
    bench.timer(schedule="0 0 3 * * *")
    bench.turn(0)

    assert bench.calls == [("06:00:10", True)]


def test_a_timer_without_monitor_does_not_look_back(bench: Bench) -> None:
    for _ in range(2):
        bench.boot()
        bench.timer(schedule="0 0 3 * * *", useMonitor=False)
        bench.turn(20 * 3600)
    bench.calls.clear()
    bench.boot()
    bench.timer(schedule="0 0 3 * * *", useMonitor=False)
    bench.turn(0)

    assert bench.calls == []


def test_a_timer_does_not_overlap_with_itself(bench: Bench) -> None:
    bench.during = lambda: bench.turn(400)
    bench.timer()
    bench.turn(290)

    assert bench.calls == [("10:05:00", False)]
    assert bench.agenda.next_at() == at("2026-11-22 10:15:00")


def test_a_timer_that_fails_is_due_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("no")

    bench.during = fail
    bench.timer()
    with caplog.at_level(logging.INFO, "runyard"):
        bench.turn(290)
        bench.turn(300)

    assert caplog.messages == ["f: the timer failed: ValueError: no"] * 2


def test_a_wrong_schedule_names_the_function(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="function 'f'"):
        bench.timer(schedule="*/5 * * * *")


def test_an_unreadable_memory_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "timers.json").write_text("not json")

    assert TimerMemory(tmp_path / "timers.json").last("f") is None


def test_the_agenda_runs_by_itself_and_survives_an_entry_that_fails() -> None:
    agenda, called = Agenda(SystemClock()), threading.Event()
    agenda.start()
    try:
        agenda.add(0.0, lambda: 1 / 0)  # type: ignore[arg-type]
        agenda.add(SystemClock().now() + 0.01, called.set)
        assert called.wait(10)
    finally:
        agenda.stop()
