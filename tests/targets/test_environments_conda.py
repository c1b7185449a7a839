"""A real conda channel: packages solved and installed by py-rattler, then the pip part."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runyard.runner.environments import find
from tests.targets.channel import MINOR, PYTHON, Channel
from tests.targets.environments import Builders, make_wheel, says

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    made = Channel(tmp_path_factory.mktemp("channel"))
    made.add_python()
    for version in ("1.2", "1.3", "2.0"):
        made.add_module("greeting", version)
    return made


def test_exact_installs_as_written_and_then_the_pip_part(builders: Builders, channel: Channel) -> None:
    make_wheel(builders.wheels, "local", "0.1")
    pip = ["--no-index", f"--find-links {builders.wheels}", "local"]
    packages = (f"python={PYTHON}", "greeting<2")
    asked = builders.record(*packages, pip=pip, channels=[channel.url], policy="exact", resolver="auto")
    told = builders.build(asked)
    ready = told.ready
    assert ("rattler", []) == (ready["tool"], told.notes)
    code = "import sys, greeting, local; print(greeting.VERSION, local.VERSION, sys.prefix)"
    assert f"1.3 0.1 {ready['prefix']}" == says(ready["interpreter"], code)
    assert f"installing python {PYTHON} 0" in told.lines
    found = find(builders.wish(asked))
    assert found is not None
    assert (ready["prefix"], True) == (
        found.variables["CONDA_PREFIX"],
        found.variables["PATH"].startswith(ready["prefix"] + "/bin:"),
    )


def test_a_package_that_no_channel_has_is_named(builders: Builders, channel: Channel) -> None:
    asked = builders.record(f"python={MINOR}", "greeting=9", channels=[channel.url], resolver="rattler")
    kind, sentence = builders.build(asked).problem
    assert ("user", True) == (kind, "rattler found no fitting version of the package greeting" in sentence)


def test_a_channel_that_is_not_there_is_a_problem_by_exact_and_a_note_by_nearest(
    builders: Builders, tmp_path: Path
) -> None:
    gone = (tmp_path / "gone").as_uri()
    make_wheel(builders.wheels, "greeting", "1.2")
    pip = ["--no-index", f"--find-links {builders.wheels}"]
    asked = builders.record(f"python={PYTHON}", "greeting", pip=pip, channels=[gone], policy="exact", resolver="auto")
    kind, sentence = builders.build(asked).problem
    assert ("config", True) == (kind, f"the channel {gone} cannot be reached (there is no such folder)" in sentence)
    told = builders.build({**asked, "policy": "nearest"})
    assert [
        f"channel {gone}: cannot be reached (there is no such folder); PyPI is used",
        "greeting: taken from PyPI as greeting",
    ] == told.notes
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")


def test_a_channel_that_does_not_answer_is_named(builders: Builders) -> None:
    url = "http://127.0.0.1:9/channel"
    asked = builders.record(f"python={PYTHON}", "greeting", channels=[url], policy="exact", resolver="auto")
    kind, sentence = builders.build(asked).problem
    assert ("config", True) == (kind, f"the channel {url} cannot be reached" in sentence)


def test_a_remote_channel_is_not_asked_offline(builders: Builders) -> None:
    asked = builders.record("greeting", channels=["conda-forge"], policy="exact", resolver="auto")
    kind, sentence = builders.build(asked, CONDA_OFFLINE="true").problem
    assert ("config", True) == (kind, "conda-forge cannot be reached (the network may not be used here)" in sentence)


def test_a_base_environment_is_used_as_it_is(builders: Builders, channel: Channel, tmp_path: Path) -> None:
    asked = builders.record(f"python={PYTHON}", "greeting=1.2", channels=[channel.url], resolver="auto")
    base = tmp_path / "envs" / "mine"
    made = builders.build(asked).ready["prefix"]
    base.parent.mkdir()
    shutil.copytree(made, base, symlinks=True)
    on_base = builders.record("python=3.6.2", pip=["azureml-defaults"], base=str(base), resolver="auto")
    told = builders.build(on_base)
    assert ("base", str(base)) == (told.ready["tool"], told.ready["prefix"])
    assert [
        "azureml-defaults: left out, Runyard's own stand-in supplies azureml.core",
        f"python=3.6.2: {PYTHON} is used, which the base environment has",
    ] == told.notes
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")
    by_name = builders.build({**on_base, "base": "mine"}, CONDA_ENVS_PATH=str(base.parent))
    assert str(base) == by_name.ready["prefix"]
    assert by_name.ready["key"] != told.ready["key"]


def test_a_base_environment_to_be_added_to_needs_conda(builders: Builders, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "conda-meta").mkdir(parents=True)
    asked = builders.record("numpy", base=str(base), resolver="auto")
    kind, sentence = builders.build(asked, PATH="/usr/bin:/bin").problem
    assert ("config", True) == (kind, "no conda or mamba is on the PATH" in sentence)


@pytest.mark.parametrize(
    ("base", "part"), [("nowhere", "no conda environment named nowhere"), ("/", "is no conda environment")]
)
def test_a_base_environment_that_is_not_there_is_said(builders: Builders, base: str, part: str) -> None:
    kind, sentence = builders.build(builders.record(base=base, resolver="auto")).problem
    assert ("config", True) == (kind, part in sentence)
