"""Spellings that changed between releases mean the same, and every substitution is told."""

import pytest

from runyard.runconfig.eras import era_of
from runyard.runconfig.meaning import Meaning, meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import parse


def meant(text: str) -> Meaning:
    return meaning(parse(text.encode(), "f"))


@pytest.mark.parametrize(
    ("text", "framework", "communicator", "nodes"),
    [
        ("framework: python", "Python", "None", 1),
        ("framework: PythonMPI\nbatchai: {nodeCount: 4}", "Python", "OpenMpi", 4),
        ("framework: pythonMpi\nnodeCount: 4", "Python", "OpenMpi", 4),
        ("framework: PythonIntelMPI", "Python", "IntelMpi", 1),
        ("framework: Python\ncommunicator: OpenMpi\nnodeCount: 4", "Python", "OpenMpi", 4),
        ("framework: Python\ncommunicator: IntelMpi\nmpi: {nodeCount: 3}", "Python", "IntelMpi", 3),
        ("framework: Python\nmpi: {nodeCount: 3}", "Python", "None", 1),
        ("framework: TensorFlowParameterServer\ntensorflow: {workerCount: 2}", "TensorFlow", "ParameterServer", 2),
        ("framework: TensorFlowParameterServer\nbatchai: {}", "TensorFlow", "ParameterServer", 2),
        ("framework: TensorFlow\ncommunicator: ParameterServer\nnodeCount: 5", "TensorFlow", "ParameterServer", 5),
        ("framework: PyTorch\ncommunicator: nccl\npytorch: {nodeCount: 2}", "PyTorch", "Nccl", 2),
        ("framework: PySparkInteractive", "PySpark", "None", 1),
        ("framework: CNTK", "CNTK", "None", 1),
    ],
)
def test_frameworks_and_nodes_of_every_era(text: str, framework: str, communicator: str, nodes: int) -> None:
    found = meant(text)
    assert (found.framework, found.communicator, found.node_count) == (framework, communicator, nodes)


def test_what_was_taken_for_something_else_is_told() -> None:
    assert meant("framework: PythonMPI\nbatchai: {nodeCount: 4}").substitutions == (
        "framework PythonMPI is taken for Python with the communicator OpenMpi",
        "nodeCount is taken from batchai.nodeCount: 4",
    )
    assert meant("framework: Python\nnodeCount: 4").substitutions == ()


def test_docker_is_wanted_in_the_words_of_either_era() -> None:
    old = meant("environment: {docker: {enabled: true, baseImage: old, arguments: [--x], shmSize: 1g}}")
    new = meant("environment: {docker: {baseImage: new}}\ndocker: {useDocker: true, arguments: [--y], shmSize: 4g}")
    assert (old.container, old.image, old.docker_arguments, old.shm_size) == (True, "old", ("--x",), "1g")
    assert (new.container, new.image, new.docker_arguments, new.shm_size) == (True, "new", ("--y",), "4g")
    both = meant("environment: {docker: {enabled: true}}\ndocker: {useDocker: false}")
    assert both.container
    assert both.substitutions == ("environment.docker.enabled is taken for docker.useDocker, which replaced it",)
    assert meant("script: a.py").image is None


def test_a_gpu_is_wanted_by_the_old_key_the_image_or_ours() -> None:
    assert meant("environment: {docker: {gpuSupport: true}}").gpu
    assert meant("environment: {docker: {enabled: true, baseImage: azureml/base-gpu:0.1}}").gpu
    assert meant("runyard: {requirements: {gpus: 1}}").gpu
    assert not meant("environment: {docker: {baseImage: azureml/base-gpu:0.1}}").gpu
    assert not meaning(RunConfiguration()).gpu


def test_a_vanished_image_is_replaced_as_the_run_configuration_says() -> None:
    found = meant(
        "environment: {docker: {enabled: true, baseImage: gone:1}}\nrunyard: {image_map: {'gone:1': 'here:2'}}"
    )
    assert found.image == "here:2"
    assert found.substitutions == ("the base image gone:1 is replaced by here:2 (runyard.image_map)",)


@pytest.mark.parametrize(
    ("keys", "era"),
    [
        ({"script", "batchai"}, "0.1.59"),
        ({"script", "containerinstance", "nodecount"}, "0.1.80"),
        ({"script", "autoprepareenvironment", "communicator"}, "1.0.2"),
        ({"script", "data"}, "1.0.85"),
        ({"script", "docker"}, "1.61.0"),
        ({"script", "command"}, "1.61.0"),
        (set(), "1.0.85"),
    ],
)
def test_the_era_is_told_by_the_keys_that_came_and_went(keys: set[str], era: str) -> None:
    assert era_of(keys) == era


def test_the_magic_targets_are_known_in_any_casing() -> None:
    assert meant("target: ContainerInstance").target == "containerinstance"
    assert meant("target: MyCluster").target == "MyCluster"
