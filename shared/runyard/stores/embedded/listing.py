"""Walking a folder in the order of the full names, as a blob store lists."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from runyard.stores.embedded.files import TEMPORARY


def walk(base: Path, prefix: str, after: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file under ``base`` whose name begins with ``prefix`` and sorts behind ``after``, in order.

    Links to folders are not followed, links to files only inside ``base``; files still being written are left out.
    """
    return _walk(base, "", prefix, after)


def _walk(base: Path, folder: str, prefix: str, after: str) -> Iterator[tuple[str, os.stat_result]]:
    for name in _names(base, folder, prefix, after):
        if name.endswith("/"):
            yield from _walk(base, name, prefix, after)
        elif (status := _status(base, name)) is not None:
            yield name, status


def _names(base: Path, folder: str, prefix: str, after: str) -> list[str]:
    """What of a folder is asked for, by full name; a folder's ends with ``/``, since that is how it sorts among blobs.

    Names only: a drop folder may hold 100,000 files.
    """
    found = []
    try:
        with os.scandir(base / folder) as entries:
            for entry in entries:
                if not folder and entry.name.startswith(TEMPORARY):
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                name = f"{folder}{entry.name}{'/' if is_folder else ''}"
                if not (name.startswith(prefix) or (is_folder and prefix.startswith(name))):
                    continue
                if name > after or (is_folder and after.startswith(name)):
                    found.append(name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # removed a moment ago, or not ours to read
        return []
    found.sort()
    return found


def _status(base: Path, name: str) -> os.stat_result | None:
    """The file's status; ``None`` if it is no regular file, is gone, or lies outside ``base``."""
    path = f"{base}/{name}"
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            status = os.stat(path)  # noqa: PTH116 - one call for each of many files
            if not os.path.realpath(path).startswith(f"{base}/"):
                return None
    except OSError:  # gone, or a broken or circular link
        return None
    return status if stat.S_ISREG(status.st_mode) else None
