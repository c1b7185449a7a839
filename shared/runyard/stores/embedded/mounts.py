"""File systems on which this machine is not told of what others write (network and shared mounts), from ``/proc/self/mountinfo``.

Format: proc_pid_mountinfo(5). inotify(7), "Limitations": it tells of what is done through this machine only.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")

SHARED: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "coda"),
        *("lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2", "glusterfs"),
        *("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "fuse"),
    }
)
"""Types of which others may write what we are not told of; those that begin with ``fuse.`` too (but ``fuseblk`` is a disk)."""

PASSING: Final = frozenset({"cifs", "smb3", "smbfs", "9p", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "fuse"})
"""Types whose inode numbers may be others when the same thing is mounted again; those that begin with ``fuse.`` too."""

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def is_shared(kind: str) -> bool:
    """Whether a file system of this type may be written by others, unnoticed."""
    return kind in SHARED or kind.startswith("fuse.")


def shared_under(folder: Path, table: Path | None = None) -> Sequence[str]:
    """What is mounted at, around or below a folder and is shared: ``nfs4 at /mnt/team``; empty where there is no such table."""
    try:
        lines = (table or MOUNTINFO).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    real = os.path.realpath(folder)
    mounts = [found for line in lines if (found := _parsed(line)) is not None]
    around = [(len(point), point, kind) for point, kind in mounts if _holds(point, real)]
    holder = (
        [max(reversed(around), key=lambda each: each[0])[1:]] if around else []
    )  # of two at one place the last counts
    below = [(point, kind) for point, kind in mounts if point != real and _holds(real, point)]
    return tuple(f"{kind} at {point}" for point, kind in dict.fromkeys([*holder, *below]) if is_shared(kind))


class Devices:
    """Which devices keep their inode numbers, by the table of mounts; read again when that changes."""

    def __init__(self, table: Path = MOUNTINFO) -> None:
        self._path = table
        self._lock = Lock()
        self._table: IO[bytes] | None = None
        self._changes = select.poll()
        self._passing: frozenset[int] = frozenset()

    def keep_inodes(self, device: int) -> bool:
        """Whether a file has the same inode number tomorrow. Disks do, and are not looked up."""
        if os.major(device):
            return True
        with self._lock:
            if self._table is None or self._changes.poll(0):
                self._read()
            return device not in self._passing

    def close(self) -> None:
        """Let go of the table; the next question opens it again."""
        with self._lock:
            if self._table is not None:
                self._table.close()
                self._table = None

    def _read(self) -> None:
        if self._table is None:
            try:
                self._table = self._path.open("rb")
            except OSError:
                return
            self._changes = select.poll()
            self._changes.register(self._table, select.POLLPRI)
        self._table.seek(0)
        found = set()
        for line in self._table.read().decode("utf-8", "surrogateescape").splitlines():
            parsed = _parsed(line)
            if parsed is not None and (parsed[1] in PASSING or parsed[1].startswith("fuse.")):
                major, _, minor = line.split(" ")[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
        self._passing = frozenset(found)


def _parsed(line: str) -> tuple[str, str] | None:
    before, dash, after = line.partition(" - ")
    fields = before.split(" ")
    if not dash or len(fields) < 5:
        return None
    point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4])
    return point, after.split(" ")[0]


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
