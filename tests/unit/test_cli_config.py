"""``runyard config show``, ``new`` and ``diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.main import app
from runyard.runconfig.templates import TEMPLATES, Template
from tests.unit.test_cli_config_check import GOOD, check, put, zipped


@pytest.fixture(autouse=True)
def _no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("RUNYARD_DEBUG", raising=False)


def config(*args: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["config", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def changes(*args: object) -> dict[str, tuple[Any, Any]]:
    """What `config diff --json` says, by key."""
    result = CliRunner().invoke(app, ["config", "diff", *map(str, args), "--json"])
    found = json.loads(result.stdout)["differences"]
    assert result.exit_code == bool(found), result.output
    return {each["key"]: (each.get("old"), each.get("new")) for each in found}


def test_show_has_every_key_and_marks_defaults(tmp_path: Path) -> None:
    put(tmp_path, {"a.yml": GOOD + "Target: vm\n"})
    lines = config("show", tmp_path / "a.yml").stdout.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert rows["target"] == ["vm"]
    assert rows["script"] == ["train.py"]
    assert rows["nodeCount"] == ["1", "default"]
    assert rows["environment.python.userManagedDependencies"] == ["true"]
    assert rows["hdi.yarnDeployMode"] == ["cluster", "default"]
    found = json.loads(config("show", tmp_path / "a.yml", "--json").stdout)
    assert found["runconfig"]["hdi"] == {"yarnDeployMode": "cluster"}
    assert set(found["defaults"]) == {key for key, cells in rows.items() if cells[-1] == "default"}


def test_show_raw_is_the_file_itself(tmp_path: Path) -> None:
    text = "# note\nscript: a.py   # keep\n"
    put(tmp_path, {"a.yml": text})
    assert config("show", tmp_path / "a.yml", "--raw").stdout == text
    path = zipped(tmp_path / "a.zip", {"aml_config/x.runconfig": text, "aml_config/y.runconfig": GOOD})
    assert config("show", path, "--runconfig", "x", "--raw").stdout == text


def test_show_has_the_packages_of_the_conda_file(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "aml_config/a.runconfig": "script: a.py\n",
            "aml_config/conda_dependencies.yml": "dependencies: [python=3.8]\n",
        },
    )
    assert 'environment.python.condaDependencies.dependencies      ["python=3.8"]' in config("show", tmp_path).stdout


def test_show_of_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    put(tmp_path, {"a.yml": "nodeCount: x\n"})
    assert "line 1: nodeCount is the text 'x'" in config("show", tmp_path / "a.yml", code=outcome.FAILED).stderr


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_a_new_one_passes_check_but_for_what_this_version_cannot_do(tmp_path: Path, template: Template) -> None:
    put(tmp_path, {"train.py": ""})
    made = config("new", template.name, "--dir", tmp_path)
    path = tmp_path / ".azureml" / f"{template.name}.runconfig"
    assert made.stdout == f"{path}\n"
    assert f"next: `runyard config check {tmp_path} --runconfig {template.name}`" in made.stderr
    said = CliRunner().invoke(app, ["config", "check", str(path), "--json"])
    for problem in json.loads(said.stdout)["problems"]:
        assert "not available in this version" in problem or "the target" in problem
        assert "the target" in problem or problem.partition(": ")[2] in made.stderr
    assert (path.with_name("conda_dependencies.yml")).exists() == template.has_packages
    if template.name == "local":
        assert said.exit_code == 0


def test_new_never_writes_over_a_file_unasked(tmp_path: Path) -> None:
    put(tmp_path, {"aml_config/conda_dependencies.yml": "dependencies: [mine]\n", "aml_config/old": "mine"})
    first = config("new", "conda", "--dir", tmp_path, "--name", "mine", "--script", "src/a.py", "--arg=--lr=0.1")
    path = tmp_path / "aml_config" / "mine.runconfig"
    assert first.stdout == f"{path}\n"
    assert "put the script at" in first.stderr
    path.write_text("changed")
    assert "is there already" in config("new", "--dir", tmp_path, "--name", "mine", code=outcome.FAILED).stderr
    assert "is there already" in config("new", "--dir", tmp_path, "--name", "old", code=outcome.FAILED).stderr
    assert path.read_text() == "changed"
    config("new", "--dir", tmp_path, "--name", "mine.runconfig", "--force")
    assert "script: train.py" in path.read_text()
    assert (tmp_path / "aml_config" / "conda_dependencies.yml").read_text() == "dependencies: [mine]\n"


def test_a_template_is_also_found_by_its_kind_and_told_as_json(tmp_path: Path) -> None:
    told = json.loads(config("new", "--kind", "ssh", "--json", "--dir", tmp_path).stdout)
    assert (told["template"], Path(told["path"]).is_file()) == ("ssh", True)
    assert any("runyard config check" in step for step in told["next"])
    both = config("new", "ssh", "--kind", "aci", "--dir", tmp_path, code=outcome.USAGE)
    assert "give one" in both.stderr


def test_new_can_print_and_refuses_what_cannot_be(tmp_path: Path) -> None:
    printed = config("new", "aci", "--stdout", "--dir", tmp_path).stdout
    assert "containerInstance:" in printed
    assert list(tmp_path.iterdir()) == []
    for wrong, said in (
        (("ssh2",), "did you mean 'ssh'?"),
        (("local", "--name", "../x"), "is not one of a file"),
        (("local", "--script", "/abs.py"), "relative path"),
    ):
        assert said in config("new", *wrong, "--dir", tmp_path, code=outcome.FAILED).stderr
    config("new", "--dir", tmp_path / "none", code=outcome.NOT_FOUND)


def test_diff_tells_key_old_and_new(tmp_path: Path) -> None:
    put(tmp_path, {"a": GOOD, "b": GOOD + "nodeCount: 2\nenvironmentVariables: {A: '1'}\narguments: [x]\n"})
    assert changes(tmp_path / "a", tmp_path / "b") == {
        "nodeCount": (1, 2),
        "environmentVariables.A": (None, "1"),
        "arguments": ([], ["x"]),
    }
    shown = config("diff", tmp_path / "a", tmp_path / "b", code=1).stdout
    assert "nodeCount               1 -> 2\n" in shown
    assert "environmentVariables.A  (absent) -> 1\n" in shown


def test_spellings_do_not_count(tmp_path: Path) -> None:
    old = "Script: a.py\nFRAMEWORK: pythonmpi\nbatchai: {node_count: 3}\nenvironment: {docker: {enabled: true, shmSize: 2g, baseImage: i}}\n"
    new = (
        "# note\nscript: a.py\nframework: Python\ncommunicator: openmpi\nnodeCount: 3\ntensorflow: {workerCount: 2}\n"
        "environment:\n  environmentVariables: {EXAMPLE_ENV_VAR: EXAMPLE_VALUE}\n  docker: {baseImage: i}\n"
        "  spark: {repositories: ['https://mmlspark.azureedge.net/maven'], packages: "
        "[{group: com.microsoft.ml.spark, artifact: mmlspark_2.11, version: '0.12'}]}\n"
        "  python: {condaDependenciesFile: aml_config/conda_dependencies.yml}\ndocker: {useDocker: true}\n"
    )
    put(tmp_path, {"old": old, "new": new})
    assert set(changes(tmp_path / "old", tmp_path / "new")) <= {"environment.name"}


def test_packages_are_compared_wherever_they_stand(tmp_path: Path) -> None:
    conda = "dependencies:\n- python=3.8\n- numpy\n- scipy\n"
    put(tmp_path, {"a/aml_config/x.runconfig": "script: a.py\n", "a/aml_config/conda_dependencies.yml": conda})
    inline = "script: a.py\nenvironment: {python: {condaDependencies: {dependencies: [scipy, NumPy, python=3.8]}}}\n"
    put(tmp_path, {"b/.azureml/x": inline, "c.yml": inline.replace("scipy", "pandas")})
    assert changes(tmp_path / "a", tmp_path / "b") == {}
    shown = config("diff", tmp_path / "a", tmp_path / "c.yml", code=1).stdout
    assert "condaDependencies.dependencies  -scipy +pandas" in shown


def test_secrets_that_differ_are_told_and_not_shown(tmp_path: Path) -> None:
    text = GOOD + "  docker: {baseImageRegistry: {password: %s}}\n"
    put(tmp_path, {"a": text % "hunter1", "b": text % "hunter2"})
    shown = config("diff", tmp_path / "a", tmp_path / "b", code=1).stdout
    assert "baseImageRegistry.password  ******** -> ******** (they differ, and are masked)" in shown
    assert "hunter" not in shown


def test_diff_ends_with_two_when_it_cannot_compare(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"a": GOOD, "bad": "nodeCount: x\n", "p/.azureml/one": GOOD, "p/.azureml/two": GOOD + "nodeCount: 2\n"},
    )
    assert "nodeCount is the text" in config("diff", tmp_path / "a", tmp_path / "bad", code=outcome.USAGE).stderr
    assert "several" in config("diff", tmp_path / "a", tmp_path / "p", code=outcome.USAGE).stderr
    config("diff", tmp_path / "a", tmp_path / "none", code=outcome.NOT_FOUND)
    config("diff", tmp_path / "a", tmp_path / "p", "--runconfig", "one")
    assert changes(tmp_path / "p", tmp_path / "p", "--runconfig", "one", "--runconfig", "two") == {"nodeCount": (1, 2)}


def test_a_check_of_what_new_wrote_names_the_others(tmp_path: Path) -> None:
    put(tmp_path, {"train.py": ""})
    config("new", "--dir", tmp_path)
    config("new", "ssh", "--dir", tmp_path)
    assert [other["name"] for other in check(tmp_path, "--runconfig", "local")["others"]] == [".azureml/ssh.runconfig"]
