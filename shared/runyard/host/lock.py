"""One host per root: the lock it holds while it lives, and the file by which the CLI finds it.

``host.lock`` is locked with flock(2), which ends with the process however it dies. ``host.json`` (0600) holds the URL and
the token; it means nothing unless the lock is held.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from runyard.errors import ConflictError

LOCK: Final = "host.lock"
INFO: Final = "host.json"
_TRIES: Final = 10
_PAUSE: Final = 0.02


class HostInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves a root."""

    url: str
    """Where, without a slash at the end."""
    token: str
    pid: int
    version: str
    started: float
    """Seconds since the epoch."""
    schema: int = 1

    def __repr__(self) -> str:
        return f"HostInfo(url={self.url!r}, pid={self.pid}, version={self.version!r})"


class HostLock:
    """The right to serve a root. Take it before opening the root's stores."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ConflictError: if another host serves the root, saying which.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # A reader asks by taking the lock for a moment (`running_host`): such a moment is waited out.
        for attempt in range(_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt < _TRIES - 1:
                    time.sleep(_PAUSE)
            else:
                self._fd = fd
                # What a killed host left behind names a process that may be anybody's by now.
                (self._root / INFO).unlink(missing_ok=True)
                return
        os.close(fd)
        raise ConflictError(_refusal(self._root, _read(self._root)))

    def publish(self, info: HostInfo) -> None:
        """Write the file by which the CLI finds this host; readers see a whole one or none."""
        draft = self._root / f".{INFO}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(info))
        draft.replace(self._root / INFO)

    def release(self) -> None:
        """Take the file away and give the lock back."""
        if self._fd is None:
            return
        (self._root / INFO).unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = None


def running_host(root: Path) -> HostInfo | None:
    """The host that serves the root now, or ``None``; a file left behind by a dead host counts for nothing.

    A host that is still starting has the lock and no file yet: ``None`` too.
    """
    try:
        fd = os.open(root / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(root)
    finally:
        os.close(fd)
    return None


def _read(root: Path) -> HostInfo | None:
    try:
        return msgspec.json.decode((root / INFO).read_bytes(), type=HostInfo)
    except (FileNotFoundError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def _refusal(root: Path, info: HostInfo | None) -> str:
    if info is None:
        return f"another host is starting or stopping on {root}; wait a moment, or choose another --root"
    return (
        f"a host already serves {root} at {info.url} (process {info.pid}); "
        "use that one, stop it first, or choose another --root"
    )
