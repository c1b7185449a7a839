"""What the tests of containers share: a root whose supervisor talks to the tests' engine, and what to start there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.ports import Compute, Ended
from runyard.runs.model import ContainerSpec
from tests.containers.engine import BASE, Engine, running_engine
from tests.targets.house import House, opened

PATIENCE = 90.0
"""Seconds for what builds an environment: pip takes its time in a new image."""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with running_engine() as made:
        yield made


@pytest.fixture
def yard(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A root whose supervisor talks to the tests' engine; no container is left."""
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    with opened(tmp_path / "root") as made:
        yield made
    assert engine.containers() == []


def compute(house: House, **options: Any) -> Compute:
    cache = str(house.root.parent / "environments")
    return Compute(
        name="local", kind="local", limit=2, options={"docker_network": "host", "environments": cache, **options}
    )


def contained(house: House, source: Any, **changes: Any) -> dict[str, Any]:
    """What to start a script in the base image with."""
    spec = {"image": BASE, "shm_size": "64m", **changes.pop("container", {})}
    options = changes.pop("options", {})
    return {
        "source": source,
        "interpreter": "python",
        "compute": compute(house, **options),
        "container": ContainerSpec(**spec),
        **changes,
    }


def run(house: House, source: Any, **changes: Any) -> Ended:
    return house.ended(house.start(**contained(house, source, **changes)), PATIENCE)


def preparation(house: House, ended: Ended) -> str:
    """The preparation log."""
    return (house.folder(ended.handle) / "azureml-logs" / "20_image_build_log.txt").read_text()
