"""Makes a snapshot: a zip of a directory, the same bytes for the same content on any machine."""

from __future__ import annotations

import errno
import hashlib
import heapq
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from pathspec import GitIgnoreSpec

from runyard.errors import SnapshotError, StorageFullError

MAX_BYTES: Final = 300 * 1024 * 1024
"""The SDK's own limit, the same in all its releases."""

IGNORE_FILES: Final = (".amlignore", ".gitignore")
"""The first that exists counts, never both (the SDK's rule); syntax of gitignore, only at the top."""

DEFAULT_IGNORES: Final = (".ipynb_checkpoints", "__pycache__", "azureml-logs", "azureml-setup", "outputs")
"""Without an ignore file. The SDK's default ``.amlignore`` also names ``docs`` and ``.azureml``, which a run may need."""

ALWAYS_IGNORED: Final = (".git",)

_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PIECE: Final = 1 << 20
_LARGEST: Final = 10

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSummary:
    """What a snapshot was made of."""

    files: int
    bytes: int
    """Bytes of all files before zipping."""
    size: int
    """Bytes of the zip."""
    sha256: str
    """Of the zip, in hex."""
    largest: tuple[tuple[str, int], ...]
    """Names and bytes of the ten largest files, largest first."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A file or a folder that goes into the zip."""

    name: str
    path: str
    size: int
    is_folder: bool
    is_executable: bool


def _nothing(_name: str) -> bool:
    return False


def make_snapshot(
    directory: Path,
    out: BinaryIO | Path,
    *,
    progress: Progress | None = None,
    keep: Callable[[str], bool] = _nothing,
) -> SnapshotSummary:
    """Zip a directory: sorted, stored, without times, with the executable bit and no other mode.

    Files are stored, not deflated, as the SDK does: results of compressors differ between machines.

    Args:
        directory: What to zip; its ``.amlignore``, else its ``.gitignore``, says what to leave out.
        out: Where to; a path appears whole or not at all, a file must be open for reading and writing.
        progress: Called after each piece.
        keep: Names (of folders with a slash at the end) that are zipped even where the ignore file leaves them out.

    Raises:
        SnapshotError: if there is nothing to zip, it is too large, a file cannot be read, or a link leads out of it.
        StorageFullError: if there is no room for the zip.
    """
    if not directory.is_dir():
        raise SnapshotError(f"{directory} is not a directory")
    sources = _chosen(directory, os.path.realpath(out) if isinstance(out, Path) else "", keep)
    files = [source for source in sources if not source.is_folder]
    total = sum(source.size for source in files)
    largest = tuple((file.name, file.size) for file in heapq.nlargest(_LARGEST, files, key=lambda file: file.size))
    _check_total(directory, total, largest)
    try:
        size, sha256 = _write(sources, out, total, progress)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFullError(f"no room for the snapshot of {directory} ({total / 1e6:,.1f} MB)") from None
        raise
    return SnapshotSummary(files=len(files), bytes=total, size=size, sha256=sha256, largest=largest)


def _chosen(directory: Path, skip: str, keep: Callable[[str], bool]) -> list[_Source]:
    """What goes into the zip, by name: all that is not ignored, and what is kept in any case."""
    ignores = _ignores(directory)

    def ignored(name: str) -> bool:
        return bool(ignores.match_file(name)) and not keep(name)

    can_prune = all(pattern.include is not False for pattern in ignores.patterns)
    return sorted(_sources(directory, ignored, can_prune, skip), key=lambda source: source.name)


def _check_total(directory: Path, total: int, largest: tuple[tuple[str, int], ...]) -> None:
    if not largest:
        raise SnapshotError(f"{directory} holds no files that are not ignored")
    if total > MAX_BYTES:
        names = ", ".join(f"{name} ({size / 1e6:,.1f} MB)" for name, size in largest)
        raise SnapshotError(
            f"{directory} has {total / 1e6:,.1f} MB; a snapshot has at most {MAX_BYTES / 1e6:,.1f}; "
            f"the largest files are {names}; leave out what the script does not need with an .amlignore file"
        )


def _ignores(directory: Path) -> GitIgnoreSpec:
    lines: list[str] = list(DEFAULT_IGNORES)
    for name in IGNORE_FILES:
        path = directory / name
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError):
                raise SnapshotError(f"{path} cannot be read as UTF-8") from None
            break
    try:
        return GitIgnoreSpec.from_lines([*lines, *ALWAYS_IGNORED])
    except ValueError as error:
        raise SnapshotError(f"{directory / name}: {error}") from None


def _sources(directory: Path, ignored: Callable[[str], bool], can_prune: bool, skip: str) -> Iterator[_Source]:
    """Everything that is not ignored. A folder stays, empty, when only what is in it is ignored (``data/``)."""
    root = os.path.realpath(directory)
    waiting: list[tuple[str, str, tuple[str, ...]]] = [(root, "", (root,))]
    while waiting:
        folder, prefix, above = waiting.pop()
        for entry in _list(folder):
            name = prefix + entry.name
            _check_name(name)
            path = entry.path
            if entry.is_symlink():
                if ignored(name) or ignored(name + "/"):
                    continue
                path = _real(entry, name, root)
            status = _status(path)
            if not stat.S_ISDIR(status.st_mode):
                if path != skip and not ignored(name):
                    yield _file(name, path, status)
                continue
            if path in above:
                raise SnapshotError(f"{name} is a link to a folder around itself; leave it out with an .amlignore file")
            if not ignored(name):
                yield _Source(name + "/", path, 0, is_folder=True, is_executable=True)
            if not (can_prune and ignored(name + "/")):
                waiting.append((path, name + "/", (*above, path)))


def _list(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise SnapshotError(f"{folder} cannot be read: {error.strerror}") from None


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116  (a Path per file costs more than the call)
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error.strerror}") from None


def _check_name(name: str) -> None:
    """Refuse names that mean something else on another machine."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SnapshotError(f"{name!r} is not a name in UTF-8; rename it") from None
    if "\\" in name:
        raise SnapshotError(f"{name!r} holds a backslash, which parts folders on other machines; rename it")


def _real(entry: os.DirEntry[str], name: str, root: str) -> str:
    """Where a link leads."""
    path = os.path.realpath(entry.path)
    if path != root and not path.startswith(root + os.sep):
        raise SnapshotError(f"{name} is a link that leads out of the directory; copy what it names, or leave it out")
    if not os.path.exists(path):  # noqa: PTH110
        raise SnapshotError(f"{name} is a link to something that is not there; remove it")
    return path


def _file(name: str, path: str, status: os.stat_result) -> _Source:
    if not stat.S_ISREG(status.st_mode):
        raise SnapshotError(f"{name} is neither a file nor a folder; leave it out with an .amlignore file")
    return _Source(name, path, status.st_size, is_folder=False, is_executable=bool(status.st_mode & 0o111))


def _write(sources: list[_Source], out: BinaryIO | Path, total: int, progress: Progress | None) -> tuple[int, str]:
    """Write the zip; its bytes and its SHA-256."""
    if not isinstance(out, Path):
        start = out.tell()
        _zip(sources, out, total, progress)
        out.seek(start)
        digest = hashlib.sha256()
        while piece := out.read(_PIECE):
            digest.update(piece)
        return out.tell() - start, digest.hexdigest()
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("w+b") as file:
            result = _write(sources, file, total, progress)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return result


def _zip(sources: list[_Source], out: BinaryIO, total: int, progress: Progress | None) -> None:
    done = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for source in sources:
            info = zipfile.ZipInfo(source.name, _TIME)
            info.create_system = 3  # Unix: the mode is in the upper half of the attributes
            mode = 0o755 if source.is_executable else 0o644
            info.external_attr = (stat.S_IFDIR | mode) << 16 | 0x10 if source.is_folder else (stat.S_IFREG | mode) << 16
            info.file_size = source.size
            with archive.open(info, "w") as into:
                if source.is_folder:
                    continue
                for piece in _pieces(source):
                    into.write(piece)
                    done += len(piece)
                    if done > MAX_BYTES:
                        raise SnapshotError(f"{source.name} grew while it was read, beyond the limit of a snapshot")
                    if progress is not None:
                        progress(done, total)


def _pieces(source: _Source) -> Iterator[bytes]:
    try:
        with open(source.path, "rb", buffering=0) as file:  # noqa: PTH123
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise SnapshotError(f"{source.name} cannot be read: {error.strerror}") from None
