"""Scenarios that are known by their seed. ``python -m tests.model`` plays as many as there is time for."""

from __future__ import annotations

import pytest

from tests.model.scenarios import play, scenario


@pytest.mark.parametrize(
    ("seed", "trouble"),
    [(seed, trouble) for seed in range(60) for trouble in (0.0, 0.2)],
)
def test_whatever_happens_nothing_is_lost_and_nothing_runs_twice(seed: int, trouble: float) -> None:
    world = play(scenario(seed, trouble=trouble))
    assert [run.id for run in world.runs() if not run.has_ended] == []
