"""The ETag of a file in a folder."""

from __future__ import annotations

import os


def etag_of(status: os.stat_result) -> str:
    """Inode, modification time (ns) and size: another file, or other content, gives another ETag."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
