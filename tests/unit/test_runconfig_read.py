"""A run configuration is read as its author meant it, whatever its release and spelling."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import ConfigError, RunconfigError
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import parse, parse_shared
from runyard.runconfig.redact import MASK, redacted
from tests.unit.test_runconfig_yaml12 import reference


def read(text: str) -> RunConfiguration:
    return parse(text.encode(), "local.runconfig")


def fault(text: str) -> str:
    with pytest.raises(RunconfigError) as caught:
        read(text)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_every_real_run_configuration_is_read_and_no_key_is_unknown() -> None:
    folder = reference()
    golden = json.loads((folder / "GOLDEN-yaml12.json").read_text())
    count = 0
    for name, values in golden.items():
        if "target" not in values:
            continue
        top = (folder / name).parent.parent
        config = parse((folder / name).read_bytes(), name, files=lambda path: (top / path).read_bytes())  # noqa: B023
        assert not config.unknown, name
        assert not config.notes, name
        assert values["script"] == config.script
        assert values["target"] == config.target
        assert values["framework"].lower() == config.framework.lower()
        assert values["nodeCount"] == config.node_count
        assert values["maxRunDurationSeconds"] == config.max_run_duration_seconds
        assert [str(argument) for argument in values["arguments"]] == config.arguments
        assert list(values["dataReferences"]) == sorted(config.data_references)
        assert "EXAMPLE_ENV_VAR" not in config.environment.environment_variables
        if isinstance(values["environment"], dict):
            python = values["environment"]["python"]
            assert python["userManagedDependencies"] == config.environment.python.user_managed_dependencies
            assert python["interpreterPath"] == config.environment.python.interpreter_path
            assert values["environment"]["docker"]["enabled"] == config.environment.docker.enabled
        count += 1
    assert count > 45


def test_a_file_with_nothing_but_a_script_has_the_defaults() -> None:
    config = read("script: train.py")
    assert (
        config.script,
        config.arguments,
        config.target,
        config.framework,
        config.communicator,
    ) == ("train.py", [], "local", "Python", "None")
    assert config.environment.python.user_managed_dependencies is False
    assert config.environment.python.interpreter_path == "python"
    assert config.history.directories_to_watch == ["logs"]
    assert config.container_instance.region is None
    assert config.prepare_environment is True


@pytest.mark.parametrize(
    "key", ["maxRunDurationSeconds", "max_run_duration_seconds", "MaxRunDurationSeconds", "MAXRUNDURATIONSECONDS"]
)
def test_keys_match_in_any_spelling(key: str) -> None:
    assert read(f"{key}: 60").max_run_duration_seconds == 60


def test_keys_of_the_users_own_maps_stay_as_they_are() -> None:
    config = read(
        "environment:\n  environmentVariables: {Target: a, nodeCount: 2, My_Key: yes, EMPTY: }\n"
        "spark:\n  configuration: {Spark.App_Name: x}\n"
        "dataReferences:\n  My_Data: {DataStoreName: s, mode: MOUNT}\n"
    )
    assert config.environment.environment_variables == {"Target": "a", "nodeCount": "2", "My_Key": "yes", "EMPTY": ""}
    assert config.spark.configuration == {"Spark.App_Name": "x"}
    assert config.data_references["My_Data"].data_store_name == "s"
    assert config.data_references["My_Data"].mode == "mount"
    assert config.target == "local"
    assert config.node_count == 1


def test_arguments_are_the_texts_that_were_written() -> None:
    config = read("arguments: [--alpha, 0.10, 1e-3, 5, true, True, null, ~, '', 'x y', 12:30:45, on]")
    assert config.arguments == [
        "--alpha", "0.10", "1e-3", "5", "true", "True", "null", "~", "", "x y", "12:30:45", "on",
    ]  # fmt: skip
    assert read('{"arguments": [0.5, 5, true, null, "x"]}').arguments == ["0.5", "5", "true", "null", "x"]
    assert read("arguments:\n-\n- a").arguments == ["", "a"]


@pytest.mark.parametrize(
    ("written", "framework"),
    [("python", "Python"), ("PYSPARK", "PySpark"), ("PythonMpi", "PythonMPI"), ("Cntk", "CNTK"), ("0", "Python")],
)
def test_values_of_enumerations_match_in_any_casing(written: str, framework: str) -> None:
    assert read(f"framework: {written}").framework == framework


@pytest.mark.parametrize(
    ("written", "value"), [("true", True), ("yes", True), ("On", True), ("no", False), ("'False'", False)]
)
def test_a_boolean_may_be_written_as_yaml_1_1_did(written: str, value: bool) -> None:
    assert (
        read(
            f"environment: {{python: {{userManagedDependencies: {written}}}}}"
        ).environment.python.user_managed_dependencies
        is value
    )


def test_a_submission_body_is_unwrapped_in_either_casing() -> None:
    body = {
        "TargetDetails": None,
        "Configuration": {
            "Script": "train.py",
            "Framework": 0,
            "Communicator": 0,
            "Arguments": ["--lr", 0.1],
            "Environment": {"Python": {"UserManagedDependencies": True, "CondaDependencies": {"name": "x"}}},
            "EnvironmentVariables": {"My_Var": "1"},
        },
        "TelemetryValues": {},
    }
    config = parse(json.dumps(body).encode(), "definition.json")
    assert config.script == "train.py"
    assert (config.framework, config.communicator) == ("Python", "None")
    assert config.arguments == ["--lr", "0.1"]
    assert config.environment.python.user_managed_dependencies
    assert config.environment.python.conda_dependencies.as_dict() == {"name": "x"}
    assert config.environment_variables == {"My_Var": "1"}
    assert read("runDefinition: {script: a.py}").script == "a.py"


def test_the_environment_may_be_a_file() -> None:
    files = {".azureml/environment.yml": b"python:\n  userManagedDependencies: true\n"}
    config = parse(b"environment: ./.azureml/environment.yml", "f", files=files.get)
    assert config.environment.python.user_managed_dependencies
    for path in ("../x.yml", "/etc/passwd", "C:/x.yml", "a\\b.yml"):
        with pytest.raises(RunconfigError, match="inside the snapshot"):
            parse(f"environment: '{path}'".encode(), "f", files=files.get)
    with pytest.raises(RunconfigError, match="no such file"):
        parse(b"environment: missing.yml", "f", files=files.get)
    with pytest.raises(RunconfigError, match=r"^e\.yml, line 1: python is a list"):
        parse(b"environment: e.yml", "f", files=lambda _path: b"python: []")


def test_our_own_keys_are_read_and_checked() -> None:
    options = read("runyard: {retries: 2, on_preemption: 3, priority: -5}").runyard
    assert (options.retries, options.on_preemption, options.priority) == (2, 3, -5)
    assert read("runyard: {onPreemption: 1}").runyard.on_preemption == 1
    assert "runyard.retires is not a key of ours" in fault("runyard: {retires: 2}")
    assert "did you mean 'retries'?" in fault("runyard: {retires: 2}")
    assert "a whole number from 0 to 100" in fault("runyard: {retries: -1}")


def test_unknown_keys_are_ignored_and_noted_with_the_nearest_spelling() -> None:
    config = read("script: a.py\ntagret: x\nenvironment:\n  pyhton: {}\nmine: 1\n")
    assert config.unknown == ["tagret", "environment.pyhton", "mine"]
    assert "local.runconfig, line 2: tagret is not a known key and is ignored; did you mean 'target'?" in config.notes
    assert any("did you mean 'python'?" in note for note in config.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "a: 1\nnodeCount: four",
            "local.runconfig, line 2: nodeCount is the text 'four'; it must be a whole number of at least 1",
        ),
        ("nodeCount: 0", "nodeCount is the number 0"),
        ("nodeCount: true", "nodeCount is true"),
        ("script: [a]", "script is a list; it must be a text"),
        ("script: true", "script is true; it must be a text"),
        ("arguments: --a", "arguments is a text; it must be a list"),
        ("arguments: [a, [b]]", "arguments[1] is a list"),
        ("framework: Pyhton", "did you mean 'Python'?"),
        ("framework: 3", "framework is the number 3; it must be one of Python,"),
        ("environment: 5", "environment is the number 5; it must be a mapping, or the path of a file"),
        (
            "environment:\n  python:\n    userManagedDependencies: maybe",
            "line 3: environment.python.userManagedDependencies",
        ),
        ("environment: {environmentVariables: {A: [1]}}", "environment.environmentVariables.A is a list"),
        (
            "environment: {spark: {packages: [x]}}",
            "environment.spark.packages[0] is the text 'x'; it must be a mapping",
        ),
        (
            "dataReferences: {a: {mode: x}}",
            "dataReferences.a.mode is the text 'x'; it must be one of mount, download, upload",
        ),
        ("dataReferences: [a]", "dataReferences is a list; it must be a mapping"),
        ("nodeCount: 1\nnode_count: 2", "line 2: node_count says again"),
        ("- a", "holds a list; a run configuration is a mapping"),
        ("", "is empty"),
        ('script: "a\\0b"', "a text with a NUL character"),
        ("maxRunDurationSeconds: 1e400", "maxRunDurationSeconds"),
    ],
)
def test_a_fault_names_file_line_key_what_was_found_and_what_is_allowed(text: str, says: str) -> None:
    assert says in fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "environment: {docker: {baseImageRegistry: {password: [CANARY]}}}",
        "environment: {docker: {baseImageRegistry: {password: {a: CANARY}}}}",
        "environment: {docker: {baseImageRegistry: {password: true}}}",
        "environment: {environmentVariables: CANARY}",
        "environmentVariables: CANARY",
        "arguments: --password=CANARY",
        "environment: {r: {githubPackages: [{authToken: [CANARY]}]}}",
        "history: {ambientAuthentication: {secret: [CANARY]}}",
        "history: {ambientAuthentication: {secret: {CANARY: 1}}}",
        "environment: {python: {condaDependencies: CANARY}}",
    ],
)
def test_a_fault_never_repeats_what_may_be_a_secret(text: str) -> None:
    assert "CANARY" not in fault(text)


def test_what_a_merge_key_names_is_merged_as_the_sdk_did() -> None:
    config = read(
        "base: &base {userManagedDependencies: true, interpreterPath: /opt/py}\n"
        "vars: &vars {A: '1', B: '2'}\n"
        "environment:\n  python:\n    <<: *base\n    interpreterPath: mine\n"
        "  environmentVariables:\n    <<: *vars\n    B: '3'\n"
    )
    assert config.environment.python.user_managed_dependencies is True
    assert config.environment.python.interpreter_path == "mine"
    assert config.environment.environment_variables == {"A": "1", "B": "3"}


def test_an_explicit_null_is_kept_where_it_means_something() -> None:
    config = read("script:\nnodeCount:\nenvironment: {docker: {baseImage: , shmSize: }}")
    assert config.script is None
    assert config.node_count == 1
    assert config.environment.docker.base_image is None
    assert config.environment.docker.shm_size is None


def test_each_of_our_own_keys_is_read_and_checked() -> None:
    config = read(
        "runyard:\n  retries: 2\n  on_preemption: 3\n  priority: 5\n  requirements: {cpus: 2, memory_gb: 3.5, gpus: 1}\n"
        "  fallback: [a, b]\n  image_map: {old: new}\n"
    )
    options = config.runyard
    assert (options.retries, options.on_preemption, options.priority) == (2, 3, 5)
    assert (options.requirements.cpus, options.requirements.memory_gb, options.requirements.gpus) == (2, 3.5, 1)
    assert (options.fallback, options.image_map) == (["a", "b"], {"old": "new"})
    assert "did you mean 'on_preemption'?" in fault("runyard: {on_premption: 1}")
    assert "did you mean 'memory_gb'?" in fault("runyard: {requirements: {memory: 1}}")
    assert "must be a whole number from 0 to 100" in fault("runyard: {retries: -1}")


def test_the_same_bytes_are_read_once_unless_they_name_another_file() -> None:
    data = b"script: once.py"
    assert parse_shared(data, "f") is parse_shared(data, "f")
    assert parse(data, "f") is not parse(data, "f")
    naming = b"environment: e.yml"
    first = parse_shared(naming, "f", files=lambda _path: b"python: {interpreterPath: /one}")
    second = parse_shared(naming, "f", files=lambda _path: b"python: {interpreterPath: /two}")
    assert (first.environment.python.interpreter_path, second.environment.python.interpreter_path) == ("/one", "/two")


def test_secrets_never_show() -> None:
    text = "environment: {docker: {baseImageRegistry: {username: u, password: hunter2}}}"
    assert "hunter2" not in repr(read(text))
    shown = redacted({"environment": {"docker": {"baseImageRegistry": {"username": "u", "password": "hunter2"}}}})
    assert shown == {"environment": {"docker": {"baseImageRegistry": {"username": "u", "password": MASK}}}}
    assert redacted({"environmentVariables": {"API_KEY": "x", "LR": "1"}, "password": None, "authToken": ["x"]}) == {
        "environmentVariables": {"API_KEY": MASK, "LR": "1"},
        "password": None,
        "authToken": MASK,
    }
    assert "hunter2" not in fault("environment: {docker: {baseImageRegistry: {password: [hunter2]}}}")


_KEYS = st.sampled_from(
    ["script", "arguments", "Environment", "python", "docker", "framework", "node_count", "runyard", "data", "dataReferences",
     "configuration", "spark", "packages", "environmentVariables", "command", "history", "x", "services", "r", "tensorflow"]
)  # fmt: skip
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_KEYS, _DOCUMENTS, max_size=6) | _DOCUMENTS)
def test_any_document_is_a_run_configuration_or_a_config_error(document: object) -> None:
    with contextlib.suppress(ConfigError):
        parse(json.dumps(document).encode(), "f", files=lambda _path: b"python: {}")
