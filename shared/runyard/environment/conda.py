"""``CondaDependencies``: the packages of an environment, as users of the Azure ML SDK v1 know them.

It works without a network and without conda: it reads, changes, writes and compares what a ``conda_dependencies.yml`` says.
"""

from __future__ import annotations

import codecs
import copy
import os
from pathlib import Path
from typing import Any, Final

from runyard.environment import conda_normal
from runyard.environment.conda_document import KEYS, Document, pip_lists, read_text, read_value
from runyard.environment.conda_editing import CondaEditing, list_argument
from runyard.environment.conda_merging import merge_into, merged_requirements
from runyard.environment.conda_pip import fault_of_pip
from runyard.environment.conda_secrets import mask_url_credentials
from runyard.environment.requirements import read_requirements
from runyard.environment.specification import conda_name, fault_of_conda
from runyard.errors import RunconfigError
from runyard.runconfig.yaml12 import MAX_BYTES

__all__ = ["PYTHON_DEFAULT_VERSION", "CondaDependencies", "mask_url_credentials"]

PYTHON_DEFAULT_VERSION: Final = "3.6.2"
"""Python of a new file, as the SDK 1.0.85 writes it."""

_DEFAULT_PACKAGE: Final = "azureml-defaults"
_AUTO_NAME: Final = "auto_conda_dependencies.yml"
_INLINE: Final = "condaDependencies"


def _default() -> Document:
    return {
        "name": "project_environment",
        "dependencies": [f"python={PYTHON_DEFAULT_VERSION}", {"pip": [_DEFAULT_PACKAGE]}],
        "channels": ["conda-forge"],
    }


class CondaDependencies(CondaEditing):
    """The packages that a script needs: conda packages, pip packages and options, channels.

    A new one asks for Python 3.6.2 from conda-forge and ``azureml-defaults`` from pip. One that was loaded is written back as
    it was: only the lines of what was changed differ, comments stay.

    Args:
        conda_dependencies_file_path: A conda file to load.
        _underlying_structure: The content of a conda file as a value, such as ``condaDependencies`` inside a run
            configuration. It is copied, where the SDK would change the caller's own.

    Raises:
        RunconfigError: naming the file, the line and the key, what was found and what is allowed.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        conda_dependencies_file_path: str | os.PathLike[str] | None = None,
        _underlying_structure: dict[str, Any] | None = None,
    ) -> None:
        self._path: Path | None = None
        self._name = _INLINE
        self._source: bytes | None = None
        if conda_dependencies_file_path:
            self._path = Path(conda_dependencies_file_path)
            self._name = str(conda_dependencies_file_path)
            self._source = _content(self._path)
            self._document = read_text(self._source, self._name)
        elif _underlying_structure is not None:
            self._document = read_value(_underlying_structure, _INLINE)
        else:
            self._document = _default()
        self._written = copy.deepcopy(self._document)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CondaDependencies:
        """Load a conda file: YAML 1.2 or JSON, at most 1 MiB.

        Raises:
            RunconfigError: if it cannot be read.
        """
        return cls(path)

    @classmethod
    def from_text(cls, data: bytes | str, name: str = "conda_dependencies.yml") -> CondaDependencies:
        """Read a conda file's content; ``name`` is how errors call it.

        Raises:
            RunconfigError: if it cannot be read.
        """
        loaded = cls(_underlying_structure={})
        loaded._name = name
        loaded._source = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        loaded._document = read_text(loaded._source, name)
        loaded._written = copy.deepcopy(loaded._document)
        return loaded

    @classmethod
    def from_document(cls, document: object, name: str = _INLINE) -> CondaDependencies:
        """Take the content of a conda file as a value; ``name`` is how errors call it.

        Raises:
            RunconfigError: if it is not one.
        """
        loaded = cls(_underlying_structure=read_value(document, name))
        loaded._name = name
        return loaded

    @classmethod
    def from_requirements(
        cls, text: bytes | str, name: str = "requirements.txt", *, python_version: str | None = None
    ) -> CondaDependencies:
        """The packages of a ``requirements.txt``: what counts when there is no conda file.

        There is no conda package in it but Python, if a version is given; otherwise the compute's own Python serves. Files
        named by ``-r`` and ``-c`` are not opened, their lines stay options.

        Raises:
            RunconfigError: naming the file and the line that pip would refuse.
        """
        entries = read_requirements(text, name)
        loaded = cls(_underlying_structure={"name": "project_environment", "dependencies": []})
        loaded._name = name
        if python_version is not None:
            loaded.set_python_version(python_version)
        if entries:
            loaded._document["dependencies"].append({"pip": entries})
        loaded._written = copy.deepcopy(loaded._document)
        return loaded

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: list[str] | None = None,
        conda_packages: list[str] | None = None,
        python_version: str | None = PYTHON_DEFAULT_VERSION,
        pin_sdk_version: bool = True,  # noqa: ARG004 - scripts pass it
    ) -> CondaDependencies:
        """New dependencies.

        Args:
            pip_indexurl: The index that pip asks. The SDK adds the public index to it, so that a package of a private index can
                be taken from the public one by its name; here only what is given is asked.
            pip_packages: Packages and options for pip. They take the place of the default ``azureml-defaults``.
            conda_packages: Packages for conda.
            python_version: Python's version; ``None`` asks for none.
            pin_sdk_version: Accepted; nothing is pinned, since no SDK is installed whose version it could be.

        Raises:
            RunconfigError: if an entry is none that conda or pip understands.
        """
        made = CondaDependencies()
        if python_version is None:
            made._document["dependencies"].pop(0)
        else:
            made.set_python_version(python_version)
        if pip_packages is not None:
            made.set_pip_requirements([])
        if pip_indexurl:
            made.set_pip_index_url(pip_indexurl)
        for entry in list_argument(pip_packages, "pip_packages"):
            made.set_pip_option(entry) if entry.startswith("-") else made.add_pip_package(entry)
        for package in list_argument(conda_packages, "conda_packages"):
            made.add_conda_package(package)
        return made

    @staticmethod
    def merge_requirements(requirements: list[str]) -> list[str]:
        """Requirements with those of one name joined: ``a>=1`` and ``A[x]<2`` give ``a[x]>=1,<2``.

        Entries with different markers, URLs and options stay as they are. (The SDK loses extras and takes ``A`` and ``a`` for
        two packages.)

        Raises:
            RunconfigError: if it is no list of texts.
        """
        return merged_requirements(list_argument(requirements, "requirements"))

    @staticmethod
    def sdk_origin_url() -> str:
        """The index that the SDK came from: ``""``, since none is involved and pip's own configuration decides."""
        return ""

    @staticmethod
    def get_default_number_of_packages() -> tuple[int, int]:
        """How many conda and pip packages a new object has: Python, and ``azureml-defaults``."""
        return 1, 1

    def merge(self, other: CondaDependencies) -> None:
        """Take over what another one has: its packages replace ours of the same name, its channels come behind ours.

        pip options and ``variables`` are taken over too, which the SDK loses.

        Raises:
            RunconfigError: for an entry that conda or pip would not understand; nothing is taken over then.
        """
        before = self.as_dict()
        try:
            merge_into(self, self._document, other, other.as_dict())
        except RunconfigError:
            self._document = before
            raise

    merge_conda_dependencies = merge
    _merge_dependencies = merge

    def validate(self) -> None:
        """Check each entry as conda and pip would, and that Python is among the packages.

        Loading and saving do not ask for it: a file may belong to a user's own environment that nobody builds. (The SDK
        refuses to save without Python.)

        Raises:
            RunconfigError: naming the first entry that is wrong.
        """
        faults = [*map(fault_of_conda, self.conda_packages)]
        faults += [fault_of_pip(entry) for entries in pip_lists(self._document) for entry in entries]
        fault = next(filter(None, faults), None)
        if fault is None and "python" not in map(conda_name, self.conda_packages):
            fault = "python is not among the dependencies; add a line such as '- python=3.8'"
        if fault:
            raise RunconfigError(f"{self._name}: {fault}")

    @property
    def name(self) -> str | None:
        """The environment's name in the file; it says nothing about the packages."""
        return self._document.get("name")

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that the file sets: a copy."""
        return dict(self._document.get("variables", {}))

    @property
    def unknown_keys(self) -> list[str]:
        """Keys of the file that conda does not know; they are kept and mean nothing."""
        return [key for key in self._document if key not in KEYS]

    def as_dict(self) -> dict[str, Any]:
        """The content as plain values: a copy."""
        return copy.deepcopy(self._document)

    def normalised(self) -> dict[str, Any]:
        """The content reduced to what decides which packages are installed, written in one way; itself a conda document.

        Comments, order of packages and keys, ``name``, ``prefix``, blanks, casing of names and repeated lines do not matter;
        channels and pip options with their order, versions, builds, extras, markers and ``variables`` do.
        """
        return conda_normal.normalised(self._document)

    def canonical_bytes(self) -> bytes:
        """The normal form as JSON; credentials in URLs are in it."""
        return conda_normal.canonical_bytes(self._document)

    def digest(self) -> str:
        """What identifies the environment: SHA-256 of :meth:`canonical_bytes` in hexadecimal."""
        return conda_normal.digest(self._document)

    def redacted(self) -> dict[str, Any]:
        """The content with the credentials in URLs and the secrets among ``variables`` masked, for showing."""
        return conda_normal.redacted(self._document)

    def to_bytes(self) -> bytes:
        """The file's content: the very bytes that were loaded if nothing was changed, else with the least change."""
        from runyard.environment.conda_text import fresh, rewritten  # noqa: PLC0415 - most files are only read

        if self._source is None:
            return fresh(self._document).encode("utf-8", "surrogatepass")
        if self._document == self._written:
            return self._source
        encoding = _encoding(self._source)
        text = self._source.decode(encoding)
        bare = text.removeprefix("\ufeff")
        return (text[: len(text) - len(bare)] + rewritten(bare, self._written, self._document)).encode(encoding)

    def serialize_to_string(self) -> str:
        """The file's content as text, credentials included; ``str()`` gives it for showing."""
        data = self.to_bytes()
        return data.decode(_encoding(data)).removeprefix("\ufeff")

    def save(self, path: str | os.PathLike[str] | None = None) -> str:
        """Write the file, byte for byte what was loaded where nothing was changed.

        Args:
            path: Where to; without it, where it was loaded from or last saved.

        Returns:
            The path, with forward slashes.

        Raises:
            RunconfigError: if the path is a folder, its folder does not exist, or it cannot be written.
        """
        target = self._path if path is None else Path(path)
        if target is None:
            raise RunconfigError("nothing says where to save the conda file; give save() a path with a file name")
        if target.is_dir():
            raise RunconfigError(f"{target} is a folder; give save() a path with a file name")
        if not target.parent.is_dir():
            raise RunconfigError(f"the folder {target.parent} does not exist; make it first")
        data = self.to_bytes()
        try:
            target.write_bytes(data)
        except OSError as error:
            raise RunconfigError(f"{target} cannot be written: {error.strerror}") from error
        self._path, self._source = target, data
        self._written = copy.deepcopy(self._document)
        return target.as_posix()

    def save_to_file(
        self, base_directory: str | os.PathLike[str], conda_file_path: str | os.PathLike[str] | None = None
    ) -> str:
        """Write the file into a project; :meth:`save` is the newer way.

        Args:
            base_directory: The project.
            conda_file_path: Where in it; else ``auto_conda_dependencies.yml`` in ``aml_config``, if that exists, or
                ``.azureml``, which is made if need be.

        Returns:
            The path relative to the project, with forward slashes.

        Raises:
            RunconfigError: if it cannot be written.
        """
        base = Path(base_directory)
        if conda_file_path:
            relative = Path(str(conda_file_path).replace("\\", "/"))
        else:
            folder = "aml_config" if (base / "aml_config").is_dir() else ".azureml"
            if base.is_dir():
                (base / folder).mkdir(exist_ok=True)
            relative = Path(folder, _AUTO_NAME)
        self.save(base / relative)
        return relative.as_posix()

    def __eq__(self, other: object) -> bool:
        return self._document == other._document if isinstance(other, CondaDependencies) else NotImplemented

    def __repr__(self) -> str:
        counts = f"{len(self.conda_packages)} conda packages, {len(self.pip_packages)} pip packages"
        return f"<CondaDependencies: python {self.get_python_version()}, {counts}>"

    def __str__(self) -> str:
        from runyard.environment.conda_text import fresh  # noqa: PLC0415 - most files are only read

        return fresh(self.redacted())


def _encoding(data: bytes) -> str:
    """The encoding of a file that could be read: its byte order mark is kept apart, so that it stays."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if data.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    return "utf-8"


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise RunconfigError(f"there is no conda file at {path}") from None
    except OSError as error:
        raise RunconfigError(f"{path} cannot be read: {error.strerror}") from error
