"""Text of scripts and strangers on a terminal: control characters are shown, never obeyed.

A log may hold escape sequences that move the cursor, change the title or answer to the shell. Python's own output of
other files is no better: names, tags and reasons come from users too.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_ACTIVE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but \t and \n
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of text
    "\u2028\u2029\ufeff\ud800-\udfff]"
)


def neutral(text: str) -> str:
    r"""Text with its control characters spelled out (``\x1b``); tabs and line ends stay."""
    return _ACTIVE.sub(lambda found: _spelled(found[0]), text)


def plain(text: str) -> str:
    """The same on one line: line ends are spelled out, too."""
    return neutral(text).replace("\n", "\\n").replace("\t", " ")


def _spelled(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


class Neutraliser:
    r"""Turns a log's bytes, piece by piece, into text for a terminal.

    A carriage return (progress bars write it) becomes a line end: each state of the bar on a line of its own.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._after_return = False

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """The text of a piece; a character that a piece cuts waits for the next one."""
        text = self._decoder.decode(data, last)
        if not text:
            return ""
        if self._after_return and text.startswith("\n"):
            text = text[1:]
            if not text:
                self._after_return = False
                return ""
        self._after_return = text.endswith("\r")
        return neutral(text.replace("\r\n", "\n").replace("\r", "\n"))
