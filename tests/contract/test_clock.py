"""What every clock promises."""

from __future__ import annotations

import time

import pytest

from runyard.ports import Clock
from runyard.stores.embedded import SystemClock
from runyard.testing import ManualClock


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["embedded", "memory"])
def test_a_clock_tells_seconds_since_the_epoch(clock: Clock) -> None:
    first = clock.now()
    assert isinstance(first, float)
    assert 1_500_000_000 < first <= clock.now()


def test_the_system_clock_is_the_machines() -> None:
    before = time.time()
    assert before <= SystemClock().now() <= time.time()


def test_a_manual_clock_moves_only_when_told_and_never_back() -> None:
    clock = ManualClock(start=5.0)
    assert clock.now() == clock.now() == 5.0
    assert clock.advance(2.5) == clock.now() == 7.5
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
