"""Decides when a file in the watched folder is a snapshot that has arrived, and reports each one once.

What is seen comes from :mod:`runyard.host.inotify` or from polling (:mod:`runyard.host.folder`); this module knows neither.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from runyard.host.whole import ends_whole, open_for_writing
from runyard.ports.blobs import BlobInfo
from runyard.ports.clock import Clock
from runyard.stores.embedded.etag import etag_of

REMEMBERED: Final = 10_000
"""Files that are remembered where the system tells of every close: enough for what is told twice. A scan asks for the others."""
QUIET: Final = 2.0
"""Seconds without change after which a file without a zip's end is reported all the same, so that a run says so."""
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_UNFINISHED: Final = (".part", ".tmp", "~")

log = logging.getLogger("runyard.host")

Emit = Callable[[BlobInfo], None]


class Known(Protocol):
    """Tells whether a blob's event has been dealt with before."""

    def __call__(self, container: str, name: str, etag: str, modified: float) -> bool:
        """Whether a run exists for this version of the blob."""
        ...


def is_snapshot_name(name: str) -> bool:
    """Whether a file of this name may be a snapshot: ``*.zip``, not hidden, not a writer's temporary name."""
    stem = name.lower().removesuffix(".zip")
    return len(stem) < len(name) and not is_hidden(name) and not stem.endswith(_UNFINISHED)


def is_hidden(name: str) -> bool:
    """Whether files and folders of this name are left alone."""
    return name.startswith((".", "~"))


@dataclass(frozen=True, slots=True)
class _Look:
    info: BlobInfo
    whole: bool
    written: bool | None
    """Whether somebody has it open for writing; ``None`` if that is unknown or was not asked."""
    device: int


class Arrivals:
    """Reports each version of each snapshot once."""

    def __init__(self, root: Path, *, emit: Emit, known: Known, clock: Clock, since: float = 0.0) -> None:
        """Make one for a folder.

        Args:
            root: The watched folder; its name is the container's.
            emit: Called with each snapshot that has arrived, from the watching thread.
            known: Asked during a start scan only.
            clock: Tells the time.
            since: The start mark: a start scan leaves alone what came before. What happens later always counts.
        """
        self.root = root
        self._emit = emit
        self._known = known
        self._clock = clock
        self._since = since
        self.left = 0
        """Snapshots that the last start scan left alone: they came before the start mark."""
        self.most: int | None = REMEMBERED
        """How many files are remembered at most; ``None`` where scans find out what is new: then all that are there."""
        self._reported: dict[int, int] = {}  # hashes of name and ETag: a folder may hold 100,000 files
        self._devices: set[int] = set()
        self._found_devices: set[int] = self._own_device()
        self._incomplete = False
        self.unreadable: set[str] = set()
        """Files and folders that could not be read when they were looked at last."""
        self._unsettled: dict[str, tuple[float, str]] = {}
        self._seen: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()

    def closed(self, name: str) -> None:
        """A writer closed the file, or it was moved in."""
        look = self._look(name)
        if look is None or self._is_reported(name, look.info.etag):
            return
        if look.whole:
            self._report(look.info)
        else:
            self._wait(look.info)

    def created(self, name: str) -> None:
        """A directory entry appeared: only a hard link brings a file that nobody will close."""
        try:
            links = os.lstat(self.root / name).st_nlink
        except OSError:
            return
        if links > 1:
            self.closed(name)

    def found(self, name: str, *, starting: bool, watched: bool = True) -> None:
        """A scan found the file.

        Args:
            name: Its path below the root.
            starting: Whether this is the scan at the start, where a file may be known from an earlier life.
            watched: Whether a later close would be noticed; else a file counts once two scans saw the same.
        """
        if self._is_unchanged(name):
            return
        look = self._look(name, ask_writers=watched)
        if look is None or self._is_reported(name, look.info.etag):
            return
        info = look.info
        strange = starting or (not watched and look.device not in self._devices)
        if (strange or not watched) and self._known(info.container, name, info.etag, info.modified):
            self._remember(name, info.etag)
            return
        if strange and info.came < self._since:
            self._remember(name, info.etag)
            self.left += 1
            return
        before, self._seen[name] = self._seen.get(name), info.etag
        if look.written:
            return
        if look.whole and (watched or starting or before == info.etag):
            self._report(info)
        elif not look.whole:
            self._wait(info)

    def next_due(self) -> float | None:
        """When :meth:`settle` has something to do."""
        return min((at for at, _ in self._unsettled.values()), default=None)

    def settle(self, *, watched: bool = True) -> None:
        """Report the files that have been quiet for long enough without becoming whole."""
        now = self._clock.now()
        for name in [name for name, (at, _) in self._unsettled.items() if at <= now]:
            _, etag = self._unsettled.pop(name)
            look = self._look(name, ask_writers=watched)
            if look is None or look.written:
                continue
            if look.info.etag == etag or (look.whole and watched):
                self._report(look.info)
            elif not look.whole:
                self._wait(look.info)

    def scan(self, start: str, enter: Callable[[str], bool], *, starting: bool, watched: bool = True) -> None:
        """Look at every file below ``start`` (empty: all of it); see :func:`walk` and :meth:`found`.

        What a scan of everything did not see is forgotten, unless it could not see everything: a mount that is away for a
        while comes back with the same files. Files on a device that was not there at the last scan are judged as at the
        start, so that nothing begins because a mount came.
        """
        self._incomplete = False
        there = set()
        for name in walk(self.root, start, enter, self.missed):
            there.add(name)
            self.found(name, starting=starting, watched=watched)
        if start:
            return
        if not self._incomplete:
            self.forget_missing(there)
        self._devices = self._found_devices
        self._found_devices = self._own_device()

    def forget_missing(self, there: set[str]) -> None:
        """Drop what is remembered of files that a whole scan did not see."""
        marks = {hash(name) for name in there}
        for mark in self._reported.keys() - marks:
            del self._reported[mark]
        for name in self._seen.keys() - there:
            del self._seen[name]
        self._told = {(name, sentence) for name, sentence in self._told if name in there}
        self.unreadable &= there

    def missed(self, folder: str, sentence: str) -> None:
        """A folder cannot be looked into: what is remembered of its files is kept until it can."""
        self._incomplete = True
        self._unreadable(folder, sentence)

    def forget(self, name: str) -> None:
        """The file is gone."""
        self._reported.pop(hash(name), None)
        self._seen.pop(name, None)
        self._unsettled.pop(name, None)

    def tell(self, name: str, sentence: str) -> None:
        """Say something about a file or folder, once."""
        if (name, sentence) not in self._told:
            self._told.add((name, sentence))
            shown = name if _is_utf8(name) else ascii(name)
            log.warning("%s/%s %s", self.root.name, shown, sentence, extra={"action": "blob.skipped"})

    def _report(self, info: BlobInfo) -> None:
        self._emit(info)  # first: should it fail, the next scan finds the file again
        self._unsettled.pop(info.name, None)
        self._seen.pop(info.name, None)
        self._remember(info.name, info.etag)

    def _remember(self, name: str, etag: str) -> None:
        self._reported.pop(hash(name), None)
        self._reported[hash(name)] = hash(etag)
        if self.most is not None and len(self._reported) > self.most:
            del self._reported[next(iter(self._reported))]

    def _is_reported(self, name: str, etag: str) -> bool:
        return self._reported.get(hash(name)) == hash(etag)

    def _is_unchanged(self, name: str) -> bool:
        """Whether the file is as it was when it was dealt with; one call to the system for each of many files."""
        if hash(name) not in self._reported:
            return False
        try:
            status = os.lstat(self.root / name)
        except (OSError, ValueError):
            return False
        self._found_devices.add(status.st_dev)
        return self._is_reported(name, etag_of(status))

    def _unreadable(self, name: str, sentence: str) -> None:
        self.unreadable.add(name)
        self.tell(name, sentence)

    def _own_device(self) -> set[int]:
        try:
            return {self.root.stat().st_dev}
        except OSError:
            return set()

    def _wait(self, info: BlobInfo) -> None:
        at, etag = self._unsettled.get(info.name, (0.0, ""))
        if etag != info.etag:
            at = self._clock.now() + QUIET
        self._unsettled[info.name] = (at, info.etag)

    def _look(self, name: str, *, ask_writers: bool = False) -> _Look | None:
        if not _is_utf8(name):
            self.tell(name, "has a name that is not UTF-8; rename it to have it run")
            return None
        try:
            fd = os.open(self.root / name, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._unreadable(name, f"cannot be read ({error.strerror}); make it a readable file to have it run")
            return None
        self.unreadable.discard(name)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                self.tell(name, "is not a plain file; put a zip there to have it run")
                return None
            info = BlobInfo(
                container=self.root.name,
                name=name,
                etag=etag_of(status),
                size=status.st_size,
                modified=status.st_mtime,
                changed=status.st_ctime,
            )
            written = open_for_writing(fd) if ask_writers else None
            self._found_devices.add(status.st_dev)
            return _Look(info, ends_whole(fd, status.st_size), written, status.st_dev)
        except OSError as error:
            self._unreadable(name, f"cannot be read ({error.strerror}); copy it again to have it run")
            return None
        finally:
            os.close(fd)


def walk(root: Path, start: str, enter: Callable[[str], bool], tell: Callable[[str, str], None]) -> Iterator[str]:
    """The snapshots below ``start``, by name; ``enter`` is called with each folder before it is read.

    Links are not followed, hidden folders are left out, and a folder that vanishes meanwhile is no error.

    Args:
        root: The watched folder.
        start: A path below it; empty for all of it.
        enter: Whether to read this folder.
        tell: Called with the name of a folder that cannot be read, and why.
    """
    folders = [start]
    while folders:
        folder = folders.pop()
        if not enter(folder):
            continue
        try:
            with os.scandir(root / folder) as entries:
                there = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            tell(folder, f"cannot be read ({error.strerror}); make it a readable folder")
            continue
        for entry in there:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not is_hidden(entry.name):
                    folders.append(name)
            elif is_snapshot_name(entry.name) and entry.is_file(follow_symlinks=False):
                yield name


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
