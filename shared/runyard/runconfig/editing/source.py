"""The text of a file: where its lines are, how it was encoded, and the edits that are made to it."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from typing import Final

from runyard.errors import RunconfigError

_YAML_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What the parser takes for the end of a line: YAML 1.1 has more of them than 1.2."""
_JSON_BREAK: Final = re.compile("\r\n|[\r\n]")
_GAP: Final = re.compile("(?:[ \t\r\n\x85\u2028\u2029]+|#[^\r\n\x85\u2028\u2029]*)*")
_REST: Final = re.compile("[ \t]*(?:#[^\r\n\x85\u2028\u2029]*)?")
_BLANKS: Final = re.compile("[ \t]*")
_ENCODINGS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class OverlapError(Exception):
    """Two edits want the same characters: the file's form is one that cannot be changed in place."""


class Source:
    """The text of a file, always with a line break at its end (unless it is empty), and positions in it."""

    def __init__(self, data: bytes, name: str) -> None:
        self._bom, self._encoding = next(
            ((bom, encoding) for bom, encoding in _ENCODINGS if data.startswith(bom)), (b"", "utf-8")
        )
        try:
            text = data[len(self._bom) :].decode(self._encoding)
        except UnicodeDecodeError as error:
            raise RunconfigError(f"{name}: byte {error.start} is not {self._encoding.upper()} text") from None
        self.has_bom = bool(self._bom)
        self._set(text, _YAML_BREAK)
        found = self._break.search(text)
        self.eol = found[0] if found and found[0] in {"\n", "\r\n", "\r"} else "\n"
        self._is_padded = bool(text) and self._starts[-1] != len(text)
        if self._is_padded:
            self._set(text + self.eol, _YAML_BREAK)

    def _set(self, text: str, line_break: re.Pattern[str]) -> None:
        self.text = text
        self._break = line_break
        self._starts = [0, *(found.end() for found in line_break.finditer(text))]

    @property
    def ends_without_break(self) -> bool:
        """Whether the file's last line had no line break."""
        return self._is_padded

    def read_as_json(self) -> None:
        """From now on lines end as in JSON, where U+2028 is a character like any other."""
        self._set(self.text, _JSON_BREAK)

    def encode(self, text: str) -> bytes:
        """The bytes of a changed text: same encoding, same byte order mark, no line break added at the end."""
        if self._is_padded:
            text = text.removesuffix(self.eol)
        return self._bom + text.encode(self._encoding)

    def line_start(self, pos: int) -> int:
        """Where the line of a position begins."""
        return self._starts[bisect_right(self._starts, pos) - 1]

    def next_line(self, pos: int) -> int:
        """Where the line after a position's begins: behind its line break."""
        index = bisect_right(self._starts, pos)
        return self._starts[index] if index < len(self._starts) else len(self.text)

    def column(self, pos: int) -> int:
        """How many characters stand before a position in its line."""
        return pos - self.line_start(pos)

    def same_line(self, start: int, end: int) -> bool:
        """Whether there is no line break between two positions."""
        return self.line_start(start) == self.line_start(end)

    def skip(self, pos: int) -> int:
        """The next position that is no blank, line break or comment."""
        found = _GAP.match(self.text, pos)
        return found.end() if found else pos

    def skip_blanks(self, pos: int) -> int:
        """The next position that is no blank."""
        found = _BLANKS.match(self.text, pos)
        return found.end() if found else pos

    def back_over_blanks(self, pos: int, least: int) -> int:
        """The first of the blanks that stand before a position."""
        while pos > least and self.text[pos - 1] in " \t":
            pos -= 1
        return pos

    def indent(self, pos: int) -> str:
        """The blanks that a position's line begins with."""
        start = self.line_start(pos)
        return self.text[start : self.skip_blanks(start)]

    def is_first(self, pos: int) -> bool:
        """Whether only blanks stand before a position in its line."""
        return self.skip_blanks(self.line_start(pos)) >= pos

    def is_last(self, pos: int) -> bool:
        """Whether only blanks and a comment stand behind a position in its line."""
        found = _REST.match(self.text, pos)
        return found is not None and found.end() >= self.line_end(pos)

    def line_end(self, pos: int) -> int:
        """Where the line of a position ends: before its line break."""
        found = self._break.search(self.text, pos)
        return found.start() if found else len(self.text)


class Edits:
    """Replacements of parts of a source, made in any order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._edits: list[tuple[int, int, int, int, str]] = []

    def replace(self, start: int, end: int, text: str, depth: int = 0) -> None:
        """Put a text in place of ``start:end``; at one position the deepest comes first, then the earliest made."""
        if start != end or text:
            self._edits.append((start, end, -depth, len(self._edits), text))

    def insert_lines(self, pos: int, lines: list[str], depth: int) -> None:
        """Put whole lines before the line that begins at ``pos``."""
        self.replace(pos, pos, "".join(line + self._source.eol for line in lines), depth)

    def cut_lines(self, start: int, end: int) -> None:
        """Take away the lines from that of ``start`` to that of ``end``."""
        self.replace(self._source.line_start(start), self._source.next_line(end), "")

    def removed(self) -> list[tuple[int, int]]:
        """The parts of the source that are replaced by something else or by nothing, in their order."""
        return sorted((start, end) for start, end, *_ in self._edits if end > start)

    def inserts_at(self, pos: int) -> bool:
        """Whether something is put at a position."""
        return any(start == end == pos for start, end, *_ in self._edits)

    def apply(self) -> str:
        """The new text.

        Raises:
            OverlapError: if two replacements overlap.
        """
        parts: list[str] = []
        done = 0
        for start, end, _, _, text in sorted(self._edits):
            if start < done:
                raise OverlapError
            parts += [self._source.text[done:start], text]
            done = end
        return "".join(parts) + self._source.text[done:]
