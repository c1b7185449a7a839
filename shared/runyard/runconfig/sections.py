"""The sections of a run configuration, as plain mutable values with the SDK's names and defaults.

A field's name in camelCase is its key on disk; :func:`option` says what deviates. Defaults are those of release 1.0.85
(of the newest release that had the key, where 1.0.85 does not); the example variable that the SDK puts into every file is left
out.
"""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_CPU_IMAGE: Final = "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04"

DATA_MODES: Final = ("mount", "download", "upload")
MECHANISMS: Final = ("direct", "mount", "download", "upload")


def option(
    default: Any = None,
    *,
    keys: Sequence[str] = (),
    allowed: Sequence[str] = (),
    within: tuple[int | None, int | None] = (None, None),
    zero: str = "",
) -> Any:
    """A field and what a reader must know of it.

    Args:
        default: Its default; a class or function is called to make it.
        keys: Its keys on disk besides its name in camelCase (case and underscores do not count).
        allowed: The texts it may hold, in their canonical casing (read in any casing).
        within: Smallest and largest legal number.
        zero: What the number 0 stands for, where service files write enumerations as numbers.
    """
    metadata = {"keys": keys, "allowed": allowed, "within": within, "zero": zero}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class PythonSection:
    """``environment.python``."""

    user_managed_dependencies: bool = False
    interpreter_path: str = "python"
    """Only meaningful when the dependencies are user-managed."""
    conda_dependencies_file: str | None = None
    conda_dependencies: dict[str, object] | None = None
    """Inline; in submission bodies and in files written by hand."""
    base_conda_environment: str | None = None


@dataclass
class RegistryIdentity:
    """``baseImageRegistry.registryIdentity``."""

    resource_id: str | None = None
    client_id: str | None = None


@dataclass
class ContainerRegistry:
    """``environment.docker.baseImageRegistry``."""

    address: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    registry_identity: RegistryIdentity | None = None


@dataclass
class DockerBuildContext:
    """``environment.docker.buildContext``."""

    location_type: str | None = None
    location: str | None = None
    dockerfile_path: str | None = "Dockerfile"


@dataclass
class DockerImagePlatform:
    """``environment.docker.platform``."""

    os: str = "Linux"
    architecture: str = "amd64"


@dataclass
class DockerSection:
    """``environment.docker``."""

    enabled: bool = False
    base_image: str | None = DEFAULT_CPU_IMAGE
    base_dockerfile: str | None = None
    build_context: DockerBuildContext | None = None
    shared_volumes: bool = True
    gpu_support: bool | None = None
    """Until 1.0.43; ``None`` = not said."""
    shm_size: str | None = "2g"
    arguments: list[str] = option(list)
    base_image_registry: ContainerRegistry = option(ContainerRegistry)
    platform: DockerImagePlatform = option(DockerImagePlatform)


@dataclass
class SparkPackage:
    """One of ``environment.spark.packages``."""

    group: str | None = None
    artifact: str | None = None
    version: str | None = None


@dataclass
class SparkSection:
    """``environment.spark``."""

    repositories: list[str] = option(list)
    packages: list[SparkPackage] = option(list)
    precache_packages: bool = True


@dataclass
class EnvironmentDefinition:
    """``environment``: what the script runs in."""

    name: str | None = None
    version: str | None = None
    environment_variables: dict[str, str] = option(dict)
    python: PythonSection = option(PythonSection)
    docker: DockerSection = option(DockerSection)
    spark: SparkSection = option(SparkSection)
    databricks: dict[str, object] | None = None
    r: dict[str, object] | None = None
    inferencing_stack_version: str | None = None
    asset_id: str | None = None


@dataclass
class HistoryConfiguration:
    """``history``."""

    output_collection: bool = True
    snapshot_project: bool = True
    directories_to_watch: list[str] = option(lambda: ["logs"])
    ambient_authentication: dict[str, object] | None = field(default=None, repr=False)


@dataclass
class SparkConfiguration:
    """``spark``."""

    configuration: dict[str, object] = option(
        lambda: {"spark.app.name": "Azure ML Experiment", "spark.yarn.maxAppAttempts": 1}
    )


@dataclass
class DockerConfiguration:
    """``docker`` (1.25 and later): docker at run time."""

    use_docker: bool = False
    shared_volumes: bool = True
    arguments: list[str] = option(list)
    shm_size: str | None = "2g"


@dataclass
class HdiConfiguration:
    """``hdi``."""

    yarn_deploy_mode: str = option("cluster", allowed=("cluster", "client", "None"))


@dataclass
class BatchAiConfiguration:
    """``batchai`` (until 0.1.74)."""

    node_count: int = option(1, within=(1, None))


@dataclass
class TensorflowConfiguration:
    """``tensorflow``."""

    worker_count: int = option(1, within=(0, None))
    parameter_server_count: int = option(1, within=(0, None))


@dataclass
class MpiConfiguration:
    """``mpi``."""

    process_count_per_node: int = option(1, within=(1, None))
    node_count: int = option(1, within=(1, None))


@dataclass
class PyTorchConfiguration:
    """``pytorch``."""

    communication_backend: str = option("nccl", allowed=("nccl", "gloo"))
    process_count: int | None = option(None, within=(1, None))
    node_count: int = option(1, within=(1, None))


@dataclass
class ParallelTaskConfiguration:
    """``paralleltask``."""

    max_retries_per_worker: int = option(0, within=(0, None))
    worker_count_per_node: int = option(1, within=(1, None))
    terminal_exit_codes: list[int] | None = None


@dataclass
class ContainerInstanceConfiguration:
    """``containerInstance`` (until 0.1.80)."""

    cpu_cores: float = option(1.0, within=(0, None))
    memory_gb: float = option(4.0, within=(0, None))
    region: str | None = None


@dataclass
class AmlComputeConfiguration:
    """``amlcompute``: a cluster for one run."""

    vm_size: str | None = None
    vm_priority: str | None = option(None, allowed=("dedicated", "lowpriority"))
    retain_cluster: bool = False
    name: str | None = None
    cluster_max_node_count: int | None = option(None, within=(1, None))
    location: str | None = None
    """Only in 0.1.74."""


@dataclass
class KubernetesComputeConfiguration:
    """``kubernetescompute``."""

    instance_type: str | None = None


@dataclass
class DataReferenceConfiguration:
    """One of ``dataReferences``."""

    data_store_name: str | None = None
    path_on_data_store: str | None = None
    mode: str = option("mount", allowed=DATA_MODES)
    overwrite: bool = False
    path_on_compute: str | None = None


@dataclass
class Dataset:
    """``dataLocation.dataset``."""

    id: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass
class DataPath:
    """``dataLocation.dataPath``."""

    datastore_name: str | None = None
    relative_path: str | None = None


@dataclass
class Uri:
    """``dataLocation.uri``."""

    path: str | None = None
    is_file: bool = False


@dataclass
class DataLocation:
    """Where data is: exactly one of its parts is set."""

    dataset: Dataset | None = None
    data_path: DataPath | None = None
    uri: Uri | None = None


@dataclass
class Data:
    """One of ``data``."""

    data_location: DataLocation | None = None
    create_output_directories: bool | None = None
    mechanism: str = option("direct", allowed=MECHANISMS)
    environment_variable_name: str | None = None
    path_on_compute: str | None = None
    overwrite: bool = False
    options: dict[str, object] | None = None


@dataclass
class OutputData:
    """One of ``outputData``."""

    output_location: DataLocation | None = None
    mechanism: str = option("mount", allowed=("mount", "upload"))
    additional_options: dict[str, object] | None = None


@dataclass
class DatacacheConfiguration:
    """One of ``datacaches``."""

    datacache_id: str | None = None
    datacache_store: str | None = None
    dataset_id: str | None = None
    mode: str = option("mount", allowed=DATA_MODES)
    replica: int | None = None
    failure_fallback: bool = False
    path_on_compute: str | None = None


@dataclass
class ApplicationEndpointConfiguration:
    """One of ``applicationEndpoints``."""

    type: str | None = None
    port: int | None = option(None, within=(0, 65535))
    properties: dict[str, str] | None = None
