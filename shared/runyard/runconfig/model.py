"""A run configuration as a value: the SDK's names in snake_case, its defaults, and our own keys under ``runyard``."""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runyard.runconfig.data_sections import Data, DatacacheConfiguration, DataReferenceConfiguration, OutputData
from runyard.runconfig.environment_sections import EnvironmentDefinition
from runyard.runconfig.fields import option, own
from runyard.runconfig.own_options import RunyardOptions
from runyard.runconfig.sections import (
    AmlComputeConfiguration,
    ApplicationEndpointConfiguration,
    BatchAiConfiguration,
    ContainerInstanceConfiguration,
    DockerConfiguration,
    HdiConfiguration,
    HistoryConfiguration,
    KubernetesComputeConfiguration,
    MpiConfiguration,
    ParallelTaskConfiguration,
    PyTorchConfiguration,
    SparkConfiguration,
    TensorflowConfiguration,
)

if TYPE_CHECKING:
    from runyard.environment.conda import CondaDependencies
    from runyard.runconfig.files import Loaded

FRAMEWORKS: Final = (
    "Python",
    "PySpark",
    "CNTK",
    "TensorFlow",
    "PyTorch",
    "TensorFlowParameterServer",
    "PythonMPI",
    "PythonIntelMPI",
    "PySparkInteractive",
)
"""Of every release; those before 1.0.2 name the way of communication here too."""

COMMUNICATORS: Final = ("None", "ParameterServer", "OpenMpi", "IntelMpi", "Gloo", "Nccl", "Mpi", "ParallelTask")

DEFAULT_SCRIPT: Final = "train.py"
"""Until 1.15; from 1.20 on nothing runs that is not named."""


@dataclass
class RunConfiguration:
    """How to run a script: target, framework, environment, arguments.

    ``RunConfiguration()`` has the defaults of release 1.0.85; a file has those of its own era for the keys it leaves out.
    """

    script: str | None = DEFAULT_SCRIPT
    arguments: list[str] = option(list)
    """Each as its author wrote it: ``0.10`` stays ``0.10`` and ``true`` stays ``true``."""
    target: str = option("local", kw_only=True)
    framework: str = option("Python", allowed=FRAMEWORKS, zero="Python")
    communicator: str = option("None", allowed=COMMUNICATORS, zero="None")
    auto_prepare_environment: bool = option(True, keys=("prepareEnvironment",), later=True, kw_only=True)
    """``False`` = fail if the environment is not built yet (until 1.0.43)."""
    max_run_duration_seconds: int | None = option(None, within=(1, None), kw_only=True)
    node_count: int = option(1, within=(1, None), kw_only=True)
    priority: int | None = option(None, later=True, kw_only=True)
    """The SDK's (1.25 and later). Which direction it counts is not documented, so nothing follows from it here."""
    environment: EnvironmentDefinition = option(EnvironmentDefinition, kw_only=True)
    history: HistoryConfiguration = option(HistoryConfiguration, kw_only=True)
    spark: SparkConfiguration = option(SparkConfiguration, kw_only=True)
    docker: DockerConfiguration = option(DockerConfiguration, later=True, kw_only=True)
    hdi: HdiConfiguration = option(HdiConfiguration, kw_only=True)
    batchai: BatchAiConfiguration = option(BatchAiConfiguration, later=True, kw_only=True)
    tensorflow: TensorflowConfiguration = option(TensorflowConfiguration, kw_only=True)
    mpi: MpiConfiguration = option(MpiConfiguration, kw_only=True)
    pytorch: PyTorchConfiguration = option(PyTorchConfiguration, later=True, kw_only=True)
    paralleltask: ParallelTaskConfiguration = option(ParallelTaskConfiguration, later=True, kw_only=True)
    container_instance: ContainerInstanceConfiguration = option(
        ContainerInstanceConfiguration, later=True, kw_only=True
    )
    data_references: dict[str, DataReferenceConfiguration] = option(dict, kw_only=True)
    data: dict[str, Data] = option(dict, kw_only=True)
    output_data: dict[str, OutputData] = option(dict, later=True, kw_only=True)
    datacaches: list[DatacacheConfiguration] = option(list, later=True, kw_only=True)
    source_directory_data_store: str | None = option(None, kw_only=True)
    amlcompute: AmlComputeConfiguration = option(AmlComputeConfiguration, kw_only=True)
    auto_cluster_compute_specification: dict[str, object] | None = option(None, later=True, kw_only=True)
    kubernetescompute: KubernetesComputeConfiguration = option(KubernetesComputeConfiguration, later=True, kw_only=True)
    credential_passthrough: bool = option(False, later=True, kw_only=True)
    command: str | list[str] | None = option("", later=True, kw_only=True)
    environment_variables: dict[str, str] = option(dict, later=True, kw_only=True)
    """At run time (1.34 and later); added to those of ``environment``."""
    services: dict[str, ApplicationEndpointConfiguration] = option(
        dict, key="applicationEndpoints", keys=("services",), later=True, kw_only=True
    )
    runyard: RunyardOptions = option(RunyardOptions, later=True, kw_only=True)

    conda_dependencies: InitVar[CondaDependencies | None] = None

    source: str = own(str)
    """The name it was read under, as errors call it."""
    document: dict[str, Any] = own(dict)
    """What it was read from, with the file's own spellings; empty when it was made here."""
    unknown: list[str] = own(list)
    """Keys that no release knows, with their path; they are ignored, and kept when the file is written."""
    notes: list[str] = own(list)
    """What a person should be told about the file, one sentence each."""
    loaded: Loaded | None = own(lambda: None)
    """The file it came from."""

    def __post_init__(self, conda_dependencies: CondaDependencies | None) -> None:
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies

    @property
    def prepare_environment(self) -> bool:
        """The name under which notebooks of 2018 knew ``auto_prepare_environment``."""
        return self.auto_prepare_environment

    @prepare_environment.setter
    def prepare_environment(self, value: bool) -> None:
        self.auto_prepare_environment = value

    @staticmethod
    def load(
        path: str | Path | None = None,
        name: str | None = None,
        *,
        project_object: Any = None,
        run_config_name: str = "",
    ) -> RunConfiguration:
        """Read a run configuration from disk; see :func:`runyard.runconfig.files.load`.

        Raises:
            RunconfigError: if there is none, there are several, or it cannot be read.
        """
        from runyard.runconfig.files import load, project_directory  # noqa: PLC0415 - reading alone needs none of it

        if project_object is not None:
            path = project_directory(project_object)
        return load(path if path is not None else Path(), run_config_name or name)

    def save(
        self, path: str | Path | None = None, name: str | None = None, separate_environment_yaml: bool = False
    ) -> Path:
        """Write it to disk; see :func:`runyard.runconfig.files.save`.

        Raises:
            RunconfigError: if it cannot be written as it is.
        """
        from runyard.runconfig.files import save  # noqa: PLC0415

        return save(self, path, name, separate_environment_yaml=separate_environment_yaml)
