"""Unpacks a snapshot into an empty folder, safely: nothing is written outside it, whatever the zip says."""

import errno
import os
import struct
import zlib
from typing import Callable, Iterator, List, Optional, Tuple

from .places import write_all
from .problems import Problem, Stopped, from_os_error
from .ziptable import DEFLATED, FOLDER, LIMITS, LINK, Entry, Limits, Read, read_table, show

PIECE = 1 << 20
"""Bytes read, inflated and written at a time. A zip up to this size is read in one go."""

_LOCAL = struct.Struct("<4s5H3L2H")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


def file_etag(status: os.stat_result) -> str:
    """Inode, modification time (ns) and size in hex: the ETag of a file that serves as a blob."""
    return "%x-%x-%x" % (status.st_ino, status.st_mtime_ns, status.st_size)


def unpack(
    snapshot: str, etag: str, folder: str, stopped: Optional[Callable[[], bool]] = None, limits: Limits = LIMITS
) -> None:
    """Unpack ``snapshot`` into ``folder``, which exists and is empty.

    Args:
        snapshot: Path of the zip.
        etag: As it was when the run was accepted; empty = any.
        folder: Where to.
        stopped: Asked between pieces; true gives up.
        limits: What the snapshot may hold.

    Raises:
        Problem: in one sentence, if it is gone, changed, damaged or unsafe, or there is no room.
        Stopped: if ``stopped`` said so.
    """
    try:
        descriptor = os.open(snapshot, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Problem("the snapshot %s cannot be read: %s" % (os.path.basename(snapshot), error.strerror)) from None
    try:
        size = _check_etag(descriptor, etag, snapshot)
        try:
            _Unpacker(_reader(descriptor, size), size, folder, stopped).all(limits)
        finally:
            # Looked at last, so that it covers what was read; and a change explains any damage that was met.
            _check_etag(descriptor, etag, snapshot)
    except OSError as error:
        raise from_os_error(error, "unpacking the snapshot") from None
    finally:
        os.close(descriptor)


def _check_etag(descriptor: int, etag: str, snapshot: str) -> int:
    status = os.fstat(descriptor)
    if etag and file_etag(status) != etag:
        raise Problem(
            "the snapshot %s changed since the run was accepted; submit it again" % os.path.basename(snapshot)
        )
    return status.st_size


def _reader(descriptor: int, size: int) -> Read:
    # Not mmap: a file that is cut short while it is mapped kills the reader.
    if size <= PIECE:
        data = os.pread(descriptor, size, 0)
        return lambda offset, length: data[offset : offset + length]
    return lambda offset, length: os.pread(descriptor, length, offset)


class _Unpacker:
    def __init__(self, read: Read, size: int, folder: str, stopped: Optional[Callable[[], bool]]) -> None:
        self._read = read
        self._size = size
        self._folder = folder
        self._stopped = stopped
        self._made = {""}

    def all(self, limits: Limits) -> None:
        entries, directory = read_table(self._read, self._size, limits)
        end = 0
        links: List[Tuple[Entry, int]] = []
        for entry in entries:
            begin, after = self._locate(entry)
            if entry.offset < end or after > directory:
                raise Problem("%s in the snapshot overlaps what lies beside it: the zip is damaged" % show(entry.name))
            end = after
            if entry.kind == LINK:
                links.append((entry, begin))
                continue
            try:
                if entry.kind == FOLDER:
                    self._make(entry.name)
                else:
                    self._write(entry, begin)
            except OSError as error:
                raise _refused(entry, error) from None
        if links:
            self._link(links)

    def _locate(self, entry: Entry) -> Tuple[int, int]:
        """Where the entry's bytes begin and end; its own header must agree with the directory."""
        header = self._read(entry.offset, _LOCAL.size + len(entry.raw))
        if header[:4] != b"PK\x03\x04" or header[_LOCAL.size :] != entry.raw:
            raise Problem("the snapshot's directory and the header of %s do not agree" % show(entry.name))
        fields = _LOCAL.unpack_from(header)
        begin = entry.offset + _LOCAL.size + fields[9] + fields[10]
        return begin, begin + entry.packed

    def _make(self, name: str) -> None:
        """Make a folder of the snapshot, and those above it."""
        missing = []
        while name not in self._made:
            missing.append(name)
            name = name.rpartition("/")[0]
        for folder in reversed(missing):
            try:
                os.mkdir(self._folder + "/" + folder)
            except FileExistsError:
                raise Problem("%s in the snapshot is a file and a folder" % show(folder)) from None
            self._made.add(folder)

    def _create(self, entry: Entry) -> int:
        self._make(entry.name.rpartition("/")[0])
        try:
            return os.open(self._folder + "/" + entry.name, _NEW_FILE, 0o755 if entry.mode & 0o111 else 0o644)
        except FileExistsError:
            raise Problem("%s is in the snapshot twice" % show(entry.name)) from None

    def _write(self, entry: Entry, begin: int) -> None:
        descriptor = self._create(entry)
        try:
            crc = size = 0
            for piece in self._pieces(entry, begin):
                crc = zlib.crc32(piece, crc)
                size += len(piece)
                write_all(descriptor, piece)
        finally:
            os.close(descriptor)
        if size != entry.size or crc != entry.crc:
            raise _damaged(entry)

    def _pieces(self, entry: Entry, begin: int) -> Iterator[bytes]:
        """The entry's bytes; never more than a piece beyond the size that the directory says."""
        packed = self._packed(entry, begin)
        left = entry.size
        for piece in _inflate(entry, packed) if entry.method == DEFLATED else packed:
            left -= len(piece)
            if left < 0:
                raise _damaged(entry)
            yield piece

    def _packed(self, entry: Entry, begin: int) -> Iterator[bytes]:
        """The entry's bytes as they are in the zip."""
        end = begin + entry.packed
        while begin < end:
            if self._stopped is not None and self._stopped():
                raise Stopped
            data = self._read(begin, min(PIECE, end - begin))
            if not data:
                raise _damaged(entry)
            begin += len(data)
            yield data

    def _link(self, links: List[Tuple[Entry, int]]) -> None:
        """Make the links, after all files, so that no file is written through one; then check where each leads."""
        made = []
        try:
            for entry, begin in links:
                target = b"".join(self._pieces(entry, begin))
                path = self._folder + "/" + entry.name
                if not target or target[:1] == b"/" or b"\0" in target or len(target) > 4095:
                    raise _escapes(entry)
                try:
                    self._make(entry.name.rpartition("/")[0])
                    os.symlink(target, os.fsencode(path))
                except FileExistsError:
                    raise Problem("%s is in the snapshot twice" % show(entry.name)) from None
                except OSError as error:
                    raise _refused(entry, error) from None
                made.append((entry, path))
            base = os.path.realpath(self._folder)
            for entry, path in made:
                if not (os.path.realpath(path) + "/").startswith(base + "/"):
                    raise _escapes(entry)
        except Problem:
            for _, path in made:
                os.unlink(path)
            raise


def _inflate(entry: Entry, packed: Iterator[bytes]) -> Iterator[bytes]:
    """Inflate, a piece at a time: a few packed bytes may stand for a thousand times as many."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for data in packed:
            if inflater.eof:
                raise _damaged(entry)
            left = data
            while left:
                piece = inflater.decompress(left, PIECE)
                yield piece
                left = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error:
        raise _damaged(entry) from None
    if not inflater.eof or inflater.unused_data:
        raise _damaged(entry)


def _refused(entry: Entry, error: OSError) -> Exception:
    """What to raise where the system refused an entry."""
    if error.errno == errno.ENAMETOOLONG:
        return Problem("%s in the snapshot is too long for this file system" % show(entry.name))
    return error


def _damaged(entry: Entry) -> Problem:
    return Problem(
        "%s in the snapshot is damaged: its size or checksum is not what the directory says" % show(entry.name)
    )


def _escapes(entry: Entry) -> Problem:
    return Problem("%s in the snapshot is a link that leads out of it" % show(entry.name))
