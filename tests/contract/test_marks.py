"""What every store of start marks promises."""

from __future__ import annotations

from runyard.ports import MarkStore, StartMark


def test_the_first_mark_counts(marks: MarkStore) -> None:
    assert None is marks.get("drops")
    mark = StartMark(container="drops", since=5.0)
    assert mark == marks.begin("drops", 5.0)
    assert mark == marks.begin("drops", 99.0)
    assert mark == marks.get("drops")


def test_what_was_missed_is_added_up(marks: MarkStore) -> None:
    marks.count("nowhere", 3, 10.0)
    assert None is marks.get("nowhere")
    since = marks.begin("other", 5.0).since
    marks.count("other", 3, 10.0)
    marks.count("other", 4, 20.0)
    assert StartMark(container="other", since=since, missed=7, missed_at=20.0) == marks.get("other")
