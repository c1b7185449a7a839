"""New values as text, in the style of the file they go into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runyard.runconfig.editing import scalars
from runyard.runconfig.editing.changes import Path
from runyard.runconfig.editing.nodes import Node
from runyard.runconfig.editing.source import Source


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written; the defaults are the SDK's way."""

    is_json: bool = False
    only_ascii: bool = False
    """Whether JSON texts escape what is not ASCII."""
    step: int = 2
    """Blanks by which a mapping inside a mapping is indented."""
    dash: int = 0
    """Blanks before the ``-`` of a list inside a mapping."""
    comma: str = ", "
    colon: str = ": "
    quote: str = ""
    """What texts in brackets are quoted with."""
    unit: str | None = None
    """Indentation of one level of JSON that is written over many lines."""
    literals: bool = True
    """Whether new texts of several lines may become block scalars."""


SDK: Final = Style()


def style_of(source: Source, root: Node, *, is_json: bool, literals: bool) -> Style:
    """How a file is written, from the first place that shows it."""
    blocks: dict[str, int] = {}
    flows: dict[str, str] = {}
    _look(source, root, blocks, flows)
    return Style(
        is_json=is_json,
        only_ascii=is_json and source.text.isascii() and not source.has_bom,
        step=blocks.get("step", SDK.step),
        dash=blocks.get("dash", SDK.dash),
        comma=flows.get("comma", "," if flows.get("colon") == ":" else SDK.comma),
        colon=flows.get("colon", SDK.colon),
        quote='"' if is_json else flows.get("quote", ""),
        unit=flows.get("unit") if is_json else None,
        literals=literals and not is_json,
    )


def _look(source: Source, node: Node, blocks: dict[str, int], flows: dict[str, str]) -> None:
    if node.is_flow and node.entries:
        _look_at_flow(source, node, flows)
    for entry in node.entries:
        child = entry.node
        if child.is_block and node.is_block and node.kind == "map":
            offset = source.column(child.entries[0].start) - source.column(node.entries[0].start)
            blocks.setdefault("dash" if child.kind == "list" else "step", offset)
        if child.entries:
            _look(source, child, blocks, flows)


def _look_at_flow(source: Source, node: Node, flows: dict[str, str]) -> None:
    first = node.entries[0]
    key, value = first.key, first.node
    if key is not None and first.after is not None:
        between = source.text[key.end : value.start]
        if between.strip(" \t") == ":":
            flows.setdefault("colon", between)
    if value.kind == "scalar" and (quote := value.style or (key.style if key else "")):
        flows.setdefault("quote", quote)
    if len(node.entries) > 1:
        between = source.text[first.end : node.entries[1].start]
        if between.strip(" \t") == ",":
            flows.setdefault("comma", between)
    if source.is_first(first.start) and not source.same_line(node.start, first.start):
        inner, outer = source.indent(first.start), source.indent(node.start)
        if inner.startswith(outer):
            flows.setdefault("unit", inner.removeprefix(outer))


class Renderer:
    """Writes values in one style.

    Args:
        style: How.
        eol: The line break inside values in brackets.
        comments: Comment lines to put above keys, by path.
    """

    def __init__(self, style: Style, eol: str = "\n", comments: Mapping[Path, str] | None = None) -> None:
        self.style = style
        self._eol = eol
        self._comments = comments or {}

    def key(self, name: str, *, in_flow: bool) -> str:
        """A key with its ``:``, and the ``?`` that a very long one needs."""
        if self.style.is_json:
            return scalars.json_scalar(name, only_ascii=self.style.only_ascii) + self.style.colon
        written = scalars.scalar(name, self.style.quote if in_flow else "", in_flow=in_flow)
        colon = self.style.colon if self.style.colon.endswith((" ", "\t")) else ": "
        if scalars.is_long_key(written):
            return f"? {written} : "
        return written + (colon if in_flow else ":")

    def entry(self, name: str, value: object, indent: int, path: Path = ()) -> list[str]:
        """The lines of a key and its value, each with its indentation."""
        pad = " " * indent
        written = self.key(name, in_flow=False)
        lines = [*self._comment(path, pad)]
        if written.startswith("? "):
            lines.append(pad + written.removesuffix(" : "))
            written = ":"
        first, rest = self.value(value, indent, path)
        return [*lines, pad + written + (f" {first}" if first else ""), *rest]

    def value(self, value: object, indent: int, path: Path = ()) -> tuple[str, list[str]]:
        """A value behind the ``:`` of a key in column ``indent``: what stands in the key's line, and the lines below."""
        if isinstance(value, dict) and value:
            return "", self.block(value, indent + self.style.step, path)
        if isinstance(value, list) and value:
            return "", self.block(value, indent + self.style.dash, path)
        return self._leaf(value, indent + self.style.step)

    def item(self, value: object, indent: int, path: Path = ()) -> list[str]:
        """The lines of a list item whose ``-`` is in column ``indent``."""
        first, rest = self.item_value(value, indent, path)
        return [" " * indent + "-" + (f" {first}" if first else ""), *rest]

    def item_value(self, value: object, indent: int, path: Path = ()) -> tuple[str, list[str]]:
        """A value behind the ``-`` in column ``indent``: what stands in its line, and the lines below."""
        if isinstance(value, (dict, list)) and value:
            first, *rest = self.block(value, indent + 2, path)
            return first.lstrip(" "), rest
        return self._leaf(value, indent + 2)

    def block(self, value: object, indent: int, path: Path = ()) -> list[str]:
        """The lines of a mapping or list that is not empty."""
        lines: list[str] = []
        if isinstance(value, dict):
            for key, inner in value.items():
                lines += self.entry(key, inner, indent, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                lines += self.item(inner, indent, (*path, index))
        return lines

    def _comment(self, path: Path, pad: str) -> list[str]:
        text = self._comments.get(path) if path else None
        return [] if text is None else [f"{pad}# {line}".rstrip() for line in text.splitlines() or [""]]

    def _leaf(self, value: object, indent: int) -> tuple[str, list[str]]:
        if isinstance(value, str) and self.style.literals:
            written = scalars.literal(value, " " * indent)
            if written is not None:
                return written
        return self.inline(value), []

    def inline(self, value: object, quote: str = "") -> str:
        """A scalar, or an empty mapping or list, outside brackets."""
        if isinstance(value, (dict, list)):
            return "{}" if isinstance(value, dict) else "[]"
        return scalars.scalar(value, quote)

    def flow(self, value: object, indent: str, quote: str | None = None) -> str:
        """A value in brackets; ``indent`` is that of the line it begins in."""
        if isinstance(value, dict):
            return self._brackets("{}", [self.member(key, item, indent) for key, item in value.items()], indent)
        if isinstance(value, list):
            return self._brackets("[]", [self.member(None, item, indent) for item in value], indent)
        if self.style.is_json:
            return scalars.json_scalar(value, only_ascii=self.style.only_ascii)
        return scalars.scalar(value, self.style.quote if quote is None else quote, in_flow=True)

    def member(self, key: str | None, value: object, indent: str) -> str:
        """A member of a collection in brackets; ``indent`` is that of the collection's first line."""
        written = self.flow(value, indent + (self.style.unit or ""))
        return written if key is None else self.key(key, in_flow=True) + written

    def _brackets(self, brackets: str, members: list[str], indent: str) -> str:
        if not members:
            return brackets
        if self.style.unit is None:
            return brackets[0] + self.style.comma.join(members) + brackets[1]
        inner = self._eol + indent + self.style.unit
        return brackets[0] + inner + ("," + inner).join(members) + self._eol + indent + brackets[1]
