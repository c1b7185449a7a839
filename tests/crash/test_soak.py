"""The soak in its short form; ``make soak`` takes ten minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.soak import check_flat, soak


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_under_faults_at_full_rate_every_run_ends_truly_and_nothing_grows(tmp_path: Path) -> None:
    made = soak(tmp_path / "root", seconds=12, seed=11)
    assert made.asked == sum(count for ending, count in made.ended.items() if ending != "dead letters")
    assert made.ended["Completed"] > 100
    check_flat(made.samples)
