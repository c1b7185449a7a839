"""One entry of a zip: what the directory says of it, and whether its own header says the same.

Field names and layouts: PKWARE's APPNOTE 6.3.10 (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), whose section
numbers are given.
"""

import stat
import struct
from typing import NamedTuple, Tuple

from .problems import Problem
from .zipend import Read
from .zipnames import SHORT, UNIX, check_name, decode, is_odd, show

FILE, FOLDER, LINK = "file", "folder", "link"
STORED, DEFLATED = 0, 8

HEADER = 30
"""Bytes of an entry's own header, without name and extra fields."""
LISTED = 46
"""Bytes of an entry in the directory, without name, extra fields and comment."""
LONGEST = LISTED + 3 * 65535
"""Bytes of an entry in the directory, at most."""

LENGTHS = struct.Struct("<3H")
"""Of name, extra fields and comment: at 28 of an entry in the directory."""
_listed = struct.Struct("<5xB2x2H4x3L4H4xHL").unpack_from  # 4.3.12, without what is of no use here
_LOCAL = struct.Struct("<6x2H4x3L2H")  # 4.3.7
_new = tuple.__new__  # skips the check of the arguments: entries are many
_PLAIN_FORMS = (0, stat.S_IFREG >> 12)
_FULL = 0xFFFFFFFF
_FULL_DISK = 0xFFFF
_LATER = 0x8
"""Bit 3: checksum and sizes follow the data (4.3.9)."""
_ENCRYPTED = 0x2041
"""Bits 0, 6 and 13 (4.4.4)."""
_MOST_INFLATED = 1032
"""Bytes that one byte of deflate can stand for, at most."""
_METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 10: "DCL Implode", 12: "bzip2", 14: "LZMA", 16: "CMPSC", 18: "TERSE",
    19: "LZ77", 20: "Zstandard", 93: "Zstandard", 94: "MP3", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd",
}  # fmt: skip  # 4.4.5


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


def parse(block: bytes, at: int, shift: int) -> Tuple[Entry, int]:
    """The entry at ``at`` of the directory, and where the next one begins."""
    system, flags, method, crc, packed, size, length, extras, comment, disk, mode, offset = _listed(block, at)
    extra_at = at + LISTED + length
    raw = block[at + LISTED : extra_at]
    extra = b""
    if extras:
        extra = block[extra_at : extra_at + extras]
        if _FULL in (packed, size, offset) or disk == _FULL_DISK:
            packed, size, offset, disk = _wide(extra, packed, size, offset, disk)
    if system not in UNIX:
        mode = 0
    kind = FILE
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError:
        name, kind = _odd_name(raw, flags, system, mode, extra)
    else:
        if mode >> 12 not in _PLAIN_FORMS or length > SHORT or is_odd(name) or (extras and b"up" in extra):
            name, kind = _odd_name(raw, flags, system, mode, extra)
        elif name[-1] == "/":
            name, kind = name[:-1], FOLDER
    if flags & _ENCRYPTED or method not in (STORED, DEFLATED) or disk:
        raise _unreadable(name, flags, method)
    if (packed != size if method == STORED else size > packed * _MOST_INFLATED) and kind is not FOLDER:
        raise Problem("%s in the snapshot cannot have %d bytes, as it takes %d in it" % (show(name), size, packed))
    return (
        _new(Entry, (name, kind, mode, method, crc, packed, size, offset + shift, raw)),
        extra_at + extras + comment,
    )


def _odd_name(raw: bytes, flags: int, system: int, mode: int, extra: bytes) -> Tuple[str, str]:
    """The plain name of an entry, and its kind, where it takes a longer look."""
    name = decode(raw, flags, system, extra)
    form = stat.S_IFMT(mode)
    if form not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise Problem("%s in the snapshot is a device, pipe or socket; only files and folders are allowed" % show(name))
    kind = LINK if form == stat.S_IFLNK else FOLDER if name[-1:] == "/" or form == stat.S_IFDIR else FILE
    return check_name(name, kind is FOLDER), kind


def _wide(extra: bytes, packed: int, size: int, offset: int, disk: int) -> Tuple[int, int, int, int]:
    """The values of the zip64 extra field (4.5.3), which has only those that are full, in this order."""
    body = _zip64(extra)
    values = [size, packed, offset]
    for index, value in enumerate(values):
        if value == _FULL:
            if len(body) < 8:
                raise Problem("the snapshot's directory is damaged: a zip64 size is missing")
            values[index] = struct.unpack_from("<Q", body)[0]
            body = body[8:]
    if disk == _FULL_DISK and len(body) >= 4:
        disk = struct.unpack_from("<L", body)[0]
    return values[1], values[0], values[2], disk


def _zip64(extra: bytes) -> bytes:
    """The body of the zip64 extra field; nothing if there is none."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _unreadable(name: str, flags: int, method: int) -> Problem:
    """Why an entry cannot be read, and how to zip it so that it can."""
    if flags & _ENCRYPTED:
        how = "AES" if method == 99 else "strong encryption" if flags & 0x2040 else "ZipCrypto"
        return Problem("%s in the snapshot is encrypted (%s); zip it without a password" % (show(name), how))
    if method not in (STORED, DEFLATED):
        return Problem(
            "%s in the snapshot is compressed by method %d%s; stored and deflated are understood: zip it with `zip -r`, "
            "or with the method Deflate"
            % (show(name), method, " (%s)" % _METHODS[method] if method in _METHODS else "")
        )
    return Problem("%s in the snapshot lies in another part of a split zip; make it one file" % show(name))


def locate(read: Read, entry: Entry) -> int:
    """Where the entry's bytes begin, by its own header, which must agree with the directory.

    Raises:
        Problem: if they do not agree.
    """
    begin = entry.offset + HEADER + len(entry.raw)
    header = read(entry.offset, HEADER + len(entry.raw))
    if len(header) == begin - entry.offset and header[:4] == b"PK\x03\x04" and header[HEADER:] == entry.raw:
        flags, method, crc, packed, size, length, extras = _LOCAL.unpack_from(header)
        agree = length == len(entry.raw) and method == entry.method and not flags & _ENCRYPTED
        if agree and not flags & _LATER and (crc, packed, size) != (entry.crc, entry.packed, entry.size):
            if _FULL in (packed, size):
                body = _zip64(read(begin, extras))
                values = struct.unpack_from("<%dQ" % min(len(body) // 8, 2), body)
                agree = crc == entry.crc and values == (entry.size, entry.packed)
            else:
                agree = False
        if agree:
            return begin + int(extras)
    raise Problem("the snapshot's directory and the header of %s do not agree" % show(entry.name))
