"""Writing files so that a reader, a kill or a full disk never meets half of one."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from runyard.errors import StorageFullError
from runyard.ports.clock import Clock

TEMPORARY: Final = ".runyard-put-"
"""How the names of files that are still being written begin."""
PIECE: Final = 1 << 20
"""Bytes copied at a time."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """Turn the system's words for a full disk or a used-up quota into ours.

    Raises:
        StorageFullError: in place of such an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFullError(f"there is no room left on the disk of {folder}; free some, and try again") from error


def write_temporary(folder: Path, data: bytes | BinaryIO, *, sync: bool) -> tuple[Path, os.stat_result]:
    """Write a whole temporary file (0600) in ``folder``, to be renamed by the caller.

    Args:
        folder: Must exist, on the file system of the final name.
        data: The content, or a binary file to read it from.
        sync: Whether the content must survive a power cut.

    Raises:
        StorageFullError: if there is no room; nothing is left behind.
    """
    path = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    with no_room(folder):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123  # a descriptor, not a path
                if isinstance(data, bytes | bytearray | memoryview):
                    write_all(descriptor, data)
                else:
                    _copy(data, descriptor)
                if sync:
                    os.fsync(descriptor)
                return path, os.fstat(file.fileno())
        except BaseException:
            with suppress(FileNotFoundError):
                path.unlink()
            raise


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte: a single call may take a part only."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: BinaryIO, descriptor: int) -> None:
    while piece := source.read(PIECE):
        write_all(descriptor, piece)


def time_of(folder: Path, clock: Clock) -> float:
    """What time it is by the clock that dates files in ``folder``, which may be another machine's; else by ``clock``."""
    try:
        path, status = write_temporary(folder, b"", sync=False)
    except (OSError, StorageFullError):  # not ours to write: then who does has a clock that is near ours
        return clock.now()
    path.unlink(missing_ok=True)
    return status.st_mtime
