"""The values of a JSON file with the places where they stand in its text."""

from __future__ import annotations

import json
import re
from typing import Final

from runyard.runconfig.editing.nodes import Entry, Node, Tree
from runyard.runconfig.editing.source import Source

_SPACE: Final = re.compile("[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


def parse_json(source: Source) -> Tree | None:
    """The nodes of a file if it is JSON; its lines end as in JSON from then on."""
    text = source.text
    if text.lstrip(" \t\r\n")[:1] not in {"{", "["}:
        return None
    try:
        json.loads(text, parse_constant=_no_constant, parse_int=str)
    except ValueError:
        return None
    source.read_as_json()
    return Tree(_value(text, _skip(text, 0)), -1, len(text))


def _no_constant(text: str) -> object:
    raise ValueError(text)


def _skip(text: str, pos: int) -> int:
    found = _SPACE.match(text, pos)
    return found.end() if found else pos


def _value(text: str, start: int) -> Node:
    if text[start] in "{[":
        return _collection(text, start)
    node = Node("scalar", start, start)
    value, node.end = _DECODER.raw_decode(text, start)
    if isinstance(value, str):
        node.style, node.text = '"', value
    return node


def _collection(text: str, start: int) -> Node:
    node = Node("map" if text[start] == "{" else "list", start, start)
    node.is_flow = True
    pos = _skip(text, start + 1)
    while text[pos] not in "}]":
        if text[pos] == ",":
            pos = _skip(text, pos + 1)
        if node.kind == "map":
            key = _value(text, pos)
            after = _skip(text, key.end) + 1
            entry = Entry(pos, _value(text, _skip(text, after)))
            entry.key, entry.name, entry.after = key, key.text, after
        else:
            entry = Entry(pos, _value(text, pos))
        node.entries.append(entry)
        pos = _skip(text, entry.end)
    node.end = pos + 1
    return node
