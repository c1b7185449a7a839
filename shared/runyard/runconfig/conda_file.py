"""The conda file that belongs to a run configuration on disk."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runyard.errors import RunconfigError
from runyard.runconfig.document import has_inline_conda
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside

if TYPE_CHECKING:
    from runyard.environment.conda import CondaDependencies
    from runyard.runconfig.read import Files

FILE: Final = "conda_dependencies.yml"
REQUIREMENTS: Final = "requirements.txt"
"""At the top of the project; read where there is no conda file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What saving a run configuration does for its conda file."""

    name: str | None
    """Its path, relative to the project."""
    writes: dict[Path, bytes] = field(default_factory=dict)


def attach(config: RunConfiguration, folder: str, files: Files, *, unused: bool = False) -> None:
    """Read the conda file that a run configuration names, or the one beside it, if its packages are not inline.

    Args:
        config: Gets the packages.
        folder: That of the run configuration.
        files: Gives files of the project.
        unused: Read the file also where dependencies are the user's own, for whoever looks at it: then it may be spoiled.

    Raises:
        RunconfigError: if the file is there and cannot be read.
    """
    python = config.environment.python
    if python.conda is not None:
        return
    if not python.user_managed_dependencies:
        found = packages_of(config, folder, files)
        python.conda = found.conda
        config.notes += [f"{config.source}: {found.note}"] if found.note else []
        return
    place = inside(python.conda_dependencies_file or f"{folder}/{FILE}")
    data = files(place) if place is not None and unused else None
    if data is not None and place is not None:
        with suppress(RunconfigError):
            python.conda = _conda().from_text(data, place)


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages of a run configuration whose environment is to be prepared."""

    conda: CondaDependencies | None
    """``None`` where no file lists any."""
    source: str = ""
    """What lists them, for people."""
    note: str = ""
    """What is unusual about it."""
    is_missing: bool = False
    """Whether the run configuration names a file that is not there."""


def packages_of(config: RunConfiguration, folder: str, files: Files) -> Packages:
    """Find the packages: inline, in the file that is named or the one beside it, else in ``requirements.txt``; reads only.

    Args:
        config: A run configuration whose dependencies are not the user's own.
        folder: That of the run configuration.
        files: Gives files of the project.

    Raises:
        RunconfigError: if the file is there and cannot be read.
    """
    python = config.environment.python
    if python.conda is not None:
        return Packages(python.conda, "condaDependencies in the run configuration")
    named = python.conda_dependencies_file
    place = inside(named) if named else f"{folder}/{FILE}"
    data = files(place) if place is not None else None
    if data is not None and place is not None:
        return Packages(_conda().from_text(data, place), place)
    if (data := files(REQUIREMENTS)) is not None:
        note = f"there is no conda file; the packages are those of {REQUIREMENTS}"
        return Packages(_conda().from_requirements(data, REQUIREMENTS), REQUIREMENTS, note)
    if named:
        return Packages(
            None,
            note=f"condaDependenciesFile is {named[:120]!r}, and there is no such file",
            is_missing=is_named(config),
        )
    return Packages(None)


def is_named(config: RunConfiguration) -> bool:
    """Whether the file itself names a conda file; the early eras' default need not be there."""
    found: object = config.document
    for key in ("environment", "python", "condadependenciesfile"):
        if not isinstance(found, dict):
            return isinstance(found, str)  # the file that holds the environment
        found = next((value for name, value in found.items() if name.replace("_", "").lower() == key), None)
    return found is not None


def _conda() -> type[CondaDependencies]:
    from runyard.environment.conda import CondaDependencies  # noqa: PLC0415 - reading alone needs none of it

    return CondaDependencies


def identity(conda: CondaDependencies | None) -> bytes | None:
    """The packages as bytes, to tell whether they were changed."""
    return None if conda is None else to_bytes(conda)


def to_bytes(conda: CondaDependencies) -> bytes:
    """The conda file's content."""
    return conda.to_bytes()


def plan(config: RunConfiguration, root: Path, folder: str, target: Path) -> Plan:
    """Which conda file to write: none when nothing changed, and never over one that others were written for.

    The SDK writes every run configuration's packages to one shared file, so that the last one saved wins; here a file that
    says something else, and is not the one that was loaded, stays.
    """
    python = config.environment.python
    loaded = config.loaded
    if has_inline_conda(config) or (python.user_managed_dependencies and python.conda is None):
        return Plan(None)
    if loaded is None and not python.user_managed_dependencies:
        conda: CondaDependencies | None = python.conda_dependencies
    else:
        conda = python.conda
    if conda is None or (
        python.user_managed_dependencies and loaded is not None and _only_looked_at(conda, loaded.conda)
    ):
        return Plan(None)
    data = to_bytes(conda)
    name = inside(python.conda_dependencies_file or "") or f"{folder}/{FILE}"
    place = root / name
    is_ours = loaded is not None and loaded.root == root and loaded.conda is not None
    if is_ours and loaded is not None and loaded.conda == data:
        return Plan(name)
    if place.is_file() and not is_ours and not _same(place, conda):
        name = f"{folder}/{target.stem}_{FILE}"
        place = root / name
    return Plan(name, {place: data})


def _only_looked_at(conda: CondaDependencies, before: bytes | None) -> bool:
    """Whether the packages came to be by a glance at an attribute that makes the default ones."""
    return before is None and conda.digest() == _conda()().digest()


def _same(place: Path, conda: CondaDependencies) -> bool:
    with suppress(RunconfigError):
        return _conda().from_text(place.read_bytes(), str(place)).digest() == conda.digest()
    return False
