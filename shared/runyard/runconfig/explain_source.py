"""A run configuration's file as its author wrote it, comments and all, with the secrets masked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

import yaml

from runyard.runconfig.redact import (
    MASK,
    is_stored_name,
    is_variables,
    marked_by,
    redacted,
    redacted_items,
    redacted_text,
)
from runyard.runconfig.secret_names import is_secret_name
from runyard.runconfig.yaml12 import load

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Cuts = dict[tuple[int, int], str | None]
"""What stands instead of the text from one place to another; ``None`` = the text itself, which is no secret whatever it looks like."""
_MARKS: Final = re.compile(r"(?:[&!]\S*\s+)+")
"""Anchors and tags, which belong to the value."""
_EMPTY: Final = frozenset({"", "~", "null", "true", "false", "[]", "{}"})


def masked_source(data: bytes, name: str) -> str:
    """The text of a file with every secret in it masked.

    Args:
        data: The file.
        name: How errors call it.

    Raises:
        RunconfigError: if it is neither YAML nor JSON: then nobody can say what in it is a secret.
    """
    document = load(data, name)
    text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:  # JSON that is no YAML
        return json.dumps(redacted(document), indent=2, ensure_ascii=False) + "\n"
    cuts: Cuts = {}
    if node is not None:
        _mark(node, cuts, frozenset(marked_by(document)) if isinstance(document, Mapping) else frozenset())
    parts: list[str] = []
    at = 0
    for (start, end), new in sorted(cuts.items()):
        if start < at:
            continue  # inside one that is masked whole
        old = text[start:end]
        if new is None:
            parts += [redacted_text(text[at:start]), old]
            at = end
            continue
        marks = _MARKS.match(old)
        parts += [redacted_text(text[at:start]), marks[0] if marks else "", new, old[len(old.rstrip()) :]]
        at = end
    return "".join([*parts, redacted_text(text[at:])])


def _mark(node: yaml.Node, cuts: Cuts, marked: frozenset[str], under: tuple[str, ...] = ()) -> None:
    """Note what of a node is to be replaced; ``under`` are the keys that it stands under."""
    if isinstance(node, yaml.MappingNode):
        if under == ("runyard", "secrets"):
            _mark_names(node, cuts)
            return
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            is_marked = name in marked and bool(under) and is_variables(under[-1])
            if under == ("runyard",) and name == "secrets":
                cuts[key.start_mark.index, key.end_mark.index] = None
                _mark(value, cuts, marked, (*under, name))
            elif is_marked or is_secret_name(name):
                _mask(value, cuts)
            else:
                _mark(value, cuts, marked, (*under, name))
    elif isinstance(node, yaml.SequenceNode):
        texts = [item.value if isinstance(item, yaml.ScalarNode) else item for item in node.value]
        for item, shown in zip(node.value, redacted_items(texts), strict=True):
            if isinstance(item, yaml.ScalarNode):
                _replace(item, shown, cuts)
            else:
                _mark(item, cuts, marked, under)
    elif isinstance(node, yaml.ScalarNode):
        _replace(node, str(redacted(node.value)), cuts)


def _mark_names(node: yaml.MappingNode, cuts: Cuts) -> None:
    """Variables and the names of the stored secrets that they get: shown, if the names may be such."""
    for key, value in node.value:
        cuts[key.start_mark.index, key.end_mark.index] = None
        if isinstance(value, yaml.ScalarNode) and is_stored_name(value.value):
            cuts[value.start_mark.index, value.end_mark.index] = None
        else:
            _mask(value, cuts)


def _mask(node: yaml.Node, cuts: Cuts) -> None:
    """Mask a value whole; that nothing is set may be seen."""
    if isinstance(node, yaml.ScalarNode):
        if node.value.lower() not in _EMPTY:
            _replace(node, MASK, cuts)
    elif isinstance(node, yaml.CollectionNode) and node.flow_style:
        if node.value:
            cuts[node.start_mark.index, node.end_mark.index] = f'"{MASK}"'
    elif isinstance(node, yaml.CollectionNode):
        for item in node.value:
            for each in item if isinstance(item, tuple) else (item,):
                _mask(each, cuts)


def _replace(node: yaml.ScalarNode, shown: object, cuts: Cuts) -> None:
    if shown != node.value:
        cuts[node.start_mark.index, node.end_mark.index] = json.dumps(str(shown), ensure_ascii=False)
