"""Files and folders that scripts can reach.

A script is the same user as the runner, and may put a folder, a link, a pipe or a socket where a file of ours belongs.
Nothing of that may hold up the runner or the other runs: only regular files are opened, never through a link, and never
waiting; what is in the way of what must be written is moved aside.
"""

import errno
import os
import stat
from typing import Optional

_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | getattr(os, "O_NOFOLLOW", 0)
NO_FILE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.EINVAL,
    errno.ENXIO,
    errno.EACCES,
    errno.ENAMETOOLONG,
)
"""Errors that say that there is no such file, or not one of ours."""
_NUMBERS = 1000


def open_plain(path: str, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a regular file.

    Raises:
        OSError: as the system met it, and ``EINVAL`` if there is something else.
    """
    descriptor = os.open(path, flags | _FLAGS, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", path)
    return descriptor


def read_plain(path: str, most: int) -> Optional[bytes]:
    """The first ``most`` bytes of a regular file; ``None`` if there is none that can be read.

    Raises:
        OSError: for what is wrong with the system and not with the file.
    """
    try:
        descriptor = open_plain(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(most)


def append_line(path: str, text: str) -> None:
    """Add a line to a file; it is made if there is none.

    Raises:
        OSError: if it cannot be written, or is no regular file.
    """
    with os.fdopen(open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), "ab") as stream:
        stream.write(text.encode("utf-8", "backslashreplace") + b"\n")


def claim_folder(path: str) -> None:
    """Make a folder that we can write to, and those above it when needed; anything else of its name is moved aside.

    Raises:
        OSError: if it cannot be made.
    """
    try:
        os.mkdir(path)
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        mode = os.lstat(path).st_mode
        if not stat.S_ISDIR(mode):
            set_aside(path)
            os.mkdir(path)
        elif mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(path, stat.S_IMODE(mode) | stat.S_IRWXU)


def set_aside(path: str) -> None:
    """Rename what is there to a name that is free.

    Raises:
        OSError: if it cannot be renamed.
    """
    for number in range(1, _NUMBERS):
        other = "%s.aside-%d" % (path, number)
        if not os.path.lexists(other):
            os.rename(path, other)
            return
    raise OSError(errno.EEXIST, "every name for what is in the way is taken", path)
