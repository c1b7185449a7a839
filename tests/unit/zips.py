"""Zips as strangers write them: every field can be anything, in its place and out of it."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

FULL32 = 0xFFFFFFFF
FULL16 = 0xFFFF
LINK = stat.S_IFLNK | 0o777
FILE = stat.S_IFREG | 0o644


def extra(tag: int, body: bytes) -> bytes:
    """One extra field."""
    return struct.pack("<2H", tag, len(body)) + body


def zip64_extra(*numbers: int) -> bytes:
    return extra(1, struct.pack(f"<{len(numbers)}Q", *numbers))


def unicode_path(raw: bytes, name: str) -> bytes:
    return extra(0x7075, b"\1" + struct.pack("<L", zlib.crc32(raw)) + name.encode())


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@dataclass(frozen=True, kw_only=True)
class Item:
    """An entry. What is ``None`` is what it should be; the rest is written as it stands."""

    name: bytes
    data: bytes = b""
    method: int = 0
    mode: int = FILE
    system: int = 3
    flags: int = 0
    packed_data: bytes | None = None
    descriptor: bytes = b""
    """Follows the data."""
    gap: bytes = b""
    """Lies before the header."""
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    offset: int | None = None
    disk: int = 0
    extra: bytes = b""
    comment: bytes = b""
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_crc: int | None = None
    local_size: int | None = None
    local_packed: int | None = None
    local_extra: bytes = b""
    hidden: bool = False
    """Has a header and is not in the directory."""
    listed_only: bool = False
    """Is in the directory and has no header."""

    @property
    def stored(self) -> bytes:
        if self.packed_data is not None:
            return self.packed_data
        return deflated(self.data) if self.method == 8 else self.data


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


def local(item: Item) -> bytes:
    """An entry's own header, its data and what follows them."""
    name = item.name if item.local_name is None else item.local_name
    crc, packed, size = _or(item.crc, zlib.crc32(item.data)), len(item.stored), len(item.data)
    later = _or(item.local_flags, item.flags) & 8
    header = struct.pack(
        "<4s5H3L2H",
        b"PK\3\4",
        20,
        _or(item.local_flags, item.flags),
        _or(item.local_method, item.method),
        0,
        0x21,
        _or(item.local_crc, 0 if later else crc),
        _or(item.local_packed, 0 if later else packed),
        _or(item.local_size, 0 if later else size),
        len(name),
        len(item.local_extra),
    )
    return header + name + item.local_extra + item.stored + item.descriptor


def listed(item: Item, offset: int) -> bytes:
    """An entry of the directory."""
    return (
        struct.pack(
            "<4s2B5H3L5H2L",
            b"PK\1\2",
            20,
            item.system,
            20,
            item.flags,
            item.method,
            0,
            0x21,
            _or(item.crc, zlib.crc32(item.data)),
            _or(item.packed, len(item.stored)),
            _or(item.size, len(item.data)),
            len(item.name),
            len(item.extra),
            len(item.comment),
            item.disk,
            0,
            item.mode << 16,
            _or(item.offset, offset),
        )
        + item.name
        + item.extra
        + item.comment
    )


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The end of a zip. What is ``None`` is what it should be."""

    comment: bytes = b""
    count: int | None = None
    here: int | None = None
    length: int | None = None
    offset: int | None = None
    disk: int = 0
    first_disk: int = 0
    zip64: bool = False
    zip64_data: bytes = b""
    """Behind the zip64 end record's own fields."""
    zip64_needed: int = 45
    zip64_where: int | None = None
    zip64_count: int | None = None
    zip64_length: int | None = None
    zip64_offset: int | None = None
    disks: int = 1
    after_directory: bytes = b""
    """Belongs to the directory, by its length."""
    padding: bytes = b""


def end(tail: Tail, start: int, count: int, length: int) -> bytes:
    """What follows a directory of ``count`` entries that begins at ``start``."""
    length += len(tail.after_directory)
    result = tail.after_directory
    if tail.zip64:
        numbers = (_or(tail.zip64_count, count), _or(tail.zip64_length, length), _or(tail.zip64_offset, start))
        result += struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44 + len(tail.zip64_data), 45, tail.zip64_needed, 0, 0, numbers[0], *numbers
        )
        result += tail.zip64_data
        result += struct.pack("<4sLQL", b"PK\6\7", 0, _or(tail.zip64_where, start + length), tail.disks)
        count, length, start = FULL16, FULL32, FULL32
    count = _or(tail.count, count)
    result += struct.pack(
        "<4s4H2LH",
        b"PK\5\6",
        tail.disk,
        tail.first_disk,
        _or(tail.here, count),
        count,
        _or(tail.length, length),
        _or(tail.offset, start),
        len(tail.comment),
    )
    return result + tail.comment + tail.padding


def build(items: Sequence[Item], tail: Tail = Tail(), *, prefix: bytes = b"", backwards: bool = False) -> bytes:
    """A zip of ``items``; ``backwards``, its directory lists them last to first."""
    body, offsets = bytearray(), []
    for item in items:
        body += item.gap
        offsets.append(len(body))
        if not item.listed_only:
            body += local(item)
    rows = [listed(item, offset) for item, offset in zip(items, offsets, strict=True) if not item.hidden]
    if backwards:
        rows.reverse()
    directory = b"".join(rows)
    return prefix + bytes(body) + directory + end(tail, len(body), len(rows), len(directory))


def a(name: str | bytes = b"a", data: bytes = b"content", **changes: object) -> Item:
    """An ordinary entry, but for ``changes``."""
    raw = name.encode() if isinstance(name, str) else name
    return replace(Item(name=raw, data=data), **changes)  # type: ignore[arg-type]


def link(name: str, target: bytes) -> Item:
    return a(name, target, mode=LINK)


def plain(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """A zip by the standard library's writer."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            archive.comment = comment
    return out.getvalue()


@dataclass
class Ranges:
    """A source that counts how it is read."""

    data: bytes | Sparse
    calls: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        self.calls.append((offset, length))
        return self.data[offset : offset + length]

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.calls)


class Sparse:
    """Bytes of any number that are made when they are read: zeros, but for the pieces that are given."""

    def __init__(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        self.pieces = sorted(pieces)
        at, last = self.pieces[-1]
        self.size = at + len(last)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self.size)
        last, data = self.pieces[-1]
        if start >= last:
            return data[start - last : stop - last]
        result = bytearray(max(0, stop - start))
        for at, data in self.pieces:
            low, high = max(start, at), min(stop, at + len(data))
            if low < high:
                result[low - start : high - start] = data[low - at : high - at]
        return bytes(result)


def large(items: Iterable[tuple[bytes, int]], files: dict[bytes, bytes], tail: Tail) -> Sparse:
    """A zip of many files of zeros, and of some with content in their middle, whose bytes are never held.

    Args:
        items: Name and size of each file of zeros, stored; half of them lie before ``files``. They have no headers of their
            own, as nobody asks for them.
        files: The others.
        tail: What ends it.
    """
    everything = [Item(name=name, size=size, packed=size, crc=0) for name, size in items]
    middle = len(everything) // 2
    everything[middle:middle] = [a(name, data) for name, data in files.items()]
    rows, pieces, at = [], [], 0
    for item in everything:
        rows.append(listed(item, at))
        header = local(item) if item.data else b""
        if header:
            pieces.append((at, header))
        at += len(header) or 30 + len(item.name) + (item.size or 0)
    directory = b"".join(rows)
    return Sparse([*pieces, (at, directory + end(tail, at, len(rows), len(directory)))])
