"""Run configurations to begin with: one commented template per kind of compute, and for what they are usually combined with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runyard.errors import RunconfigError
from runyard.runconfig.convert import nearest
from runyard.runconfig.paths import inside
from runyard.runconfig.yaml12 import load

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*")
_CONDA_PATH: Final = "conda_dependencies.yml"


@dataclass(frozen=True, slots=True)
class Template:
    """A run configuration to begin with."""

    name: str
    kind: str
    """Of compute."""
    about: str
    """One line on what it is for."""
    target: str
    parts: tuple[str, ...]
    """The sections after the script, in the file's order."""
    has_packages: bool
    """Whether a conda file goes with it."""


_USER_MANAGED: Final = """\
environment:
  python:
    # The interpreter is there already, with its packages; nothing is installed.
    userManagedDependencies: true
    # A path on the compute; `python` is the one that the compute has.
    interpreterPath: python
  # Set for the script. Secrets do not belong here: the file is in the snapshot.
  environmentVariables: {}
"""

_CONDA: Final = """\
environment:
  python:
    # The packages of the file below are installed once, and again when it changes.
    userManagedDependencies: false
    condaDependenciesFile: $conda
  environmentVariables: {}
"""

_DOCKER: Final = """\
environment:
  python:
    # The packages of the file below are installed into the container's image.
    userManagedDependencies: false
    condaDependenciesFile: $conda
  docker:
    # The script runs in a container of this image.
    enabled: true
    baseImage: python:3.11
    sharedVolumes: true
    shmSize: 2g
    # Of these: --gpus --memory --cpus --shm-size --ulimit --env
    arguments: []
  environmentVariables: {}
"""

_SPARK: Final = """\
environment:
  python:
    # The cluster's own Python.
    userManagedDependencies: true
    interpreterPath: python
  spark:
    # Maven packages, each with group, artifact and version.
    packages: []
    repositories: []
    precachePackages: false
  environmentVariables: {}
spark:
  configuration:
    spark.app.name: $name
    spark.executor.memory: 4g
    spark.executor.cores: 2
    spark.executor.instances: 2
hdi:
  # cluster, or client.
  yarnDeployMode: cluster
"""

_PYTHON: Final = "framework: Python\n"
_PYSPARK: Final = "framework: PySpark\n"
_MPI: Final = """\
framework: Python
# OpenMpi or IntelMpi.
communicator: OpenMpi
# Machines; the script runs so many times on each as `mpi` says.
nodeCount: 2
mpi:
  processCountPerNode: 1
"""
_ACI: Final = """\
containerInstance:
  # Null is the region of the compute.
  region:
  # Cores, and GB; both may have a fraction.
  cpuCores: 1
  memoryGb: 3.5
"""
_END: Final = """\
# Seconds; the run is ended when it takes longer. Null is no limit.
maxRunDurationSeconds: 3600
history:
  # What the script writes to outputs/ is kept.
  outputCollection: true
  # Folders whose files can be followed while the script runs.
  directoriesToWatch:
  - logs
# What the format has no word for.
runyard:
  # New attempts after the script failed.
  retries: 0
  # New attempts after the machine was taken back.
  # on_preemption: 0    # by default 3 on a compute declared spot, else 0
"""

CONDA_FILE: Final = """\
# The packages of the script; see `condaDependenciesFile` in the run configuration.
name: project_environment
channels:
- conda-forge
dependencies:
- python=3.11
- pip
# - scikit-learn
# - pip:
#   - a-package-of-pypi==1.0
"""

TEMPLATES: Final = (
    Template("local", "local", "this machine, with its own Python", "local", (_PYTHON, _USER_MANAGED, _END), False),
    Template("conda", "local", "this machine, with packages of its own", "local", (_PYTHON, _CONDA, _END), True),
    Template("docker", "local", "this machine, in a container", "local", (_PYTHON, _DOCKER, _END), True),
    Template("ssh", "ssh", "a machine reached by ssh", "my-vm", (_PYTHON, _USER_MANAGED, _END), False),
    Template("aci", "aci", "Azure Container Instances", "containerinstance", (_PYTHON, _DOCKER, _ACI, _END), True),
    Template("batch", "batch", "a pool of Azure Batch", "my-pool", (_PYTHON, _DOCKER, _END), True),
    Template("mpi", "batch", "several nodes of a pool, by MPI", "my-pool", (_MPI, _DOCKER, _END), True),
    Template("livy", "livy", "a Spark cluster, by Livy", "my-cluster", (_PYSPARK, _SPARK, _END), False),
)

_ALSO: Final = {
    "spark": "livy",
    "hdi": "livy",
    "hdinsight": "livy",
    "vm": "ssh",
    "remote": "ssh",
    "containerinstance": "aci",
    "amlcompute": "batch",
}


def find_template(name: str) -> Template:
    """The template of a name, or of a kind.

    Raises:
        RunconfigError: if there is none, naming those there are and the nearest.
    """
    wanted = name.lower()
    for template in TEMPLATES:
        if template.name == _ALSO.get(wanted, wanted):
            return template
    names = [template.name for template in TEMPLATES]
    raise RunconfigError(
        f"there is no template {name[:60]!r}; those are {', '.join(names)}{nearest(name, [*names, *_ALSO])}"
    )


def fill(template: Template, *, script: str, name: str, folder: str, arguments: Sequence[str] = ()) -> str:
    """The text of a run configuration.

    Args:
        template: Which one.
        script: Path of the script in the snapshot.
        name: Of the run configuration.
        folder: ``aml_config`` or ``.azureml``.
        arguments: Of the script.

    Raises:
        RunconfigError: if the script is not inside the snapshot.
    """
    safe = inside(script)
    if safe is None:
        raise RunconfigError(f"the script is {script[:120]!r}; it must be a relative path inside the snapshot")
    listed = "".join(f"\n- {_scalar(argument)}" for argument in arguments) or " []"
    head = (
        f"# {template.about[:1].upper()}{template.about[1:]}. What is not said has the defaults of Azure ML's SDK 1.0.85;\n"
        "# `runyard config show` lists them, `runyard config check` says what would run.\n"
        f"# Path of the script in the snapshot.\nscript: {_scalar(safe)}\narguments:{listed}\n"
        f"# The compute, by its name or an alias of it.\ntarget: {template.target}\n"
    )
    body = "".join(template.parts).replace("$conda", f"{folder}/{_CONDA_PATH}").replace("$name", _scalar(name))
    return head + body


def _scalar(text: str) -> str:
    """A text as a YAML scalar."""
    is_plain = _PLAIN.fullmatch(text) and load(f"- {text}\n".encode(), "") == [text]
    return text if is_plain else json.dumps(text, ensure_ascii=False)
