"""Names in a zip: what their bytes mean, which of them are refused, and which of them are there already."""

import struct
import zlib
from array import array
from typing import Dict, List, Optional, Set

from .problems import Problem

UTF8 = 0x800
UNIX = (3, 19)
"""Systems (4.4.2) whose entries carry a Unix mode: Unix and macOS."""

_LONGEST_PATH = 4000
"""Bytes; Linux takes 4,095 with the folder that the snapshot is unpacked into (PATH_MAX)."""
_LONGEST_PART = 255
"""Bytes (NAME_MAX)."""
_DEEPEST = 200
"""Parts of a path."""
_UNICODE_PATH = 0x7075
_POSITIVE = 0x7FFFFFFFFFFFFFFF
_FEW = 1 << 20
"""What names that are kept as they are may cost, in characters; then their hashes are kept."""
_EACH = 64
"""What a name costs beside its characters."""


SHORT = 255
"""Bytes of a name with which no part can be too long, and the whole not too deep."""


def show(name: str) -> str:
    """A name for a sentence: quoted, and shortened if it is long."""
    return repr(name if len(name) <= 120 else name[:117] + "...")


def decode(raw: bytes, flags: int, system: int, extra: bytes) -> str:
    r"""What the bytes of a name mean.

    UTF-8 where the flag says so (4.4.4, bit 11); the Unicode path field (4.6.9) where it belongs to this name; UTF-8 from Unix
    and macOS, whose programs write it without the flag; else code page 437 (appendix D). A backslash parts folders, as old
    programs on Windows write it: to take it as part of a name would let ``..\x`` pass elsewhere.

    Raises:
        Problem: if it says that it is UTF-8 and is not.
    """
    try:
        name = raw.decode() if flags & UTF8 else _unicode_path(raw, extra) or _by_system(raw, system)
    except UnicodeDecodeError:
        raise Problem("an entry of the snapshot has a name that is not valid UTF-8: %r" % raw[:80]) from None
    return name.replace("\\", "/")


def _by_system(raw: bytes, system: int) -> str:
    if system in UNIX:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            pass
    return raw.decode("cp437")


def _unicode_path(raw: bytes, extra: bytes) -> str:
    """The name in the Unicode path field, if there is one that was made for this name."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if tag == _UNICODE_PATH and length == len(body) > 5 and body[:5] == b"\1" + struct.pack("<L", zlib.crc32(raw)):
            return body[5:].decode()
        at += 4 + length
    return ""


def is_odd(name: str) -> bool:
    """Whether a name needs the long look of :func:`check_name`; most do not."""
    return (
        not name
        or name[0] == "/"
        or name[-1] == "."
        or "./" in name
        or "//" in name
        or ":" in name
        or "\\" in name
        or "\0" in name
    )


def check_name(name: str, is_folder: bool) -> str:
    """The name in its plain form: ``/`` between folders and nothing else at either end; ``""`` for the top folder.

    Raises:
        Problem: if it leads out of the snapshot, is no name, or is longer than a file system takes.
    """
    if not name or "\0" in name:
        raise Problem("an entry of the snapshot has no name, or one with a NUL: %s" % show(name))
    if name[0] == "/" or (name[1:2] == ":" and name[0].isalpha()):
        raise Problem("%s in the snapshot is an absolute path; only paths inside it are allowed" % show(name))
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Problem("%s in the snapshot leads out of it by '..'" % show(name))
    if not parts and not is_folder:
        raise Problem("%s in the snapshot is no name of a file" % show(name))
    if len(parts) > _DEEPEST:
        raise Problem("%s in the snapshot has %d parts; at most %d are allowed" % (show(name), len(parts), _DEEPEST))
    if len(name) * 4 > _LONGEST_PART:  # else no part of it can be too long
        if len(name) > _LONGEST_PATH:
            raise _too_long(name)
        longest = max((len(part.encode()) for part in parts), default=0)
        if longest > _LONGEST_PART or len(name.encode()) > _LONGEST_PATH:
            raise _too_long(name)
    return "/".join(parts)


def _too_long(name: str) -> Problem:
    return Problem(
        "%s in the snapshot is too long: at most %d bytes, and %d between two slashes, are allowed"
        % (show(name), _LONGEST_PATH, _LONGEST_PART)
    )


class Roll:
    """The names that a zip has, and the folders that they are in: a file twice, or a file that is a folder, is found.

    Memory: some 15 to 25 bytes a name beyond the first few thousand, however long it is, so that 200,000 fit into a few
    megabytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._few: Optional[Dict[str, int]] = {}
        self._folders: Set[str] = set()
        self._cost = 0
        self._hashes = array("q")
        self._values = array("I")
        self._used = 0

    def add(self, names: List[str], numbers: List[int], folders: Set[str]) -> None:
        """Enter names, in their plain form, and folders with all that are above them.

        Args:
            names: Of files and links, about a thousand at a time.
            numbers: What to find each by, below 2**31.
            folders: Those that the zip names, and those that its files are in.

        Raises:
            Problem: if a name is there, is a folder too, or there are too many.
        """
        few = self._few
        if few is None:
            for name, number in zip(names, numbers):  # noqa: B905  (3.6 has no strict)
                if self._set_default(name, 2 * number) is not None:
                    self._refuse(name)
        else:
            before = len(few)
            few.update(zip(names, numbers))  # noqa: B905  (3.6 has no strict)
            if len(few) != before + len(names):
                raise Problem("%s is in the snapshot twice" % show(_twice(names, numbers, few)))
            self._pay(sum(map(len, names)) + _EACH * len(names))
        for folder in folders:
            self._add_folder(folder)
        if self._few is not None and not self._folders.isdisjoint(self._few):
            raise _both(min(self._folders & self._few.keys()))

    def find(self, name: str) -> Optional[int]:
        """The number of a name that is no folder."""
        if self._few is not None:
            return self._few.get(name)
        slot = self._slot(_hash(name))
        value = self._values[slot]
        return value >> 1 if self._hashes[slot] and not value & 1 else None

    def check(self) -> None:
        """See that there are not too many.

        Raises:
            Problem: if there are.
        """
        self._check_number(self._used if self._few is None else len(self._few) + len(self._folders))

    def _check_number(self, number: int) -> None:
        if number > self._most:
            raise Problem("the snapshot has more than %d files and folders" % self._most)

    def _pay(self, cost: int) -> None:
        """Count what names take; go from names to hashes when that is much."""
        self._cost += cost
        if self._cost <= _FEW or self._few is None:
            return
        few, folders = self._few, self._folders
        self._few, self._folders = None, set()
        self._grow(1 << 14)
        for name, number in few.items():
            self._set_default(name, 2 * number)
        for folder in folders:
            self._add_folder(folder)

    def _add_folder(self, name: str) -> None:
        """Enter a folder and those above it."""
        folder = name
        while folder:
            if self._few is not None:
                if folder in self._folders:
                    return
                self._folders.add(folder)
                self._pay(len(folder) + _EACH)
            else:
                before = self._set_default(folder, 1)
                if before is not None:
                    if not before & 1:
                        raise _both(folder)
                    return
            folder = folder.rpartition("/")[0]

    def _refuse(self, name: str) -> None:
        """A name is there already."""
        if self._values[self._slot(_hash(name))] & 1:
            raise _both(name)
        raise Problem("%s is in the snapshot twice" % show(name))

    def _set_default(self, name: str, value: int) -> Optional[int]:
        """Set a name's value, or tell the one that it has."""
        hashes = self._hashes
        key = _hash(name)
        mask = len(hashes) - 1
        slot = key & mask
        if hashes[slot]:
            step = (key >> 40) | 1
            while hashes[slot]:
                if hashes[slot] == key:
                    return self._values[slot]
                slot = (slot + step) & mask
        hashes[slot] = key
        self._values[slot] = value
        self._used += 1
        if self._used * 5 > mask * 4:
            self._check_number(self._used)
            self._grow(2 * (mask + 1))
        return None

    def _slot(self, key: int) -> int:
        """Where a key is, or where it may go."""
        hashes, mask = self._hashes, len(self._hashes) - 1
        slot, step = key & mask, (key >> 40) | 1
        while hashes[slot] and hashes[slot] != key:
            slot = (slot + step) & mask
        return slot

    def _grow(self, slots: int) -> None:
        hashes, values = self._hashes, self._values
        self._hashes, self._values = array("q", bytes(8 * slots)), array("I", bytes(4 * slots))
        for key, value in zip(hashes, values):  # noqa: B905  (3.6 has no strict)
            if key:
                slot = self._slot(key)
                self._hashes[slot] = key
                self._values[slot] = value


def _both(name: str) -> Problem:
    return Problem("%s in the snapshot is a file and a folder" % show(name))


def _twice(names: List[str], numbers: List[int], found: Dict[str, int]) -> str:
    """The first of the names that stands for another number too."""
    return next(name for name, number in zip(names, numbers) if found[name] != number or names.count(name) > 1)  # noqa: B905  (3.6 has no strict)


def _hash(name: str) -> int:
    return hash(name) & _POSITIVE or 1
