"""Writes a zip in one pass, whose bytes follow from its content alone, and tells its SHA-256.

The zipfile module writes a file's header before it knows the checksum and returns to mend it, so that a digest needs a
second pass over the whole; and what it writes besides may change with Python. Here every byte is set: APPNOTE 6.3.10
(https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), whose section numbers are given; stored entries, no times,
zip64 only for the number of entries. The bytes are those that the zipfile module of Python 3.11 to 3.13 writes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

from runyard.snapshot.tree import Source, changed, read_failed

PIECE: Final = 1 << 20
"""Bytes read, written and hashed at a time; files up to this size are read once, larger ones twice."""
LIMIT: Final = (1 << 32) - 1
"""Bytes that a zip made here must stay below: there are no zip64 offsets."""

_LOCAL: Final = struct.Struct("<4s5H3L2H")  # 4.3.7
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_END64: Final = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_END64_LOCATOR: Final = struct.Struct("<4sLQL")  # 4.3.15
_END: Final = struct.Struct("<4s4H2LH")  # 4.3.16

_NEEDS: Final = 20  # 4.4.3: version 2.0, folders
_NEEDS_64: Final = 45
_UNIX: Final = 3 << 8  # 4.4.2: the mode is in the upper half of the external attributes
_UTF8: Final = 0x800
_DATE: Final = 1 << 5 | 1  # 1980-01-01, the first that the format has
_FOLDER: Final = 0x10
_MANY: Final = 0xFFFF


class Written(NamedTuple):
    """What was written."""

    size: int
    """Bytes of the zip."""
    sha256: str


def size_of(names: Iterable[str], content: int) -> tuple[int, int]:
    """Bytes of a zip of these names and so many bytes of content, and how many of them are its directory's."""
    count = headers = directory = 0
    for name in names:
        length = len(name.encode())
        count += 1
        headers += _LOCAL.size + length
        directory += _CENTRAL.size + length
    end = _END.size + (_END64.size + _END64_LOCATOR.size if count >= _MANY else 0)
    return headers + content + directory + end, directory


class ZipWriter:
    """Writes entries in the order in which they are added. Use it as a context manager: hashing has a thread."""

    def __init__(self, out: BinaryIO) -> None:
        """Write to ``out``, from where it is; a buffer of :data:`PIECE` bytes serves it best."""
        self._out = out
        self._at = 0
        self._directory: list[bytes] = []
        self._digest = hashlib.sha256()
        self._unhashed: list[bytes] = []
        self._unhashed_bytes = 0
        self._hasher: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None

    def add_folder(self, name: str) -> None:
        """Add a folder; its name ends with ``/``."""
        self._add(name, (stat.S_IFDIR | 0o755) << 16 | _FOLDER, 0, 0, [])

    def add_file(self, source: Source, tell: Callable[[int], None]) -> None:
        """Add a file as it is now.

        Args:
            source: What was listed.
            tell: Called with the bytes that were added.

        Raises:
            SnapshotError: if it cannot be read, or is not what was listed, or changes meanwhile.
        """
        mode = (stat.S_IFREG | (0o755 if source.is_executable else 0o644)) << 16
        if source.size < PIECE:
            data = _content(source)
            self._add(source.name, mode, zlib.crc32(data), source.size, [data])
            tell(source.size)
            return
        crc = 0
        for piece in _pieces(source):
            crc = zlib.crc32(piece, crc)
        self._add(source.name, mode, crc, source.size, [])
        again = taken = 0
        for piece in _pieces(source):
            again = zlib.crc32(piece, again)
            taken += len(piece)
            if taken > source.size:
                break
            self._write(piece)
            tell(len(piece))
        if (again, taken) != (crc, source.size):
            raise changed(source.name)

    def finish(self) -> Written:
        """Write the directory; nothing may be added after that."""
        start, count = self._at, len(self._directory)
        directory = b"".join(self._directory)
        self._write(directory)
        if count >= _MANY:
            end = self._at
            self._write(
                _END64.pack(
                    b"PK\6\6", _END64.size - 12, _NEEDS_64, _NEEDS_64, 0, 0, count, count, len(directory), start
                )
            )
            self._write(_END64_LOCATOR.pack(b"PK\6\7", 0, end, 1))
        short = min(count, _MANY)
        self._write(_END.pack(b"PK\5\6", 0, 0, short, short, len(directory), start, 0))
        self._hash_rest()
        return Written(self._at, self._digest.hexdigest())

    def _add(self, name: str, attributes: int, crc: int, size: int, data: list[bytes]) -> None:
        raw = name.encode()
        common = (0 if name.isascii() else _UTF8, 0, 0, _DATE, crc, size, size, len(raw), 0)
        if self._at + size > LIMIT:
            raise OverflowError(f"a zip of more than {LIMIT:,} bytes")
        self._directory.append(
            _CENTRAL.pack(b"PK\1\2", _UNIX | _NEEDS, _NEEDS, *common, 0, 0, 0, attributes, self._at) + raw
        )
        self._write(_LOCAL.pack(b"PK\3\4", _NEEDS, *common) + raw, *data)

    def _write(self, *data: bytes) -> None:
        for piece in data:
            self._out.write(piece)
            self._at += len(piece)
            self._unhashed_bytes += len(piece)
        self._unhashed += data
        if self._unhashed_bytes >= PIECE:
            self._hash_along()

    def _hash_along(self) -> None:
        """Hash what was written while the next is read."""
        if self._hashing is not None:
            self._hashing.result()
        self._hasher = self._hasher or ThreadPoolExecutor(1, "runyard-snapshot")
        self._hashing = self._hasher.submit(_update, self._digest, self._unhashed)
        self._unhashed, self._unhashed_bytes = [], 0

    def _hash_rest(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
        _update(self._digest, self._unhashed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hasher is not None:
            self._hasher.shutdown()


def _update(digest: hashlib._Hash, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        digest.update(piece)


def _content(source: Source) -> bytes:
    """The bytes of a small file."""
    most = source.size + 1  # one more shows that it grew
    with _opened(source) as descriptor:
        data = os.read(descriptor, most)
        while len(data) < source.size and (more := os.read(descriptor, most - len(data))):
            data += more
    if len(data) != source.size:
        raise changed(source.name)
    return data


def _pieces(source: Source) -> Iterator[bytes]:
    """The bytes of a large file."""
    with _opened(source) as descriptor:
        while piece := os.read(descriptor, PIECE):
            yield piece


@contextmanager
def _opened(source: Source) -> Iterator[int]:
    try:
        # Not to wait, should it be a pipe by now.
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise read_failed(source.name, error) from None
    try:
        yield descriptor
    except OSError as error:
        raise read_failed(source.name, error) from None
    finally:
        os.close(descriptor)
