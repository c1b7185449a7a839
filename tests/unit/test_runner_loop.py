"""The loop waits for a quick disk in place, and lets threads wait for a slow one."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from runyard.runner.loop import Loop


class Disk:
    """Syncs that take as long as they are told, by a clock of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.loop = Loop(pytest.fail)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sync(self, seconds: float) -> str:
        """Sync; by which thread it was done."""
        told: list[Any] = []

        def work() -> str:
            self.now += seconds
            return threading.current_thread().name

        self.loop.sync(work, lambda value, error: told.append(error or value))
        assert told == []
        while not told:
            self.loop.step()
        return str(told[0])


def test_a_quick_disk_is_waited_for_in_place_and_a_slow_one_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, here = Disk(monkeypatch), threading.current_thread().name
    assert [disk.sync(0.0002) for _ in range(3)] == ["sync"] * 3  # nothing is known of it at first
    by = [disk.sync(0.0002) for _ in range(40)]
    assert by[-1] == here
    assert disk.sync(0.05) == here  # nobody could know
    assert [disk.sync(0.05) for _ in range(3)] == ["sync"] * 3
    assert [disk.sync(0.0002) for _ in range(40)][-1] == here


def test_the_error_of_a_sync_is_told_to_who_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    def fail() -> None:
        raise OSError(5, "the disk fails")

    told: list[Any] = []
    for count in range(1, 41):  # by a thread, then in place
        disk.loop.sync(fail, lambda value, error: told.append((value, str(error))))
        while len(told) < count:
            disk.loop.step()
    assert told == [(None, "[Errno 5] the disk fails")] * 40
