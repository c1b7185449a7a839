"""The sections that say which data a run reads and writes."""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runyard.runconfig.fields import option

DATA_MODES: Final = ("mount", "download", "upload")
MECHANISMS: Final = ("direct", "mount", "download", "upload")
OUTPUT_MECHANISMS: Final = ("mount", "upload", "direct", "hdfs")
"""The last two are of late releases."""


@dataclass(init=False)
class DataReferenceConfiguration:
    """One of ``dataReferences``."""

    data_store_name: str | None = option(None, keys=("datastore", "dataStore"))
    path_on_data_store: str | None = None
    mode: str = option("mount", allowed=DATA_MODES)
    overwrite: bool = False
    path_on_compute: str | None = None

    def __init__(
        self,
        datastore_name: str | None = None,
        mode: str = "mount",
        path_on_datastore: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool = False,
        *,
        data_store_name: str | None = None,
        path_on_data_store: str | None = None,
    ) -> None:
        """In the SDK the parameters and the attributes have not the same names; both are taken."""
        self.data_store_name = datastore_name if data_store_name is None else data_store_name
        self.path_on_data_store = path_on_datastore if path_on_data_store is None else path_on_data_store
        self.mode = mode
        self.overwrite = overwrite
        self.path_on_compute = path_on_compute


@dataclass
class Dataset:
    """``dataLocation.dataset``."""

    id: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass
class DataPath:
    """``dataLocation.dataPath`` (``datapath`` until 1.10)."""

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
    options: dict[str, object] | None = option(None, later=True)


@dataclass
class DatasetRegistrationOptions:
    """``registrationOptions.datasetRegistrationOptions``."""

    additional_transformation: str | None = None


@dataclass
class RegistrationOptions:
    """``additionalOptions.registrationOptions``."""

    name: str | None = None
    description: str | None = None
    tags: dict[str, object] | None = None
    properties: dict[str, object] | None = None
    dataset_registration_options: DatasetRegistrationOptions | None = None


@dataclass
class GlobsOptions:
    """``uploadOptions.sourceGlobs``."""

    patterns: list[str] | None = None


@dataclass
class UploadOptions:
    """``additionalOptions.uploadOptions``."""

    overwrite: bool = False
    source_globs: GlobsOptions | None = None


@dataclass
class MountOptions:
    """``additionalOptions.mountOptions``."""

    disable_metadata_cache: bool | None = None


@dataclass
class OutputOptions:
    """``outputData[].additionalOptions``."""

    path_on_compute: str | None = None
    registration_options: RegistrationOptions | None = None
    upload_options: UploadOptions | None = None
    mount_options: MountOptions | None = None


@dataclass
class OutputData:
    """One of ``outputData``."""

    output_location: DataLocation | None = None
    mechanism: str = option("mount", allowed=OUTPUT_MECHANISMS)
    additional_options: OutputOptions | str | None = None


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
