"""From which era a file is, and the defaults of that era for the keys it leaves out.

Releases are told apart by the keys they brought or dropped (28 of them were compared); within an era only one can be taken.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runyard.runconfig.environment_sections import (
    DockerSection,
    EnvironmentDefinition,
    PythonSection,
    SparkPackage,
    SparkSection,
)
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.sections import AmlComputeConfiguration, TensorflowConfiguration

_IMAGES: Final = "mcr.microsoft.com/azureml/"
_MMLSPARK: Final = {
    "repositories": ["https://mmlspark.azureedge.net/maven"],
    "packages": [SparkPackage("com.microsoft.ml.spark", "mmlspark_2.11", "0.12")],
}
_CONDA_FILE: Final = {"conda_dependencies_file": "aml_config/conda_dependencies.yml"}

ERAS: Final[dict[str, dict[type, dict[str, Any]]]] = {
    "0.1.59": {
        TensorflowConfiguration: {"worker_count": 2},
        DockerSection: {"base_image": _IMAGES + "base:0.1.3"},
        SparkSection: _MMLSPARK,
        PythonSection: _CONDA_FILE,
    },
    "0.1.80": {
        DockerSection: {"base_image": _IMAGES + "base:0.1.4"},
        SparkSection: _MMLSPARK,
        PythonSection: _CONDA_FILE,
        AmlComputeConfiguration: {"cluster_max_node_count": 1},
    },
    "1.0.2": {
        DockerSection: {"base_image": _IMAGES + "base:0.2.0"},
        SparkSection: _MMLSPARK,
        PythonSection: _CONDA_FILE,
        AmlComputeConfiguration: {"cluster_max_node_count": 1},
    },
    "1.0.85": {},
    "1.61.0": {
        RunConfiguration: {"script": None},
        EnvironmentDefinition: {"name": "default-environment"},
        DockerSection: {"base_image": _IMAGES + "openmpi4.1.0-ubuntu22.04:20251130.v1"},
    },
}
"""By the release that stands for an era: what differs there from the defaults of 1.0.85."""

DEFAULT_ERA: Final = "1.0.85"

HOLD_DEFAULTS: Final = frozenset({EnvironmentDefinition, *(cls for era in ERAS.values() for cls in era)})
"""The sections that have such defaults, or hold one that has."""

_SINCE_1_20: Final = frozenset(
    {
        "docker",
        "pytorch",
        "priority",
        "command",
        "credentialpassthrough",
        "environmentvariables",
        "applicationendpoints",
        "datacaches",
        "kubernetescompute",
        "autoclustercomputespecification",
    }
)


def era_of(keys: Iterable[str]) -> str:
    """The era of a file, from its folded top-level keys; that of 1.0.85 where they do not tell."""
    known = frozenset(keys)
    if known & _SINCE_1_20:
        return "1.61.0"
    if "batchai" in known or ("containerinstance" in known and "nodecount" not in known and len(known) > 8):
        return "0.1.59"
    if "containerinstance" in known:
        return "0.1.80"
    if "autoprepareenvironment" in known:
        return "1.0.2"
    return DEFAULT_ERA


def defaults_of(era: str, cls: type) -> Mapping[str, Any]:
    """What a section's fields default to in an era, where that differs from the defaults of 1.0.85."""
    different = ERAS[era].get(cls)
    return copy.deepcopy(different) if different else {}
