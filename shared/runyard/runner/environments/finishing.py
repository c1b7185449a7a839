"""The last steps of a build: no credential stays in the files, all is on disk, and the size is known."""

import ctypes
import os
import shutil
import stat
from typing import Iterator, List

from .masking import MASK, Masker

_METADATA = frozenset(
    "direct_url.json RECORD METADATA PKG-INFO INSTALLER pip.conf pyvenv.cfg history config uv_cache.json SOURCES.txt "
    "dependency_links.txt FETCH_HEAD packed-refs".split()
)
"""Files in which installers note where packages came from."""
_ENDINGS = (".egg-link", ".pth", ".json", ".dist-info", ".whl.metadata")
_MOST = 16 << 20


def scrub(prefix: str, masker: Masker) -> List[str]:
    """Mask the credentials that installers left in their notes; returns the files.

    Only notes are read: a package's own files are what its author put there.

    Raises:
        OSError: if one cannot be written.
    """
    secrets = [each.encode() for each in masker.secrets]
    changed: List[str] = []
    if not secrets:
        return changed
    for path in _files(prefix):
        name = os.path.basename(path)
        if name not in _METADATA and not name.endswith(_ENDINGS):
            continue
        with open(path, "rb") as stream:
            data = stream.read(_MOST)
        clean = data
        for secret in secrets:
            clean = clean.replace(secret, MASK.encode())
        if clean != data:
            _replace(path, clean)
            changed.append(path)
    return changed


def _replace(path: str, data: bytes) -> None:
    """In one step, and never in place: the file may be one with a package cache's."""
    temporary = path + ".clean"
    mode = stat.S_IMODE(os.stat(path).st_mode)
    with open(temporary, "wb") as stream:
        stream.write(data)
    os.chmod(temporary, mode)
    os.rename(temporary, path)


def _files(prefix: str) -> Iterator[str]:
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def size_of(prefix: str) -> int:
    """Bytes that a folder takes on disk, each file counted once."""
    total = 0
    seen = set()
    for folder, _, names in os.walk(prefix):
        for name in [*names, "."]:
            try:
                found = os.lstat(os.path.join(folder, name))
            except OSError:
                continue  # it went while we looked
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total


def settle(cache: str) -> None:
    """Wait until everything in the cache's file system is on disk: an environment has too many files for one fsync each.

    Raises:
        OSError: if it cannot be written.
    """
    descriptor = os.open(cache, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)  # Linux
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def remove_tree(path: str) -> None:
    """Remove a folder with all that is in it, also where a package left folders that may not be written.

    Raises:
        OSError: if something stays.
    """

    def retry(function: object, name: str, _: object) -> None:
        if function in (os.open, os.scandir, os.listdir, os.rmdir, os.unlink):
            parent = name if os.path.isdir(name) and not os.path.islink(name) else os.path.dirname(name)
            os.chmod(parent, 0o700)
            os.chmod(os.path.dirname(name), 0o700)
        if os.path.islink(name) or not os.path.isdir(name):
            if os.path.lexists(name):
                os.unlink(name)
        else:
            for entry in os.listdir(name):
                full = os.path.join(name, entry)
                remove_tree(full) if os.path.isdir(full) and not os.path.islink(full) else os.unlink(full)
            if os.path.isdir(name):
                os.rmdir(name)

    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        os.unlink(path)
    elif os.path.lexists(path):
        shutil.rmtree(path, onerror=retry)
