"""Roots for the tests of targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.runner.build import build_zipapp
from tests.targets.environments import Builders
from tests.targets.house import House, opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A root with a local target."""
    with opened(tmp_path / "root") as made:
        yield made


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner, packed."""
    path = tmp_path_factory.mktemp("runner") / "runner.pyz"
    build_zipapp(str(path))
    return path


@pytest.fixture
def builders(tmp_path: Path, pyz: Path) -> Builders:
    """Builders over an empty cache."""
    return Builders(tmp_path, pyz)
