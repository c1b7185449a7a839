"""Finds a zip's central directory from its tail, and says what a file is that has none.

Layouts and section numbers are those of PKWARE's APPNOTE 6.3.10
(https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). An end record counts only if its comment reaches exactly to the
end of the file: else a comment, or a zip inside the zip, could pass for the end.
"""

import struct
from typing import Callable, List, NamedTuple, Optional, Tuple

from .problems import Problem

Read = Callable[[int, int], bytes]
"""``read(offset, length)``: the bytes; fewer only where the file ends."""

TAIL = 66 * 1024
"""Bytes of the first read: an end record (22), its longest comment (65,535) and both zip64 end records (76) fit in."""

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_END_MARK, _LOCATOR_MARK, _END64_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_PADDING = b"\0\t\n\r \x1a"
"""What stores, editors and tapes put behind a file."""
_HEAD = 512
"""Bytes from the beginning of a file that tell what it is; a tar's mark is at 257."""

HOW = "`zip -r ../snapshot.zip .` makes one"

_HEADS = (
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"MSCF", "a cabinet file"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer (`git lfs pull` gets the file itself)"),
    (b"<!doctype html", "a web page, perhaps an error or a sign-in page"),
    (b"<html", "a web page, perhaps an error or a sign-in page"),
    (b"<?xml", "an XML document, perhaps the error of a storage service"),
    (b"{", "a JSON document"),
)


class End(NamedTuple):
    """Where a zip's directory is."""

    number: int
    """Entries in the directory."""
    start: int
    """Where it begins, in the file."""
    stop: int
    """Where it ends."""
    shift: int
    """What all offsets in the zip are short of: bytes that were put in front of it."""
    wide: bool
    """Whether ``number`` is whole; without zip64 some writers keep its lower 16 bits."""


def exactly(read: Read, offset: int, length: int) -> bytes:
    """``length`` bytes.

    Raises:
        Problem: if there are fewer.
    """
    data = read(offset, length)
    if len(data) != length:
        raise Problem("the snapshot is truncated, or it changed while it was read")
    return data


def find_end(read: Read, size: int) -> End:
    """Find the directory of a zip of ``size`` bytes: one read, and a second one in odd cases.

    Raises:
        Problem: if it is no zip, is cut off, is a part of a split one, or can be read in two ways.
    """
    base = max(0, size - TAIL)
    tail = exactly(read, base, size - base)
    at, length = _choose(read, tail, base)
    _, disk, first_disk, here, count, directory, offset, _ = _END.unpack_from(tail, at)
    stop, wide = base + at, False
    record = _find_end64(read, tail, base, at)
    if record is not None:
        stop, where, fields = record
        if not _agree((here, count), fields[6:8], _FULL16) or not _agree((directory, offset), fields[8:10], _FULL32):
            raise Problem("the snapshot can be read in two ways: its end records do not agree; zip it again")
        here, count, directory, offset = fields[6:10]
        disk = fields[4] if disk in (0, _FULL16) else disk
        first_disk = fields[5] if first_disk in (0, _FULL16) else first_disk
        wide = True
    if disk or first_disk or here != count:
        raise Problem("the snapshot is one part of a zip in several parts; make it one file")
    start = stop - directory
    shift = start - offset
    if start < 0 or shift < 0 or (record is not None and stop - where != shift):
        raise Problem("the snapshot's end record is damaged: its directory cannot begin where it says")
    if shift:
        _check_front(read, shift, padded=base + at + length < size)
    return End(count, start, stop, shift, wide)


def _agree(short: Tuple[int, ...], wide: Tuple[int, ...], full: int) -> bool:
    """Whether numbers are the same in both end records, or left to the wide one."""
    return all(number in (wide[index], full) for index, number in enumerate(short))


def _choose(read: Read, tail: bytes, base: int) -> Tuple[int, int]:
    """Where in the tail the end record is that counts, and how long it is with its comment."""
    found: List[Tuple[int, int]] = []
    padded: Optional[Tuple[int, int]] = None
    filled = len(tail.rstrip(_PADDING))
    at = tail.rfind(_END_MARK)
    while at >= 0:
        if at + _END.size <= len(tail):
            length = _END.size + tail[at + 20] + 256 * tail[at + 21]
            if at + length == len(tail):
                found.append((at, length))
            elif padded is None and filled <= at + length < len(tail):
                padded = (at, length)
        at = tail.rfind(_END_MARK, 0, at)
    if len(found) > 1:
        whole = [candidate for candidate in found if _may_be_whole(tail, base, candidate[0])]
        if len(whole) > 1:
            raise Problem("the snapshot can be read in two ways: several end records fit; zip it again")
        return whole[0] if whole else found[0]
    if found:
        return found[0]
    if padded is not None:
        return padded
    raise Problem(_what_instead(read, tail, base))


def _may_be_whole(tail: bytes, base: int, at: int) -> bool:
    """Whether an end record has a directory with something in it, as far as the tail tells."""
    _, _, _, _, count, length, offset, _ = _END.unpack_from(tail, at)
    if tail[max(0, at - _LOCATOR.size) :][:4] == _LOCATOR_MARK:
        return True
    start = base + at - length
    if count == 0 or start < offset or length < 46 * count:
        return False
    return start < base or tail[start - base :][:4] == b"PK\x01\x02"


def _find_end64(read: Read, tail: bytes, base: int, at: int) -> Optional[Tuple[int, int, Tuple[int, ...]]]:
    """Where the zip64 end record is, where its locator says that it is, and its fields; if there is one."""
    locator_at = at - _LOCATOR.size
    if locator_at < 0 or tail[locator_at : locator_at + 4] != _LOCATOR_MARK:
        return None
    _, disk, where, disks = _LOCATOR.unpack_from(tail, locator_at)
    limit = base + locator_at
    for begin in (limit - _END64.size, where):  # behind a stub the first is right, with data of its own the second
        if 0 <= begin <= limit - _END64.size:
            block = tail[begin - base :][: _END64.size] if begin >= base else exactly(read, begin, _END64.size)
            fields = _END64.unpack(block)
            if fields[0] == _END64_MARK and begin + 12 + fields[1] == limit:
                break
    else:
        if _FULL16 in _END.unpack_from(tail, at)[1:5] or _FULL32 in _END.unpack_from(tail, at)[5:7]:
            raise Problem("the snapshot's zip64 end record is not where it must be")
        return None  # the last entry's comment looks like a locator
    if fields[1] >= 72 and fields[3] >= 62:  # version 2 of the record tells how the directory is encrypted (7.3.3)
        raise Problem("the snapshot's directory is encrypted; zip it without a password")
    if disk or disks > 1:
        raise Problem("the snapshot is one part of a zip in several parts; make it one file")
    return begin, where, fields


def _check_front(read: Read, shift: int, padded: bool) -> None:
    """What lies in front of a zip is a program that unpacks it, never the beginning of another zip.

    Else a cut through a zip that holds a zip would leave the inner one.
    """
    head = read(0, min(4, shift))
    if padded or head == b"PK\x03\x04":
        raise Problem("the snapshot begins like one zip and ends like another: it is truncated, or two were joined")


def _what_instead(read: Read, tail: bytes, base: int) -> str:
    """A sentence for a file without an end record."""
    head = tail[:_HEAD] if base == 0 else read(0, _HEAD)
    if head[:4] in (b"PK\x07\x08", b"PK00"):
        return "the snapshot is one part of a zip in several parts; make it one file"
    if head[:4] == b"PK\x03\x04":
        why = "other bytes follow its end record" if _END_MARK in tail else "it begins like a zip and has no end record"
        return "the snapshot is truncated: %s; copy it again" % why
    what = _describe(head)
    return "the snapshot is no zip%s" % (" but %s; %s" % (what, HOW) if what else ": it has no end record")


def _describe(head: bytes) -> str:
    """What a file is that begins like this; nothing if that is not known."""
    if not head:
        return "empty: 0 bytes"
    if not head.strip(b"\0"):
        return "zeros, as if its upload had not been finished"
    if head[257:262] == b"ustar":
        return "a tar archive"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((what for mark, what in _HEADS if head.startswith(mark) or text.startswith(mark)), "")
