"""What ``runyard env`` shows to people."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from runyard.cli.show import size, span

SHORT: Final = 12
"""Digits of a key that are shown."""
_INGREDIENTS: Final = (
    ("recipe", "way of building"),
    ("system", "system"),
    ("python", "compute's Python"),
    ("base", "base environment"),
    ("policy", "policy"),
    ("resolver", "resolver"),
    ("channels", "channels"),
    ("conda_packages", "conda packages"),
    ("pip_options", "pip options"),
    ("pip_packages", "pip packages"),
    ("variables", "variables"),
    ("files", "files"),
)


def list_rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each environment."""
    return [
        (
            each["key"][:SHORT],
            state_of(each),
            each["python"] or "",
            each["tool"] or "",
            _bytes(each),
            ago(each["last_use"]),
            each["source"] or "",
        )
        for each in found
    ]


def show_lines(each: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything about one environment."""
    lines = [
        ("key", each["key"]),
        ("state", state_of(each)),
        ("source", each["source"] or ""),
        ("folder", each["prefix"] or ""),
        ("interpreter", each["interpreter"] or ""),
        ("python", each["python"] or ""),
        ("built with", each["tool"] or ""),
        ("built", f"{ago(each['created'])}, in {span(each['seconds'])}" if each["seconds"] is not None else ""),
        ("last use", ago(each["last_use"])),
        ("size", _bytes(each)),
        ("log", each["log"] or ""),
        *_rows("instead", each["notes"] or []),
    ]
    return [(name, text) for name, text in [*lines, *ingredient_lines(each["specification"] or {})] if text]


def explain_lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why a key is what it is, and what changed."""
    lines = [("key", found["key"]), ("state", _STATES.get(found["state"], found["state"]))]
    lines += [line for line in ingredient_lines(found["ingredients"]) if line[1]]
    if found["compared_with"] is None:
        return [*lines, ("before it", "nothing: the cache has no other environment")]
    which = "the last of the same source" if found["because"] == "source" else "the most similar one in the cache"
    return [*lines, ("before it", f"{found['compared_with'][:SHORT]}, {which}"), *_rows("changed", found["sentences"])]


_STATES: Final = {
    "ready": "ready: it is reused",
    "absent": "not there: the next run builds it",
    "building": "being built",
    "broken": "broken: the next run builds it anew",
}


def ingredient_lines(ingredients: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is hashed, in words."""
    lines: list[tuple[str, str]] = []
    for name, label in _INGREDIENTS:
        value = ingredients.get(name)
        if isinstance(value, Mapping):
            lines += _rows(label, [f"{key}={text}" for key, text in value.items()])
        elif isinstance(value, list):
            lines.append((label, ", ".join(map(str, value))))
        elif value:
            lines.append((label, value if isinstance(value, str) else json.dumps(value)))
    return lines


def state_of(each: Mapping[str, Any]) -> str:
    """The state, and whether it is in use."""
    return f"{each['state']}, in use" if each["in_use"] and each["state"] == "ready" else str(each["state"])


def ago(moment: float | None) -> str:
    """How long ago a time is."""
    return "" if moment is None else f"{span(time.time() - moment)} ago"


def _bytes(each: Mapping[str, Any]) -> str:
    return "" if each["bytes"] is None else size(each["bytes"])


def _rows(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(label if index == 0 else "", text) for index, text in enumerate(texts)]
