"""The chain on Azure's adapters in its short form; ``make azure-chain`` has 500 runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.azure_chain import STORAGE, run_chain
from tests.standins.broker import faults, leaks_sockets


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Sockets that the SDK left are collected while the test's filter counts."""
    yield
    gc.collect()


@pytest.mark.slow
@pytest.mark.timeout(600)
@leaks_sockets
def test_with_every_fault_at_five_percent_none_is_lost_none_runs_twice_and_every_reason_is_true(tmp_path: Path) -> None:
    report = run_chain(tmp_path, runs=40, rate=0.05, seed=11, tears=0.02, patience=500)
    assert sum(report.verdict.endings.values()) == 40
    assert {fault.name for fault in STORAGE} | {f"bus: {name}" for name in faults.ALL} == set(report.faults)
