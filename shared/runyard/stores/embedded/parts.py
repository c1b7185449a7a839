"""Parts of blobs that are to be: files in a hidden folder of the container, one folder for each blob."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from runyard.errors import SnapshotError
from runyard.stores.embedded.files import PIECE, TEMPORARY, no_room, sync_folder, write_temporary

PARTS: Final = f"{TEMPORARY}parts-"
"""How the names of the folders begin."""
KEPT: Final = 2 * 86_400.0
"""Seconds that parts wait for the next one, or for their commit."""


class Parts:
    """The parts of one blob."""

    def __init__(self, base: Path, name: str, *, durable: bool) -> None:
        """Of the blob ``name`` in the container whose folder is ``base``; durable ones survive a power cut."""
        self._base = base
        self._folder = base / f"{PARTS}{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"
        self._durable = durable

    def stage(self, index: int, data: bytes) -> None:
        """Keep a part. The first one of a blob also removes what waited too long in the container."""
        with no_room(self._base):
            while True:
                self._make_folder()  # raises if the container itself is gone
                try:
                    temporary, _ = write_temporary(self._folder, data, sync=self._durable)
                    temporary.rename(self._folder / f"{index:05}")
                    if self._durable:
                        sync_folder(self._folder)
                except FileNotFoundError:
                    continue  # another's commit of the same blob dropped the folder meanwhile: there are only so many
                return

    def sizes(self) -> Mapping[int, int]:
        """The bytes of each part that is there."""
        found = {}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.isdecimal():
                    with suppress(FileNotFoundError):
                        found[int(entry.name)] = entry.stat().st_size
        return found

    def joined(self, parts: int, sha256: str | None, wrong: Callable[[], SnapshotError]) -> BinaryIO:
        """The bytes of all parts, one after the other, to be read in pieces; ``wrong`` is raised at their end."""
        paths = [self._folder / f"{index:05}" for index in range(parts)]
        return cast("BinaryIO", _Joined(paths, sha256, wrong))

    def drop(self) -> None:
        """Remove all parts at once; repeatable."""
        away = self._base / f"{TEMPORARY}{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):
            self._folder.rename(away)
            _remove(away)

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700)
        except FileExistsError:
            return
        with suppress(FileNotFoundError):  # dropped already
            sweep(self._base, before=self._folder.stat().st_mtime)


def sweep(base: Path, before: float) -> int:
    """Remove the parts in a container that waited longer than :data:`KEPT` at the time ``before``; returns how many blobs'."""
    count = 0
    for folder in base.glob(f"{PARTS}*"):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < before - KEPT:
                _remove(folder)
                count += 1
    return count


def _remove(folder: Path) -> None:
    # A part that comes in meanwhile keeps the folder; the next sweep finds it.
    shutil.rmtree(folder, ignore_errors=True)


class _Joined:
    """As much of a binary file as it takes to copy it."""

    def __init__(self, paths: list[Path], sha256: str | None, wrong: Callable[[], SnapshotError]) -> None:
        self._paths = iter(paths)
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._sha256 = sha256
        self._wrong = wrong

    def read(self, size: int = PIECE) -> bytes:
        """The next bytes, at most ``size``; none at the end, once what was read is proven."""
        while True:
            if self._file is None:
                path = next(self._paths, None)
                if path is None:
                    return self._end()
                self._file = path.open("rb", buffering=0)
            if piece := self._file.read(size):
                self._digest.update(piece)
                return piece
            self.close()

    def _end(self) -> bytes:
        if self._sha256 is not None and self._digest.hexdigest() != self._sha256:
            raise self._wrong()
        return b""

    def close(self) -> None:
        """Let go of the part at hand."""
        if self._file is not None:
            self._file.close()
            self._file = None
