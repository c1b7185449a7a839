"""What of a directory goes into its snapshot, by name."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runyard.errors import SnapshotError
from runyard.snapshot.ignore import NEVER_PACKED, Ignores

MAX_PATH: Final = 4000
"""Bytes of a name: Linux takes 4,095 together with the folder that it is unpacked into (PATH_MAX)."""
MAX_PARTS: Final = 200
"""Folders above each other, as many as are unpacked."""

_IS_UTF8: Final = sys.getfilesystemencoding().replace("-", "").lower() == "utf8"
_LEAVE_OUT: Final = "leave it out with an .amlignore file"
_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Source:
    """A file or a folder that goes into the zip."""

    name: str
    """With ``/`` between its parts, and at the end of a folder's."""
    path: str
    """Where it is; links are followed."""
    size: int
    is_folder: bool
    is_executable: bool


def list_sources(directory: Path, ignores: Ignores, keep: Callable[[str], bool], skip: str = "") -> list[Source]:
    """What goes into the zip, in order of name: all that is not ignored, and what is kept in any case.

    A folder of which only the content is ignored (``data/``) stays, empty.

    Args:
        directory: Where to look.
        ignores: Its patterns.
        keep: Names (of folders with a slash at the end) that go in whatever the patterns say.
        skip: The real path of a file that does not go in: the zip itself.

    Raises:
        SnapshotError: if something that goes in cannot: it cannot be read, means something else on another machine, is
            neither a file nor a folder, or is a link that leads out, nowhere or in circles.
    """
    return sorted(_Walk(directory, ignores, keep, skip).all(), key=lambda source: source.name)


class _Walk:
    def __init__(self, directory: Path, ignores: Ignores, keep: Callable[[str], bool], skip: str) -> None:
        self._root = os.path.realpath(directory)
        self._ignores = ignores
        self._keep = keep
        self._skip = skip

    def all(self) -> Iterator[Source]:
        """Everything that is not ignored, in no order."""
        waiting: list[tuple[str, str, tuple[str, ...]]] = [(self._root, "", (self._root,))]
        while waiting:
            folder, prefix, above = waiting.pop()
            for entry in self._list(folder, prefix):
                name = prefix + _text(entry.name)
                if entry.is_symlink():
                    if self._ignored(name) or self._ignored(name + "/"):
                        continue
                    path = self._target(entry, name)
                    is_folder = os.path.isdir(path)  # noqa: PTH112  (a Path per file costs more than the call)
                else:
                    path, is_folder = entry.path, entry.is_dir(follow_symlinks=False)
                if not is_folder:
                    if path != self._skip and not self._ignored(name):
                        yield _file(name, path)
                    continue
                if path in above:
                    raise SnapshotError(f"{shown(name)} is a link to a folder around itself; {_LEAVE_OUT}")
                if not self._ignored(name):
                    _check_name(name)
                    yield Source(name + "/", path, 0, is_folder=True, is_executable=True)
                if not (self._ignores.can_prune and self._ignored(name + "/")):
                    waiting.append((path, name + "/", (*above, path)))

    def _ignored(self, name: str) -> bool:
        return self._ignores.match(name) and not self._keep(name)

    def _list(self, folder: str, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return [entry for entry in entries if entry.name != NEVER_PACKED]
        except OSError as error:
            if prefix and self._ignored(prefix):
                return []  # looked into only because something below might have been taken back
            raise _unreadable(prefix.rstrip("/") or folder, error) from None

    def _target(self, entry: os.DirEntry[str], name: str) -> str:
        """Where a link leads."""
        path = os.path.realpath(entry.path)
        if path != self._root and not path.startswith(self._root.rstrip(os.sep) + os.sep):
            raise SnapshotError(
                f"{shown(name)} is a link that leads out of the directory; copy what it names, or {_LEAVE_OUT}"
            )
        if not os.path.exists(path):  # noqa: PTH110
            raise SnapshotError(f"{shown(name)} is a link to something that is not there; remove it")
        return path


def _text(name: str) -> str:
    """A name as UTF-8 spells it, also where the locale has another encoding: the same snapshot comes of it."""
    return name if _IS_UTF8 else os.fsencode(name).decode("utf-8", "surrogateescape")


def _file(name: str, path: str) -> Source:
    _check_name(name)
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise _unreadable(name, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise SnapshotError(f"{shown(name)} is neither a file nor a folder; {_LEAVE_OUT}")
    return Source(name, path, status.st_size, is_folder=False, is_executable=bool(status.st_mode & 0o111))


def _check_name(name: str) -> None:
    """Refuse names that mean something else on another machine, or that are not unpacked there."""
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise SnapshotError(f"{shown(name)} is not a name in UTF-8; rename it, or {_LEAVE_OUT}") from None
    if "\\" in name:
        raise SnapshotError(f"{shown(name)} holds a backslash, which parts folders on other machines; rename it")
    if name[1:2] == ":" and name[0].isalpha():
        raise SnapshotError(f"{shown(name)} begins like the name of a drive on other machines; rename it")
    if len(raw) > MAX_PATH or name.count("/") >= MAX_PARTS:
        raise SnapshotError(
            f"{shown(name)} has {len(raw):,} bytes and {name.count('/') + 1} parts; at most {MAX_PATH:,} and {MAX_PARTS} "
            "can be unpacked elsewhere; shorten it"
        )


def shown(name: str) -> str:
    """A name for a sentence: cut in its middle if it is long, quoted if it holds what does not print."""
    if len(name) > _SHOWN:
        name = f"{name[: _SHOWN // 2]}…{name[-_SHOWN // 2 :]}"
    return name if name.isprintable() and "\\" not in name else repr(name)


def _unreadable(name: str, error: OSError) -> SnapshotError:
    if isinstance(error, FileNotFoundError):
        return vanished(name)
    return SnapshotError(f"{shown(name)} cannot be read: {error.strerror}; mend that, or {_LEAVE_OUT}")


def vanished(name: str) -> SnapshotError:
    """What to raise for a file or folder that was there when its folder was listed."""
    return SnapshotError(f"{shown(name)} vanished while it was packed; stop what changes it, or {_LEAVE_OUT}")


def changed(name: str) -> SnapshotError:
    """What to raise for a file of which one half may be older than the other."""
    return SnapshotError(f"{shown(name)} changed while it was packed; stop what writes it, or {_LEAVE_OUT}")


def read_failed(name: str, error: OSError) -> SnapshotError:
    """What to raise for a file that cannot be opened or read."""
    return _unreadable(name, error)
