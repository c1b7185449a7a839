"""Where a run configuration comes from when a command is given a file, a directory or a zip."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runyard.errors import NotFoundError, RunconfigError, SnapshotError
from runyard.events.blob import SUFFIX as ZIP
from runyard.events.blob import sidecar_names
from runyard.runconfig.explain import Place
from runyard.runconfig.files import files_of, read_bytes
from runyard.runconfig.locate import BODIES, FOLDERS, Choice, Other, is_candidate, is_setting, keeper, weigh
from runyard.runconfig.yaml12 import MAX_BYTES
from runyard.snapshot.archive import Archive, open_archive
from runyard.snapshot.ignore import IGNORE_FILES, Ignores, read_ignores
from runyard.snapshot.tree import list_sources

_ZIP_BEGINS: Final = (b"PK\x03\x04", b"PK\x05\x06")


class _Directory:
    """A project's directory, as ``submit`` would pack it."""

    what = "the directory"

    def __init__(self, root: Path, names: frozenset[str] | None = None) -> None:
        self.root = root
        self._names = names
        """Of the files that are packed; ``None`` = all that are there."""
        self._files = files_of(root)

    def has(self, path: str) -> bool:
        if self._names is not None:
            return path in self._names
        real = os.path.realpath(self.root / path)
        return os.path.isfile(real) and real.startswith(os.path.realpath(self.root) + os.sep)  # noqa: PTH113

    def read(self, path: str) -> bytes | None:
        return self._files(path) if self.has(path) else None


class _Zip:
    """A zip, read by ranges."""

    what = "the zip"

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def has(self, path: str) -> bool:
        return path in self.archive.find(path)

    def read(self, path: str) -> bytes | None:
        entry = self.archive.find(path).get(path)
        return None if entry is None else self.archive.read(entry, MAX_BYTES)


@dataclass(slots=True)
class Selected:
    """The run configuration that counts."""

    given: Path
    name: str
    """Its path in the directory or zip, or beside the zip."""
    data: bytes
    place: Place
    """Where the files are that it speaks of."""
    choice: Choice
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What a submission would say of the directory or zip."""


def select(path: Path, wanted: str | None = None) -> Selected:
    """Find the run configuration that counts.

    Args:
        path: A run configuration, a project's directory, or a zip.
        wanted: Which one of a directory or zip, as ``--runconfig`` names it.

    Raises:
        NotFoundError: if there is nothing at ``path``.
        RunconfigError: if there is no run configuration, or there are several.
        SnapshotError: if the zip cannot be read.
    """
    if path.is_dir():
        return _of_directory(path, wanted)
    if not path.exists():
        raise NotFoundError(f"there is no file or directory {str(path)[:200]!r}")
    if not path.is_file():
        raise RunconfigError(f"{path} is neither a file nor a directory")
    if _is_zip(path):
        return _of_zip(path, wanted)
    if wanted:
        raise RunconfigError(f"{path} is a run configuration itself; --runconfig names one of a directory or a zip")
    return _of_file(path)


def is_container(path: Path) -> bool:
    """Whether there may be several run configurations at a path."""
    return path.is_dir() or (path.is_file() and _is_zip(path))


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() == ZIP or file.read(4) in _ZIP_BEGINS


def _of_file(path: Path) -> Selected:
    if path.suffix.lower() == ".compute":
        raise RunconfigError(f"{path} describes a compute target; give the run configuration that names it")
    whole = path.absolute()
    folder = whole.parent
    root = folder.parent if folder.name in FOLDERS else folder
    name = whole.relative_to(root).as_posix()
    return Selected(path, name, read_bytes(path), _Directory(root), Choice(name, "it is the file that was given"))


def _of_directory(path: Path, wanted: str | None) -> Selected:
    notes, problems = [], []
    absolute = path.absolute()
    if absolute.name in FOLDERS:
        path = absolute.parent
        notes.append(f"{absolute.name}/ belongs to a project: {path} is what is submitted")
    ignores = read_ignores(path)
    try:
        sources = list_sources(path, ignores, is_setting)
        names = frozenset(source.name for source in sources if not source.is_folder)
        place = _Directory(path, names)
    except SnapshotError as error:
        problems.append(error.message)
        names, place = _at_hand(path), _Directory(path)
    try:
        choice = weigh(names, wanted)
    except RunconfigError as error:
        what = error.message.replace("the snapshot holds", "the directory holds")
        raise RunconfigError(f"{path}: {what}") from None
    data = place.read(choice.name)
    if data is None:
        raise RunconfigError(f"{path / choice.name} cannot be read")
    notes += _hidden(ignores, choice.name)
    return Selected(path, choice.name, data, place, choice, notes, problems)


def _at_hand(root: Path) -> frozenset[str]:
    """The files of the two folders, of a directory that cannot be packed."""
    found = (entry for folder in FOLDERS if (root / folder).is_dir() for entry in (root / folder).iterdir())
    return frozenset(entry.relative_to(root).as_posix() for entry in found if entry.is_file())


def _hidden(ignores: Ignores, name: str) -> list[str]:
    if not (ignores.source and ignores.match(name)):
        return []
    note = (
        f"{ignores.source} leaves {name} out of a snapshot; `runyard submit` packs it all the same, other tools that follow "
        "that file do not: with their zip, drop the run configuration as well, beside it"
    )
    return [note]


def _of_zip(path: Path, wanted: str | None) -> Selected:
    """As for a zip that is dropped: a file beside it comes before those in it."""
    modified = path.stat().st_mtime

    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    archive = open_archive(read, path.stat().st_size, name=path.name, keep=keeper(wanted))
    place = _Zip(archive)
    beside = [] if wanted else [path.parent / name for name in sidecar_names(path.name)]
    beside = [file for file in beside if file.is_file()]
    counting = [file for file in beside if file.stat().st_mtime <= modified]
    late = tuple(
        Other(file.name, "it was written after the zip, so it is meant for another one")
        for file in beside
        if file not in counting
    )
    if counting:
        return _of_sidecar(path, counting, late, place)
    try:
        choice = weigh(archive.names, wanted)
    except RunconfigError as error:
        also = "".join(f"; {each.name} is beside it, but {each.why}" for each in late)
        raise RunconfigError(f"{path}: {error.message}{also}{_left_out(place)}") from None
    data = archive.read(archive.entries[choice.name], MAX_BYTES)
    return Selected(path, choice.name, data, place, Choice(choice.name, choice.why, (*late, *choice.others)))


def _of_sidecar(path: Path, counting: list[Path], late: tuple[Other, ...], place: _Zip) -> Selected:
    first, *others = counting
    why = "the one beside the zip comes first"
    inside = [name for name in place.archive.names if is_candidate(name) or name in BODIES]
    choice = Choice(
        first.name,
        "it is beside the zip, and was written before it",
        (
            *(Other(each.name, f"{first.name} comes first") for each in others),
            *late,
            *(Other(name, why) for name in inside),
        ),
    )
    note = (
        f"this holds where the zip is dropped with {first.name} beside it; `runyard submit {path}` sends the zip alone"
    )
    return Selected(path, first.name, read_bytes(first), place, choice, [note])


def _left_out(place: _Zip) -> str:
    """Why there may be none in a zip that the SDK made."""
    for name in IGNORE_FILES:
        data = place.read(name)
        if data is not None and b".azureml" in data:
            return f" (its {name} leaves .azureml/ out of snapshots, as the SDK sent the run configuration beside them)"
    return ""
