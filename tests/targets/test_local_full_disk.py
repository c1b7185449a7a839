"""A full disk harms the run that fills it, and not the supervisor."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.ports import Ended, Running
from tests.targets.house import PATIENCE, House, end, opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[House]:
    """A root on a file system of 4 MiB."""
    root = tmp_path / "root"
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(root)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a file system here")
    try:
        with opened(root) as house:
            yield house
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_script_that_fills_the_disk_fails_and_the_next_one_runs(small: House) -> None:
    script = "import os\nos.write(1, b'begin')\nfor n in range(6): os.write(1, b'x' * (1 << 20))"
    handle = small.start(script)
    small.told.wait(5)
    # The log is as large as the disk lets it be, so the result waits until there is room.
    for _ in range(200):
        seen = small.poll(handle)
        if isinstance(seen, Ended) or seen.detail:
            break
        small.told.wait(0.02)
        small.told.clear()
    if isinstance(seen, Running):
        assert "No space left on device" in seen.detail
        log = small.folder(handle) / "azureml-logs" / "70_driver_log.txt"
        log.write_bytes(b"")
    ended = small.ended(handle)
    assert ended.exit_code == 1
    (small.folder(handle) / "azureml-logs" / "70_driver_log.txt").write_bytes(b"")
    shutil.rmtree(small.root / "snapshots")
    (small.root / "snapshots").mkdir()
    assert small.run("print('fine')").exit_code == 0


def test_an_ending_is_not_lost_when_the_supervisor_is_killed_before_it_could_write_the_result(small: House) -> None:
    handle = small.start("import os, sys\nfor n in range(6): os.write(1, b'x' * (1 << 20))")
    deadline = time.monotonic() + PATIENCE
    seen = small.poll(handle)
    while "cannot write the result" not in getattr(seen, "detail", ""):
        assert time.monotonic() < deadline, seen
        if isinstance(seen, Ended):
            pytest.skip("there was room for the result")
        small.told.wait(0.02)
        seen = small.poll(handle)
    end(small.supervisor())
    (small.folder(handle) / "azureml-logs" / "70_driver_log.txt").write_bytes(b"")
    ended = small.ended(handle)
    assert (ended.outcome, ended.exit_code) == ("exited", 1)


def test_a_snapshot_that_does_not_fit_says_so(small: House) -> None:
    ended = small.run({"train.py": "pass", "zeros": bytes(8 << 20)})
    assert (ended.outcome, ended.error_class) == ("failed", "quota")
    assert (
        ended.error == "unpacking the snapshot failed: No space left on device; make room on the disk and submit again"
    )
