"""The other sections of a run configuration, as plain mutable values with the SDK's names and defaults.

A field's name in camelCase is its key on disk; :func:`~runyard.runconfig.fields.option` says what deviates. Defaults are those
of release 1.0.85 (of the release nearest to it that had the key, where 1.0.85 does not).
"""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from dataclasses import dataclass

from runyard.runconfig.fields import option


@dataclass
class AmbientAuthentication:
    """``history.ambientAuthentication`` (1.10 and later)."""

    method: str | None = None
    app_id: str | None = None
    secret: str | None = option(None, secret=True)
    tenant: str | None = None
    delete_secret_after_run: bool = False


@dataclass
class HistoryConfiguration:
    """``history``."""

    output_collection: bool = True
    snapshot_project: bool = True
    directories_to_watch: list[str] = option(lambda: ["logs"])
    ambient_authentication: AmbientAuthentication | None = option(None, later=True)


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
    node_count: int = option(1, within=(1, None), later=True)


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

    cpu_cores: float = option(1, within=(0, None))
    memory_gb: float = option(4, within=(0, None))
    region: str | None = None


@dataclass
class AmlComputeConfiguration:
    """``amlcompute``: a cluster for one run."""

    vm_size: str | None = None
    vm_priority: str | None = option(None, allowed=("dedicated", "lowpriority"))
    retain_cluster: bool = False
    name: str | None = None
    cluster_max_node_count: int | None = option(None, within=(1, None))
    location: str | None = option(None, later=True)
    """Only in 0.1.74."""


@dataclass
class KubernetesComputeConfiguration:
    """``kubernetescompute``."""

    instance_type: str | None = None


@dataclass
class ApplicationEndpointConfiguration:
    """One of ``applicationEndpoints``."""

    type: str | None = None
    port: int | None = option(None, within=(0, 65535))
    properties: dict[str, str] | None = None
