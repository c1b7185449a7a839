"""The public names and where they live; they are imported when they are first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_SECTIONS: Final = "runyard.runconfig.sections"
_ENVIRONMENT: Final = "runyard.runconfig.environment_sections"
_DATA: Final = "runyard.runconfig.data_sections"

PUBLIC: Final = {
    "AmbientAuthentication": _SECTIONS,
    "AmlComputeConfiguration": _SECTIONS,
    "ApplicationEndpointConfiguration": _SECTIONS,
    "BatchAiConfiguration": _SECTIONS,
    "Client": "runyard.sdk.client",
    "CondaDependencies": "runyard.environment.conda",
    "ContainerInstanceConfiguration": _SECTIONS,
    "ContainerRegistry": _ENVIRONMENT,
    "DEFAULT_CPU_IMAGE": _ENVIRONMENT,
    "DEFAULT_GPU_IMAGE": _ENVIRONMENT,
    "Data": _DATA,
    "DataLocation": _DATA,
    "DataPath": _DATA,
    "DataReferenceConfiguration": _DATA,
    "DatabricksCluster": _ENVIRONMENT,
    "DatabricksSection": _ENVIRONMENT,
    "DatacacheConfiguration": _DATA,
    "Dataset": _DATA,
    "DatasetRegistrationOptions": _DATA,
    "DockerBuildContext": _ENVIRONMENT,
    "DockerConfiguration": _SECTIONS,
    "DockerImagePlatform": _ENVIRONMENT,
    "DockerSection": _ENVIRONMENT,
    "EggLibrary": _ENVIRONMENT,
    "EnvironmentDefinition": _ENVIRONMENT,
    "GlobsOptions": _DATA,
    "HdiConfiguration": _SECTIONS,
    "HistoryConfiguration": _SECTIONS,
    "JarLibrary": _ENVIRONMENT,
    "KubernetesComputeConfiguration": _SECTIONS,
    "MavenLibrary": _ENVIRONMENT,
    "MountOptions": _DATA,
    "MpiConfiguration": _SECTIONS,
    "OutputData": _DATA,
    "OutputOptions": _DATA,
    "ParallelTaskConfiguration": _SECTIONS,
    "PyPiLibrary": _ENVIRONMENT,
    "PyTorchConfiguration": _SECTIONS,
    "PythonSection": _ENVIRONMENT,
    "RCranLibrary": _ENVIRONMENT,
    "RCranPackage": _ENVIRONMENT,
    "RGitHubPackage": _ENVIRONMENT,
    "RSection": _ENVIRONMENT,
    "RegistrationOptions": _DATA,
    "RegistryIdentity": _ENVIRONMENT,
    "Requirements": "runyard.runconfig.own_options",
    "Run": "runyard.runner.hook.runyard_hook",
    "RunConfiguration": "runyard.runconfig.model",
    "RunyardError": "runyard.errors",
    "RunyardOptions": "runyard.runconfig.own_options",
    "SparkConfiguration": _SECTIONS,
    "SparkPackage": _ENVIRONMENT,
    "SparkSection": _ENVIRONMENT,
    "TensorflowConfiguration": _SECTIONS,
    "UploadOptions": _DATA,
    "Uri": _DATA,
}
"""Public name to the module that holds it under the same name."""


def resolve(name: str) -> Any:
    """The object behind a public name.

    Raises:
        AttributeError: if there is no such name.
    """
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - 20 ms

        return version("runyard")
    module = PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'runyard' has no attribute {name!r}")
    return getattr(import_module(module), name)
