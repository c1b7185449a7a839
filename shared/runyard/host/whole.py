"""Whether a zip is there whole: what its tail says, and whether somebody still has it open for writing."""

from __future__ import annotations

import errno
import os
import signal
import struct
import sys
from typing import Final

if sys.platform == "linux":
    import fcntl

_END: Final = struct.Struct("<4s4H2LH")
"""End-of-central-directory record, 22 bytes and a comment: APPNOTE.TXT 4.3.16."""
_SIGNATURE: Final = b"PK\x05\x06"
_LONGEST: Final = _END.size + 0xFFFF
_ZIP64: Final = 0xFFFFFFFF


def ends_whole(fd: int, size: int) -> bool:
    """Whether the file ends exactly with the end record of a zip whose directory fits before it."""
    if size < _END.size:
        return False
    if _is_end(os.pread(fd, _END.size, size - _END.size), size - _END.size):
        return True
    start = max(0, size - _LONGEST)
    tail = os.pread(fd, size - start, start)
    at = tail.rfind(_SIGNATURE)
    while at >= 0:
        if _is_end(tail[at:], start + at):
            return True
        at = tail.rfind(_SIGNATURE, 0, at)
    return False


def _is_end(record: bytes, offset: int) -> bool:
    if len(record) < _END.size:
        return False
    signature, *_, length, start, comment = _END.unpack_from(record)
    fits = _ZIP64 in (length, start) or start + length <= offset
    return bool(signature == _SIGNATURE and fits and len(record) == _END.size + comment)


def open_for_writing(fd: int) -> bool | None:
    """Whether anybody has the file open for writing; ``None`` where this cannot be told.

    Linux grants a read lease only on a file that nobody has open for writing. It is given back at once; a writer who
    comes in between waits for those microseconds, and the signal that tells us so is one that is ignored by default.
    See fcntl(2), "Leases": only the file's owner may take one, and not every file system knows them.
    """
    if sys.platform != "linux":
        return None
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
