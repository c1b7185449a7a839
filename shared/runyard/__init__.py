"""Runyard: drop a snapshot, get a run.

``Run`` is what a script logs with, ``Client`` talks to a service, ``RunConfiguration`` and its parts are the files that say
how to run a script. Names are imported when they are first used, so that
``import runyard`` costs a script next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runyard.environment.conda import CondaDependencies
    from runyard.errors import RunyardError
    from runyard.runconfig.data_sections import (
        Data,
        DatacacheConfiguration,
        DataLocation,
        DataPath,
        DataReferenceConfiguration,
        Dataset,
        DatasetRegistrationOptions,
        GlobsOptions,
        MountOptions,
        OutputData,
        OutputOptions,
        RegistrationOptions,
        UploadOptions,
        Uri,
    )
    from runyard.runconfig.environment_sections import (
        DEFAULT_CPU_IMAGE,
        DEFAULT_GPU_IMAGE,
        ContainerRegistry,
        DatabricksCluster,
        DatabricksSection,
        DockerBuildContext,
        DockerImagePlatform,
        DockerSection,
        EggLibrary,
        EnvironmentDefinition,
        JarLibrary,
        MavenLibrary,
        PyPiLibrary,
        PythonSection,
        RCranLibrary,
        RCranPackage,
        RegistryIdentity,
        RGitHubPackage,
        RSection,
        SparkPackage,
        SparkSection,
    )
    from runyard.runconfig.model import RunConfiguration
    from runyard.runconfig.own_options import (
        Requirements,
        RunyardOptions,
    )
    from runyard.runconfig.sections import (
        AmbientAuthentication,
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
    from runyard.sdk.client import Client

    Run: Any
    __version__: str

__all__ = [  # noqa: RUF022 - by plain alphabet
    "AmbientAuthentication",
    "AmlComputeConfiguration",
    "ApplicationEndpointConfiguration",
    "BatchAiConfiguration",
    "Client",
    "CondaDependencies",
    "ContainerInstanceConfiguration",
    "ContainerRegistry",
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "Data",
    "DataLocation",
    "DataPath",
    "DataReferenceConfiguration",
    "DatabricksCluster",
    "DatabricksSection",
    "DatacacheConfiguration",
    "Dataset",
    "DatasetRegistrationOptions",
    "DockerBuildContext",
    "DockerConfiguration",
    "DockerImagePlatform",
    "DockerSection",
    "EggLibrary",
    "EnvironmentDefinition",
    "GlobsOptions",
    "HdiConfiguration",
    "HistoryConfiguration",
    "JarLibrary",
    "KubernetesComputeConfiguration",
    "MavenLibrary",
    "MountOptions",
    "MpiConfiguration",
    "OutputData",
    "OutputOptions",
    "ParallelTaskConfiguration",
    "PyPiLibrary",
    "PyTorchConfiguration",
    "PythonSection",
    "RCranLibrary",
    "RCranPackage",
    "RGitHubPackage",
    "RSection",
    "RegistrationOptions",
    "RegistryIdentity",
    "Requirements",
    "Run",
    "RunConfiguration",
    "RunyardError",
    "RunyardOptions",
    "SparkConfiguration",
    "SparkPackage",
    "SparkSection",
    "TensorflowConfiguration",
    "UploadOptions",
    "Uri",
    "__version__",
]


def __getattr__(name: str) -> Any:
    from runyard._exports import resolve  # noqa: PLC0415 - only when a name is asked for

    return resolve(name)
