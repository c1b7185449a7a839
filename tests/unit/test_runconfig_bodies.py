"""A run configuration inside a body of the SDK or the service is found, and the service's spelling of it is understood."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import RunconfigError
from runyard.runconfig.bodies import decode_enums, unwrap
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import parse
from runyard.runconfig.yaml12 import load

CANARY = "kestrel-42"
LOOKUP = "AzureMlSecret=vm#sam#" + "0123456789abcdef" * 2

INNER: dict[str, Any] = {
    "script": "a.py",
    "arguments": ["--rate", 0.1],
    "target": "vm",
    "environment": {"name": "mine"},
}


def title(value: object) -> object:
    """The service's spelling: keys in TitleCase."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: title(item) for key, item in value.items()}
    return value


def read(document: object) -> RunConfiguration:
    return parse(json.dumps(document).encode(), "definition.json")


def fault(document: object) -> str:
    with pytest.raises(RunconfigError) as caught:
        read(document)
    assert "\n" not in caught.value.message
    return caught.value.message


def wrapped(inner: object) -> dict[str, Any]:
    sweep = {"Definition": {"Overrides": inner, "TargetDetails": None, "SnapshotId": "s", "TelemetryValues": {}}}
    return {
        "bare": inner,
        "definition": {"TargetDetails": None, "Configuration": inner, "TelemetryValues": {}},
        "with a parent": {"Configuration": inner, "ParentRunId": "p", "SnapshotId": "s"},
        "of the REST interface": {"definition": {"snapshotId": "s", "configuration": inner}},
        "details": {"runId": "r", "target": "other", "status": "Completed", "properties": {}, "runDefinition": inner},
        "details of a body": {
            "runId": "r",
            "status": "Failed",
            "runDefinition": {"configuration": inner, "snapshotId": "s"},
        },
        "a sweep": {"name": "x", "platform": "AML", "platform_config": sweep, "policy_config": {"name": "Default"}},
        "a sweep's text": {"name": "x", "platform_config": json.dumps(sweep)},
    }


WRAPPERS = list(wrapped(None))


@pytest.mark.parametrize("spell", [lambda value: value, title], ids=["camel", "title"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_run_configuration_is_found_in_every_body(wrapper: str, spell: Any) -> None:
    config = read(wrapped(spell(INNER))[wrapper])
    assert (config.script, config.arguments, config.target) == ("a.py", ["--rate", "0.1"], "vm")
    assert config.environment.name == "mine"
    assert (config.unknown, config.notes) == ([], [])


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_the_keys_of_a_body_may_have_any_casing(spell: Any) -> None:
    assert read({spell("configuration"): INNER}).script == "a.py"
    assert read({spell("runDefinition"): INNER}).script == "a.py"
    assert read({spell("platform_config"): {spell("definition"): {spell("overrides"): INNER}}}).script == "a.py"


def test_a_run_configuration_alone_is_returned_as_it_is() -> None:
    document = load(b"script: a.py\nframework: Python\n", "x")
    assert unwrap(document, "x") == (document, [])
    assert unwrap(document, "x")[0] is document
    partial = {"target": "vm"}
    assert unwrap(partial, "x")[0] is partial


def test_the_users_own_maps_are_not_searched() -> None:
    document = {"script": "a.py", "configuration": {"script": "b.py"}, "environmentVariables": {"runDefinition": "x"}}
    assert unwrap(document, "x")[0] == document


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"Configuration": None}, "Configuration is null, so there is no run configuration in it"),
        ({"runDefinition": {"configuration": None}}, "runDefinition.configuration is null"),
        ({"Configuration": [1]}, "Configuration is a list; a run configuration is a mapping"),
        ({"Configuration": "x"}, "Configuration is a text; a run configuration is a mapping"),
        ({"Configuration": 3}, "Configuration is the number 3; a run configuration is a mapping"),
        ({"runId": "r", "status": "Completed"}, "has the details of a run and no runDefinition"),
        ({"Configuration": {}, "configuration": {"a": 1}}, "says again what"),
        (
            {"Configuration": INNER, "configuration": INNER},
            "configuration says again what Configuration says; keep one",
        ),
        ({"platform_config": "{"}, "definition.json, platform_config, line 1"),
        ([], "holds a list; a run configuration is a mapping"),
        (None, "is empty"),
    ],
)
def test_a_body_without_a_run_configuration_is_refused_in_one_sentence(document: object, says: str) -> None:
    assert says in fault(document)


def test_bodies_without_end_are_refused() -> None:
    document: object = {"a": 1}
    for _ in range(30):
        document = {"Configuration": document}
    assert "is nested more than 6 deep" in fault(document)


def test_the_line_of_a_fault_inside_a_body_is_named() -> None:
    with pytest.raises(RunconfigError, match=r"^d.yml, line 3: nodeCount is the text 'x'"):
        parse(b"Configuration:\n  script: a.py\n  nodeCount: x\n", "d.yml")


# --- what the body says of the target


DETAILS = {
    "type": "remotedocker",
    "address": "vm.example:2222",
    "username": "sam",
    "password": CANARY,
    "baseDockerImage": "image",
    "userManagedEnvironment": False,
}


def test_the_targets_details_count_for_a_configuration_of_workbench() -> None:
    old = {"ArgumentVector": ["a.py"], "Target": "vm", "Framework": "Python"}
    config = read({"TargetDetails": DETAILS, "Configuration": old, "TelemetryValues": {}})
    assert (config.script, config.target) == ("a.py", "vm")
    docker = config.environment.docker
    assert (docker.enabled, docker.base_image) == (True, "image")
    assert any("`runyard compute set vm --kind ssh" in note for note in config.notes)
    here = read({"TargetDetails": {"type": "docker"}, "Configuration": old})
    assert (here.target, here.environment.docker.enabled) == ("local", True)


def test_the_targets_details_fill_in_what_a_configuration_leaves_open() -> None:
    config = read({"TargetDetails": DETAILS, "Configuration": title(INNER)})
    assert (config.environment.name, config.environment.docker.base_image) == ("mine", "image")
    own = {**INNER, "environment": {"docker": {"enabled": False, "base_image": "mine"}}}
    docker = read({"TargetDetails": DETAILS, "Configuration": own}).environment.docker
    assert (docker.enabled, docker.base_image) == (False, "mine")


@pytest.mark.parametrize("key", ["password", "privateKey"])
@pytest.mark.parametrize("value", [CANARY, [CANARY], {CANARY: 1}])
@pytest.mark.parametrize("inner", [INNER, {"ArgumentVector": ["a.py"], "Target": "vm"}])
def test_a_secret_of_the_target_is_nowhere_else(key: str, value: object, inner: dict[str, Any]) -> None:
    document = {"TargetDetails": {**DETAILS, "password": LOOKUP, key: value}, "Configuration": inner}
    if value != CANARY:
        message = fault(document)
        assert f"TargetDetails.{key} is a" in message
        assert CANARY not in message
        return
    config = read(document)
    assert CANARY not in repr(config) + str(config.document) + "".join(config.notes)


def test_details_of_a_target_that_is_not_known_are_noted() -> None:
    config = read({"TargetDetails": {"type": "hololens"}, "Configuration": INNER})
    assert config.script == "a.py"
    assert any("TargetDetails.type is 'hololens', which is not known" in note for note in config.notes)
    assert "TargetDetails is a list" in fault({"TargetDetails": [1], "Configuration": INNER})


# --- the service's numbers


@pytest.mark.parametrize("number", [0, 0.0])
def test_the_numbers_that_are_known_become_words(number: float) -> None:
    config = read({"Configuration": {"Script": "a.py", "Framework": number, "Communicator": number}})
    assert (config.framework, config.communicator) == ("Python", "None")
    assert decode_enums({"FRAME_WORK": 0, "script": "a.py"}, "x") == {"FRAME_WORK": "Python", "script": "a.py"}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"Framework": 3}, "Framework is the number 3; it must be one of Python, PySpark, "),
        ({"Framework": -1}, "(of the service's numbers only 0 (Python) is known)"),
        ({"Communicator": 2}, "Communicator is the number 2; it must be one of None, ParameterServer, "),
        ({"Communicator": 1.5}, "Communicator is the number 1.5; it must be one of None"),
        ({"Hdi": {"YarnDeployMode": 1}}, "Hdi.YarnDeployMode is the number 1; it must be one of cluster, client, None"),
        ({"Framework": "PySpark", "Hdi": {"YarnDeployMode": 0}}, "the service's numbers are not documented"),
        ({"Target": "amlcompute", "AmlCompute": {"VmPriority": 0}}, "AmlCompute.VmPriority is the number 0"),
        ({"Framework": "PyTorch", "PyTorch": {"CommunicationBackend": 0}}, "PyTorch.CommunicationBackend is the"),
        ({"DataReferences": {"d": {"Mode": 0}}}, "DataReferences.d.Mode is the number 0; it must be one of mount,"),
        ({"Data": {"d": {"Mechanism": 1}}}, "Data.d.Mechanism is the number 1; it must be one of direct, mount,"),
        ({"OutputData": {"d": {"Mechanism": 1}}}, "OutputData.d.Mechanism is the number 1; it must be one of mount,"),
    ],
)
def test_a_number_that_is_not_known_is_one_sentence_with_the_words(document: dict[str, Any], says: str) -> None:
    message = fault({"Configuration": {"Script": "a.py", **document}})
    assert message.startswith("definition.json: ")
    assert says in message


def test_the_line_of_a_number_is_named() -> None:
    with pytest.raises(RunconfigError, match=r"^d.yml, line 3: Framework is the number 7"):
        unwrap(load(b"Configuration:\n  Script: a.py\n  Framework: 7\n", "d.yml"), "d.yml")


def test_a_word_and_a_boolean_are_no_numbers() -> None:
    document = {"script": "a.py", "framework": "python", "communicator": True, "hdi": [0], "data": {"d": 0}}
    assert decode_enums(document, "x") is document


def test_zero_in_a_section_that_the_run_does_not_use_was_never_set() -> None:
    config = read(
        {
            "Configuration": {
                "Script": "a.py",
                "Framework": 0,
                "Hdi": {"YarnDeployMode": 0},
                "AmlCompute": {"VmPriority": 0, "VmSize": None},
                "PyTorch": {"CommunicationBackend": 0},
            }
        }
    )
    assert (config.hdi.yarn_deploy_mode, config.amlcompute.vm_priority) == ("cluster", None)
    assert config.pytorch.communication_backend == "nccl"


# --- what only the service writes


SERVICE: dict[str, Any] = {
    **INNER,
    "useAbsolutePath": False,
    "jobName": None,
    "instanceTypes": [],
    "maxNodeCount": 3,
    "identity": None,
    "aiSuperComputer": {"instanceType": "D2"},
    "commandReturnCodeConfig": {"returnCode": "Zero"},
    "exposedPorts": None,
    "parameters": [],
    "mpi": {"processCountPerNode": 0},
    "tensorflow": {"workerCount": 0, "parameterServerCount": 0},
    "hdi": {"yarnDeployMode": "None"},
}


@pytest.mark.parametrize("spell", [lambda value: value, title], ids=["camel", "title"])
def test_what_only_means_something_to_the_service_is_one_note(spell: Any) -> None:
    config = read({"runId": "r", "status": "Completed", "runDefinition": spell(SERVICE)})
    assert config.script == "a.py"
    assert (config.mpi.process_count_per_node, config.tensorflow.worker_count) == (1, 1)
    assert config.unknown == []
    assert len(config.notes) == 1
    assert "maxnodecount, aisupercomputer, commandreturncodeconfig only mean" in config.notes[0].lower()


def test_a_zero_that_somebody_wrote_by_hand_stays_a_fault() -> None:
    assert "mpi.processCountPerNode is the number 0" in fault({"script": "a.py", "mpi": {"processCountPerNode": 0}})


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Configuration",
                        "runDefinition",
                        "TargetDetails",
                        "script",
                        "Framework",
                        "hdi",
                        "YarnDeployMode",
                        "type",
                    ]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_stands_there_ends_in_a_value_or_one_sentence(document: object) -> None:
    body: object = {}
    try:
        body, sentences = unwrap(document, "definition.json")
    except RunconfigError as error:
        sentences = [error.message]
    assert isinstance(body, dict)
    assert all("\n" not in sentence and sentence.startswith("definition.json") for sentence in sentences)
