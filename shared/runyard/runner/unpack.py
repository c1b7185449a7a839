"""Unpacks a snapshot into an empty folder, safely: nothing is written outside it, whatever the zip says.

The whole directory and all links are checked before the first file is made.
"""

import errno
import os
import shutil
import zlib
from typing import Callable, Iterator, Optional

from .places import write_all
from .problems import Problem, Stopped, from_os_error
from .zipend import Read
from .zipentry import DEFLATED, FOLDER, LINK, Entry, locate
from .ziplinks import LONGEST_TARGET, check_links, escapes
from .zipnames import show
from .ziptable import LIMITS, Limits, overlaps, read_table

PIECE = 1 << 20
"""Bytes read, inflated and written at a time. A zip up to this size is read in one go."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


def file_etag(status: os.stat_result) -> str:
    """Inode, modification time (ns) and size in hex: the ETag of a file that serves as a blob."""
    return "%x-%x-%x" % (status.st_ino, status.st_mtime_ns, status.st_size)


def unpack(
    snapshot: str, etag: str, folder: str, stopped: Optional[Callable[[], bool]] = None, limits: Limits = LIMITS
) -> None:
    """Unpack ``snapshot`` into ``folder``, which exists and is empty; whole, or the folder is empty again.

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
        raise Problem(
            "the snapshot %s cannot be read (%s); submit it again" % (os.path.basename(snapshot), error.strerror)
        ) from None
    try:
        size = _check_etag(descriptor, etag, snapshot)
        try:
            try:
                _Unpacker(_reader(descriptor, size), size, folder, stopped).all(limits)
            finally:
                # Looked at last, so that it covers what was read; and a change explains any damage that was met.
                _check_etag(descriptor, etag, snapshot)
        except BaseException:
            _clear(folder)
            raise
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
        self._folder = os.fsencode(folder) + b"/"
        self._stopped = stopped
        self._made = {""}

    def all(self, limits: Limits) -> None:
        table = read_table(self._read, self._size, limits)
        links = [(entry, self._target(entry)) for entry in table.links]
        check_links([(entry.name, target) for entry, target in links])
        for entry, bound in table.spans():
            begin = locate(self._read, entry)
            if begin + entry.packed > bound:
                raise overlaps(entry)
            if entry.kind is LINK:
                continue
            try:
                if entry.kind is FOLDER:
                    self._make(entry.name)
                else:
                    self._write(entry, begin)
            except OSError as error:
                raise _refused(entry, error) from None
        for entry, target in links:  # after all files, so that no file is written through one
            self._link(entry, target)

    def _path(self, name: str) -> bytes:
        # As bytes: what a file system's encoding is said to be depends on how the machine was set up.
        return self._folder + name.encode()

    def _make(self, name: str) -> None:
        """Make a folder of the snapshot, and those above it."""
        missing = []
        while name not in self._made:
            missing.append(name)
            name = name.rpartition("/")[0]
        for folder in reversed(missing):
            os.mkdir(self._path(folder))
            self._made.add(folder)

    def _write(self, entry: Entry, begin: int) -> None:
        self._make(entry.name.rpartition("/")[0])
        descriptor = os.open(self._path(entry.name), _NEW_FILE, 0o755 if entry.mode & 0o111 else 0o644)
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

    def _target(self, entry: Entry) -> bytes:
        """Where a link leads, as the zip has it."""
        if entry.size > LONGEST_TARGET:
            raise escapes(entry.name)
        target = b"".join(self._pieces(entry, locate(self._read, entry)))
        if len(target) != entry.size or zlib.crc32(target) != entry.crc:
            raise _damaged(entry)
        return target

    def _link(self, entry: Entry, target: bytes) -> None:
        try:
            self._make(entry.name.rpartition("/")[0])
            os.symlink(target, self._path(entry.name))
        except OSError as error:
            raise _refused(entry, error) from None

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


def _clear(folder: str) -> None:
    """Remove everything from a folder: what is half there could be taken for whole."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


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
