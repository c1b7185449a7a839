"""Watches a folder tree with inotify (Linux)."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Final

from inotify_simple import Event, INotify, flags

from runyard.host.arrivals import Arrivals, is_hidden, is_snapshot_name

_FOLDER: Final = (
    flags.CLOSE_WRITE
    | flags.MOVED_TO
    | flags.MOVED_FROM
    | flags.CREATE
    | flags.DELETE
    | flags.ATTRIB
    | flags.DELETE_SELF
    | flags.ONLYDIR
)
_PARENT: Final = flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.ONLYDIR
_CAME: Final = flags.CREATE | flags.MOVED_TO
_READY: Final = flags.CLOSE_WRITE | flags.MOVED_TO

log = logging.getLogger("runyard.host")


class WatchLimitError(Exception):
    """The system allows no more watches."""


class TreeWatch:
    """Watches a folder, the folders below it, and its parent (for the folder's own coming and going)."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._root: Path = arrivals.root
        self._paths: dict[int, str] = {}
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            raise WatchLimitError(os.strerror(error.errno or 0)) from None
        try:
            self._parent = self._inotify.add_watch(self._root.parent, _PARENT)
        except OSError as error:
            self._inotify.close()
            raise WatchLimitError(os.strerror(error.errno or 0)) from None

    def fileno(self) -> int:
        """What to poll for reading."""
        return int(self._inotify.fileno())

    def close(self) -> None:
        """Watch no more."""
        self._inotify.close()

    def scan(self, *, watched: bool = True) -> None:
        """Watch every folder and look at every file, as at the start; see :meth:`Arrivals.scan`."""
        self._arrivals.scan("", self._enter, starting=watched, watched=watched)

    def handle(self) -> None:
        """Deal with what has happened since the last call.

        Raises:
            WatchLimitError: if a new folder cannot be watched.
        """
        for event in self._inotify.read(timeout=0):
            self._handle(event)

    def _handle(self, event: Event) -> None:
        if event.mask & flags.Q_OVERFLOW:
            log.warning(
                "more happened in the folder than could be told; it is scanned again", extra={"action": "folder.rescan"}
            )
            self.scan()
        elif event.mask & flags.IGNORED:
            self._paths.pop(event.wd, None)
        elif event.wd == self._parent:
            if event.mask & flags.ISDIR and event.name == self._root.name:
                self._folder_moved(event, "")
        elif (folder := self._paths.get(event.wd)) is not None and event.name:
            self._changed(event, f"{folder}/{event.name}" if folder else event.name)

    def _changed(self, event: Event, name: str) -> None:
        if event.mask & flags.ISDIR:
            if not is_hidden(event.name):
                self._folder_moved(event, name)
        elif not is_snapshot_name(event.name):
            return
        elif event.mask & _READY:
            self._arrivals.closed(name)
        elif event.mask & flags.CREATE:
            self._arrivals.created(name)
        elif event.mask & (flags.DELETE | flags.MOVED_FROM):
            self._arrivals.forget(name)
        elif event.mask & flags.ATTRIB and name in self._arrivals.unreadable:
            self._arrivals.closed(name)  # it may be readable now

    def _folder_moved(self, event: Event, name: str) -> None:
        if event.mask & _CAME:
            self._scan(name)
        elif event.mask & flags.MOVED_FROM:
            self._forget(name)
        elif event.mask & flags.ATTRIB and name in self._arrivals.unreadable:
            self._arrivals.unreadable.discard(name)
            self._scan(name)

    def _scan(self, start: str) -> None:
        # The watch comes first, so that a file is either there when the folder is read or closed later.
        self._arrivals.scan(start, self._enter, starting=False)

    def _enter(self, folder: str) -> bool:
        # The watched folder itself may be a link to another disk; below it links are not followed.
        mask = _FOLDER | flags.DONT_FOLLOW if folder else _FOLDER
        try:
            wd = self._inotify.add_watch(self._root / folder, mask)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return False
            if error.errno == errno.ENOSPC:
                raise WatchLimitError("fs.inotify.max_user_watches is reached") from None
            self._arrivals.missed(folder, f"cannot be watched ({error.strerror}); make it a readable folder")
            return False
        self._paths[wd] = folder
        return True

    def _forget(self, folder: str) -> None:
        """Stop watching a folder that was moved away; if it stays in the tree it is entered again."""
        for wd, path in list(self._paths.items()):
            if not folder or path == folder or path.startswith(f"{folder}/"):
                del self._paths[wd]
                try:
                    self._inotify.rm_watch(wd)
                except OSError as error:
                    if error.errno != errno.EINVAL:  # it is gone already
                        raise
