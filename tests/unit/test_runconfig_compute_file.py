"""A `.compute` file is read in any spelling, translated as its author meant, and keeps its secrets."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import RunconfigError
from runyard.runconfig.compute_file import (
    TYPES,
    ComputeFile,
    as_environment,
    as_settings,
    notes_on,
    parse_compute_file,
)

CANARY = "kestrel-42"
LOOKUP = "vm#sam#" + "0123456789abcdef" * 2

FULL: dict[str, Any] = {
    "type": "remotedocker",
    "address": "vm.example.org:2222",
    "username": "sam",
    "password": CANARY,
    "privateKey": CANARY,
    "baseDockerImage": "microsoft/mmlspark:plus-0.9.9",
    "sharedVolumes": False,
    "nvidiaDocker": True,
    "nativeSharedDirectory": "~/.azureml/share/",
    "userManagedEnvironment": True,
    "pythonLocation": "/anaconda/envs/py35/bin/python",
    "sparkSubmitLocation": "spark-submit",
    "yarnDeployMode": "client",
    "nodeCount": 4,
    "priority": "low",
    "subscriptionId": "s-1",
    "resourceGroup": "group",
    "clusterName": "gpus",
    "workspaceName": "space",
}


def read(text: str) -> ComputeFile:
    return parse_compute_file(text.encode(), "aml_config/vm.compute")


def written(document: dict[str, Any]) -> ComputeFile:
    return read(json.dumps(document))


def fault(document: dict[str, Any]) -> str:
    with pytest.raises(RunconfigError) as caught:
        written(document)
    assert "\n" not in caught.value.message
    return caught.value.message


def spellings(key: str) -> list[str]:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    return [key, key[0].upper() + key[1:], snake, snake.upper(), key.lower()]


@pytest.mark.parametrize("way", range(5))
def test_every_key_is_read_in_any_spelling(way: int) -> None:
    found = written({spellings(key)[way]: value for key, value in FULL.items()})
    assert found == written(FULL)
    assert (found.type, found.address, found.port, found.username) == ("remotedocker", "vm.example.org", 2222, "sam")
    assert (found.password, found.private_key, found.password_lookup) == (CANARY, CANARY, None)
    assert (found.shared_volumes, found.nvidia_docker, found.user_managed_environment) == (False, True, True)
    assert (found.node_count, found.yarn_deploy_mode, found.priority) == (4, "client", "low")
    assert found.python_location == "/anaconda/envs/py35/bin/python"
    assert (found.spark_submit_location, found.native_shared_directory) == ("spark-submit", "~/.azureml/share/")
    assert (found.subscription_id, found.resource_group) == ("s-1", "group")
    assert (found.cluster_name, found.workspace_name) == ("gpus", "space")
    assert found.unknown == ()


def test_yaml_and_json_say_the_same() -> None:
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in FULL.items())
    assert read(text) == written(FULL)


@pytest.mark.parametrize("key", FULL)
@pytest.mark.parametrize("wrong", [["x"], {"x": 1}, "a\0b"], ids=["list", "mapping", "nul"])
def test_a_wrong_type_at_any_key_is_one_sentence_with_file_line_and_key(key: str, wrong: object) -> None:
    text = f"# a comment\n{key}: {json.dumps(wrong)}\n"
    with pytest.raises(RunconfigError) as caught:
        read(text)
    assert caught.value.message.startswith(f"aml_config/vm.compute, line 2: {key} is a")
    assert "; it must be " in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("key", ["sharedVolumes", "nvidiaDocker", "userManagedEnvironment"])
def test_a_quoted_boolean_is_a_boolean_and_another_text_is_not(key: str) -> None:
    assert written({key: "True"}) == written({key: True})
    assert f"{key} is the text 'maybe'; it must be true or false" in fault({key: "maybe"})


@pytest.mark.parametrize(
    ("type_", "kind", "docker"),
    [
        ("local", "local", False),
        ("docker", "local", True),
        ("localdocker", "local", True),
        ("remote", "ssh", False),
        ("remotedocker", "ssh", True),
        ("virtualmachine", "ssh", True),
        ("cluster", "livy", False),
        ("batchai", "batch", True),
        ("containerinstance", "aci", True),
    ],
)
def test_each_type_has_its_kind_and_is_in_docker_or_not(type_: str, kind: str, docker: bool) -> None:
    found = read(f"type: {type_.upper()}")
    assert (found.type, found.kind()) == (type_, kind)
    assert as_environment(found)["docker"] == {"enabled": docker}


def test_every_type_is_tried_above() -> None:
    marks = test_each_type_has_its_kind_and_is_in_docker_or_not.pytestmark  # type: ignore[attr-defined]
    assert sorted(TYPES) == sorted(case[0] for case in marks[0].args[1])


def test_spellings_of_a_type_do_not_matter_and_an_unknown_one_is_told_the_nearest() -> None:
    assert read("type: Remote-Docker").type == "remotedocker"
    assert read("type: container_instance").type == "containerinstance"
    message = fault({"type": "remotedoker"})
    assert "type is the text 'remotedoker'; it must be one of local, docker," in message
    assert message.endswith("did you mean 'remotedocker'?")


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("cluster: true\nnative: false", "cluster"),
        ("native: yes\ncluster: no", "remote"),
        ("cluster: False", "remotedocker"),
    ],
)
def test_the_first_files_had_two_flags_for_the_type(text: str, type_: str) -> None:
    assert read(f"address: vm\n{text}").type == type_


def test_a_file_that_says_nothing_is_a_file_that_says_nothing() -> None:
    for text in ("", "{}", "# only a comment", "type:\naddress: ''"):
        found = read(text)
        assert (found.kind(), as_settings(found), found.add_command("x")) == (None, {}, None)
    assert read("address: vm").kind() == "ssh"


@pytest.mark.parametrize(
    ("text", "host", "port", "user"),
    [
        ("vm.example", "vm.example", None, None),
        (" 10.0.0.4:2222 ", "10.0.0.4", 2222, None),
        ("[::1]:22", "::1", 22, None),
        ("fe80::1", "fe80::1", None, None),
        ("sam@vm:22", "vm", 22, "sam"),
        (f"ssh://sam:{CANARY}@vm", "vm", None, "sam"),
    ],
)
def test_an_address_has_a_host_maybe_a_port_and_never_a_password(
    text: str, host: str, port: int | None, user: str | None
) -> None:
    found = written({"address": text})
    assert (found.address, found.port, found.username) == (host, port, user)
    assert CANARY not in repr(found)


def test_a_port_that_cannot_be_is_refused() -> None:
    assert "address ends with the port 70000; it must be from 1 to 65535" in fault({"address": "vm:70000"})
    assert "ssh-port is the number 0; it must be a whole number from 1 to 65535" in fault({"ssh-port": 0})
    assert written({"address": "vm", "sshPort": "2200"}).port == 2200


@pytest.mark.parametrize("password", [f"AzureMlSecret={LOOKUP}", "AzureMlSecret=3446-0902", LOOKUP])
def test_the_name_of_a_stored_password_is_not_a_password(password: str) -> None:
    found = written({"type": "remotedocker", "password": password})
    assert found.password is None
    assert found.password_lookup == password.removeprefix("AzureMlSecret=")
    assert any("only a name under which Azure ML kept it" in note for note in notes_on(found, "vm"))


@pytest.mark.parametrize("key", ["password", "privateKey", "Private_Key", "PASSWORD"])
@pytest.mark.parametrize("value", [CANARY, [CANARY], {CANARY: 1}, f"{CANARY}\0"])
def test_a_secret_is_in_no_repr_note_command_or_error(key: str, value: object) -> None:
    document = {"type": "remotedocker", "address": "vm", key: value}
    if value != CANARY:
        assert CANARY not in fault(document)
        return
    found = written(document)
    assert CANARY in {found.password, found.private_key}
    everything = [repr(found), str(as_settings(found)), str(found.add_command("vm")), *notes_on(found, "vm")]
    assert CANARY not in "\n".join(everything)
    assert any("it holds a secret" in note for note in notes_on(found, "vm"))


def test_the_same_key_in_two_spellings_is_refused_unless_one_is_empty() -> None:
    assert "node_count says again what nodeCount says; keep one" in fault({"nodeCount": 1, "node_count": 2})
    assert written({"nodeCount": None, "node_count": 2}).node_count == 2


def test_what_the_file_says_becomes_todays_layout() -> None:
    settings = as_settings(written(FULL))
    assert settings == {
        "environment": {
            "python": {"userManagedDependencies": True, "interpreterPath": "/anaconda/envs/py35/bin/python"},
            "docker": {
                "enabled": True,
                "baseImage": "microsoft/mmlspark:plus-0.9.9",
                "sharedVolumes": False,
                "gpuSupport": True,
            },
            "spark": {"precachePackages": False},
        },
        "hdi": {"yarnDeployMode": "client"},
        "nodeCount": 4,
    }
    assert as_settings(written({**FULL, "userManagedEnvironment": False}))["environment"]["spark"] == {  # type: ignore[index]
        "precachePackages": True
    }


def test_a_local_target_runs_with_the_python_that_is_there() -> None:
    assert as_environment(read("type: local\npythonLocation: C:/conda/python.exe"))["python"] == {
        "userManagedDependencies": True,
        "interpreterPath": "C:/conda/python.exe",
    }
    assert as_environment(read("type: local\nuserManagedEnvironment: false"))["python"] == {
        "userManagedDependencies": False
    }


def test_notes_say_what_was_assumed_and_what_has_no_counterpart() -> None:
    notes = notes_on(read("type: docker\nnativeSharedDirectory: ~/x\nwings: 2\n"), "docker")
    assert [note.removeprefix("aml_config/vm.compute: ") for note in notes] == [
        "its type is docker, which the SDK forgot to take for docker; the script runs in a container",
        "nativeSharedDirectory has no counterpart here and is ignored",
        "'wings' is not a known key and is ignored",
    ]
    assert notes_on(read("type: local"), "local") == []


def test_the_suggested_command_makes_the_compute_and_quotes_nothing_odd() -> None:
    assert written(FULL).add_command("vm") == (
        "runyard compute set vm --kind ssh --option address=vm.example.org --option port=2222 --option username=sam"
        " --option subscription_id=s-1 --option resource_group=group --option workspace_name=space"
        " --option cluster_name=gpus"
    )
    odd = written({"type": "cluster", "address": "$(rm -rf ~)", "username": "a b"}).add_command("--evil")
    assert odd == "runyard compute set NAME --kind livy --option address=ADDRESS --option username=USERNAME"


@pytest.mark.parametrize("text", ["- a", "just a text", "3", "[]"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(RunconfigError, match=r"aml_config/vm.compute holds .*; a .compute file is a mapping"):
        read(text)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*FULL, "cluster", "port", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_whatever_stands_there_ends_in_a_value_or_one_sentence(document: dict[str, Any]) -> None:
    kind = None
    try:
        found = written(document)
        kind, sentences = found.kind(), notes_on(found, "vm")
    except RunconfigError as error:
        sentences = [error.message]
    assert kind in {None, "local", "ssh", "aci", "batch", "livy"}
    assert all("\n" not in sentence and sentence.startswith("aml_config/vm.compute") for sentence in sentences)
