"""The random crash test in its short form; ``make crash-test`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.random_kills import lead
from tests.crash.yard import Zygote


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_under_random_kills_are_carried_out_once_and_are_on_record_as_they_ended(
    tmp_path: Path, zygote: Zygote
) -> None:
    report = lead(tmp_path / "yard", zygote, runs=120, kills=12, seed=4)
    assert 12 <= sum(report.kills.values())
