"""Roots and scripts for the tests of targets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.runner.build import build_zipapp
from tests.interpreters import newest_interpreter, oldest_interpreter
from tests.targets.environments import Builders
from tests.targets.hooked import Script
from tests.targets.house import House, opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A root with a local target."""
    with opened(tmp_path / "root") as made:
        yield made


INTERPRETERS = {"this": sys.executable, "oldest": oldest_interpreter(), "newest": newest_interpreter()}


@pytest.fixture(params=sorted(INTERPRETERS))
def interpreter(request: pytest.FixtureRequest) -> str:
    """What runs a script: this interpreter, the oldest and the newest one of this machine."""
    found = INTERPRETERS[request.param]
    if found is None:
        pytest.skip(f"the {request.param} interpreter that is installed here is the one of the tests")
    return found


@pytest.fixture
def script(tmp_path: Path, interpreter: str) -> Script:
    """A script with the hook."""
    return Script(tmp_path, interpreter)


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
