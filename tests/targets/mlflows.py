"""Interpreters with an MLflow of each major release, made on first use and kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreters import interpreters

HERE = Path(__file__).parents[2]
RELEASES = {1: ("mlflow-skinny>=1.30,<2", (3, 7), (3, 9)), 2: ("mlflow-skinny>=2,<3", (3, 9), (3, 13)), 3: ("mlflow-skinny>=3,<4", (3, 10), (3, 13))}  # fmt: skip
"""What to install, and with which versions of Python, the first and the last."""


def interpreter_with(release: int) -> str:
    """The interpreter of a virtual environment with that release.

    Skips the test where it cannot be made: no fitting Python, or nothing to install from. In CI the latter fails.
    """
    wanted, first, last = RELEASES[release]
    fitting = [path for version, path in interpreters() if first <= version <= last]
    if not fitting:
        pytest.skip(f"no Python from {first} to {last} is installed here for MLflow {release}")
    folder = HERE / f".venv-mlflow-{release}"
    with (HERE / f".venv-mlflow-{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests run in several processes
        if not (folder / ".made").exists():
            _make(folder, fitting[-1], wanted)
    python = str(folder / "bin" / "python")
    assert python != sys.executable
    return python


def _make(folder: Path, base: str, wanted: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    made = subprocess.run([base, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        python = str(folder / "bin" / "python")
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        if os.environ.get("CI"):
            raise AssertionError(f"{wanted} could not be installed: {made.stderr[-1000:]}")
        pytest.skip(f"{wanted} could not be installed here")
    (folder / ".made").touch()
