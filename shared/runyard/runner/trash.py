"""Removes working directories that are no longer needed, when the machine has nothing better to do.

File systems make one pay for deleting while creating (ext4 walks past each inode that was freed within the last half
minute), so during a burst of short runs nothing is removed.
"""

import os
import shutil
import stat
import time
from typing import Any, Callable, List

from .loop import Loop

QUIET = 2.0
"""Seconds without a start or an ending after which removing begins."""
MOST = 500
"""Directories that may wait; beyond that they go at once."""


class Trash:
    """Directories that wait to be removed."""

    def __init__(self, loop: Loop, complain: Callable[[str], Any]) -> None:
        self._loop = loop
        self._complain = complain
        self._paths: List[str] = []
        self._busy = False
        self._armed = False
        self._stirred = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._paths and not self._busy

    def stir(self) -> None:
        """Something was started or ended."""
        self._stirred = time.monotonic()

    def add(self, path: str) -> None:
        """Remove it, later."""
        self._paths.append(path)
        if not self._armed:
            self._armed = True
            self._loop.call_after(QUIET, self._look)

    def empty(self) -> None:
        """Remove everything now: the disk is full."""
        self._next()

    def _look(self) -> None:
        self._armed = bool(self._paths)
        if not self._armed:
            return
        quiet = time.monotonic() - self._stirred
        if quiet >= QUIET or len(self._paths) > MOST:
            self._next()
        self._loop.call_after(max(QUIET - quiet, 0.1), self._look)

    def _next(self) -> None:
        """Give the worker what waits, unless it still removes."""
        if self._busy or not self._paths:
            return
        self._busy = True
        paths, self._paths = self._paths, []
        self._loop.do(lambda: self._remove_all(paths), self._removed)

    def _removed(self, *_: Any) -> None:
        self._busy = False

    def _remove_all(self, paths: List[str]) -> None:
        for path in paths:
            try:
                shutil.rmtree(path, onerror=_insist)
            except (OSError, RecursionError) as error:  # a script may nest folders without end
                self._complain("%s could not be removed: %s\n" % (path, error))


def _insist(function: Callable[..., Any], path: str, info: Any) -> None:
    """Remove what a script made unremovable: a folder without its write permission."""
    if not isinstance(info[1], PermissionError):
        if isinstance(info[1], FileNotFoundError):
            return
        raise info[1]
    os.chmod(os.path.dirname(path), stat.S_IRWXU)
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, stat.S_IRWXU)
        shutil.rmtree(path)
    else:
        function(path)
