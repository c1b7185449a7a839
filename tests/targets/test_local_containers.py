"""Scripts in containers, on a real engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.ports import Compute, Ended
from runyard.runs.model import ContainerSpec
from tests.targets.engine import BASE, Engine, running_engine
from tests.targets.house import House, opened


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with running_engine() as made:
        yield made


@pytest.fixture
def yard(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A root whose supervisor talks to the tests' engine."""
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
    spec = {"image": BASE, "shm_size": "2g", **changes.pop("container", {})}
    options = changes.pop("options", {})
    return {
        "source": source,
        "interpreter": "python",
        "compute": compute(house, **options),
        "container": ContainerSpec(**spec),
        **changes,
    }


def run(house: House, source: Any, **changes: Any) -> Ended:
    return house.run(**contained(house, source, **changes))


def test_a_script_runs_in_its_container_and_its_outputs_are_ours(yard: House, engine: Engine) -> None:
    source = """\
import json, os, sys
os.makedirs("outputs", exist_ok=True)
with open("outputs/seen.json", "w") as stream:
    json.dump({"pid": os.getpid(), "cwd": os.getcwd(), "argv": sys.argv, "variables": dict(os.environ)}, stream)
print("hello from", os.getcwd(), flush=True)
"""
    handle = yard.start(**contained(yard, source, arguments=("--rate", "0.1"), environment_variables={"A": "1"}))

    ended = yard.ended(handle)

    print(ended, yard.log(handle))
    assert ("exited", 0, "") == (ended.outcome, ended.exit_code, ended.error)
    assert b"hello from /runyard/work\n" == yard.log(handle)
    seen = json.loads((yard.folder(handle) / "outputs" / "seen.json").read_text())
    assert seen["argv"] == ["train.py", "--rate", "0.1"]
    assert seen["variables"]["A"] == "1"
    assert seen["variables"]["AZUREML_RUN_ID"] == handle.id.partition("/")[0]
    assert "PYTEST_CURRENT_TEST" not in seen["variables"]
    assert (yard.folder(handle) / "outputs" / "seen.json").stat().st_uid == os.getuid()
