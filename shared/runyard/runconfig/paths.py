"""Paths inside a snapshot."""

from __future__ import annotations

import posixpath


def inside(path: str) -> str | None:
    """The path relative to the snapshot's top, without ``./`` and double slashes; ``None`` if it is not inside.

    Refused are the empty path, absolute ones (a drive letter counts), those with ``..``, with a backslash (a name on
    Linux, a separator on Windows), or with control characters.
    """
    if not path or path.startswith("/") or path[1:2] == ":" or "\\" in path or len(path) > 1024:
        return None
    if any(ord(letter) < 32 for letter in path) or ".." in path.split("/"):
        return None
    normal = posixpath.normpath(path)
    return None if normal == "." else normal
