"""What will run, and what is refused with a sentence that says so."""

import pytest

from runyard.environment.variables import fault_of_name
from runyard.errors import RunconfigError, UnsupportedError
from runyard.runconfig.job import job_spec
from runyard.runconfig.paths import inside
from runyard.runconfig.read import parse
from runyard.runs.model import JobSpec

USER_MANAGED = "environment: {python: {userManagedDependencies: true}}\n"


def spec(text: str, **overrides: object) -> JobSpec:
    config = parse(text.encode(), "local.runconfig")
    return job_spec(config, "aml_config/local.runconfig in the snapshot", **overrides)  # type: ignore[arg-type]


def test_a_user_managed_run_configuration_becomes_a_job() -> None:
    job = spec(
        "script: ./src//train.py\narguments: [--lr, 0.10]\nmaxRunDurationSeconds: 60\n"
        "environment:\n  environmentVariables: {A: 1, B: x, EXAMPLE_ENV_VAR: EXAMPLE_VALUE}\n"
        "  python: {userManagedDependencies: true, interpreterPath: /opt/py/bin/python}\n"
        "environmentVariables: {B: y}\nhistory: {directoriesToWatch: [logs, tb/events]}\n"
        "runyard: {retries: 1, on_preemption: 2}\n"
    )
    assert job == JobSpec(
        script="src/train.py",
        arguments=("--lr", "0.10"),
        interpreter="/opt/py/bin/python",
        environment_variables={"A": "1", "B": "y"},
        max_duration=60,
        watched_directories=("logs", "tb/events"),
        retries=1,
        on_preemption=2,
        runconfig="aml_config/local.runconfig in the snapshot",
    )


def test_what_the_event_says_comes_before_the_run_configuration() -> None:
    job = spec(
        USER_MANAGED + "script: a.py\narguments: [x]\nenvironmentVariables: {A: '1', B: '2'}",
        script="b.py",
        arguments=(),
        environment_variables={"B": "3"},
    )
    assert (job.script, job.arguments, job.environment_variables) == ("b.py", (), {"A": "1", "B": "3"})
    assert job.interpreter == "python"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (USER_MANAGED + "framework: PySpark", "framework is PySpark"),
        (USER_MANAGED + "communicator: OpenMpi", "communicator is OpenMpi"),
        (USER_MANAGED + "nodeCount: 2", "nodeCount is 2"),
        (USER_MANAGED + "batchai: {nodeCount: 4}", "nodeCount is 4"),
        (USER_MANAGED + "command: echo hello", "`command`"),
        (USER_MANAGED + "command: [echo, 5]", "`command`"),
        (USER_MANAGED + "dataReferences: {a: {dataStoreName: s}}", "`dataReferences`"),
        (USER_MANAGED + "data: {a: {}}", "`data`"),
        (USER_MANAGED + "outputData: {a: {}}", "`outputData`"),
        ("environment: {docker: {enabled: true, buildContext: {location: x}}}", "environment.docker.buildContext"),
    ],
)
def test_what_is_not_there_yet_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        spec("script: a.py\n" + text)
    assert caught.value.message.startswith("local.runconfig: ")
    assert says in caught.value.message


@pytest.mark.parametrize("script", ["../a.py", "/a.py", "a/../../b.py", "src\\a.py", "C:/a.py", "."])
def test_the_script_stays_inside_the_snapshot(script: str) -> None:
    with pytest.raises(RunconfigError, match="inside the snapshot"):
        spec(USER_MANAGED + f"script: '{script}'")
    with pytest.raises(RunconfigError, match="inside the snapshot"):
        spec(USER_MANAGED + "script: a.py", script=script)


def test_a_missing_script_is_named() -> None:
    with pytest.raises(RunconfigError, match="no script is named"):
        spec(USER_MANAGED + "script:")
    with pytest.raises(RunconfigError, match="no script is named"):
        spec(USER_MANAGED + "credentialPassthrough: false")  # a key of an era without a default script


def test_a_file_of_the_first_years_without_a_script_runs_the_one_the_sdk_would() -> None:
    assert spec(USER_MANAGED).script == "train.py"


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "PYTHONPATH", "PATH", "AZUREML_RUN_ID", "path", "RUNYARD_X", "A=B", "", "1A", "A B"]
)
def test_an_event_may_not_set_variables_that_decide_what_code_runs(name: str) -> None:
    with pytest.raises(RunconfigError, match="environmentVariables"):
        spec(USER_MANAGED + "script: a.py", environment_variables={name: "secretvalue"})
    assert fault_of_name(name)


def test_the_author_may_set_any_variable() -> None:
    job = spec(USER_MANAGED + "script: a.py\nenvironmentVariables: {PYTHONPATH: src, PATH: /x, with.dot: 1}")
    assert job.environment_variables == {"PYTHONPATH": "src", "PATH": "/x", "with.dot": "1"}
    with pytest.raises(RunconfigError, match="environmentVariables"):
        spec(USER_MANAGED + "script: a.py\nenvironmentVariables: {'A=B': 1}")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.py", "a.py"),
        ("./a//b.py", "a/b.py"),
        ("a/./b", "a/b"),
        ("", None),
        ("..", None),
        ("a/..", None),
        ("a\nb", None),
    ],
)
def test_paths_inside_a_snapshot(path: str, expected: str | None) -> None:
    assert expected == inside(path)
