"""Builders of environments: what they tell, what they leave, and that each environment is built once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from runyard.runner.environments import (
    Ready,
    builder_command,
    describe,
    explain,
    find,
    hold,
    list_environments,
    release,
)
from tests.interpreters import oldest_interpreter
from tests.targets.environments import Builders, make_wheel, says

FULL_DISK = """\
#!/bin/sh
[ "$1" = --version ] && exit 0
for last; do :; done
mkdir -p "$last/bin" && echo x > "$last/bin/half"
echo 'error: failed to copy file: No space left on device (os error 28)' >&2
exit 2
"""
VERSION = ".".join(map(str, sys.version_info[:3]))


def test_an_environment_is_built_and_found(builders: Builders) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked = builders.local("greeting", conda={"variables": {"OMP_NUM_THREADS": "4"}}, source="here")
    wish = builders.wish(asked)
    assert find(wish) is None
    told = builders.build(asked)
    assert (0, "", []) == (told.code, told.errors, told.notes)
    found = find(wish)
    assert found is not None
    assert found.__dict__ == {**Ready.from_record(told.ready, wish).__dict__, "variables": found.variables}
    assert "1.2" == says(found.interpreter, "import greeting; print(greeting.VERSION)")
    assert found.prefix == says(found.interpreter, "import sys; print(sys.prefix)")
    assert ("uv", "4", found.prefix) == (found.tool, found.variables["OMP_NUM_THREADS"], found.variables["VIRTUAL_ENV"])
    assert f"making the environment with Python {VERSION} and uv" == told.lines[0]
    about = describe(wish.cache, wish.key)
    assert ("ready", VERSION, "here", False) == (about["state"], about["python"], about["source"], about["in_use"])
    assert about["bytes"] > 1_000_000
    assert "greeting==1.2" in Path(about["log"]).read_text()
    assert not Path(wish.cache, wish.key + ".source").exists()


def test_what_is_there_is_told_again_and_not_built(builders: Builders) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked = builders.local("greeting", "azureml-defaults")
    first = builders.build(asked)
    shutil.rmtree(builders.wheels)
    second = builders.build({**asked, "auto_prepare": False})
    assert (first.ready, first.notes, []) == (second.ready, second.notes, second.lines)
    assert ["azureml-defaults: left out, Runyard's own stand-in supplies azureml.core"] == second.notes


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_pip_is_in_every_environment(builders: Builders, tool: str) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    ready = builders.build(builders.local("greeting", resolver=tool)).ready
    assert (tool, "1.2") == (ready["tool"], says(ready["interpreter"], "import pip, greeting; print(greeting.VERSION)"))


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_old_python_gets_an_environment_by_an_old_python(builders: Builders, tool: str) -> None:
    oldest = oldest_interpreter()
    if oldest is None:
        pytest.skip("no older interpreter is installed here")
    builders.python = oldest
    make_wheel(builders.wheels, "greeting", "1.2")
    version = says(oldest, "import sys; print('.'.join(map(str, sys.version_info[:3])))")
    asked = builders.local("greeting", resolver=tool)
    asked["conda"]["dependencies"].insert(0, f"python={version.rpartition('.')[0]}.99")
    told = builders.build(asked)
    assert [f"python={version.rpartition('.')[0]}.99: {version} is used, the nearest that is installed"] == told.notes
    assert f"1.2 {version}" == says(
        told.ready["interpreter"],
        "import sys, greeting; print(greeting.VERSION, '.'.join(map(str, sys.version_info[:3])))",
    )


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_package_that_is_nowhere_is_named_and_nothing_stays(builders: Builders, tool: str) -> None:
    asked = builders.local("nosuchthing==1.0", resolver=tool)
    told = builders.build(asked)
    kind, sentence = told.problem
    assert (1, "user") == (told.code, kind)
    assert sentence.startswith(f"{tool} found no fitting")
    assert "nosuchthing" in sentence
    assert any("nosuchthing" in line for line in told.end["tail"])
    wish = builders.wish(asked)
    assert (None, False) == (find(wish), Path(wish.cache, wish.key).exists())
    assert sentence in Path(wish.cache, wish.key + ".log").read_text()


def test_a_package_of_conda_that_pypi_lacks_is_said_to_be_one(builders: Builders) -> None:
    asked = builders.record("r-base", pip=["--no-index"])
    kind, sentence = builders.build(asked).problem
    advice = "it is a package of conda: install micromamba, or 'runyard[environments]', which brings py-rattler"
    assert ("user", True, True) == (kind, "r-base" in sentence, sentence.endswith(advice)), sentence


def test_a_package_that_does_not_build_is_named(builders: Builders) -> None:
    with zipfile.ZipFile(builders.wheels / "thing-1.0.zip", "w") as archive:
        archive.writestr(
            "thing-1.0/pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
        )
        archive.writestr("thing-1.0/own.py", "def build_wheel(*_, **__):\n    raise SystemExit('no compiler here')\n")
        archive.writestr("thing-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    kind, sentence = builders.build(builders.local("thing")).problem
    assert ("user", "uv could not build the package thing; ask for a version that has a wheel for this Python") == (
        kind,
        sentence,
    )


def test_what_may_not_be_built_is_not(builders: Builders) -> None:
    kind, sentence = builders.build(builders.local("greeting", auto_prepare=False)).problem
    assert kind == "config"
    assert "is not built yet and auto_prepare_environment is false" in sentence
    assert not builders.cache.exists()


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (b"{", "the wish for an environment is no JSON"),
        (b"{}", "cache must be the full path of the folder that keeps environments"),
    ],
)
def test_a_wrong_wish_is_one_sentence(builders: Builders, wish: bytes, sentence: str) -> None:
    done = subprocess.run(
        builder_command(sys.executable, str(builders.pyz)), input=wish, capture_output=True, check=False
    )
    assert (1, {"problem": sentence, "class": "config", "tail": []}) == (done.returncode, json.loads(done.stdout))


def test_changing_one_package_builds_another_and_explain_says_which(builders: Builders) -> None:
    for version in ("1.2", "1.3"):
        make_wheel(builders.wheels, "greeting", version)
    before, after = (builders.local(f"greeting=={each}", source="here") for each in ("1.2", "1.3"))
    first = builders.build(before).ready
    told = explain(builders.wish(after), "")
    assert ["pip package greeting: greeting==1.3, before it was greeting==1.2"] == told["sentences"]
    assert (first["key"], "absent") == (told["compared_with"], told["state"])
    second = builders.build(after).ready
    assert first["key"] != second["key"]
    assert ["1.2", "1.3"] == [
        says(each["interpreter"], "import greeting; print(greeting.VERSION)") for each in (first, second)
    ]


def test_eight_at_a_time_build_it_once(builders: Builders) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked = builders.local("greeting")
    all_told = [builders.wait(each) for each in [builders.start(asked) for _ in range(8)]]
    assert [0] * 8 == [each.code for each in all_told]
    assert [all_told[0].ready] * 8 == [each.ready for each in all_told]
    built = [each for each in all_told if any("making the environment" in line for line in each.lines)]
    assert 1 == len(built)
    waited = [each for each in all_told if "another run builds this environment; waiting for it" in each.lines]
    assert len(waited) >= 1
    assert 1 == len(list_environments(str(builders.cache)))


def test_an_environment_whose_python_is_gone_is_built_again(builders: Builders) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked = builders.local("greeting")
    wish = builders.wish(asked)
    python = Path(builders.build(asked).ready["interpreter"])
    python.unlink()
    python.symlink_to("/no/such/python")
    assert find(wish) is None
    told = builders.build(asked)
    assert "the environment is there but its interpreter is gone; it is built again" == told.lines[0]
    assert find(wish) is not None


def test_a_rebuild_waits_for_the_scripts_that_use_it(builders: Builders) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked = builders.local("greeting")
    builders.build(asked)
    ready = find(builders.wish(asked))
    assert ready is not None
    held = hold(ready)
    assert held is not None
    Path(ready.interpreter).unlink()
    process = builders.start(asked)
    assert process.stdout
    line = json.loads(process.stdout.readline())["line"]
    assert "the environment must be built again and a script still uses it; waiting for its end" == line
    release(held)
    assert 0 == builders.wait(process).code
    assert find(builders.wish(asked)) is not None


def test_files_of_the_snapshot_are_honoured(builders: Builders, tmp_path: Path) -> None:
    for version in ("1.2", "1.3"):
        make_wheel(builders.wheels, "greeting", version)
    snapshot = tmp_path / "snapshot"
    (snapshot / "own").mkdir(parents=True)
    make_wheel(snapshot / "files", "local", "0.1")
    (snapshot / "more.txt").write_text("greeting\n-c limits.txt\n")
    (snapshot / "limits.txt").write_text("greeting<1.3\n")
    entries = ["-r more.txt", "./files/local-0.1-py2.py3-none-any.whl"]
    for tool in ("uv", "pip"):
        ready = builders.build(builders.local(*entries, folder=str(snapshot), resolver=tool)).ready
        shown = says(ready["interpreter"], "import greeting, local; print(greeting.VERSION, local.VERSION)")
        assert "1.2 0.1" == shown


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_offline_is_one_clear_sentence(builders: Builders, tool: str) -> None:
    told = builders.build(builders.record(pip=["nosuchthing"], resolver=tool), UV_OFFLINE="1", PIP_NO_INDEX="1")
    kind, sentence = told.problem
    assert kind == "user"
    assert "may ask no index" in sentence or "may not use the network" in sentence


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_index_that_does_not_answer_is_transient(builders: Builders, tool: str) -> None:
    asked = builders.record(pip=["--index-url http://127.0.0.1:9/simple", "six"], resolver=tool)
    told = builders.build(asked, UV_HTTP_RETRIES="0", PIP_RETRIES="0")
    assert ("transient", True) == (told.problem[0], f"{tool} could not reach an index" in told.problem[1])


def test_a_cache_that_cannot_be_made_is_one_sentence(builders: Builders, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kind, sentence = builders.build(builders.local(cache=str(tmp_path / "file" / "c"))).problem
    assert (kind, True) == ("config", sentence.startswith("the cache of environments"))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(builders: Builders, tmp_path: Path) -> None:
    fake = tmp_path / "full"
    fake.mkdir()
    (fake / "uv").write_text(FULL_DISK)
    (fake / "uv").chmod(0o755)
    # A builder's own interpreter is asked for uv first; this one has none beside it.
    builders.python = os.path.realpath(sys.executable)
    asked = builders.local("greeting", python=os.path.realpath(sys.executable))
    told = builders.build(asked, PATH=f"{fake}:{os.environ['PATH']}", HOME=str(tmp_path))
    assert ("quota", True) == (told.problem[0], "found no room on the disk" in told.problem[1])
    wish = builders.wish(asked)
    assert not Path(wish.cache, wish.key).exists()


def test_whoever_stops_listening_does_not_stop_the_build(builders: Builders) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked: dict[str, Any] = builders.local("greeting")
    process = builders.start(asked)
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    assert 0 == process.wait(60)
    assert process.stderr
    process.stderr.close()
    assert find(builders.wish(asked)) is not None
