"""Stopping the host of a root from another process: it alone, whatever has its number by then."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from runyard.errors import ConflictError, NotFoundError
from runyard.host.lock import LOCK, HostInfo, running_host

_PAUSE: Final = 0.1


def ask_host_to_stop(root: Path) -> HostInfo:
    """Send SIGTERM to the host that serves a root, once: a second one would end it at once.

    Returns:
        Which host it was; :func:`wait_until_stopped` waits for its end.

    Raises:
        NotFoundError: if no host serves the root.
        ConflictError: if the host changed meanwhile, or is not a process that can be told apart from others.
    """
    info = running_host(root)
    if info is None:
        raise NotFoundError(f"no host serves {root}, so there is none to stop")
    try:
        with _process(info.pid) as send:
            if running_host(root) != info or not _has_open(info.pid, root / LOCK):
                raise ConflictError(
                    f"the host of {root} changed while it was to be stopped; look with `runyard doctor`"
                )
            send(signal.SIGTERM)
    except ProcessLookupError:
        raise ConflictError(f"the host of {root} went away while it was to be stopped") from None
    except PermissionError:
        raise ConflictError(
            f"the host of {root} (process {info.pid}) is another user's; stop it as that user"
        ) from None
    return info


def wait_until_stopped(root: Path, info: HostInfo, timeout: float) -> bool:
    """Wait up to ``timeout`` seconds until that host has given the root back; whether it has."""
    deadline = time.monotonic() + timeout
    while running_host(root) == info:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


class _Sender:
    """Sends to the process that had the number when this was made; where the system can tell, to no later one."""

    def __init__(self, pid: int, descriptor: int | None) -> None:
        self._pid = pid
        self._descriptor = descriptor

    def __call__(self, number: int) -> None:
        if self._descriptor is None:
            os.kill(self._pid, number)
        else:
            signal.pidfd_send_signal(self._descriptor, number)


@contextmanager
def _process(pid: int) -> Iterator[_Sender]:
    if not hasattr(os, "pidfd_open"):  # not Linux
        yield _Sender(pid, None)
        return
    descriptor = os.pidfd_open(pid)
    try:
        yield _Sender(pid, descriptor)
    finally:
        os.close(descriptor)


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open; true where the system does not tell."""
    folder = Path(f"/proc/{pid}/fd")
    if not Path("/proc/self/fd").is_dir():
        return True
    wanted = path.stat()
    for link in folder.iterdir():
        try:
            found = link.stat()
        except FileNotFoundError:
            continue  # closed meanwhile
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False
