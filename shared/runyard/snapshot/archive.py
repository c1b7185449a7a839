"""Reads a zip by ranges: its tail, its central directory, and only those files that are asked for.

The format is PKWARE's APPNOTE 6.3.10 (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT); section numbers below are its.
Everything a zip says of itself is checked before it is used, as strangers write zips.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from runyard.errors import SnapshotError

Read = Callable[[int, int], bytes]
"""``read(offset, length)``: up to ``length`` bytes."""

TAIL: Final = 66 * 1024
"""Bytes of the first read: an end record (22), its longest comment (65,535) and both zip64 end records (76) fit in."""
CHUNK: Final = 8 << 20
"""Bytes of the directory that are held at a time; a directory up to this size is read once and kept."""
MAX_DIRECTORY: Final = 2 * CHUNK
MAX_ENTRIES: Final = 200_000

_END: Final = struct.Struct("<4s4H2LH")  # 4.3.16
_END64_LOCATOR: Final = struct.Struct("<4sLQL")  # 4.3.15
_END64: Final = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_LOCAL: Final = struct.Struct("<4s5H3L2H")  # 4.3.7
_EXTRA_SLACK: Final = 512
"""Bytes allowed for a local header's extra field, so that header and data come in one read."""

_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED: Final = 0x2041  # bits 0, 6 and 13 of the flags (4.4.4)
_UTF8: Final = 0x800
_FULL32: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a zip, as the central directory tells it."""

    name: str
    """With ``/`` between folders, whatever the zip has."""
    raw_name: bytes
    method: int
    crc: int
    compressed: int
    size: int
    offset: int
    """Of its local header."""


class Archive:
    """An opened zip. Use :func:`open_archive`."""

    def __init__(self, read: Read, size: int, name: str, keep: Callable[[str], bool]) -> None:
        self.name = name
        """How errors call it."""
        self.size = size
        self.entries: dict[str, Entry] = {}
        """The files whose names were to be kept."""
        self.files = 0
        """Number of files; folders do not count."""
        self.compressed = 0
        """Bytes of all files as they are in the zip."""
        self.uncompressed = 0
        """Bytes of all files once unpacked, as the directory claims."""
        self._source = read
        self._held_at = max(0, size - TAIL)
        self._held = b""
        self._directory: bytes | None = None
        """The directory, unless it is larger than :data:`CHUNK`."""
        self._start = self._end = self._count = self._shift = 0
        self._open(keep)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that were kept, in the zip's order."""
        return tuple(self.entries)

    def find(self, *names: str) -> dict[str, Entry]:
        """Those of ``names`` that are files in the zip, kept or not.

        Costs no read unless the directory has more than :data:`CHUNK` bytes (some 80,000 files); then it is read again.

        Raises:
            SnapshotError: if a name is there twice.
        """
        found = {name: self.entries[name] for name in names if name in self.entries}
        missing = frozenset(names) - found.keys()
        if missing:
            for entry in self._walk(missing.__contains__):
                self._keep(entry, found)
        return found

    def read(self, entry: Entry, limit: int) -> bytes:
        """The content of a file, with one read.

        Args:
            entry: From :attr:`entries` or :meth:`find`.
            limit: Most bytes that it may have.

        Raises:
            SnapshotError: if it is larger, damaged, or compressed in a way that is not understood.
        """
        if entry.method not in {_STORED, _DEFLATED}:
            raise self._error(
                f"{entry.name} is compressed by method {entry.method}; stored and deflated are understood"
            )
        most = limit + limit // 100 + 1024
        if entry.size > limit or entry.compressed > most:
            raise self._error(
                f"{entry.name} has {max(entry.size, entry.compressed):,} bytes; at most {limit:,} are allowed"
            )
        data = self._data(entry)
        if entry.method == _DEFLATED:
            data = self._inflate(entry, data)
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise self._error(f"{entry.name} is damaged: its size or checksum is not what the directory says")
        return data

    def _data(self, entry: Entry) -> bytes:
        """The bytes of a file as they are in the zip."""
        start = entry.offset + self._shift
        fixed = _LOCAL.size + len(entry.raw_name)
        if start + fixed + entry.compressed > self._start:
            raise self._error(f"the directory says that {entry.name} lies where it cannot")
        block = self._fetch(start, min(fixed + _EXTRA_SLACK + entry.compressed, self._start - start))
        header = _LOCAL.unpack_from(block)
        name_length, extra_length = header[9], header[10]
        if header[0] != b"PK\x03\x04" or header[3] != entry.method or block[_LOCAL.size : fixed] != entry.raw_name:
            raise self._error(f"the directory and the header of {entry.name} do not agree")
        begin = _LOCAL.size + name_length + extra_length
        end = begin + entry.compressed
        if start + end > self._start:
            raise self._error(f"the directory says that {entry.name} lies where it cannot")
        if end > len(block):
            block += self._fetch(start + len(block), end - len(block))
        return block[begin:end]

    def _inflate(self, entry: Entry, data: bytes) -> bytes:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            result = inflater.decompress(data, entry.size + 1)
        except zlib.error:
            raise self._error(f"{entry.name} is damaged: it cannot be decompressed") from None
        if not inflater.eof:
            raise self._error(f"{entry.name} is damaged: it does not end where the directory says")
        return result

    def _error(self, what: str) -> SnapshotError:
        return SnapshotError(f"{self.name}: {what}")

    def _fetch(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, from memory where they are held."""
        if offset >= self._held_at:
            data = self._held[offset - self._held_at : offset - self._held_at + length]
        else:
            data = self._source(offset, length)
        if len(data) != length:
            raise self._error("the zip is truncated, or it changed while it was read")
        return data

    def _open(self, keep: Callable[[str], bool]) -> None:
        self._held = self._source(self._held_at, self.size - self._held_at)
        if len(self._held) != self.size - self._held_at:
            raise self._error("the zip is truncated, or it changed while it was read")
        self._read_end()
        length = self._end - self._start
        if length > MAX_DIRECTORY or self._count > MAX_ENTRIES:
            raise self._error(
                f"the zip has {self._count:,} entries, listed in {length:,} bytes; at most {MAX_ENTRIES:,} and "
                f"{MAX_DIRECTORY:,} are allowed"
            )
        if length <= CHUNK:
            self._directory = self._fetch(self._start, length)
        for entry in self._walk(keep, count=True):
            self._keep(entry, self.entries)
        if self.files == 0:
            raise self._error("the zip holds no files")

    def _read_end(self) -> None:
        """Find the end records and learn where the directory is."""
        at = self._held.rfind(b"PK\x05\x06")
        while at >= 0 and not self._is_end(at):
            at = self._held.rfind(b"PK\x05\x06", 0, at)
        if at < 0:
            raise self._error(self._what_instead())
        _, disk, first_disk, here, count, length, offset, _ = _END.unpack_from(self._held, at)
        if disk != first_disk or here != count:
            raise self._error("the zip is a part of a split one; make a single file")
        end = self._held_at + at
        if count == 0xFFFF or _FULL32 in {length, offset}:
            end, count, length, offset = self._read_end64(at, (end, count, length, offset))
        self._shift = end - length - offset
        self._start, self._end, self._count = end - length, end, count
        if self._shift < 0 or self._start < 0:
            raise self._error("the zip says that its directory begins where it cannot")

    def _is_end(self, at: int) -> bool:
        if at + _END.size > len(self._held):
            return False
        comment = _END.unpack_from(self._held, at)[7]
        return bool(at + _END.size + comment == len(self._held))

    def _read_end64(self, at: int, plain: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """End of the directory, number of entries, its length and offset by the zip64 records, if there are any."""
        locator_at = at - _END64_LOCATOR.size
        if locator_at < 0 or self._held[locator_at : locator_at + 4] != b"PK\x06\x07":
            return plain
        record_at = locator_at - _END64.size
        if record_at < 0 or self._held[record_at : record_at + 4] != b"PK\x06\x06":
            raise self._error("the zip64 end record is not where it must be")
        fields = _END64.unpack_from(self._held, record_at)
        count, length, offset = fields[7:10]
        return self._held_at + record_at, count, length, offset

    def _what_instead(self) -> str:
        head = self._held[:4] if self._held_at == 0 else self._source(0, 4)
        if head == b"PK\x03\x04":
            return "the zip is truncated: it begins like one and has no end record"
        return "it is not a zip"

    def _keep(self, entry: Entry, found: dict[str, Entry]) -> None:
        if entry.name in found:
            raise self._error(f"{entry.name} is there twice")
        if "\0" in entry.name:
            raise self._error("a name holds a NUL character")
        found[entry.name] = entry

    def _walk(self, keep: Callable[[str], bool], *, count: bool = False) -> Iterator[Entry]:
        """The files whose names are wanted; the directory is read in chunks, never held whole beyond :data:`CHUNK`."""
        at, seen = self._start, 0
        while at < self._end:
            chunk = self._directory if self._directory is not None else self._fetch(at, min(CHUNK, self._end - at))
            used = 0
            while used + _CENTRAL.size <= len(chunk):
                fields = _CENTRAL.unpack_from(chunk, used)
                name_at = used + _CENTRAL.size
                extra_at = name_at + fields[10]
                following = extra_at + fields[11] + fields[12]
                if fields[0] != b"PK\x01\x02":
                    raise self._error("the directory is damaged")
                if following > len(chunk):
                    break
                raw = chunk[name_at:extra_at]
                used, seen = following, seen + 1
                if count:
                    self._tally(fields, raw, chunk[extra_at : extra_at + fields[11]])
                name = self._decode(raw, fields[3])
                if not name.endswith("/") and keep(name):
                    yield self._entry(fields, name, raw, chunk[extra_at : extra_at + fields[11]])
            if used == 0:
                raise self._error("the directory is damaged")
            at += used
            del chunk
        if seen != self._count:
            raise self._error(f"the zip says that it has {self._count:,} entries and has {seen:,}")

    def _tally(self, fields: tuple[int, ...], raw: bytes, extra: bytes) -> None:
        """Count a directory entry."""
        if fields[3] & _ENCRYPTED:
            raise self._error(f"{self._decode(raw, fields[3])[:120]} is encrypted; zip it without a password")
        if raw.endswith(b"/"):
            return
        size, compressed, _ = self._sizes(fields, extra)
        self.files += 1
        self.compressed += compressed
        self.uncompressed += size

    def _entry(self, fields: tuple[int, ...], name: str, raw: bytes, extra: bytes) -> Entry:
        size, compressed, offset = self._sizes(fields, extra)
        return Entry(name, raw, fields[4], fields[7], compressed, size, offset)

    def _sizes(self, fields: tuple[int, ...], extra: bytes) -> tuple[int, int, int]:
        """Size, compressed size and offset; from the zip64 extra field (4.5.3) where the short ones are full."""
        compressed, size, offset = fields[8], fields[9], fields[16]
        if _FULL32 not in {compressed, size, offset}:
            return size, compressed, offset
        values = iter(_zip64_values(extra))
        size, compressed, offset = (
            next(values, -1) if value == _FULL32 else value for value in (size, compressed, offset)
        )
        if min(size, compressed, offset) < 0:
            raise self._error("the directory is damaged: a zip64 size is missing")
        return size, compressed, offset

    def _decode(self, raw: bytes, flags: int) -> str:
        """A name as text: UTF-8 where the flag says so, else code page 437 (appendix D)."""
        try:
            name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
        except UnicodeDecodeError:
            if flags & _UTF8:
                raise self._error("a name is not UTF-8 though it says so") from None
            name = raw.decode("cp437")
        return name.replace("\\", "/").removeprefix("./") if "\\" in name or name.startswith("./") else name


def _zip64_values(extra: bytes) -> tuple[int, ...]:
    """The numbers of the zip64 extra field, if there is one."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            whole = min(length, len(extra) - at - 4) // 8
            return struct.unpack_from(f"<{whole}Q", extra, at + 4)
        at += 4 + length
    return ()


def _everything(_name: str) -> bool:
    return True


def open_archive(read: Read, size: int, *, name: str, keep: Callable[[str], bool] = _everything) -> Archive:
    """Open a zip with as few reads as its size allows: one below 64 KiB, at most four whatever it holds.

    Args:
        read: Gives up to ``length`` bytes from ``offset``, such as ``BlobReader.read``.
        size: Bytes of the zip.
        name: How errors call it.
        keep: Which names to keep in :attr:`Archive.entries`; memory grows with them.

    Raises:
        SnapshotError: if it is not a zip, is truncated, encrypted, empty, lies about itself, or has too many entries.
    """
    if size == 0:
        raise SnapshotError(f"{name} is empty: 0 bytes")
    return Archive(read, size, name, keep)
