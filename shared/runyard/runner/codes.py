"""How scripts ended whose supervisor was gone: the keeper writes a small file for each before it reaps it.

A file's name is the process's number and its start, so that no other process can be meant; it goes once the result of
the attempt is written.
"""

import json
import os
import time
from typing import Collection, Iterator, List, NamedTuple, Optional, Tuple

from .durable import sync_folder
from .places import CODES, make_folder, write_all
from .plain import read_plain

Ident = Tuple[int, int]
"""A process's number and its start, in clock ticks since boot."""

_MOST = 4096
_OLD = 24 * 3600.0
"""Seconds after which what nobody asked for goes: ends of processes that were no scripts."""


class Code(NamedTuple):
    """How a process ended."""

    code: int
    """The exit code, ``-N`` for signal N."""
    ended: float
    """Seconds since the epoch."""
    orphaned: int
    """When its supervisor was seen dead, in clock ticks since boot."""
    tag: int = 0
    """What it carried (:func:`.process.tag_of`)."""


def write(root: str, ident: Ident, boot: str, found: Code) -> None:
    """Note an end; on disk when this returns.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    path = _path(root, ident)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        make_folder(folder)
        sync_folder(os.path.dirname(folder))
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_all(descriptor, json.dumps([boot, found.code, found.ended, found.orphaned, found.tag]).encode())
        os.fsync(descriptor)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    sync_folder(folder)


def read(root: str, ident: Ident, boot: str) -> Optional[Code]:
    """How a process of this boot ended, if the keeper noted it."""
    return _read(_path(root, ident), boot)


def _read(path: str, boot: str) -> Optional[Code]:
    try:
        noted, code, ended, orphaned, tag = json.loads((read_plain(path, _MOST) or b"").decode())
        found = Code(int(code), float(ended), int(orphaned), int(tag))
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    return found if noted == boot else None


def remove(root: str, ident: Ident) -> None:
    """Remove the note, if there is one."""
    try:
        os.unlink(_path(root, ident))
    except OSError:
        pass  # there is none; else it goes when it is old


def every(root: str, boot: str) -> List[Tuple[Ident, Code]]:
    """All that was noted in this boot."""
    found = [(ident, _read(path, boot)) for path, ident in _all(root)]
    return [(ident, code) for ident, code in found if code is not None]


def sweep(root: str, boot: str, claimed: Collection[Ident]) -> None:
    """Remove what was noted in another boot, and what is old and nobody's."""
    for path, ident in list(_all(root)):
        try:
            is_old = time.time() - os.lstat(path).st_mtime > _OLD
        except OSError:
            continue
        if ident not in claimed and (is_old or _read(path, boot) is None):
            remove(root, ident)


def _path(root: str, ident: Ident) -> str:
    return "%s/%s/%d-%d" % (root, CODES, ident[0], ident[1])


def _all(root: str) -> Iterator[Tuple[str, Ident]]:
    folder = root + "/" + CODES
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        pid, _, start = name.partition("-")
        if pid.isdigit() and start.isdigit():
            yield folder + "/" + name, (int(pid), int(start))
