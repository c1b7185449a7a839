"""What a run configuration means, whatever the words of its era: the spellings that changed over 28 releases in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runyard.runconfig.convert import fold
from runyard.runconfig.model import RunConfiguration

_OLD_FRAMEWORKS: Final = {
    "tensorflowparameterserver": ("TensorFlow", "ParameterServer"),
    "pythonmpi": ("Python", "OpenMpi"),
    "pythonintelmpi": ("Python", "IntelMpi"),
    "pysparkinteractive": ("PySpark", "None"),
}
"""Until 0.1.80 one word said both the framework and the way of communication."""

_MPI: Final = frozenset({"OpenMpi", "IntelMpi", "Mpi"})
_TARGETS: Final = {"amlcompute": "amlcompute", "containerinstance": "containerinstance", "local": "local"}
"""The SDK's magic names, which it takes in any casing."""
_GPU_WORDS: Final = ("gpu", "cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What is to be done, in the newest release's words."""

    target: str
    framework: str
    communicator: str
    node_count: int
    process_count_per_node: int
    container: bool
    """Whether the script runs in a container."""
    image: str | None
    """Of the container, after ``runyard.image_map``."""
    docker_arguments: tuple[str, ...]
    shm_size: str | None
    gpu: bool
    substitutions: tuple[str, ...]
    """What was taken for something else, one sentence each."""


def meaning(config: RunConfiguration) -> Meaning:
    """Resolve the spellings of a run configuration's era; it is only read."""
    said: list[str] = []
    framework, communicator = _framework(config, said)
    container, at_run_time = _container(config, said)
    docker = config.environment.docker
    return Meaning(
        target=_TARGETS.get(config.target.lower(), config.target),
        framework=framework,
        communicator=communicator,
        node_count=_nodes(config, communicator, said),
        process_count_per_node=config.mpi.process_count_per_node if communicator in _MPI else 1,
        container=container,
        image=_image(config, said) if container else None,
        docker_arguments=tuple(config.docker.arguments if at_run_time else docker.arguments),
        shm_size=config.docker.shm_size if at_run_time else docker.shm_size,
        gpu=_wants_gpu(config),
        substitutions=tuple(said),
    )


def _framework(config: RunConfiguration, said: list[str]) -> tuple[str, str]:
    new = _OLD_FRAMEWORKS.get(fold(config.framework))
    if new is None:
        return config.framework, config.communicator
    framework, communicator = new
    if config.communicator != "None":
        communicator = config.communicator
    said.append(f"framework {config.framework} is taken for {framework} with the communicator {communicator}")
    return framework, communicator


def _nodes(config: RunConfiguration, communicator: str, said: list[str]) -> int:
    """The largest number that somebody set: 1 is every key's default."""
    counts = {"nodeCount": config.node_count, "batchai.nodeCount": config.batchai.node_count}
    if communicator in _MPI:
        counts["mpi.nodeCount"] = config.mpi.node_count
    if config.framework == "PyTorch":
        counts["pytorch.nodeCount"] = config.pytorch.node_count
    if communicator == "ParameterServer" and config.node_count == 1:
        counts["tensorflow.workerCount"] = max(1, config.tensorflow.worker_count)
    key, most = max(counts.items(), key=lambda count: count[1])
    if most != config.node_count:
        said.append(f"nodeCount is taken from {key}: {most}")
    return most


def _container(config: RunConfiguration, said: list[str]) -> tuple[bool, bool]:
    """Whether a container is wanted, and whether the section of 1.25 and later says how."""
    if config.docker.use_docker:
        return True, True
    if config.environment.docker.enabled and "docker" in map(fold, config.document):
        said.append("environment.docker.enabled is taken for docker.useDocker, which replaced it")
    return config.environment.docker.enabled, False


def _image(config: RunConfiguration, said: list[str]) -> str | None:
    image = config.environment.docker.base_image
    mapped = config.runyard.image_map.get(image or "")
    if mapped is None:
        return image
    said.append(f"the base image {image} is replaced by {mapped} (runyard.image_map)")
    return mapped


def _wants_gpu(config: RunConfiguration) -> bool:
    docker = config.environment.docker
    image = (docker.base_image or "").lower() if docker.enabled or config.docker.use_docker else ""
    return bool(docker.gpu_support or config.runyard.requirements.gpus or any(word in image for word in _GPU_WORDS))
