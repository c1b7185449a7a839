"""What must be on disk, and not only in the system's memory, before anybody is told of it.

A power cut leaves of a file what was there at its last fsync, and of a name what was there at its folder's (fsync(2)).
"""

import errno
import os

_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""What file systems answer that have no fsync of folders."""


def sync_folder(path: str) -> None:
    """Wait until the names in a folder are on disk.

    Raises:
        OSError: if they cannot be written.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(descriptor)


def sync_folders(path: str, count: int) -> None:
    """Sync the folder that ``path`` is in, and those above it, ``count`` in all."""
    for _ in range(count):
        path = os.path.dirname(path)
        sync_folder(path)
