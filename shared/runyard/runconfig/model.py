"""A run configuration as a value: the SDK's names in snake_case, its defaults, and our own keys under ``runyard``."""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from runyard.runconfig.sections import (
    AmlComputeConfiguration,
    ApplicationEndpointConfiguration,
    BatchAiConfiguration,
    ContainerInstanceConfiguration,
    Data,
    DatacacheConfiguration,
    DataReferenceConfiguration,
    DockerConfiguration,
    EnvironmentDefinition,
    HdiConfiguration,
    HistoryConfiguration,
    KubernetesComputeConfiguration,
    MpiConfiguration,
    OutputData,
    ParallelTaskConfiguration,
    PyTorchConfiguration,
    SparkConfiguration,
    TensorflowConfiguration,
    option,
)

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


@dataclass
class RunyardOptions:
    """``runyard``: what the format has no word for. Unlike elsewhere, a key that is not known is an error."""

    retries: int = option(0, within=(0, 100))
    """New attempts after the script failed."""
    on_preemption: int = option(0, within=(0, 100))
    """New attempts after the platform took the machine back."""
    priority: int = option(0, within=(-100, 100))
    """Higher goes first; what the event says, unless it is 0, comes before this."""


def _own(default: Any) -> Any:
    """A field that is not in the file."""
    return field(default_factory=default, metadata={"own": True}, repr=False, compare=False)


@dataclass
class RunConfiguration:
    """How to run a script: target, framework, environment, arguments."""

    script: str | None = None
    arguments: list[str] = option(list)
    """Each as its author wrote it: ``0.10`` stays ``0.10`` and ``true`` stays ``true``."""
    target: str = "local"
    framework: str = option("Python", allowed=FRAMEWORKS, zero="Python")
    communicator: str = option("None", allowed=COMMUNICATORS, zero="None")
    auto_prepare_environment: bool = option(True, keys=("prepareEnvironment",))
    """``False`` = fail if the environment is not built yet (until 1.0.43)."""
    max_run_duration_seconds: int | None = option(None, within=(1, None))
    node_count: int = option(1, within=(1, None))
    priority: int | None = None
    """The SDK's (1.25 and later). Which direction it counts is not documented, so nothing follows from it here."""
    environment: EnvironmentDefinition = option(EnvironmentDefinition)
    history: HistoryConfiguration = option(HistoryConfiguration)
    spark: SparkConfiguration = option(SparkConfiguration)
    docker: DockerConfiguration = option(DockerConfiguration)
    hdi: HdiConfiguration = option(HdiConfiguration)
    batchai: BatchAiConfiguration = option(BatchAiConfiguration)
    tensorflow: TensorflowConfiguration = option(TensorflowConfiguration)
    mpi: MpiConfiguration = option(MpiConfiguration)
    pytorch: PyTorchConfiguration = option(PyTorchConfiguration)
    paralleltask: ParallelTaskConfiguration = option(ParallelTaskConfiguration)
    container_instance: ContainerInstanceConfiguration | None = None
    data_references: dict[str, DataReferenceConfiguration] = option(dict)
    data: dict[str, Data] = option(dict)
    output_data: dict[str, OutputData] = option(dict)
    datacaches: list[DatacacheConfiguration] = option(list)
    source_directory_data_store: str | None = None
    amlcompute: AmlComputeConfiguration = option(AmlComputeConfiguration)
    auto_cluster_compute_specification: dict[str, object] | None = None
    kubernetescompute: KubernetesComputeConfiguration = option(KubernetesComputeConfiguration)
    credential_passthrough: bool = False
    command: str | list[str] | None = None
    environment_variables: dict[str, str] = option(dict)
    """At run time (1.34 and later); added to those of ``environment``."""
    services: dict[str, ApplicationEndpointConfiguration] = option(dict, keys=("applicationEndpoints",))
    runyard: RunyardOptions = option(RunyardOptions)

    source: str = field(default="", metadata={"own": True}, repr=False, compare=False)
    """The name it was read under, as errors call it."""
    unknown: list[str] = _own(list)
    """Keys that no release knows, with their path; they are ignored."""
    notes: list[str] = _own(list)
    """What a person should be told about the file, one sentence each."""

    @property
    def prepare_environment(self) -> bool:
        """The name under which notebooks of 2018 knew ``auto_prepare_environment``."""
        return self.auto_prepare_environment

    @prepare_environment.setter
    def prepare_environment(self, value: bool) -> None:
        self.auto_prepare_environment = value
