"""Roots for the tests of targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.house import House, opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A root with a local target."""
    with opened(tmp_path / "root") as made:
        yield made
