"""Makes the edits that turn the nodes of a file into another document."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import Any, Final

from runyard.runconfig.editing import block, flow, scalars
from runyard.runconfig.editing.changes import opcodes, same
from runyard.runconfig.editing.nodes import Entry, Node, Tree, header_end
from runyard.runconfig.editing.render import Renderer, Style
from runyard.runconfig.editing.source import Edits, Source

_QUOTES: Final = frozenset("'\"")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands."""

    in_flow: bool
    """Whether it stands in brackets."""
    after: int | None
    """Behind the ``:``, ``-`` or ``---`` it belongs to, if there is one."""
    indent: int
    """The column of the keys or dashes around it; -1 for the document's own value."""
    depth: int
    is_item: bool
    """Whether a mapping may begin in the same line, as behind a ``-``."""


@dataclass(slots=True)
class Plan:
    """What becomes of the entries of a mapping or list."""

    kept: list[tuple[Entry, object, object]] = field(default_factory=list)
    """An entry, its old and its new value."""
    dropped: set[int] = field(default_factory=set)
    added: dict[int, list[tuple[str | None, object]]] = field(default_factory=dict)
    """New members by the index of the entry that they come before."""


def plan(node: Node, old: Any, new: Any) -> Plan:
    """How the entries of a node become those of a new value of the same kind."""
    result = Plan()
    if node.kind == "map":
        for index, entry in enumerate(node.entries):
            if entry.name in new:
                result.kept.append((entry, old[entry.name], new[entry.name]))
            else:
                result.dropped.add(index)
        added: list[tuple[str | None, object]] = [(key, value) for key, value in new.items() if key not in old]
        if added:
            result.added[len(node.entries)] = added
        return result
    for tag, start, end, new_start, new_end in opcodes(old, new):
        if tag == "replace":
            pairs = zip(node.entries[start:end], old[start:end], new[new_start:new_end], strict=True)
            result.kept += pairs
        elif tag == "delete":
            result.dropped.update(range(start, end))
        else:
            result.added[start] = [(None, item) for item in new[new_start:new_end]]
    return result


class Editor:
    """Collects the edits of one file."""

    def __init__(self, source: Source, tree: Tree, style: Style) -> None:
        self.source = source
        self.tree = tree
        self.edits = Edits(source)
        self.renderer = Renderer(style, source.eol)
        self.flat = Renderer(replace(style, unit=None), source.eol)
        """Writes everything on one line."""

    def run(self, old: object, new: object) -> str:
        """The text of the file with another document in it."""
        root = self.tree.root
        if root is None:
            lines = self.renderer.block(new, 0) or [self.renderer.inline(new)]
            self.edits.insert_lines(self.source.line_start(self.tree.end), lines, 0)
            return self.edits.apply()
        place = Place(self.renderer.style.is_json, self.tree.marker if self.tree.marker >= 0 else None, -1, 0, False)
        self.change(root, old, new, place)
        if self.tree.has_anchors:
            self._expand(root, old, place, self.edits.removed())
        if self.source.ends_without_break:
            self._close_last_text(root, old, place)
        return self.edits.apply()

    def change(self, node: Node, old: object, new: object, place: Place) -> None:
        """Turn one value into another, by as few edits as can be."""
        if same(old, new):
            return
        node.is_changed = True
        is_same_kind = isinstance(new, dict if node.kind == "map" else list)
        if not node.entries or not is_same_kind:
            self.replace(node, old, new, place)
        elif node.is_flow:
            flow.change(self, node, plan(node, old, new), (old, new), place)
        else:
            block.change(self, node, plan(node, old, new), new, place)

    def place_in(self, node: Node, entry: Entry, place: Place) -> Place:
        """The place of an entry's value."""
        column = self.source.column(node.entries[0].start)
        return Place(place.in_flow or node.is_flow, entry.after, column, place.depth + 1, node.kind == "list")

    def replace(self, node: Node, old: object, new: object, place: Place) -> None:
        """Write a value anew in the place of one that cannot become it by changes inside."""
        if place.in_flow:
            flow.replace(self, node, old, new, place)
        else:
            block.replace(self, node, old, new, place)

    def leaf(self, node: Node, old: object, new: object, *, in_flow: bool) -> str:
        """A scalar, or an empty mapping or list, written as what it replaces was."""
        if (
            isinstance(new, bool)
            and isinstance(old, bool)
            and node.kind == "scalar"
            and not self.renderer.style.is_json
        ):
            return scalars.boolean_like(new, node.text)
        quote = node.style if node.style in _QUOTES else ""
        is_text = isinstance(old, str) and node.kind == "scalar"
        if in_flow:
            return self.renderer.flow(new, self.source.indent(node.start), quote if is_text else None)
        return self.renderer.inline(new, quote if is_text else "")

    def _expand(self, node: Node, old: Any, place: Place, removed: list[tuple[int, int]]) -> None:
        """Write out the aliases that stay, of values that do not."""
        if node.target is not None and _is_lost(node, removed):
            self.replace(node, old, old, place)
        for index, entry in enumerate(node.entries):
            key = entry.key
            if key is not None and key.target is not None and _is_lost(key, removed):
                self.edits.replace(key.start, key.end, scalars.scalar(entry.name, in_flow=node.is_flow))
            inner = old[entry.name if node.kind == "map" else index]
            self._expand(entry.node, inner, self.place_in(node, entry, place), removed)

    def _close_last_text(self, node: Node, old: Any, place: Place) -> None:
        """A block scalar that ended with the file and not with a line break must say so when lines come behind it."""
        while node.is_block:
            old = old[node.entries[-1].name if node.kind == "map" else -1]
            node, place = node.entries[-1].node, self.place_in(node, node.entries[-1], place)
        text = self.source.text
        if not node.is_block_scalar or node.is_changed or not self.edits.inserts_at(len(text)):
            return
        if _covers(self.edits.removed(), node.start):
            return
        end = header_end(text, node)
        if text[self.source.line_start(len(text) - 1) :].strip(" \r\n"):
            self.edits.replace(node.content, end, re.sub("[+-]", "", text[node.content : end]) + "-")
        else:  # blanks in the last line are not a line of the text
            self.replace(node, None, old, place)


def _is_lost(alias: Node, removed: list[tuple[int, int]]) -> bool:
    """Whether an alias stays where what it stands for becomes something else, or goes."""
    target = alias.target
    if target is None or _covers(removed, alias.start):
        return False
    return target.is_changed or _covers(removed, target.start)


def _covers(parts: list[tuple[int, int]], pos: int) -> bool:
    """Whether a position is in one of some parts, which are sorted."""
    index = bisect_right(parts, pos, key=lambda part: part[0])
    return index > 0 and pos < parts[index - 1][1]
