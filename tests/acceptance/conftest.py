"""A running host for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.yard import Yard, running


@pytest.fixture
def root() -> Iterator[Path]:
    """A root folder with a short path, as a socket's path has to be."""
    path = Path(tempfile.mkdtemp(prefix="ry-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def yard(root: Path) -> Iterator[Yard]:
    with running(root) as made:
        yield made
