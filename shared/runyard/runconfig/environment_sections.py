"""The sections below ``environment``, with the SDK's names and the defaults of release 1.0.85."""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runyard.runconfig.fields import option

if TYPE_CHECKING:
    from runyard.environment.conda import CondaDependencies

DEFAULT_CPU_IMAGE: Final = "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04"
DEFAULT_GPU_IMAGE: Final = "mcr.microsoft.com/azureml/base-gpu:intelmpi2018.3-cuda10.0-cudnn7-ubuntu16.04"


@dataclass
class PythonSection:
    """``environment.python``."""

    user_managed_dependencies: bool = False
    interpreter_path: str = "python"
    """Only meaningful when the dependencies are user-managed."""
    conda_dependencies_file: str | None = None
    base_conda_environment: str | None = None
    conda: CondaDependencies | None = option(None, key="condaDependencies", later=True)
    """Inline in submission bodies and in files written by hand; a loaded project has its conda file here."""

    @property
    def conda_dependencies(self) -> CondaDependencies:
        """The packages; where nothing says any, the SDK's default ones, to be added to."""
        if self.conda is None:
            from runyard.environment.conda import CondaDependencies  # noqa: PLC0415 - reading alone needs none of it

            self.conda = CondaDependencies()
        return self.conda

    @conda_dependencies.setter
    def conda_dependencies(self, value: CondaDependencies | None) -> None:
        self.conda = value


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
    password: str | None = option(None, secret=True)
    registry_identity: RegistryIdentity | None = option(None, later=True)


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
    build_context: DockerBuildContext | None = option(None, later=True)
    shared_volumes: bool = True
    gpu_support: bool = option(False, later=True)
    """Until 1.0.43."""
    shm_size: str | None = "2g"
    arguments: list[str] = option(list)
    base_image_registry: ContainerRegistry = option(ContainerRegistry)
    platform: DockerImagePlatform = option(DockerImagePlatform, later=True)


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
class MavenLibrary:
    """One of ``environment.databricks.mavenLibraries``."""

    coordinates: str = ""
    repo: str = ""
    exclusions: list[str] = option(list)


@dataclass
class PyPiLibrary:
    """One of ``environment.databricks.pypiLibraries``."""

    package: str = ""
    repo: str = ""


@dataclass
class RCranLibrary:
    """One of ``environment.databricks.rcranLibraries``."""

    package: str = ""
    repo: str = ""


@dataclass
class JarLibrary:
    """One of ``environment.databricks.jarLibraries``."""

    library: str = ""


@dataclass
class EggLibrary:
    """One of ``environment.databricks.eggLibraries``."""

    library: str = ""


@dataclass
class DatabricksCluster:
    """``environment.databricks.cluster``."""

    existing_cluster_id: str | None = None
    spark_version: str | None = None
    node_type: str | None = None
    instance_pool_id: str | None = None
    num_workers: int | None = None
    min_workers: int | None = None
    max_workers: int | None = None
    spark_env_variables: dict[str, object] | None = None
    spark_conf: dict[str, object] | None = None
    init_scripts: list[object] | None = None
    cluster_log_dbfs_path: str | None = None
    permit_cluster_restart: bool | None = None


@dataclass
class DatabricksSection:
    """``environment.databricks``."""

    maven_libraries: list[MavenLibrary] = option(list)
    pypi_libraries: list[PyPiLibrary] = option(list)
    rcran_libraries: list[RCranLibrary] = option(list)
    jar_libraries: list[JarLibrary] = option(list)
    egg_libraries: list[EggLibrary] = option(list)
    cluster: DatabricksCluster | None = option(None, later=True)


@dataclass
class RCranPackage:
    """One of ``environment.r.cranPackages``."""

    name: str | None = None
    version: str | None = None
    repository: str | None = None


@dataclass
class RGitHubPackage:
    """One of ``environment.r.githubPackages``."""

    repository: str | None = None
    auth_token: str | None = option(None, secret=True)


@dataclass
class RSection:
    """``environment.r``."""

    r_version: str | None = None
    user_managed: bool = False
    rscript_path: str | None = None
    snapshot_date: str | None = None
    cran_packages: list[RCranPackage] | None = None
    github_packages: list[RGitHubPackage] | None = None
    custom_url_packages: list[str] | None = None
    bioconductor_packages: list[str] | None = None


@dataclass
class EnvironmentDefinition:
    """``environment``: what the script runs in."""

    name: str | None = None
    version: str | None = None
    environment_variables: dict[str, str] = option(dict)
    python: PythonSection = option(PythonSection)
    docker: DockerSection = option(DockerSection)
    spark: SparkSection = option(SparkSection)
    databricks: DatabricksSection = option(DatabricksSection)
    r: RSection | None = option(None, later=True)
    inferencing_stack_version: str | None = None
    asset_id: str | None = option(None, later=True)
