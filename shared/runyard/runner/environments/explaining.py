"""Why a wish has its key, and what differs from the environment before it."""

import os
from typing import Any, Dict, List, Optional, Tuple

from ..problems import Problem
from . import pip_entries
from .listing import describe, list_environments
from .making import masker_of, specification_of
from .specs import Spec
from .wish import Wish

_WORDS = {
    "recipe": "Runyard's way of building",
    "system": "the system",
    "channels": "channels",
    "pip_options": "pip options",
    "policy": "policy",
    "base": "base conda environment",
    "resolver": "resolver",
    "python": "the compute's interpreter",
}
"""Ingredients that are compared whole, as people call them."""


def explain(wish: Wish, cache: str) -> Dict[str, Any]:
    """As the package says."""
    masker = masker_of(wish, dict(os.environ))
    mine = specification_of(wish, masker)
    there = list_environments(cache)
    state = next((each["state"] for each in there if each["key"] == wish.key), "absent")
    others = [each for each in there if each["key"] != wish.key and isinstance(each["specification"], dict)]
    return _told(wish.key, mine, state, _before(masker(wish.source), mine, others))


def explain_key(cache: str, key_prefix: str) -> Dict[str, Any]:
    """As the package says."""
    found = describe(cache, key_prefix)
    mine = found["specification"] if isinstance(found["specification"], dict) else {}
    others = [each for each in list_environments(cache) if isinstance(each["specification"], dict)]
    made = found["created"] or 0.0
    earlier = [each for each in others if each["key"] != found["key"] and (each["created"] or 0.0) <= made]
    return _told(found["key"], mine, found["state"], _before(found["source"] or "", mine, earlier))


def _told(
    key: str, mine: Dict[str, Any], state: str, before: Tuple[Optional[Dict[str, Any]], Optional[str]]
) -> Dict[str, Any]:
    other, because = before
    changes = compare(other["specification"], mine) if other is not None else []
    return {
        "key": key,
        "ingredients": mine,
        "state": state,
        "compared_with": other["key"] if other is not None else None,
        "because": because,
        "changes": changes,
        "sentences": [sentence_of(each) for each in changes],
    }


def _before(
    source: str, mine: Dict[str, Any], others: List[Dict[str, Any]]
) -> Tuple[Optional[Dict[str, Any]], Optional[str]]:
    """The environment to compare with: the last used for the same source, else the one that differs least."""
    if source:
        for each in others:
            if each["source"] == source:
                return each, "source"
    if not others:
        return None, None
    return min(others, key=lambda each: len(compare(each["specification"], mine))), "similar"


def compare(before: Dict[str, Any], after: Dict[str, Any]) -> List[Dict[str, Any]]:
    """What differs between two environments' ingredients."""
    changes = []
    for name, words in _WORDS.items():
        if before.get(name) != after.get(name):
            changes.append(_change(words, before.get(name), after.get(name)))
    for name, words, named in (
        ("conda_packages", "conda package", _conda_names),
        ("pip_packages", "pip package", _pip_names),
        ("variables", "variable", dict),
        ("files", "file", dict),
    ):
        old, new = named(before.get(name) or {}), named(after.get(name) or {})
        differing = [key for key in sorted(set(old) | set(new)) if old.get(key) != new.get(key)]
        changes += [_change("%s %s" % (words, key), old.get(key), new.get(key)) for key in differing]
    return changes


def _change(what: str, before: Any, after: Any) -> Dict[str, Any]:
    kind = "changed" if before and after else "added" if after else "removed"
    return {"what": what, "change": kind, "before": before or None, "after": after or None}


def _conda_names(texts: Any) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for text in texts:
        try:
            name = Spec(text).name
        except Problem:
            name = text
        found[name] = text if name not in found else found[name] + ", " + text
    return found


def _pip_names(texts: Any) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for text in texts:
        name = pip_entries.name_of(text) or text
        found[name] = text if name not in found else found[name] + ", " + text
    return found


def sentence_of(change: Dict[str, Any]) -> str:
    """A change, for people."""
    what = change["what"]
    if change["before"] is None and change["after"] is None:
        return "%s differs" % what
    if what.startswith("file "):
        return "%s: %s" % (what, {"changed": "its content changed"}.get(change["change"], change["change"]))
    if change["change"] == "added":
        return "%s: added (%s)" % (what, _shown(change["after"]))
    if change["change"] == "removed":
        return "%s: removed (%s)" % (what, _shown(change["before"]))
    return "%s: %s, before it was %s" % (what, _shown(change["after"]), _shown(change["before"]))


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
