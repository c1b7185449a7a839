"""Reads a zip's central directory with suspicion: whoever wrote the zip may mean harm.

Field names and layouts: PKWARE's APPNOTE 6.3.10, §4.3.7-4.3.16. The standard library's reader takes three times as
long for a small zip, and follows what a zip claims further than is safe here.
"""

import stat
import struct
from typing import Callable, List, NamedTuple, Tuple

from .problems import Problem

Read = Callable[[int, int], bytes]


class Limits(NamedTuple):
    """What a snapshot may hold."""

    entries: int
    unpacked: int
    """Bytes once unpacked."""
    ratio: int
    """Unpacked bytes per packed byte, of a snapshot of more than ``ratio_from`` unpacked bytes: a small one may
    have any, as a file of zeros shrinks a thousandfold."""
    ratio_from: int


LIMITS = Limits(entries=200 * 1000, unpacked=64 << 30, ratio=200, ratio_from=256 << 20)


class Entry(NamedTuple):
    """A file, folder or link."""

    name: str
    """In its plain form: ``/`` between folders, nothing else at either end."""
    kind: str
    mode: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    """Of its own header, in the file."""
    raw: bytes
    """The name as the zip has it."""


FILE, FOLDER, LINK = "file", "folder", "link"
STORED, DEFLATED = 0, 8

_TAIL = 22 + 65535 + 20 + 56
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s2B5H3L5H2L")
_DIRECTORY_MOST = 64 << 20
_FULL = 0xFFFFFFFF
_ENCRYPTED = 0x2041
_UTF8 = 0x800
_UNIX = 3
_LONGEST_PATH = 4000
"""Bytes; Linux takes 4,095 with the folder that the snapshot is unpacked into (PATH_MAX)."""
_LONGEST_PART = 255
"""Bytes (NAME_MAX)."""
_DEEPEST = 200
"""Parts of a path."""


def read_table(read: Read, size: int, limits: Limits = LIMITS) -> Tuple[List[Entry], int]:
    """The entries of a zip in the order in which they lie, and where its central directory begins.

    Args:
        read: ``read(offset, length)``: the bytes.
        size: Of the zip, in bytes.
        limits: What it may hold.

    Raises:
        Problem: in one sentence, naming the entry where it is about one.
    """
    count, length, start, shift = _find_directory(read, size)
    if count > limits.entries:
        raise Problem("the snapshot has %d entries; at most %d are allowed" % (count, limits.entries))
    if length > _DIRECTORY_MOST:
        raise Problem("the snapshot's directory has %d bytes; at most %d are allowed" % (length, _DIRECTORY_MOST))
    data = read(start, length)
    entries: List[Entry] = []
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
            raise Problem("the snapshot's directory is damaged at entry %d of %d" % (len(entries) + 1, count))
        entry, at = _read_entry(data, at, shift)
        entries.append(entry)
    _check_sizes(entries, limits)
    entries.sort(key=_offset)
    return entries, start


def _offset(entry: Entry) -> int:
    return entry.offset


def _find_directory(read: Read, size: int) -> Tuple[int, int, int, int]:
    """(number of entries, bytes of the directory, where it begins, what all offsets are short of)."""
    base = max(0, size - _TAIL)
    tail = read(base, size - base)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            end = _END.unpack_from(tail, at)
            if at + _END.size + end[7] <= len(tail):
                break
        at = tail.rfind(b"PK\x05\x06", 0, at)
    else:
        raise Problem("the snapshot is no zip, or only a part of one: it has no end record")
    count, length, offset = end[4], end[5], end[6]
    if end[1] not in (0, 0xFFFF):
        raise Problem("the snapshot is one part of a zip in several parts; make it one file")
    stop = base + at
    if (count == 0xFFFF or _FULL in (length, offset)) and tail[at - 20 : at - 16] == b"PK\x06\x07":
        where = _LOCATOR.unpack_from(tail, at - 20)[2]
        block = read(where, _END64.size)
        if len(block) < _END64.size or block[:4] != b"PK\x06\x06":
            raise Problem("the snapshot's zip64 end record is damaged")
        count, length, offset = _END64.unpack(block)[7:10]
        stop = where
    start = stop - length
    if start < 0 or start < offset:
        raise Problem("the snapshot's end record is damaged: its directory cannot lie where it says")
    return count, length, start, start - offset


def _read_entry(data: bytes, at: int, shift: int) -> Tuple[Entry, int]:
    """The entry at ``at``, and where the next one begins."""
    fields = _CENTRAL.unpack_from(data, at)
    system, flags, method, crc = fields[2], fields[4], fields[5], fields[8]
    packed, size, name_length, extra_length, comment_length = fields[9:14]
    attributes, offset = fields[16], fields[17]
    begin = at + _CENTRAL.size
    raw = data[begin : begin + name_length]
    extra_at = begin + name_length
    if _FULL in (packed, size, offset):
        extra = data[extra_at : extra_at + extra_length]
        packed, size, offset = _wide(extra, packed, size, offset)
    name = _name(raw, flags)
    if flags & _ENCRYPTED:
        raise Problem("%s in the snapshot is encrypted; zip it without a password" % show(name))
    if method not in (STORED, DEFLATED):
        raise Problem(
            "%s in the snapshot is compressed by method %d; stored and deflated are understood" % (show(name), method)
        )
    mode = attributes >> 16 if system == _UNIX else 0
    kind = _kind(name, mode)
    entry = Entry(_check_name(name), kind, mode, method, crc, packed, size, offset + shift, raw)
    return entry, extra_at + extra_length + comment_length


def _wide(extra: bytes, packed: int, size: int, offset: int) -> Tuple[int, int, int]:
    """The 64-bit values of an entry's extra field 1 (APPNOTE §4.5.3)."""
    values = [size, packed, offset]
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            body = extra[at + 4 : at + 4 + length]
            for index, value in enumerate(values):
                if value == _FULL and len(body) >= 8:
                    values[index] = struct.unpack_from("<Q", body)[0]
                    body = body[8:]
            break
        at += 4 + length
    return values[1], values[0], values[2]


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise Problem("an entry of the snapshot has a name that is not valid UTF-8: %r" % raw[:80]) from None
    # Old programs on Windows write backslashes; to take them as part of a name would let "..\\x" pass elsewhere.
    return name.replace("\\", "/")


def _kind(name: str, mode: int) -> str:
    form = stat.S_IFMT(mode)
    if form == stat.S_IFLNK:
        return LINK
    if form not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Problem("%s in the snapshot is a device, pipe or socket; only files and folders are allowed" % show(name))
    return FOLDER if name.endswith("/") or form == stat.S_IFDIR else FILE


def _check_name(name: str) -> str:
    """The name in its plain form.

    Raises:
        Problem: if it leads out of the snapshot, or is longer than a file system takes.
    """
    if not name or "\0" in name:
        raise Problem("an entry of the snapshot has no name, or one with a NUL: %r" % name[:80])
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        raise Problem("%s in the snapshot is an absolute path; only paths inside it are allowed" % show(name))
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Problem("%s in the snapshot leads out of it by '..'" % show(name))
    if len(parts) > _DEEPEST:
        raise Problem("%s in the snapshot has %d parts; at most %d are allowed" % (show(name), len(parts), _DEEPEST))
    if len(name) * 4 > _LONGEST_PART:  # else no part of it can be too long
        longest = max((len(part.encode()) for part in parts), default=0)
        if longest > _LONGEST_PART or len(name.encode()) > _LONGEST_PATH:
            raise Problem(
                "%s in the snapshot is too long: at most %d bytes, and %d between two slashes, are allowed"
                % (show(name), _LONGEST_PATH, _LONGEST_PART)
            )
    return "/".join(parts)


def _check_sizes(entries: List[Entry], limits: Limits) -> None:
    unpacked = sum(entry.size for entry in entries)
    packed = sum(entry.packed for entry in entries)
    if unpacked > limits.unpacked:
        raise Problem("the snapshot has %d bytes once unpacked; at most %d are allowed" % (unpacked, limits.unpacked))
    if unpacked > limits.ratio_from and unpacked > limits.ratio * max(packed, 1):
        worst = max(entries, key=lambda entry: entry.size / max(entry.packed, 1))
        raise Problem(
            "the snapshot would unpack to %d times its size (%s most of all); at most %d times is allowed"
            % (unpacked // max(packed, 1), show(worst.name), limits.ratio)
        )


def show(name: str) -> str:
    """A name for a sentence: quoted, and shortened if it is long."""
    return repr(name if len(name) <= 120 else name[:117] + "...")
