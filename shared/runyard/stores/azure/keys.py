"""PartitionKeys and RowKeys: text that Azure allows, and numbers that sort as text.

A key has at most 1 KiB and none of ``/``, ``#``, ``?``, the backslash or control characters:
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#characters-disallowed-in-key-fields
"""

from __future__ import annotations

import re
import struct
from typing import Final

_SAFE: Final = re.compile(rb"[A-Za-z0-9_.:-]")
AFTER: Final = "~"
"""Sorts after every character that :func:`escaped` gives: ``PREFIX + AFTER`` ends the range of a prefix."""
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1


def escaped(text: str) -> str:
    """Any text as a key: letters, digits and ``_ . : -`` stay; of everything else, the UTF-8 bytes as ``=XX``."""
    return "".join(
        chr(byte) if _SAFE.match(bytes([byte])) else f"={byte:02X}" for byte in text.encode("utf-8", "surrogatepass")
    )


def unescaped(key: str) -> str:
    """What :func:`escaped` was given."""
    raw = re.sub(r"=([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), key).encode("latin-1")
    return raw.decode("utf-8", "surrogatepass")


def ascending(number: float) -> str:
    """16 hex digits that sort as the number does (any float but NaN), exactly."""
    bits = int.from_bytes(struct.pack(">d", number + 0.0))
    return f"{(bits ^ _ALL) if bits & _SIGN else (bits | _SIGN):016x}"


def descending(number: float) -> str:
    """16 hex digits that sort in the opposite order: the newest first."""
    return f"{int(ascending(number), 16) ^ _ALL:016x}"


def number_of(key: str) -> float:
    """What :func:`ascending` was given."""
    bits = int(key, 16)
    raw = (bits ^ _SIGN) if bits & _SIGN else (bits ^ _ALL)
    found: float = struct.unpack(">d", raw.to_bytes(8))[0]
    return found
