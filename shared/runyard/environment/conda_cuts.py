"""Cutting values out of a YAML text and putting others in, by the places that the parser gives."""

from __future__ import annotations

import json
import re
from typing import Final

import yaml

from runyard.errors import RunyardError
from runyard.runconfig.yaml12 import load

_DASH: Final = re.compile(r" *- +")
_UNSEEN: Final = re.compile(
    "[\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff0-\uffff\ud800-\udfff]"
    "|[\U000e0000-\U000e0fff]"
)
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_./]|-(?=[^ ]))(?:[^:#]|:(?=[^ ])|(?<=[^ ])#)*")
_FLOW_MARKS: Final = frozenset("[]{},")


class NotInPlaceError(Exception):
    """The text is laid out so that the change cannot be made in place."""


def is_flow(node: yaml.Node) -> bool:
    """Whether a list or mapping stands in brackets."""
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def quoted(text: str) -> str:
    """A text in double quotes, as YAML and JSON both read it; what cannot be seen is escaped."""
    return _UNSEEN.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Cuts:
    """Changes of one text, gathered by the places of its nodes and made at once."""

    def __init__(self, text: str, newline: str, *, quoted: bool) -> None:
        self.text = text
        self.newline = newline
        self.quoted = quoted
        """Whether every text goes in double quotes, as JSON wants it."""
        self.cuts: list[tuple[int, int, str]] = []

    def result(self) -> str:
        """The changed text."""
        parts: list[str] = []
        at = 0
        for start, end, new in sorted(self.cuts, key=lambda cut: cut[:2]):
            if start < at:
                raise NotInPlaceError
            parts += [self.text[at:start], new]
            at = end
        return "".join([*parts, self.text[at:]])

    def replace(self, node: yaml.Node, value: str, *, flow: bool) -> None:
        """Put another text in a scalar's place, quoted as it was."""
        if not isinstance(node, yaml.ScalarNode):
            raise NotInPlaceError
        start, end = node.start_mark.index, node.end_mark.index
        if node.style == '"':
            new = quoted(value)
        elif node.style == "'":
            new = "'" + value.replace("'", "''") + "'"
        else:
            new = self.scalar(value, flow=flow)
        self.cuts.append((start, end, new + (self.newline if node.style in {"|", ">"} else "")))

    def insert(self, key: yaml.Node, node: yaml.Node, at: int, items: list[object]) -> None:
        """Put items before the ``at``-th of a list."""
        if not isinstance(node, yaml.SequenceNode):
            self._fill(key, node, items)
        elif node.flow_style:
            new = ", ".join(self.flow(item) for item in items)
            if not node.value:
                self.cuts.append((node.start_mark.index, node.end_mark.index, f"[{new}]"))
            elif at == 0:
                self._put(node.value[0].start_mark.index, f"{new}, ")
            else:
                self._put(node.value[at - 1].end_mark.index, f", {new}")
        else:
            dash = self._dash(node.value[max(at - 1, 0)])
            new = "".join(self.block(dash, item) for item in items)
            self._put_line(self._after(node.value[at - 1]) if at else self._line(node.value[0]), new)

    def delete(self, key: yaml.Node, node: yaml.Node, gone: list[int]) -> None:
        """Take items out of a list: in block style their lines."""
        if not gone:
            return
        if is_flow(node):
            self._delete_flow(node, gone)
            return
        for at in gone:
            self._dash(node.value[at])
            self.cuts.append((self._line(node.value[at]), self._after(node.value[at]), ""))
        if len(gone) == len(node.value):
            self._put(self._colon(key), " []")

    def append_pair(self, node: yaml.MappingNode, key: str, value: object) -> None:
        """Put a key with its value at the end of a mapping."""
        if node.flow_style:
            pair = f"{self.scalar(key, flow=True)}: {self.flow(value)}"
            if node.value:
                self._put(node.value[-1][1].end_mark.index, f", {pair}")
            else:
                self.cuts.append((node.start_mark.index, node.end_mark.index, f"{{{pair}}}"))
            return
        first = node.value[0][0]
        indent = self.text[self._line(first) : first.start_mark.index]
        if indent.strip(" "):
            raise NotInPlaceError
        self._put_line(self._after(node), self.pair(indent, key, value))

    def pair(self, indent: str, key: str, value: object) -> str:
        """A key with its value in block style, each line with its end."""
        start = f"{indent}{self.scalar(key, flow=False)}:"
        if isinstance(value, str):
            return f"{start} {self.scalar(value, flow=False)}{self.newline}"
        if isinstance(value, dict) and value:
            inner = "".join(self.pair(f"{indent}  ", name, each) for name, each in value.items())
        elif isinstance(value, list) and value:
            inner = "".join(self.block(f"{indent}- ", item) for item in value)
        else:
            return f"{start} {json.dumps(value)}{self.newline}"
        return f"{start}{self.newline}{inner}"

    def block(self, dash: str, item: object) -> str:
        """An item of a list in block style."""
        if isinstance(item, dict):
            return dash + self.pair(" " * len(dash), "pip", item["pip"])[len(dash) :]
        return f"{dash}{self.scalar(str(item), flow=False)}{self.newline}"

    def flow(self, value: object) -> str:
        """A value in flow style."""
        if isinstance(value, dict):
            inner = ", ".join(f"{self.scalar(key, flow=True)}: {self.flow(each)}" for key, each in value.items())
            return f"{{{inner}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(self.flow, value))}]"
        return self.scalar(str(value), flow=True)

    def scalar(self, text: str, *, flow: bool) -> str:
        """A text, without quotes where YAML 1.1 and 1.2 both read it as that text."""
        marked = flow and not _FLOW_MARKS.isdisjoint(text)
        if not (self.quoted or marked) and text.isprintable() and _PLAIN.fullmatch(text):
            probe = f"[{text}]" if flow else f"- {text}\n"
            try:
                if yaml.safe_load(probe) == [text] and load(probe.encode(), "") == [text]:
                    return text
            except (yaml.YAMLError, RunyardError, ValueError):
                pass  # a ValueError: 1.1 sees a date in it, or a number that is none
        return quoted(text)

    def _fill(self, key: yaml.Node, node: yaml.Node, items: list[object]) -> None:
        """Give a key that has no value a list."""
        if not isinstance(node, yaml.ScalarNode) or node.start_mark.index != node.end_mark.index:
            raise NotInPlaceError
        colon = self._colon(key)
        start = self._line(key)
        before = self.text[start : key.start_mark.index]
        rest = self.text[colon : self._end_of_line(colon)].strip()
        if before.strip(" -") or (rest and not rest.startswith("#")):
            self._put(colon, f" [{', '.join(map(self.flow, items))}]")
        else:
            indent = " " * len(before)
            self._put_line(self._end_of_line(colon), "".join(self.block(f"{indent}- ", item) for item in items))

    def _delete_flow(self, node: yaml.Node, gone: list[int]) -> None:
        left = [at for at in range(len(node.value)) if at not in set(gone)]
        if not left:
            self.cuts.append((node.start_mark.index, node.end_mark.index, "[]"))
            return
        for at in gone:
            if at < left[-1]:
                self.cuts.append((node.value[at].start_mark.index, node.value[at + 1].start_mark.index, ""))
        if left[-1] < len(node.value) - 1:
            self.cuts.append((node.value[left[-1]].end_mark.index, node.value[-1].end_mark.index, ""))

    def _put(self, at: int, new: str) -> None:
        self.cuts.append((at, at, new))

    def _put_line(self, at: int, new: str) -> None:
        """Put whole lines where a line begins; the text before may lack its line end."""
        if at and self.text[at - 1] != "\n":
            new = self.newline + new.removesuffix(self.newline)
        self._put(at, new)

    def _dash(self, node: yaml.Node) -> str:
        dash = self.text[self._line(node) : node.start_mark.index]
        if not _DASH.fullmatch(dash):
            raise NotInPlaceError
        return dash

    def _line(self, node: yaml.Node) -> int:
        return self.text.rfind("\n", 0, node.start_mark.index) + 1

    def _end_of_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1

    def _colon(self, key: yaml.Node) -> int:
        at = self.text.find(":", key.end_mark.index)
        if self.text[key.end_mark.index : at].strip():
            raise NotInPlaceError
        return at + 1

    def _after(self, node: yaml.Node) -> int:
        """Where the line after a node's last one begins."""
        while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        end = node.end_mark.index
        return end if end and self.text[end - 1] == "\n" else self._end_of_line(end)
