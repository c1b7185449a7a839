"""``runyard env``: the prepared environments of this machine."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.main import app
from runyard.targets.local import options
from tests.targets.environments import make_wheel

MANAGED = (
    "script: train.py\nenvironment:\n  python:\n    userManagedDependencies: false\n    condaDependenciesFile: {}\n"
)
CONDA = "aml_config/conda_dependencies.yml"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and a root that is not there."""
    monkeypatch.setenv("RUNYARD_ENVIRONMENTS", str(tmp_path / "cache"))
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path / "root"))
    options.default_environments.cache_clear()
    yield tmp_path / "cache"
    options.default_environments.cache_clear()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "tiny", version)
    return tmp_path / "wheels"


def conda(folder: Path, wheels: Path, package: str = "tiny==1.0", *more: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "conda_dependencies.yml"
    entries = ["--no-index", f"--find-links {wheels}", package, *more]
    path.write_text("dependencies:\n- pip:\n" + "".join(f"  - {json.dumps(each)}\n" for each in entries))
    return path


def project(folder: Path, wheels: Path, package: str = "tiny==1.0") -> Path:
    conda(folder / "aml_config", wheels, package)
    (folder / "aml_config" / "local.runconfig").write_text(MANAGED.format(CONDA))
    (folder / "train.py").write_text("")
    return folder


def env(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["env", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def told(*words: object) -> Any:
    return json.loads(env(*words, "--json"))


def build(path: Path) -> Any:
    return told("build", path, "--resolver", "uv")


def test_one_that_is_there_is_not_built_again(cache: Path, wheels: Path, tmp_path: Path) -> None:
    path = conda(tmp_path, wheels)
    first, second = build(path), build(path)
    assert (first["built"], second["built"], first["key"]) == (True, False, second["key"])
    assert Path(first["interpreter"]).exists()
    assert Path(first["prefix"]).parent == cache


def test_a_project_its_zip_and_its_run_configuration_mean_the_same_environment(
    cache: Path, wheels: Path, tmp_path: Path
) -> None:
    del cache
    folder = project(tmp_path / "project", wheels)
    archive = tmp_path / "project.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for path in folder.rglob("*"):
            stream.write(path, path.relative_to(folder).as_posix())
    keys = {told("explain", each)["key"] for each in (folder, archive, folder / "aml_config" / "local.runconfig")}
    assert len(keys) == 1


def test_requirements_are_taken_with_the_files_that_they_name(cache: Path, wheels: Path, tmp_path: Path) -> None:
    del cache
    (tmp_path / "more.txt").write_text("tiny==2.0\n")
    (tmp_path / "requirements.txt").write_text(f"--no-index\n--find-links {wheels}\n-r more.txt\n")
    made = build(tmp_path / "requirements.txt")
    assert list(Path(made["prefix"]).rglob("tiny-2.0.dist-info")) != []


def test_what_is_there_is_listed_and_shown(cache: Path, wheels: Path, tmp_path: Path) -> None:
    made = build(conda(tmp_path, wheels))
    [each] = told("list")["environments"]
    assert (each["key"], each["state"], each["bytes"] > 1000) == (made["key"], "ready", True)
    assert made["key"][:12] in env("list")
    shown = env("show", made["key"][:6])
    assert "tiny==1.0" in shown
    assert str(cache) in shown


def test_what_changed_is_told(cache: Path, wheels: Path, tmp_path: Path) -> None:
    del cache
    build(conda(tmp_path, wheels))
    path = conda(tmp_path, wheels, "tiny==2.0")
    why = env("explain", path, "--resolver", "uv")
    assert "pip package tiny: tiny==2.0, before it was tiny==1.0" in why
    assert "not there: the next run builds it" in why
    key = build(path)["key"]
    assert told("explain", key[:8])["sentences"] == ["pip package tiny: tiny==2.0, before it was tiny==1.0"]


def test_a_package_that_cannot_be_had_is_said_and_the_code_is_1(cache: Path, wheels: Path, tmp_path: Path) -> None:
    del cache
    said = env("build", conda(tmp_path, wheels, "no-such-package-here"), "--resolver", "uv", code=outcome.FAILED)
    assert "no-such-package-here" in said.splitlines()[-1]


def test_progress_is_told_on_stderr_and_the_folder_on_stdout(cache: Path, wheels: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["env", "build", str(conda(tmp_path, wheels)), "--resolver", "uv"])
    assert result.exit_code == 0, result.output
    assert Path(result.stdout.strip()).parent == cache
    assert "installing tiny==1.0" in result.stderr


def test_environments_are_removed_as_asked(cache: Path, wheels: Path, tmp_path: Path) -> None:
    keys = [build(conda(tmp_path, wheels, f"tiny=={version}"))["key"] for version in ("1.0", "2.0")]
    assert told("prune")["environments"] == []
    assert told("prune", "--older-than", "1h")["environments"] == []
    assert len(told("prune", "--all", "--dry-run")["environments"]) == 2
    assert [each["key"] for each in told("prune", keys[0][:10])["environments"]] == [keys[0]]
    assert len(told("prune", "--max-size", "1kB")["environments"]) == 1
    assert told("list")["environments"] == []
    assert not (cache / keys[1]).exists()


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("show", "beef"), outcome.NOT_FOUND, "there is no environment 'beef'"),
        (("explain", "no-such-run"), outcome.NOT_FOUND, "no run"),
        (("build", "no-such-place"), outcome.NOT_FOUND, "there is no file or directory 'no-such-place'"),
        (("prune", "--max-size", "big"), outcome.USAGE, "--max-size takes a number and a unit"),
        (("build", ".", "--legacy", "old"), outcome.USAGE, "--legacy is one of nearest, exact"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(cache: Path, words: tuple[str, ...], code: int, expected: str) -> None:
    del cache
    assert expected in env(*words, code=code).replace("\n", " ").replace("│ ", "")


def test_a_script_that_brings_its_interpreter_has_no_environment(cache: Path, tmp_path: Path) -> None:
    del cache
    path = tmp_path / "local.runconfig"
    path.write_text("script: train.py\nenvironment:\n  python:\n    userManagedDependencies: true\n")
    assert "nothing is prepared" in env("build", path, code=outcome.FAILED).replace("\n", " ")


def test_config_check_tells_whether_it_is_there(cache: Path, wheels: Path, tmp_path: Path) -> None:
    del cache
    folder = project(tmp_path / "project", wheels)

    def check(code: int = 0) -> Any:
        result = CliRunner().invoke(app, ["config", "check", str(folder), "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    before = check()["prepared"]
    assert (before["ready"], "the first run builds it" in before["detail"]) == (False, True)
    runconfig = folder / "aml_config" / "local.runconfig"
    runconfig.write_text(runconfig.read_text() + "autoPrepareEnvironment: false\n")
    assert "autoPrepareEnvironment is false" in check(code=outcome.FAILED)["problems"][0]
    assert told("build", folder)["built"]
    after = check()
    assert (after["prepared"]["ready"], after["wouldRun"]) == (True, True)


def test_explain_compares_with_the_same_project_and_not_with_a_file_of_the_same_name(
    tmp_path: Path, cache: Path, wheels: Path
) -> None:
    mine, other = project(tmp_path / "mine", wheels), project(tmp_path / "other", wheels, "tiny==2.0")
    env("build", mine, "--resolver", "pip")
    env("build", other, "--resolver", "pip")
    first, second = sorted(each["source"] for each in json.loads(env("list", "--json"))["environments"])
    assert (f"mine: {CONDA}", f"other: {CONDA}") == (first, second)
    conda(mine / "aml_config", wheels, "tiny==1.0", "tiny")
    by_folder = json.loads(env("explain", mine, "--resolver", "pip", "--json"))
    by_file = json.loads(env("explain", mine / CONDA, "--resolver", "pip", "--json"))
    expected = ("source", ["pip package tiny: tiny, tiny==1.0, before it was tiny==1.0"])
    assert expected == (by_folder["because"], by_folder["sentences"]) == (by_file["because"], by_file["sentences"])
