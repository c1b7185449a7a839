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
    for name, entry in _entries(base, folder):
        if not (name.startswith(prefix) or (name.endswith("/") and prefix.startswith(name))):
            continue
        if name.endswith("/"):
            if name > after or after.startswith(name):
                yield from _walk(base, name, prefix, after)
        elif name > after and (status := _status(base, entry)) is not None:
            yield name, status


def _entries(base: Path, folder: str) -> list[tuple[str, os.DirEntry[str]]]:
    """What is in a folder, by full name; a folder's ends with ``/``, since that is how it sorts among blobs."""
    try:
        with os.scandir(base / folder) as entries:
            named = [
                (f"{folder}{entry.name}{'/' if entry.is_dir(follow_symlinks=False) else ''}", entry)
                for entry in entries
                if folder or not entry.name.startswith(TEMPORARY)
            ]
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # removed a moment ago, or not ours to read
        return []
    return sorted(named, key=lambda item: item[0])


def _status(base: Path, entry: os.DirEntry[str]) -> os.stat_result | None:
    """The file's status; ``None`` if it is no regular file, is gone, or lies outside ``base``."""
    try:
        status = entry.stat()
    except OSError:  # gone, or a broken or circular link
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    if entry.is_symlink() and not os.path.realpath(entry.path).startswith(f"{base}/"):
        return None
    return status
