"""Every point at which the program that carries a run can be killed: before and after each of its writes, none left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.testing import ManualClock, Moment, ScriptedTarget
from tests.crash.conftest import Count
from tests.crash.life import live
from tests.crash.plots import PLOTS, Plot
from tests.crash.worlds import EmbeddedWorld, MakeWorld, MemoryWorld, World


def enumerate_kills(plot: Plot, make: MakeWorld, *, known_beforehand: bool) -> int:
    """Live once to count the writes, then once for each side of each; returns how many kills that were."""
    whole = live(plot, make, None, known_beforehand=known_beforehand)
    assert 0 == whole.kills
    kills = 0
    for number in range(1, whole.steps.count + 1):
        for moment in Moment:
            kills += live(plot, make, (number, moment), known_beforehand=known_beforehand).kills
    assert 2 * whole.steps.count == kills
    return kills


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("known_beforehand", [True, False], ids=["handle known beforehand", "handle known after"])
@pytest.mark.parametrize("plot", PLOTS, ids=[plot.name for plot in PLOTS])
def test_killed_at_any_write_in_memory(plot: Plot, known_beforehand: bool, count: Count) -> None:
    count("memory", enumerate_kills(plot, MemoryWorld, known_beforehand=known_beforehand))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", PLOTS, ids=[plot.name for plot in PLOTS])
def test_killed_at_any_write_on_a_root(plot: Plot, tmp_path: Path, count: Count) -> None:
    roots = iter(range(1_000_000))

    def make(clock: ManualClock, target: ScriptedTarget) -> World:
        return EmbeddedWorld(clock, target, tmp_path / str(next(roots)))

    count("embedded", enumerate_kills(plot, make, known_beforehand=True))
