"""Reads a zip by ranges: its tail, its central directory, and only those files that are asked for.

What a directory means, and what is refused, is one with what the runner unpacks by: :mod:`runyard.runner.ziptable`. Here is what
it takes to do so over a network: few reads, little memory, whatever the zip.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runyard.errors import SnapshotError
from runyard.runner import zipentry
from runyard.runner.problems import Problem
from runyard.runner.zipend import TAIL, exactly
from runyard.runner.zipnames import show
from runyard.runner.ziptable import Table

Read = Callable[[int, int], bytes]
"""``read(offset, length)``: up to ``length`` bytes."""

CHUNK: Final = 6 << 20
"""Bytes of the directory that are held at a time; a directory up to this size is read once and kept. Twice as much and the
names' hashes fit into 16 MB, as a store may copy what it hands over."""
READS: Final = 4
"""Of a directory, at most: of one so long that this many chunks do not hold it, more is read at a time."""
MAX_KEPT: Final = 2 << 20
"""Bytes of memory that the files which ``keep`` chooses may take, about: some 3,500 files."""
_EXTRA_SLACK: Final = 512
"""Bytes allowed for a local header's extra field, so that header and data come in one read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a zip, as the central directory tells it."""

    name: str
    """In its plain form: ``/`` between folders, nothing else at either end."""
    raw_name: bytes
    method: int
    crc: int
    compressed: int
    size: int
    offset: int
    """Of its local header, in the file."""
    is_link: bool = False
    """Whether it is a symbolic link, whose content is the path of what it leads to."""


class Archive:
    """An opened zip. Use :func:`open_archive`."""

    def __init__(self, read: Read, size: int, name: str, keep: Callable[[str], bool] | None) -> None:
        self.name = name
        """How errors call it."""
        self.size = size
        self._told = _Told(name)
        self.entries: dict[str, Entry] = {}
        """The files and links whose names were to be kept."""
        self._source = read
        self._held_at = max(0, size - TAIL)
        self._held = b""
        with self._told:
            self._held = exactly(read, self._held_at, size - self._held_at)
            self._table = Table(self._fetch, size)
            length = self._table.end.stop - self._table.end.start
            self._table.piece = max(CHUNK, length // READS + zipentry.LONGEST)
            kept = self._table.check(keep or _everything, 1 << 60 if keep is None else MAX_KEPT)
        self.entries = {entry.name: _entry(entry) for entry in kept}

    @property
    def names(self) -> tuple[str, ...]:
        """The names that were kept, in the zip's order."""
        return tuple(self.entries)

    @property
    def files(self) -> int:
        """Number of files; folders do not count."""
        return self._table.files

    @property
    def compressed(self) -> int:
        """Bytes of all files as they are in the zip."""
        return self._table.packed

    @property
    def uncompressed(self) -> int:
        """Bytes of all files once unpacked, as the directory claims."""
        return self._table.unpacked

    def find(self, *names: str) -> dict[str, Entry]:
        """Those of ``names`` that are files in the zip, kept or not.

        Costs no read, unless the directory has more than :data:`CHUNK` bytes (some 60,000 files): then one for each name that
        was not kept.

        Raises:
            SnapshotError: if the zip changed.
        """
        found = {}
        for name in names:
            if (kept := self.entries.get(name)) is not None:
                found[name] = kept
                continue
            with self._told:
                entry = self._table.find(name)
            if entry is not None:
                found[name] = _entry(entry)
        return found

    def read(self, entry: Entry, limit: int) -> bytes:
        """The content of a file, with one read.

        Args:
            entry: From :attr:`entries` or :meth:`find`.
            limit: Most bytes that it may have.

        Raises:
            SnapshotError: if it is a link, larger, damaged, or the zip changed.
        """
        shown = show(entry.name)
        with self._told:
            if entry.is_link:
                raise Problem(f"{shown} in the snapshot is a symbolic link; put the file itself into the zip")
            most = limit + limit // 100 + 1024
            if entry.size > limit or entry.compressed > most:
                size = max(entry.size, entry.compressed)
                raise Problem(f"{shown} in the snapshot has {size:,} bytes; at most {limit:,} are allowed")
            data = self._data(entry)
            if entry.method == zipentry.DEFLATED:
                data = _inflate(data, entry.size, shown)
            if len(data) != entry.size or zlib.crc32(data) != entry.crc:
                raise Problem(
                    f"{shown} in the snapshot is damaged: its size or checksum is not what the directory says"
                )
        return data

    def _data(self, entry: Entry) -> bytes:
        """The bytes of a file as they are in the zip."""
        begin, directory = entry.offset, self._table.end.start
        header = zipentry.HEADER + len(entry.raw_name)
        block = self._fetch(begin, min(header + _EXTRA_SLACK + entry.compressed, directory - begin))
        start = zipentry.locate(lambda at, length: block[at - begin :][:length], _row(entry)) - begin
        end = start + entry.compressed
        if begin + end > directory:
            raise Problem(f"{show(entry.name)} in the snapshot lies where it cannot: the directory is damaged")
        if end > len(block):
            block += self._fetch(begin + len(block), end - len(block))
        return block[start:end]

    def _fetch(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, from memory where they are held."""
        if offset >= self._held_at:
            at = offset - self._held_at
            return self._held[at : at + length]
        return exactly(self._source, offset, length)


class _Told:
    """What keeps the runner from a snapshot keeps it from being accepted, under the name that the user knows."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Problem):
            raise SnapshotError(f"{self._name}: {error.message}") from None


def _everything(_name: str) -> bool:
    return True


def _entry(row: zipentry.Entry) -> Entry:
    is_link = row.kind == zipentry.LINK
    return Entry(row.name, row.raw, row.method, row.crc, row.packed, row.size, row.offset, is_link)


def _row(entry: Entry) -> zipentry.Entry:
    kind = zipentry.LINK if entry.is_link else zipentry.FILE
    return zipentry.Entry(
        name=entry.name,
        kind=kind,
        mode=0,
        method=entry.method,
        crc=entry.crc,
        packed=entry.compressed,
        size=entry.size,
        offset=entry.offset,
        raw=entry.raw_name,
    )


def _inflate(data: bytes, size: int, shown: str) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        result = inflater.decompress(data, size + 1)
    except zlib.error:
        raise Problem(f"{shown} in the snapshot is damaged: it cannot be decompressed") from None
    if not inflater.eof or inflater.unused_data:
        raise Problem(f"{shown} in the snapshot is damaged: it does not end where the directory says")
    return result


def open_archive(read: Read, size: int, *, name: str, keep: Callable[[str], bool] | None = None) -> Archive:
    """Open a zip with as few reads as its size allows: one below 64 KiB, at most six whatever it holds.

    Args:
        read: Gives up to ``length`` bytes from ``offset``, such as ``BlobReader.read``.
        size: Bytes of the zip.
        name: How errors call it.
        keep: Which names to keep in :attr:`Archive.entries`, up to :data:`MAX_KEPT`; ``None`` keeps all, in as much memory as
            they take.

    Raises:
        SnapshotError: if it is not a zip, is truncated, encrypted, empty, unsafe, lies about itself, or has too many entries.
    """
    return Archive(read, size, name, keep)
