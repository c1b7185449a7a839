"""What is prepared around a script: its Python environment, and its container."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from runyard.errors import RunconfigError
from runyard.runconfig import conda_file
from runyard.runconfig.locate import FOLDERS
from runyard.runconfig.meaning import Meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runs.model import ContainerSpec, EnvironmentSpec

if TYPE_CHECKING:
    from runyard.runconfig.read import Files

_BARE: Final = "no file lists packages, so the environment has Python alone"


def no_files(_: str) -> None:
    """Where a run configuration stands by itself."""


def environment_of(config: RunConfiguration, files: Files = no_files) -> EnvironmentSpec | None:
    """The environment to prepare; ``None`` where the script gets the interpreter that is named.

    Args:
        config: The run configuration; it is only read.
        files: Gives files of the snapshot.

    Raises:
        RunconfigError: if the packages cannot be read, or the file that is named is not there.
    """
    python = config.environment.python
    if python.user_managed_dependencies:
        return None
    found = conda_file.packages_of(config, _folder(config, files), files)
    if found.is_missing:
        raise RunconfigError(
            f"{config.source}: environment.python.{found.note} in the snapshot; add it (see that .amlignore does not leave it "
            "out), or set userManagedDependencies to true"
        )
    text = found.conda.to_bytes() if found.conda is not None else b""
    return EnvironmentSpec(
        conda=_normal(text, found.source),
        policy=config.runyard.legacy,
        auto_prepare=config.auto_prepare_environment,
        base=(python.base_conda_environment or "").strip(),
        source=found.source,
        note=found.note or ("" if found.conda is not None else _BARE),
    )


def environment_of_file(data: bytes, source: str, policy: str) -> EnvironmentSpec:
    """The environment of a conda file, or of a ``requirements.txt``, by itself.

    Raises:
        RunyardError: if it cannot be read.
    """
    if source.endswith(".txt"):
        from runyard.environment.conda import CondaDependencies  # noqa: PLC0415 - as below

        data = CondaDependencies.from_requirements(data).to_bytes()
    return EnvironmentSpec(conda=_normal(data, source), policy=policy, source=source)


@lru_cache(maxsize=64)
def _normal(text: bytes, source: str) -> dict[str, object]:
    """Teams drop hundreds of snapshots with one conda file; this makes the second one free. Nobody may change the value."""
    from runyard.environment import conda_normal  # noqa: PLC0415 - where an environment is to be prepared only
    from runyard.environment.conda_document import read_text  # noqa: PLC0415

    document = read_text(text, source) if text else {}
    return conda_normal.normalised(document)


def _folder(config: RunConfiguration, files: Files) -> str:
    """The folder whose conda file counts where none is named: the run configuration's, else the one that has it."""
    folder = config.source.rpartition("/")[0]
    if folder in FOLDERS:
        return folder
    return next((each for each in FOLDERS if files(f"{each}/{conda_file.FILE}") is not None), FOLDERS[0])


def container_of(config: RunConfiguration, meant: Meaning) -> ContainerSpec | None:
    """The container to run in; ``None`` where none is wanted."""
    if not meant.container:
        return None
    docker = config.environment.docker
    registry = docker.base_image_registry
    return ContainerSpec(
        image=meant.image or "",
        dockerfile=docker.base_dockerfile or "",
        arguments=meant.docker_arguments,
        gpu=meant.gpu,
        shm_size=meant.shm_size or "",
        shared_volumes=config.docker.shared_volumes if config.docker.use_docker else docker.shared_volumes,
        registry=registry.address or "",
        username=registry.username or "",
        password=registry.password or "",
        platform=f"{docker.platform.os}/{docker.platform.architecture}".lower(),
        policy=config.runyard.legacy,
    )
