"""Images of containers: an environment is built into one once, a private registry, base images that have gone."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.runner.containers import vanished
from runyard.runner.containers.engine import Engine as Client
from runyard.runner.containers.keeping import list_images, prune_images
from runyard.runs.model import EnvironmentSpec
from tests.containers.engine import BASE, Engine
from tests.containers.house import PATIENCE, contained, engine, preparation, run, yard
from tests.containers.registry import Registry, running_registry
from tests.targets.house import House

__all__ = ["engine", "yard"]
CANARY = "canary-registry-0815"


def wheel(name: str, version: str) -> bytes:
    """A package with one module, as a wheel (PEP 427)."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def environment(*pip: str, **changes: Any) -> EnvironmentSpec:
    dependencies: list[object] = [{"pip": ["--no-index", "--find-links ./wheels", *pip]}]
    conda = {"channels": [], "dependencies": dependencies, "variables": {}}
    return EnvironmentSpec(**{"conda": conda, "source": "aml_config/conda_dependencies.yml", **changes})


def files(script: str, version: str = "1.0") -> dict[str, str | bytes]:
    return {"train.py": script, f"wheels/greeting-{version}-py3-none-any.whl": wheel("greeting", version)}


SCRIPT = "import greeting, sys; print(greeting.VERSION, sys.prefix)"


def test_an_environment_is_built_into_an_image_once(yard: House, engine: Engine) -> None:
    before = set(engine.images("runyard.environment"))

    first = run(yard, files(SCRIPT), environment=environment("greeting==1.0"))
    second = run(yard, files(SCRIPT), environment=environment("greeting==1.0"))

    assert (0, 0) == (first.exit_code, second.exit_code), (first.error, preparation(yard, first))
    assert yard.log(first.handle).startswith(b"1.0 /opt/runyard/environments/")
    assert 1 == len(set(engine.images("runyard.environment")) - before)
    listed = list_images(ours := Client("docker", os.environ), cache := str(yard.root.parent / "environments"))
    assert [("environment", "exp: aml_config/conda_dependencies.yml")] == [
        (each["kind"], each["source"]) for each in listed
    ]
    assert [] == prune_images(ours, cache, older_than=3600.0)
    [kept] = prune_images(ours, cache, older_than=0.0, dry_run=True)
    [gone] = prune_images(ours, cache, older_than=0.0)
    assert (False, True) == (kept["removed"], gone["removed"]), gone["reason"]
    assert before == set(engine.images("runyard.environment"))
    assert "was built in" in preparation(yard, first)
    assert "is reused" in preparation(yard, second)


def test_runs_at_the_same_time_build_it_once(yard: House, engine: Engine) -> None:
    before = set(engine.images("runyard.environment"))

    handles = [
        yard.start(**contained(yard, files(SCRIPT, "2.0"), environment=environment("greeting==2.0"))) for _ in range(3)
    ]
    ended = [yard.ended(handle, PATIENCE) for handle in handles]

    assert [0, 0, 0] == [each.exit_code for each in ended], [each.error for each in ended]
    assert 1 == len(set(engine.images("runyard.environment")) - before)
    assert 1 == sum("was built in" in preparation(yard, each) for each in ended)


def test_a_build_that_fails_names_the_package(yard: House, engine: Engine) -> None:
    before = engine.images("runyard.environment")

    ended = run(yard, files(SCRIPT), environment=environment("no-such-package==9.9"))

    assert ("failed", "user") == (ended.outcome, ended.error_class)
    assert "no-such-package" in ended.error
    assert before == engine.images("runyard.environment")


def test_an_environment_that_may_not_be_prepared_is_not(yard: House) -> None:
    ended = run(yard, files(SCRIPT), environment=environment("greeting==1.0", "wheel", auto_prepare=False))

    assert ("failed", "config") == (ended.outcome, ended.error_class)
    assert "auto_prepare_environment is false" in ended.error


@pytest.fixture
def registry(engine: Engine) -> Iterator[Registry]:
    with running_registry(engine.docker_bytes("save", BASE), "team/base", "alice", CANARY) as made:
        yield made


def private(registry: Registry, password: str) -> dict[str, object]:
    return {"image": "team/base:1", "registry": registry.address, "username": "alice", "password": password}


def test_a_private_registry_gets_its_password_and_nobody_else_does(
    yard: House, engine: Engine, registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    shown: list[str] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.is_set():
            shown.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True).stdout)
            time.sleep(0.01)

    sampler = threading.Thread(target=sample)
    sampler.start()
    handle = yard.start(**contained(yard, "print('pulled')", container=private(registry, CANARY)))
    try:
        ended = yard.ended(handle)
    finally:
        stop.set()
        sampler.join()

    assert (0, b"pulled\n") == (ended.exit_code, yard.log(handle)), ended.error
    assert registry.pulls > 0
    encoded = base64.b64encode(f"alice:{CANARY}".encode()).decode()
    texts = [*shown, engine.docker("inspect", f"{registry.address}/team/base:1"), preparation(yard, ended)]
    texts += [path.read_text(errors="replace") for path in _files(yard.root, folder)]
    for secret in (CANARY, encoded):
        assert [] == [text for text in texts if secret in text]
    engine.docker("rmi", f"{registry.address}/team/base:1")


def _files(*folders: Path) -> list[Path]:
    """What is left; the start register and the supervisor's memory are another test's."""
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyz"]


def test_a_wrong_password_is_an_error_of_who_asks(yard: House, registry: Registry) -> None:
    ended = run(yard, "pass", container=private(registry, "wrong-password"))

    assert ("failed", "auth") == (ended.outcome, ended.error_class)
    assert "check the user name and the password of docker.baseImageRegistry" in ended.error
    assert "wrong-password" not in ended.error + preparation(yard, ended)


def test_an_image_that_is_not_there_is_told(yard: House, registry: Registry) -> None:
    container = {**private(registry, CANARY), "image": "team/other:1"}

    ended = run(yard, "pass", container=container)

    assert "failed" == ended.outcome
    assert f"{registry.address}/team/other:1" in ended.error


def test_a_base_image_that_has_gone_is_replaced_by_a_living_one_and_told(yard: House, engine: Engine) -> None:
    engine.docker("tag", BASE, vanished.CPU)

    ended = run(yard, "print('here')", container={"image": "azureml/base:0.1.4"})

    assert b"here\n" == yard.log(ended.handle)
    note = f"the base image azureml/base:0.1.4 is not published any more: {vanished.CPU} is used"
    assert any(note in each for each in ended.notes)
    assert note in preparation(yard, ended)
    engine.docker("rmi", vanished.CPU)


def test_a_base_image_that_has_gone_is_used_where_it_is_there(yard: House, engine: Engine) -> None:
    engine.docker("tag", BASE, "azureml/base:0.1.4")

    ended = run(yard, "print('here')", container={"image": "azureml/base:0.1.4", "policy": "exact"})

    assert (0, ()) == (ended.exit_code, ended.notes)
    engine.docker("rmi", "azureml/base:0.1.4")


def test_under_the_policy_exact_a_base_image_that_has_gone_is_an_error(yard: House) -> None:
    ended = run(yard, "pass", container={"image": "azureml/base:0.1.4", "policy": "exact"})

    assert ("failed", "config") == (ended.outcome, ended.error_class)
    assert "azureml/base:0.1.4 is not published any more" in ended.error


@pytest.mark.parametrize(
    ("image", "living"),
    [
        ("azureml/base:0.1.2", vanished.CPU),
        ("mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04", vanished.CPU),
        ("mcr.microsoft.com/azureml/base-gpu:intelmpi2018.3-cuda10.0-cudnn7-ubuntu16.04", vanished.GPU),
        ("azureml/base-gpu:0.1.3", vanished.GPU),
        ("mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04", vanished.CPU),
        ("microsoft/mmlspark:0.12", vanished.PYTHON),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", None),
        ("python:3.11-slim", None),
        ("myregistry.azurecr.io/azureml/base:1", None),
        ("localhost:5000/azureml/base", None),
    ],
)
def test_only_images_that_are_known_to_have_gone_have_a_living_one(image: str, living: str | None) -> None:
    assert living == vanished.living(image)
