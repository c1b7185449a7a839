"""The values of a YAML file with the places where they stand in its text."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from runyard.runconfig.editing.source import Source

_Loader: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PROPERTY: Final = re.compile(r"&[^\s,\[\]{}]+|!<[^>]*>|![^\s,\[\]{}]*")
_HEADER: Final = re.compile(r"[|>][0-9+-]*")


class Node:
    """One value: a scalar, an alias, a mapping or a list."""

    __slots__ = (
        "anchor",
        "body_indent",
        "content",
        "end",
        "entries",
        "is_changed",
        "is_flow",
        "kind",
        "properties_end",
        "start",
        "style",
        "tag",
        "target",
        "text",
    )

    def __init__(self, kind: str, start: int, end: int) -> None:
        self.kind = kind
        """``scalar``, ``alias``, ``map`` or ``list``."""
        self.start = start
        """Where it begins, its anchor and tag included."""
        self.properties_end = start
        """Where its anchor and tag end."""
        self.content = start
        """Where it begins behind them."""
        self.end = end
        """Where its last character was; for a block scalar the end of its last line."""
        self.is_flow = False
        """Whether it is a list or mapping in brackets."""
        self.style = ""
        """Of a scalar: its quote, ``|`` or ``>``; nothing for a plain one."""
        self.anchor: str | None = None
        self.tag: str | None = None
        self.target: Node | None = None
        """What an alias stands for."""
        self.text = ""
        """Of a scalar: what it reads as, before its type is known."""
        self.body_indent = 0
        """The column of a block scalar's lines."""
        self.entries: list[Entry] = []
        self.is_changed = False
        """Whether what stands here, or inside, becomes something else or goes."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written: the null of ``key:``."""
        return self.kind == "scalar" and self.start == self.end

    @property
    def is_block_scalar(self) -> bool:
        """Whether it is a text behind ``|`` or ``>``."""
        return self.style in {"|", ">"}

    @property
    def is_block(self) -> bool:
        """Whether it is a list or mapping written by indentation."""
        return self.kind in {"map", "list"} and not self.is_flow

    @property
    def is_bare_pair(self) -> bool:
        """Whether it is the ``a: 1`` of ``[a: 1]``, a mapping without braces."""
        return self.is_flow and self.kind == "map" and bool(self.entries) and self.entries[0].start == self.content


class Entry:
    """A key and its value, or an item of a list."""

    __slots__ = ("after", "is_dropped", "key", "name", "node", "start")

    def __init__(self, start: int, node: Node) -> None:
        self.start = start
        """Where it begins: the key, ``?`` or ``-``."""
        self.after: int | None = start
        """Behind its ``:`` or ``-``; nothing when a key stands without ``:``."""
        self.key: Node | None = None
        self.name = ""
        self.node = node
        self.is_dropped = False

    @property
    def end(self) -> int:
        """Where its last character was."""
        return self.node.end


class Tree:
    """The nodes of one document."""

    def __init__(self, root: Node | None, marker: int, end: int) -> None:
        self.root = root
        self.marker = marker
        """Behind the ``---`` of the document, or -1."""
        self.end = end
        """Where a document without content would get its first line."""
        self.has_anchors = False


def parse(source: Source) -> Tree:
    """The nodes of a file that is known to be good YAML."""
    return _Builder(source).build()


def header_end(text: str, node: Node) -> int:
    """Where the ``|2-`` of a block scalar ends."""
    found = _HEADER.match(text, node.content)
    return found.end() if found else node.content


def last_leaf(node: Node) -> Node:
    """The scalar, alias or bracketed value that a node ends with when what is dropped is gone."""
    while node.is_block and (stays := [entry for entry in node.entries if not entry.is_dropped]):
        node = stays[-1].node
    return node


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.anchors: dict[str, Node] = {}
        self.next = _Loader(source.text).get_event

    def build(self) -> Tree:
        root, marker, end = None, -1, len(self.text)
        while (kind := (event := self.next()).__class__) is not StreamEndEvent:
            if kind is DocumentStartEvent and event.explicit:
                marker = event.end_mark.index
            elif kind is DocumentEndEvent and event.explicit:
                end = event.start_mark.index
            elif issubclass(kind, NodeEvent):
                node = self.node(event)
                root = None if node.is_empty else node
        tree = Tree(root, marker, end)
        tree.has_anchors = bool(self.anchors)
        return tree

    def node(self, event: Any) -> Node:
        event_kind = event.__class__
        if event_kind is ScalarEvent:
            return self.scalar(event)
        if event_kind is AliasEvent:
            alias = Node("alias", event.start_mark.index, event.end_mark.index)
            alias.target = self.anchors[event.anchor]
            return alias
        node = Node("map" if event_kind is MappingStartEvent else "list", event.start_mark.index, event.end_mark.index)
        node.is_flow = bool(event.flow_style)
        self.properties(node, event)
        last = self.pairs(node) if node.kind == "map" else self.items(node)
        is_open = not node.is_flow or node.is_bare_pair
        node.end = node.entries[-1].end if is_open else last.end_mark.index
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def properties(self, node: Node, event: Any) -> None:
        """Find where the content begins behind anchor and tag."""
        node.anchor, node.tag = event.anchor, event.tag
        wanted = (event.anchor is not None) + (event.tag is not None)
        pos = node.start
        for _ in range(wanted):
            if (found := _PROPERTY.match(self.text, pos)) is not None:
                node.properties_end = found.end()
                pos = self.source.skip(found.end())
        is_empty = node.kind == "scalar" and node.properties_end >= node.end
        node.content = node.properties_end if is_empty else pos

    def scalar(self, event: Any) -> Node:
        node = Node("scalar", event.start_mark.index, event.end_mark.index)
        if event.anchor is not None or event.tag is not None:
            self.properties(node, event)
        node.style, node.text = event.style or "", event.value
        if node.is_block_scalar:
            self.block_scalar(node)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def block_scalar(self, node: Node) -> None:
        """Set the end behind the last line that belongs to the text, and the column of its lines."""
        keep = "+" in self.text[node.content : header_end(self.text, node)]
        pos = self.source.next_line(node.content)
        end = self.source.line_end(node.content)
        indents: list[int] = []
        while pos < node.end:
            line_end = self.source.line_end(pos)
            line = self.text[pos:line_end]
            blanks = len(line) - len(line.lstrip(" "))
            if blanks < len(line):
                indents.append(blanks)
            if keep or blanks < len(line) or (indents and blanks > indents[0]):
                end = line_end
            following = self.source.next_line(pos)
            if following == pos:
                break
            pos = following
        node.end = end
        node.body_indent = min(indents, default=0)

    def pairs(self, node: Node) -> Any:
        has_braces = node.is_flow and self.text[node.content] == "{"
        pos = node.content + has_braces
        while (event := self.next()).__class__ is not MappingEndEvent:
            start = self.source.skip(pos)
            if node.entries and node.is_flow and self.text[start] == ",":
                start = self.source.skip(start + 1)
            key = self.node(event)
            entry = Entry(start, self.node(self.next()))
            entry.key = key
            entry.name = key.text if key.target is None else key.target.text
            self.place_value(entry, key)
            node.entries.append(entry)
            pos = entry.end
        return event

    def place_value(self, entry: Entry, key: Node) -> None:
        """Find the ``:``, behind which an empty value stands (its event may be further down)."""
        value = entry.node
        colon = self.source.skip(key.end)
        has_colon = self.text.startswith(":", colon) and colon < value.start
        entry.after = colon + 1 if has_colon else None
        if value.is_empty:
            value.start = value.properties_end = value.content = value.end = colon + 1 if has_colon else key.end

    def items(self, node: Node) -> Any:
        pos = node.content
        while (event := self.next()).__class__ is not SequenceEndEvent:
            dash = pos if node.is_flow else self.source.skip(pos)
            entry = Entry(dash, self.node(event))
            if node.is_flow:
                entry.start = entry.node.start
            entry.after = entry.start + 1
            node.entries.append(entry)
            pos = entry.end
        return event
