"""The app in Microsoft's own worker library, which exists for Python 3.13 and newer only: `make worker` runs these."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runyard.services import install
from tests.azure.opened import SETTINGS

if TYPE_CHECKING:
    from tests.worker.host import Worker

HERE = Path(__file__).parents[2]
collect_ignore_glob = [] if importlib.util.find_spec("azure_functions_runtime") else ["test_*.py"]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Starts the worker on an app, with the settings of Azure."""
    from tests.worker.host import Worker

    made: list[Worker] = []

    def begin(folder: Path = HERE) -> Worker:
        made.append(Worker(folder))
        return made[-1]

    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    install(None)
    yield begin
    install(None)
    for each in made:
        each.stop()
