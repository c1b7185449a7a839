"""``runyard config check``: which run configuration counts, what it would do, and everything that is wrong with it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.main import app
from runyard.errors import RunyardError
from runyard.runconfig.job import job_spec
from runyard.runconfig.read import parse
from runyard.sdk.client import Client

GOOD = "script: train.py\nenvironment:\n  python:\n    userManagedDependencies: true\n"
Check = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that would run, and a root that is not there."""
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("RUNYARD_DEBUG", raising=False)
    folder = tmp_path / "project"
    put(folder, {"train.py": "", ".azureml/cpu": GOOD})
    return folder


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def check(*args: object, code: int = 0) -> Any:
    """What `config check --json` says."""
    result = CliRunner().invoke(app, ["config", "check", *map(str, args), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if result.stdout else result.stderr


def text(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["config", "check", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def test_a_project_that_would_run(project: Path, tmp_path: Path) -> None:
    shown = text(project)
    assert "counts       .azureml/cpu: it is the only candidate in aml_config/ and .azureml/\n" in shown
    assert "would run    python train.py\n" in shown
    assert "where        local: a compute of kind local\n" in shown
    assert "environment  user-managed: python, with the packages that it has\n" in shown
    assert "keys, as release 1.0.85 has them; --all shows each" in shown
    assert shown.endswith("verdict      it would run\n")
    assert not (tmp_path / "root").exists()


def test_every_default_is_listed_on_demand(project: Path) -> None:
    found = check(project)
    assert found["defaults"]["target"] == "local"
    assert found["defaults"]["hdi.yarnDeployMode"] == "cluster"
    assert "script" not in found["defaults"]
    assert "environment.python.userManagedDependencies" not in found["defaults"]
    listed = text(project, "--all")
    for key in found["defaults"]:
        assert f"{key}: " in listed


def test_what_check_says_submit_says(project: Path) -> None:
    (project / ".azureml" / "cpu").write_text("script: train.py\nnodeCount: 3\ntarget: nowhere\n")
    found = check(project, code=outcome.FAILED)
    assert found["wouldRun"] is False
    config = parse((project / ".azureml" / "cpu").read_bytes(), ".azureml/cpu")
    with pytest.raises(RunyardError) as refused:
        job_spec(config, "")
    sentence = refused.value.message.partition(": ")[2]
    assert "nodeCount is 3" in sentence
    assert f".azureml/cpu, line 2: {sentence}" in found["problems"]


def test_all_problems_are_told_with_line_and_nearest_spelling(project: Path) -> None:
    broken = (
        "scirpt: a.py\nscript: gone.py\nnodeCount: many\nframework: Pyhton\n"
        "arguments: [$AZUREML_DATAREFERENCE_x, 'DatasetConsumptionConfig:y', {a: 1}]\n"
        "environment:\n  python: {userManagedDependencies: true}\n  docker:\n    enabld: true\n"
        "  environmentVariables: {OK: '1', WRONG: {a: {b: c}}}\n"
        "tensorflow: {workerCount: -1}\nrunyard:\n  retrys: 1\n"
    )
    put(project, {".azureml/cpu": broken})
    found = check(project, code=outcome.FAILED)
    problems = "\n".join(found["problems"])
    for part in (
        "line 3: nodeCount is the text 'many'; it must be a whole number",
        "line 4: framework is the text 'Pyhton'; it must be one of Python, ",
        "did you mean 'Python'?",
        "line 5: arguments[2] is a mapping",
        "environment.environmentVariables.WRONG is a mapping",
        "tensorflow.workerCount is the number -1",
        "line 13: runyard.retrys is not a key of ours",
        "line 2: script is 'gone.py', and the directory holds no such file",
    ):
        assert part in problems
    assert "scirpt is not a known key and is ignored; did you mean 'script'?" in "\n".join(found["notes"])
    assert found["unknown"] == ["scirpt", "environment.docker.enabld"]
    assert found["variables"] == {"OK": "1"}
    assert found["command"][:2] == ["python", "gone.py"]


def test_placeholders_that_name_nothing_are_problems(project: Path) -> None:
    arguments = "arguments: [--a, $AZUREML_DATAREFERENCE_x, 'DatasetConsumptionConfig:y', 'DatasetOutputConfig:z']\n"
    put(project, {".azureml/cpu": GOOD + arguments})
    problems = check(project, code=outcome.FAILED)["problems"]
    assert [problem.partition(" asks for ")[2].partition(",")[0] for problem in problems] == [
        "'x' of `dataReferences`",
        "'y' of `data`",
        "'z' of `outputData`",
    ]
    put(project, {".azureml/cpu": GOOD + arguments + "dataReferences: {x: {dataStoreName: s}}\n"})
    assert not any("'x'" in problem for problem in check(project, code=outcome.FAILED)["problems"])


def test_the_packages_are_those_of_the_conda_file_else_of_requirements(project: Path) -> None:
    managed = "script: train.py\nenvironment: {python: {condaDependenciesFile: .azureml/conda_dependencies.yml}}\n"
    put(project, {".azureml/cpu": managed})
    problems = check(project, code=outcome.FAILED)["problems"]
    assert any(
        "condaDependenciesFile is '.azureml/conda_dependencies.yml', and there is no such file" in p for p in problems
    )
    conda = "channels: [conda-forge]\ndependencies: [python=3.8, {pip: [--pre, numpy==1.0]}]\n"
    put(project, {".azureml/conda_dependencies.yml": conda, "requirements.txt": "scipy\n"})
    found = check(project)["environment"]
    assert (found["kind"], found["conda_packages"]) == ("conda file", ["python=3.8"])
    assert (found["pip_packages"], found["pip_options"], found["channels"]) == (
        ["numpy==1.0"],
        ["--pre"],
        ["conda-forge"],
    )
    (project / ".azureml" / "conda_dependencies.yml").unlink()
    put(project, {".azureml/cpu": "script: train.py\n"})
    found = check(project)["environment"]
    assert (found["kind"], found["pip_packages"]) == ("requirements.txt", ["scipy"])
    assert found["file"] == "requirements.txt"
    put(project, {".azureml/conda_dependencies.yml": "dependencies: 5\n"})
    assert any("conda_dependencies.yml" in problem for problem in check(project, code=outcome.FAILED)["problems"])


def test_a_missing_environment_file_is_a_problem(project: Path) -> None:
    put(project, {".azureml/cpu": "script: train.py\nenvironment: .azureml/env.yml\n"})
    assert "no such file" in check(project, code=outcome.FAILED)["problems"][0]
    put(project, {".azureml/env.yml": "python: {userManagedDependencies: true}\n"})
    found = check(project)
    assert "environment.python.userManagedDependencies" not in found["defaults"]


def test_old_spellings_are_named(project: Path) -> None:
    put(project, {".azureml/cpu": GOOD + "framework: PythonMPI\nbatchai: {nodeCount: 4}\n"})
    found = check(project, code=outcome.FAILED)
    assert any("PythonMPI is taken for Python with the communicator OpenMpi" in each for each in found["substitutions"])
    assert found["limits"]["nodes"] == 4


def test_a_target_is_looked_up_in_the_root(project: Path, tmp_path: Path) -> None:
    put(project, {".azureml/cpu": GOOD + "target: MyVm\n"})
    missing = check(project, code=outcome.FAILED)["where"]
    assert missing["command"] == "runyard compute alias MyVm local"
    assert missing["compute"] is None
    with Client.connect(tmp_path / "root") as client:
        client.computes.alias("myvm", "local")
    found = check(project)["where"]
    assert (found["compute"], found["kind"]) == ("local", "local")
    assert "an alias of local" in found["sentence"]
    assert check(project, "--target", "local")["where"]["target"] == "local"
    assert check(project, "--root", tmp_path / "empty", code=outcome.FAILED)["where"]["compute"] is None


def test_a_target_of_another_kind_says_what_it_needs(project: Path) -> None:
    for target, kind in (("containerinstance", "aci"), ("amlcompute", "batch")):
        put(project, {".azureml/cpu": GOOD + f"target: {target}\n"})
        assert check(project, code=outcome.FAILED)["where"]["kind"] == kind
    put(project, {".azureml/cpu": GOOD + "target: vm\n", "aml_config/vm.compute": "type: remote\naddress: 10.0.0.1\n"})
    assert check(project, "--runconfig", "cpu", code=outcome.FAILED)["where"]["kind"] == "ssh"


def test_several_candidates_are_listed_and_one_can_be_named(project: Path) -> None:
    put(project, {"aml_config/gpu.runconfig": GOOD, ".azureml/other.yml": GOOD})
    said = check(project, code=outcome.FAILED)
    assert ".azureml/cpu, aml_config/gpu.runconfig; name one with `--runconfig NAME`" in said
    found = check(project, "--runconfig", "gpu")
    assert found["runconfig"] == "aml_config/gpu.runconfig"
    assert {other["name"] for other in found["others"]} == {".azureml/cpu", ".azureml/other.yml"}
    assert check(project / ".azureml" / "other.yml")["runconfig"] == ".azureml/other.yml"
    assert "did you mean 'aml_config/gpu.runconfig'?" in check(project, "--runconfig", "gpuu", code=outcome.FAILED)


def test_an_ignore_file_that_hides_the_folder_is_told(project: Path) -> None:
    put(project, {".amlignore": ".azureml\n"})
    found = check(project)
    assert ".amlignore leaves .azureml/cpu out of a snapshot; `runyard submit` packs it" in found["notes"][0]
    put(project, {".amlignore": "*.py\n"})
    assert "the directory holds no such file" in check(project, code=outcome.FAILED)["problems"][0]


def test_a_zip_is_read_with_what_lies_beside_it(project: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "drop.zip", {"train.py": "", ".azureml/cpu": GOOD})
    assert check(path)["runconfig"] == ".azureml/cpu"
    beside = tmp_path / "drop.runconfig"
    beside.write_text(GOOD + "maxRunDurationSeconds: 60\n")
    os.utime(path, (1_000_000, 1_000_000))
    late = check(path)
    assert late["runconfig"] == ".azureml/cpu"
    assert late["others"] == [
        {"name": "drop.runconfig", "why": "it was written after the zip, so it is meant for another one"}
    ]
    os.utime(beside, (900_000, 900_000))
    found = check(path)
    assert (found["runconfig"], found["limits"]) == ("drop.runconfig", {"seconds": 60})
    assert found["others"] == [{"name": ".azureml/cpu", "why": "the one beside the zip comes first"}]
    assert "sends the zip alone" in found["notes"][0]
    assert check(path, "--runconfig", "cpu")["runconfig"] == ".azureml/cpu"


def test_a_zip_without_one_says_why(tmp_path: Path) -> None:
    path = zipped(tmp_path / "sdk.zip", {"train.py": "", ".amlignore": ".azureml\noutputs\n"})
    said = check(path, code=outcome.FAILED)
    assert "its .amlignore leaves .azureml/ out of snapshots" in said
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    assert len(check(broken, code=outcome.FAILED).splitlines()) == 1


def test_what_is_not_a_run_configuration_is_said(project: Path, tmp_path: Path) -> None:
    assert "there is no file or directory" in check(tmp_path / "none", code=outcome.NOT_FOUND)
    put(project, {"aml_config/vm.compute": "type: local\n", "list.yml": "- a\n", "empty": ""})
    assert "describes a compute target" in check(project / "aml_config" / "vm.compute", code=outcome.FAILED)
    assert "a run configuration is a mapping" in check(project / "list.yml", code=outcome.FAILED)["problems"][0]
    assert check(project / "empty", code=outcome.FAILED)["problems"]
    assert "--runconfig names one of" in check(project / ".azureml" / "cpu", "--runconfig", "x", code=outcome.FAILED)
    assert CliRunner().invoke(app, ["config", "check"]).exit_code == outcome.USAGE


def test_escapes_of_a_strangers_file_are_not_obeyed(project: Path) -> None:
    put(project, {".azureml/cpu": GOOD + 'arguments: ["\\e[31mred", "a\\nb"]\n"odd\\e[2J": 1\n'})
    shown = text(project)
    assert "\x1b" not in shown
    assert "\\x1b[31mred" in shown


def test_the_name_of_a_secret_is_no_secret_and_a_password_is_told_of(project: Path) -> None:
    put(project, {".azureml/cpu": GOOD + "runyard:\n  secrets: {HF_TOKEN: hugging-face}\n"})
    assert not [note for note in check(project)["notes"] if "in clear" in note]
    put(project, {".azureml/cpu": GOOD + "  environmentVariables: {DB_PASSWORD: pass-word}\n"})
    assert [note for note in check(project)["notes"] if "in clear" in note]
