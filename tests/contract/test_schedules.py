"""What every store of schedules promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import ConflictError
from runyard.events.timing import Timing
from runyard.ports import Schedule, ScheduleStore, Skipped

NIGHTLY = Schedule(
    name="nightly",
    uid="u1",
    timing=Timing.of_cron("0 2 * * *", "Europe/Madrid"),
    submission={"experiment": "exp", "snapshot": {"container": "uploads", "name": "a.zip"}, "tags": {"ü": "{/date}"}},
    grace=60.0,
    next_at=200.0,
    skipped=(Skipped(first=1.0, last=2.0, count=2, why="no host ran"),),
)


def a_schedule(name: str, due: float | None, **changes: object) -> Schedule:
    return replace(NIGHTLY, name=name, next_at=due, **changes)  # type: ignore[arg-type]


def test_a_schedule_comes_back_as_it_was_put_with_a_version(schedules: ScheduleStore) -> None:
    stored = schedules.put(NIGHTLY)
    assert NIGHTLY == replace(stored, version="")
    assert stored.version
    assert stored == schedules.get("nightly")
    assert schedules.get("nobody") is None


def test_what_is_there_is_not_made_again(schedules: ScheduleStore) -> None:
    schedules.put(NIGHTLY)
    with pytest.raises(ConflictError):
        schedules.put(replace(NIGHTLY, uid="u2"))
    found = schedules.get("nightly")
    assert found is not None
    assert "u1" == found.uid


def test_only_the_first_of_two_changes_counts(schedules: ScheduleStore) -> None:
    stored = schedules.put(NIGHTLY)
    moved = schedules.put(replace(stored, next_at=300.0))
    with pytest.raises(ConflictError):
        schedules.put(replace(stored, next_at=400.0))
    assert moved == schedules.get("nightly")
    assert 300.0 == moved.next_at


def test_a_change_of_what_was_removed_or_made_anew_is_refused(schedules: ScheduleStore) -> None:
    stored = schedules.put(NIGHTLY)
    assert schedules.remove("nightly")
    with pytest.raises(ConflictError):
        schedules.put(stored)
    again = schedules.put(replace(NIGHTLY, uid="u2"))
    with pytest.raises(ConflictError):
        schedules.put(stored)
    assert again == schedules.get("nightly")


def test_schedules_are_listed_by_name_and_removed_once(schedules: ScheduleStore) -> None:
    for name in ("b", "c", "a"):
        schedules.put(a_schedule(name, 1.0))
    assert ["a", "b", "c"] == [each.name for each in schedules.list()]
    assert schedules.remove("b")
    assert not schedules.remove("b")
    assert ["a", "c"] == [each.name for each in schedules.list()]


def test_the_most_overdue_come_first_and_those_to_come_not_at_all(schedules: ScheduleStore) -> None:
    for name, due in (("later", 101.0), ("b", 50.0), ("now", 100.0), ("a", 50.0), ("never", None)):
        schedules.put(a_schedule(name, due))
    assert ["a", "b", "now"] == [each.name for each in schedules.due(100.0)]
    assert ["a", "b"] == [each.name for each in schedules.due(100.0, limit=2)]
    assert [] == list(schedules.due(49.0))


def test_a_paused_one_is_never_due(schedules: ScheduleStore) -> None:
    stored = schedules.put(a_schedule("a", 50.0, paused=True, moved=900.0))
    assert [] == list(schedules.due(100.0))
    schedules.put(replace(stored, paused=False))
    assert ["a"] == [each.name for each in schedules.due(100.0)]


def test_one_that_is_to_be_tried_again_is_due_then(schedules: ScheduleStore) -> None:
    schedules.put(a_schedule("a", 50.0, retry_at=120.0))
    schedules.put(a_schedule("held", 900.0, held=110.0))
    assert [] == list(schedules.due(100.0))
    assert ["held"] == [each.name for each in schedules.due(110.0)]
    assert ["held", "a"] == [each.name for each in schedules.due(120.0)]


def test_one_that_was_moved_by_a_clock_which_was_set_back_is_found(schedules: ScheduleStore) -> None:
    schedules.put(a_schedule("ahead", 5000.0, moved=4000.0))
    schedules.put(a_schedule("over", None, moved=4000.0))
    schedules.put(a_schedule("usual", 150.0, moved=90.0))
    assert ["ahead", "over"] == [each.name for each in schedules.due(100.0)]
