"""The ETag of a file in a folder."""

from __future__ import annotations

import os
from typing import Final

from runyard.stores.embedded.mounts import Devices

_DEVICES: Final = Devices()


def etag_of(status: os.stat_result) -> str:
    """Inode, modification time (ns) and size: another file, or other content, gives another ETag.

    On a mount that numbers its inodes anew each time, time and size alone: a mount that went and came holds the same files.
    """
    inode = status.st_ino if _DEVICES.keep_inodes(status.st_dev) else 0
    return f"{inode:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
