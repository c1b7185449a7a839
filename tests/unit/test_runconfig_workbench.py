"""A run configuration of Azure ML Workbench is read as its author meant it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import RunconfigError
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import parse
from runyard.runconfig.workbench import KEYS, is_workbench, modernise
from runyard.runconfig.yaml12 import Map, load

NAME = "aml_config/night.runconfig"
CANARY = "kestrel-42"
CONDA = "aml_config/conda_dependencies.yml"

FULL: dict[str, Any] = {
    "ArgumentVector": ["code/train.py", "--rate", 0.1],
    "Target": "docker",
    "EnvironmentVariables": {"Target": "x", "node_count": 1},
    "Framework": "Python",
    "CondaDependenciesFile": "conf/conda.yml",
    "SparkDependenciesFile": "conf/spark.yml",
    "PrepareEnvironment": False,
    "ManagedEnvironment": True,
    "TrackedRun": False,
}


def translate(text: str, files: Mapping[str, str] | None = None, name: str = NAME) -> tuple[Map, list[str]]:
    document = load(text.encode(), name)
    assert isinstance(document, dict)
    at_hand = {path: content.encode() for path, content in (files or {}).items()}
    return modernise(document, name, None if files is None else at_hand.get)


def read(text: str, files: Mapping[str, str] | None = None) -> RunConfiguration:
    at_hand = {path: content.encode() for path, content in (files or {}).items()}
    return parse(text.encode(), NAME, files=at_hand.get)


def fault(text: str, files: Mapping[str, str] | None = None) -> str:
    with pytest.raises(RunconfigError) as caught:
        read(text, files)
    assert "\n" not in caught.value.message
    return caught.value.message


def about(notes: list[str], word: str) -> list[str]:
    return [note for note in notes if word in note]


def pascal(key: str) -> str:
    return key


def camel(key: str) -> str:
    return key[0].lower() + key[1:]


def snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key).lstrip("_")


SPELLINGS: list[Callable[[str], str]] = [pascal, camel, snake, str.lower, str.upper]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_every_key_is_read_in_any_spelling(spell: Callable[[str], str]) -> None:
    document = {spell(key): value for key, value in FULL.items()}
    assert is_workbench(document)
    body, _ = translate(json.dumps(document))
    assert body == {
        "script": "code/train.py",
        "arguments": ["--rate", "0.1"],
        "target": "local",
        "framework": "Python",
        "autoPrepareEnvironment": False,
        "environment": {
            "environmentVariables": {"Target": "x", "node_count": "1"},
            "python": {"userManagedDependencies": False, "condaDependenciesFile": "conf/conda.yml"},
            "docker": {"enabled": True},
        },
        "history": {"outputCollection": False},
    }


def test_only_argument_vector_makes_a_file_one_of_workbench() -> None:
    service = {"Script": "a.py", "Arguments": [], "Framework": "Python", "Target": "local", "Environment": {}}
    assert not is_workbench(service)
    assert not is_workbench({"Target": "docker", "TrackedRun": True})
    assert not is_workbench({"environment": {"environmentVariables": {"ArgumentVector": "x"}}})
    assert is_workbench({"<<": {"ArgumentVector": ["a.py"]}})


def test_arguments_stay_as_they_were_written() -> None:
    config = read(
        "ArgumentVector:\n- a.py\n- 0.10\n- 0x1F\n- True\n- 1e3\n- on\n- 12:30:45\n- ~\n- ''\nTarget: local\n"
    )
    assert config.script == "a.py"
    assert config.arguments == ["0.10", "0x1F", "True", "1e3", "on", "12:30:45", "~", ""]


def test_values_keep_the_lines_they_come_from() -> None:
    body, _ = translate(
        "ArgumentVector: [a.py]\nTarget: vm\nFramework: Python\nEnvironmentVariables:\n  A: 1\n  B: 2\n"
    )
    assert (body.lines["script"], body.lines["target"], body.lines["framework"]) == (1, 2, 3)
    environment = body["environment"]
    assert isinstance(environment, Map)
    variables = environment["environmentVariables"]
    assert isinstance(variables, Map)
    assert variables.lines == {"A": 5, "B": 6}
    assert "line 3: framework is the text 'Pyhton'" in fault("ArgumentVector: [a.py]\nTarget: vm\nFramework: Pyhton\n")


@pytest.mark.parametrize("vector", ['["$file"]', "[]", "null", "''"])
def test_a_script_that_was_chosen_in_the_application_is_left_open(vector: str) -> None:
    config = read(f"ArgumentVector: {vector}\nTarget: local\n")
    assert config.script is None
    assert config.arguments == []
    assert len(about(config.notes, "ArgumentVector leaves the script to be chosen")) == 1


def test_what_stands_behind_the_chosen_script_are_its_arguments() -> None:
    config = read("ArgumentVector: [$file, --fast, $file]\nTarget: local\n")
    assert (config.script, config.arguments) == (None, ["--fast", "$file"])
    assert about(config.notes, "$file is only known as the first item")


def test_a_text_instead_of_a_list_is_split_at_its_spaces() -> None:
    config = read(
        "ArgumentVector: Code\\train.py --name 'two words' C:\\data #1\nTarget: local\n".replace(" #1", " '#1'")
    )
    assert (config.script, config.arguments) == ("Code/train.py", ["--name", "two words", "C:\\data", "#1"])
    assert about(config.notes, "ArgumentVector is one text")
    assert "a quotation mark that is not closed" in fault('ArgumentVector: "train.py \'oops"\n')


@pytest.mark.parametrize(
    "path", ["../a.py", "/a.py", "C:\\a.py", "a/../../b.py", ".", "\\\\server\\a.py", f"{'a' * 2000}.py"]
)
@pytest.mark.parametrize("key", ["ArgumentVector", "CondaDependenciesFile", "CondaFile", "SparkDependenciesFile"])
def test_a_path_that_leaves_the_snapshot_is_refused(path: str, key: str) -> None:
    document = {"ArgumentVector": ["a.py"], "Target": "docker"}
    document[key] = [path] if key == "ArgumentVector" else path
    message = fault(json.dumps(document), {})
    assert message.startswith(f"{NAME}: {key}")
    assert "it must be a relative path inside the snapshot" in message


@pytest.mark.parametrize("target", ["../vm", "a/b", "..", ".", "/vm", "a\\b", "x\ny"])
def test_a_target_that_is_no_name_is_refused(target: str) -> None:
    message = fault(json.dumps({"ArgumentVector": ["a.py"], "Target": target}), {})
    assert "Target is the text" in message
    assert "it must be the name of a compute" in message


@pytest.mark.parametrize("target", ["docker", "Docker", "localdocker", "docker.compute"])
def test_docker_is_known_by_name(target: str) -> None:
    config = read(f"ArgumentVector: [a.py]\nTarget: {target}\nFramework: Python\n")
    assert (config.target, config.environment.docker.enabled) == ("local", True)
    assert not config.environment.python.user_managed_dependencies
    assert about(config.notes, "is taken for a container on this machine")


def test_local_is_known_by_name_and_uses_the_python_that_is_there() -> None:
    for text in ("Target: local\n", "Target: LOCAL\n", ""):
        config = read(f"ArgumentVector: [a.py]\nFramework: Python\n{text}", {CONDA: "dependencies: []"})
        assert (config.target, config.environment.docker.enabled) == ("local", False)
        assert config.environment.python.user_managed_dependencies
        assert len(about(config.notes, "on a local target Workbench used the Python that was there")) == 1


def test_another_target_without_its_file_stays_a_name() -> None:
    config = read("ArgumentVector: [a.py]\nTarget: myvm\n", {})
    assert config.target == "myvm"
    assert about(config.notes, "there is no file myvm.compute at hand")


def test_the_compute_file_of_the_target_says_what_the_script_runs_in() -> None:
    files = {
        "aml_config/gpu.compute": (
            "type: remotedocker\naddress: gpu.example:2222\nusername: sam\nbaseDockerImage: mmlspark:gpu\n"
            f"password: {CANARY}\nsharedVolumes: false\nnvidiaDocker: true\npythonLocation: /opt/py\n"
            "userManagedEnvironment: false\nyarnDeployMode: client\nnodeCount: 3\n"
        )
    }
    config = read("ArgumentVector: [a.py]\nTarget: gpu\nFramework: Python\n", files)
    assert (config.target, config.node_count, config.hdi.yarn_deploy_mode) == ("gpu", 3, "client")
    docker, python = config.environment.docker, config.environment.python
    assert (docker.enabled, docker.base_image, docker.shared_volumes, docker.gpu_support) == (
        True,
        "mmlspark:gpu",
        False,
        True,
    )
    assert (python.interpreter_path, python.user_managed_dependencies) == ("/opt/py", False)
    assert config.environment.spark.precache_packages
    assert about(config.notes, "`runyard compute set gpu --kind ssh --option address=gpu.example --option port=2222")
    assert CANARY not in repr(config) + "".join(config.notes) + str(config.document)


@pytest.mark.parametrize(("type_", "target"), [("local", "local"), ("docker", "local"), ("cluster", "box")])
def test_a_target_on_this_machine_is_called_local_whatever_its_file_is_called(type_: str, target: str) -> None:
    config = read("ArgumentVector: [a.py]\nTarget: box\n", {"aml_config/box.compute": f"type: {type_}"})
    assert config.target == target


def test_the_compute_file_beside_the_run_configuration_comes_first() -> None:
    files = {"Code/aml_config/vm.compute": "type: remote", "aml_config/vm.compute": "type: cluster"}
    document: dict[str, Any] = {"ArgumentVector": ["a.py"], "Target": "vm"}
    asked = {path: text.encode() for path, text in files.items()}
    for name, kind in (("Code/aml_config/vm.runconfig", "ssh"), (NAME, "livy"), ("vm.runconfig", "livy")):
        assert about(modernise(document, name, asked.get)[1], f"--kind {kind}")


def test_a_fault_in_the_compute_file_names_that_file() -> None:
    message = fault("ArgumentVector: [a.py]\nTarget: vm\n", {"aml_config/vm.compute": "type: remote\nnodeCount: x\n"})
    assert message.startswith("aml_config/vm.compute, line 2: nodeCount is the text 'x'; it must be a whole number")


def test_the_oldest_json_is_read() -> None:
    text = json.dumps(
        {
            "Description": "what it is for\nand more",
            "ArgumentVector": ["$file"],
            "CondaFile": None,
            "ManagedEnvironment": True,
            "TrackedRun": True,
            "Target": "local",
            "PrepareEnvironment": True,
        }
    )
    config = read(text, {CONDA: "dependencies: []"})
    assert config.target == "local"
    assert not config.environment.python.user_managed_dependencies
    assert config.environment.python.conda_dependencies_file == CONDA
    assert not config.unknown


def test_the_framework_is_spark_unless_it_is_named() -> None:
    config = read("ArgumentVector: [a.py]\nTarget: local\n")
    assert config.framework == "PySpark"
    assert about(config.notes, "Workbench's default, PySpark, is taken")
    named = read("ArgumentVector: [a.py]\nTarget: local\nFramework: python\n")
    assert named.framework == "Python"
    assert not about(named.notes, "Framework")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", {}),
        ("null", {}),
        ("{EXAMPLE_ENV_VAR: Example Value}", {}),
        ("{EXAMPLE_ENV_VAR: mine, B: 1.10, c: on, d: null, e: true}", None),
    ],
)
def test_variables_are_texts_and_the_example_is_left_out(text: str, found: dict[str, str] | None) -> None:
    config = read(f"ArgumentVector: [a.py]\nTarget: local\nEnvironmentVariables: {text}\n")
    expected = {"EXAMPLE_ENV_VAR": "mine", "B": "1.10", "c": "on", "d": "", "e": "true"} if found is None else found
    assert config.environment.environment_variables == expected


def test_what_has_no_counterpart_is_noted_and_ignored() -> None:
    text = (
        "ArgumentVector: [a.py]\nTarget: local\nUseSampling: true\nDataSourceSettings:\n    a.dsource:\n    Sampling:\n"
        "DataSourceSubstitutions: {a.dsource: b.dsource}\nTrackedRuns: false\nwings: 2\n"
    )
    config = read(text)
    for key in ("UseSampling", "DataSourceSettings", "DataSourceSubstitutions"):
        assert about(config.notes, f"{key} belongs to Workbench's data preparation and is ignored")
    assert about(config.notes, "line 8: 'TrackedRuns' is not a known key and is ignored; did you mean 'TrackedRun'?")
    assert about(config.notes, "line 9: wings is not a known key and is ignored")
    assert not about(read("ArgumentVector: [a.py]\nUseSampling: false\n").notes, "UseSampling")


def test_keys_of_todays_layout_are_kept_and_win() -> None:
    text = (
        "ArgumentVector: [a.py]\nTarget: docker\nPrepareEnvironment: true\nautoPrepareEnvironment: false\nnodeCount: 2\n"
        "environment:\n  docker: {enabled: false}\n  python: {interpreterPath: /opt/py}\nrunyard: {retries: 2}\n"
        "dataReferences: {d: {mode: download}}\n"
    )
    config = read(text)
    assert (config.node_count, config.runyard.retries, config.auto_prepare_environment) == (2, 2, False)
    assert not config.environment.docker.enabled
    assert config.environment.python.interpreter_path == "/opt/py"
    assert config.data_references["d"].mode == "download"
    assert "line 2: script says again what ArgumentVector says; keep one" in fault(
        "ArgumentVector: [a.py]\nscript: b.py\n"
    )


STRICT = [
    key for key in KEYS if key not in {"Description", "UseSampling", "DataSourceSettings", "DataSourceSubstitutions"}
]
WRONG: dict[str, list[object]] = {
    "ArgumentVector": [
        {"a": 1},
        3,
        True,
        [["a"]],
        [3],
        [None],
        ["a.py", ["b"]],
        ["a.py", {"b": 1}],
        ["a\0.py"],
        ["a", "\0"],
    ],
    "EnvironmentVariables": [["A=1"], "A=1", 3, {"A": [1]}, {"A": {"B": 1}}, {"A": "\0"}],
    **{key: [["a"], {"a": 1}, "maybe", 2] for key in ("PrepareEnvironment", "ManagedEnvironment", "TrackedRun")},
}
OF_A_TEXT: list[object] = [["a"], {"a": 1}, True, "a\0b"]


@pytest.mark.parametrize(("key", "wrong"), [(key, wrong) for key in STRICT for wrong in WRONG.get(key, OF_A_TEXT)])
def test_a_wrong_type_at_any_key_is_one_sentence_with_file_line_and_key(key: str, wrong: object) -> None:
    lines = {"ArgumentVector": '["a.py"]', "Target": "local"} | {key: json.dumps(wrong)}
    message = fault("".join(f"{name}: {text}\n" for name, text in lines.items()))
    assert message.startswith(f"{NAME}, line {list(lines).index(key) + 1}: {key}")
    assert " is " in message
    assert "must be" in message


@pytest.mark.parametrize(
    "keys", [("Target", "target"), ("CondaFile", "CondaDependenciesFile"), ("TrackedRun", "tracked_run")]
)
def test_a_key_that_is_there_twice_is_refused(keys: tuple[str, str]) -> None:
    document: dict[str, Any] = {"ArgumentVector": ["a.py"], **dict.fromkeys(keys, "true")}
    assert "says again what" in fault(json.dumps(document))
    document[keys[0]] = None
    assert read(json.dumps(document)).script == "a.py"


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "environment", "x", "TargetDetails"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["a.py", "docker", "vm"]),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_whatever_stands_there_ends_in_a_value_or_one_sentence(document: dict[str, Any]) -> None:
    document = {"ArgumentVector": ["a.py"], **document}
    target: object = ""
    try:
        body, sentences = modernise(document, NAME, lambda _path: b"{}")
        target = body["target"]
    except RunconfigError as error:
        sentences = [error.message]
    assert isinstance(target, str)
    assert all("\n" not in sentence and sentence.startswith(NAME) for sentence in sentences)
