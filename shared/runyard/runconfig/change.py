"""From a changed run configuration to a changed file: the file's own document with only these changes in it."""

from __future__ import annotations

import difflib
from typing import Any, Final

from runyard.errors import RunconfigError
from runyard.runconfig.convert import fold
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.tables import table_of

_WORKBENCH: Final = {
    ("target",): "Target",
    ("framework",): "Framework",
    ("autoPrepareEnvironment",): "PrepareEnvironment",
    ("history", "outputCollection"): "TrackedRun",
    ("environment", "environmentVariables"): "EnvironmentVariables",
    ("environment", "python", "condaDependenciesFile"): "CondaDependenciesFile",
}
"""What a file of Azure ML Workbench has a key for, besides the script and its arguments."""


def applied(raw: Any, old: Any, new: Any, cls: type | None = RunConfiguration) -> Any:
    """A document of a file with the changes that lead from one written form of its run configuration to another.

    Args:
        raw: What the file says, in its own spellings; it is only read.
        old: The written form (:func:`~runyard.runconfig.document.to_document`) as it was read.
        new: The written form as it is now.
        cls: The section that it is, or ``None`` where keys are the user's.

    Returns:
        The new document; what did not change is what ``raw`` has.
    """
    if old == new:
        return raw
    if isinstance(old, dict) and isinstance(new, dict):
        return _mapping(raw if isinstance(raw, dict) else {}, old, new, cls)
    if isinstance(raw, list) and isinstance(old, list) and isinstance(new, list) and len(raw) == len(old):
        return _list(raw, old, new, cls)
    return new


def _mapping(raw: dict[str, Any], old: dict[str, Any], new: dict[str, Any], cls: type | None) -> dict[str, Any]:
    result = dict(raw)
    for key in [*old, *(key for key in new if key not in old)]:
        before, now = old.get(key), new.get(key)
        if key in new and key in old and before == now:
            continue
        spelled = _spelled(raw, key, cls)
        if key not in new:
            result.pop(spelled, None)
        else:
            result[spelled] = applied(raw.get(spelled), before, now, _section(cls, key))
    return result


class _Items:
    """Stands for the class of a user's map whose values are sections."""

    def __init__(self, section: type) -> None:
        self.section = section


def _section(cls: Any, key: str) -> Any:
    """The section below a key."""
    if isinstance(cls, _Items):
        return cls.section
    known = table_of(cls).get(key) if cls is not None else None
    if known is None or known.section is None:
        return None
    return _Items(known.section) if known.many == "dict" else known.section


def _spelled(raw: dict[str, Any], key: str, cls: Any) -> str:
    """How the file spells a key."""
    if key in raw or cls is None or isinstance(cls, _Items):
        return key
    table = table_of(cls)
    field = table[key].field
    for name in raw:
        known = table.get(name) or table.get(fold(name))
        if known is not None and known.field == field:
            return name
    return key


def _list(raw: list[Any], old: list[Any], new: list[Any], cls: Any) -> list[Any]:
    """The new list; items that stay are as the file has them (``0.10`` stays a number)."""
    result: list[Any] = []
    matcher = difflib.SequenceMatcher(None, [repr(item) for item in old], [repr(item) for item in new], autojunk=False)
    for what, first, last, begin, end in matcher.get_opcodes():
        if what == "equal":
            result += raw[first:last]
        elif what == "replace" and last - first == end - begin:
            result += [applied(raw[first + at], old[first + at], new[begin + at], cls) for at in range(end - begin)]
        else:
            result += new[begin:end]
    return result


def applied_to_workbench(raw: dict[str, Any], old: dict[str, Any], new: dict[str, Any], name: str) -> dict[str, Any]:
    """As :func:`applied`, for a file of Azure ML Workbench.

    Raises:
        RunconfigError: for a change that such a file has no key for.
    """
    keys = {fold(key): key for key in raw}
    result = dict(raw)
    vector = keys["argumentvector"]
    was, now = [old["script"], *old["arguments"]], [new["script"], *new["arguments"]]
    before = raw[vector]
    result[vector] = _list(before, was, now, None) if isinstance(before, list) and len(before) == len(was) else now
    if was == now:
        result[vector] = before
    done = dict(old, script=new["script"], arguments=new["arguments"])
    for path, key in _WORKBENCH.items():
        was, now = _at(old, path), _at(new, path)
        spelled = keys.get(fold(key), key)
        if was != now:
            result[spelled] = applied(raw.get(spelled), was, now, None)
        done = _with(done, path, now)
    for key, value in new.items():
        if done[key] != value:
            raise RunconfigError(
                f"{name}: a run configuration of Azure ML Workbench has no key for {key}; save it under another name, and it "
                "is written in the newer layout"
            )
    return result


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _with(document: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    key, *rest = path
    return {**document, key: _with(document[key], tuple(rest), value) if rest else value}
