"""A run configuration is explained as far as it can be read."""

from __future__ import annotations

import time

import pytest

from runyard.runconfig.explain import Account, explain
from runyard.runconfig.explain_difference import differences
from runyard.runconfig.explain_keys import flat, said_keys, settings
from runyard.runconfig.explain_problems import sift
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import parse
from runyard.runconfig.yaml12 import load


class Files:
    """A place of a few files."""

    what = "the test"

    def __init__(self, **files: str) -> None:
        self.files = {name.replace("_", "."): text for name, text in files.items()}

    def has(self, path: str) -> bool:
        return path in self.files

    def read(self, path: str) -> bytes | None:
        return self.files[path].encode() if path in self.files else None


def explained(text: str, **files: str) -> Account:
    return explain(text.encode(), "a.runconfig", Files(train_py="", **files))


GOOD = "environment: {python: {userManagedDependencies: true}}\n"


def test_what_is_fine_has_no_problems() -> None:
    account = explained("script: train.py\narguments: [--lr, 0.10]\n" + GOOD)
    assert account.problems == []
    assert account.command == ["python", "train.py", "--lr", "0.10"]
    assert (account.environment.kind, account.environment.interpreter) == ("user-managed", "python")


def test_what_cannot_be_loaded_is_one_problem() -> None:
    for text in ("a: [", "- list", "", "script: a\nscript: b\n"):
        account = explained(text)
        assert account.problems
        assert account.command == []


def test_the_rest_is_explained_where_a_part_is_wrong() -> None:
    account = explained(
        "nodeCount: x\nscript: train.py\narguments: 5\ndataReferences: {a: {mode: fly}, b: {mode: MOUNT}}\n" + GOOD
    )
    assert [problem.partition(" is ")[0] for problem in account.problems[:3]] == [
        "a.runconfig, line 1: nodeCount",
        "a.runconfig, line 3: arguments",
        "a.runconfig, line 4: dataReferences.a.mode",
    ]
    assert account.config is not None
    assert account.config.data_references["b"].mode == "mount"
    assert account.config.environment.python.user_managed_dependencies


def test_wrong_types_at_every_key_are_all_found() -> None:
    keys = [
        key
        for key, _ in flat(
            load(b"{tensorflow: {workerCount: {}}, mpi: {processCountPerNode: {}}, hdi: {yarnDeployMode: {}}}", "")
        )
    ]
    text = "".join(f"{key.partition('.')[0]}: {{{key.partition('.')[2]}: [1]}}\n" for key in keys)
    _, faults = sift(load(text.encode(), "a"), "a", None)
    assert len(faults) == len(keys) == 3
    assert all("is a list" in fault for fault in faults)


def test_many_faults_are_found_in_a_moment() -> None:
    text = "environmentVariables:\n" + "".join(f"  A{number}: [1]\n" for number in range(10_000))
    began = time.process_time()
    config, faults = sift(load(text.encode(), "a"), "a", None)
    assert config is None
    assert len(faults) == 51
    assert "only the first 50 are listed" in faults[-1]
    assert time.process_time() - began < 10


def test_a_submission_body_is_sifted_too() -> None:
    text = '{"Configuration": {"Script": "train.py", "NodeCount": "x", "Environment": {"Python": {"UserManagedDependencies": true}}}}'
    account = explained(text)
    assert "NodeCount is the text" in account.problems[0]
    assert account.command == ["python", "train.py"]


def test_said_keys_are_told_from_defaults_in_any_spelling() -> None:
    config = parse(
        b"NODE_COUNT: 1\nEnvironment: {PYTHON: {interpreter_path: x}}\nhistory:\nspark: {configuration: {a.b: 1}}\n",
        "a",
    )
    assert said_keys(config) == {"nodeCount", "environment.python.interpreterPath", "spark.configuration"}
    known = {setting.key: setting.is_default for setting in settings(config)}
    assert (known["nodeCount"], known["history.outputCollection"], known["spark.configuration.a.b"]) == (
        False,
        True,
        False,
    )


def test_the_file_of_an_environment_counts_as_said() -> None:
    files = Files(env_yml="python: {userManagedDependencies: true}\n")
    config = parse(b"environment: env.yml\n", "a", files=files.read)
    assert said_keys(config, files.read) == {"environment.python.userManagedDependencies"}


@pytest.mark.parametrize(
    ("one", "other", "keys"),
    [
        ("{}", "{}", []),
        ("nodeCount: 2", "node_count: 2", []),
        ("batchai: {nodeCount: 3}", "nodeCount: 3", []),
        ("framework: PythonMPI", "communicator: OpenMPI", []),
        ("prepareEnvironment: false", "autoPrepareEnvironment: false", []),
        (
            "{script: a, environment: {docker: {enabled: true}}}",
            "{script: a, docker: {useDocker: false}}",
            ["docker.useDocker"],
        ),
        ("nodeCount: 2", "nodeCount: 3", ["nodeCount"]),
        (
            "environmentVariables: {a: 1}",
            "environmentVariables: {A: 1}",
            ["environmentVariables.a", "environmentVariables.A"],
        ),
        ("arguments: [a, b]", "arguments: [b, a]", ["arguments"]),
        ("arguments: [0.10]", "arguments: [0.1]", ["arguments"]),
        ("runyard: {retries: 1}", "runyard: {retries: 2}", ["runyard.retries"]),
    ],
)
def test_only_what_means_something_else_differs(one: str, other: str, keys: list[str]) -> None:
    found = differences(parse(one.encode(), "one"), parse(other.encode(), "other"))
    assert [each.key for each in found if "baseImage" not in each.key] == keys


def test_packages_are_checked_and_a_missing_python_is_only_a_note() -> None:
    text = "script: train.py\nenvironment: {python: {condaDependencies: {dependencies: [%s]}}}\n"
    account = explained(text % "numpy")
    assert any("lists no python" in note for note in account.notes)
    assert [problem for problem in account.problems if "not available" not in problem] == []
    assert account.environment.conda_packages == ["numpy"]
    assert any("has extras" in problem for problem in explained(text % "'numpy[extra]'").problems)


def test_a_new_run_configuration_is_all_defaults() -> None:
    assert all(setting.is_default for setting in settings(RunConfiguration()))


def test_a_secret_that_no_name_can_be_is_a_problem() -> None:
    account = explained("script: train.py\nrunyard:\n  secrets:\n    FOO: ../secrets/webhook-x\n" + GOOD)
    assert ["runyard.secrets.FOO names what no secret can be called" in problem for problem in account.problems] == [
        True
    ]
