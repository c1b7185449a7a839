"""What holds for every test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _environments() -> Iterator[None]:
    """Environments are prepared in a folder of the tests, never in the user's cache."""
    folder = tempfile.mkdtemp(prefix="ry-environments-")
    before = os.environ.get("RUNYARD_ENVIRONMENTS")
    os.environ["RUNYARD_ENVIRONMENTS"] = folder
    yield
    if before is None:
        del os.environ["RUNYARD_ENVIRONMENTS"]
    else:
        os.environ["RUNYARD_ENVIRONMENTS"] = before
    shutil.rmtree(folder, ignore_errors=True)
