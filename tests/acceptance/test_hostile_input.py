"""What one user spoils, on purpose or not, is that user's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.yard import Yard
from tests.fakes import snapshot

RUNYARD = Path(sys.executable).with_name("runyard")


def test_metrics_replaced_by_a_link_end_their_run_and_stop_nobody(yard: Yard) -> None:
    spoil = (
        "import os\npath = os.environ['RUNYARD_METRICS']\n"
        "os.path.lexists(path) and os.unlink(path)\nos.symlink('/etc/passwd', path)\n"
    )
    bad = yard.run(spoil, "exp/bad.zip")
    assert "Completed" == bad.status
    assert {} == bad.metrics
    assert "Completed" == yard.run("print(1)", "exp/good.zip").status


def test_a_zip_with_the_longest_legal_name_runs(yard: Yard) -> None:
    name = "n" * 250 + ".zip"
    yard.put("snapshots", f"exp/{name}", snapshot())
    assert "Completed" == yard.wait(lambda: next((run for run in yard.runs() if run.has_ended), None)).status


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A root on a disk of its own, filled to the last byte."""
    mount = tmp_path / "mount"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a disk of its own needs the right to mount")
    try:
        subprocess.run([RUNYARD, "--root", mount / "root", "runs"], check=True, capture_output=True)
        with (mount / "fill").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 1024)
        yield mount / "root"
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_is_said_in_one_sentence(full_disk: Path) -> None:
    done = subprocess.run([RUNYARD, "--root", full_disk, "runs"], check=False, capture_output=True, text=True)
    assert 7 == done.returncode
    assert "no room" in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())
