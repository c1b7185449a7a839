"""Writing a conda file: anew, or as the smallest change of the text that was loaded.

A round trip through an emitter would bring a file to one indentation, and files in the wild have two (``conda env export``
indents the outer list and not the inner one). So the text is cut where the parser says that a value stands; every byte that
is not part of a change stays. The result is read again, and only counts if it says what was meant.
"""

from __future__ import annotations

import difflib
import json
from typing import Any, Final

import yaml

from runyard.environment.conda_cuts import Cuts, NotInPlaceError, is_flow
from runyard.environment.conda_document import LISTS, Document, compose, read_text
from runyard.errors import RunconfigError
from runyard.runconfig import yaml12

_PIP: Final = object()


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 would not read as the text that it is; PyYAML itself only thinks of 1.1."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if not text.isprintable():
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
    style = None if isinstance(yaml12.plain(text) if len(text) < yaml12.MAX_DIGITS else text, str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def fresh(document: Document) -> str:
    """The document as a new YAML text."""
    if not document:
        return "{}\n"
    order = [key for key in ("name", "dependencies", "channels") if key in document]
    ordered = {key: document[key] for key in [*order, *(key for key in document if key not in order)]}
    text: str = yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text


def rewritten(text: str, before: Document, after: Document) -> str:
    """The text that says ``after``, as near to ``text``, which says ``before``, as can be.

    A text that cannot be changed in place (an alias stands for what changes) is written anew, without its comments; one in
    JSON stays JSON.
    """
    is_json = _is_json(text)
    try:
        changed = _patched(text, before, after, is_json=is_json)
        if read_text(changed.encode("utf-8", "surrogatepass"), "") == after:
            return changed
    except (NotInPlaceError, RunconfigError, yaml.YAMLError):
        pass  # what follows always works
    if is_json:
        return json.dumps(after, indent=2, ensure_ascii=False) + "\n"
    return fresh(after)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _patched(text: str, before: Document, after: Document, *, is_json: bool) -> str:
    root = compose(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return text + ("" if not text or text.endswith("\n") else newline) + fresh(after).replace("\n", newline)
    if not isinstance(root, yaml.MappingNode):
        raise NotInPlaceError
    cuts = Cuts(text, newline, quoted=is_json)
    found = {key.value.lower(): (key, value) for key, value in root.value}
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        if key not in found:
            cuts.append_pair(root, key, value)
        elif key in LISTS:
            _change_list(cuts, *found[key], before.get(key, []), value)
        elif key == "variables":
            _change_variables(cuts, found[key][1], before.get(key, {}), value)
        else:
            raise NotInPlaceError
    return cuts.result()


def _change_list(cuts: Cuts, key: yaml.Node, node: yaml.Node, old: list[Any], new: list[Any]) -> None:
    """Turn one list into another; ``pip`` lists inside are matched in their order."""
    names_old = [_PIP if isinstance(item, dict) else item for item in old]
    names_new = [_PIP if isinstance(item, dict) else item for item in new]
    nodes = node.value if isinstance(node, yaml.SequenceNode) else []
    if len(nodes) != len(old):
        raise NotInPlaceError
    gone: list[int] = []
    for tag, i1, i2, j1, j2 in _differences(names_old, names_new):
        if tag == "equal":
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                if names_old[i] is _PIP and old[i] != new[j]:
                    inner_key, inner = _pip_pair(nodes[i])
                    _change_list(cuts, inner_key, inner, old[i]["pip"], new[j]["pip"])
            continue
        pairs = min(i2 - i1, j2 - j1)
        for i, j in zip(range(i1, i1 + pairs), range(j1, j1 + pairs), strict=True):
            if names_old[i] is _PIP or names_new[j] is _PIP:
                raise NotInPlaceError
            cuts.replace(nodes[i], new[j], flow=is_flow(node))
        gone += range(i1 + pairs, i2)
        if j1 + pairs < j2:
            cuts.insert(key, node, i1 + pairs, new[j1 + pairs : j2])
    cuts.delete(key, node, gone)


def _differences(old: list[Any], new: list[Any]) -> list[tuple[str, int, int, int, int]]:
    """Difflib's operations; what both begin and end with is taken first, so that long lists cost little."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    matcher = difflib.SequenceMatcher(None, old[start : len(old) - end], new[start : len(new) - end], autojunk=False)
    codes = matcher.get_opcodes()
    shifted = [(tag, i1 + start, i2 + start, j1 + start, j2 + start) for tag, i1, i2, j1, j2 in codes]
    last = (len(old) - end, len(old), len(new) - end, len(new))
    return [("equal", 0, start, 0, start), *shifted, ("equal", *last)]


def _pip_pair(node: yaml.Node) -> tuple[yaml.Node, yaml.Node]:
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise NotInPlaceError
    key, value = node.value[0]
    return key, value


def _change_variables(cuts: Cuts, node: yaml.Node, old: dict[str, str], new: dict[str, str]) -> None:
    if not isinstance(node, yaml.MappingNode) or not node.value or not old.keys() <= new.keys():
        raise NotInPlaceError
    nodes = {name.value: value for name, value in node.value}
    for name, value in new.items():
        if name not in nodes:
            cuts.append_pair(node, name, value)
        elif old[name] != value:
            cuts.replace(nodes[name], value, flow=is_flow(node))
