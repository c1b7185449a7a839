"""Documents as plain values: what differs between two, and one with changes made."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from runyard.errors import RunconfigError
from runyard.runconfig.yaml12 import MAX_DEPTH, MAX_DIGITS

Path = tuple[str | int, ...]
"""Where a value stands: keys as they are spelled in the file, and indexes of list items."""

Opcode = tuple[str, int, int, int, int]

_TOO_LONG: Final = 10**MAX_DIGITS
_MAX_COMPARED: Final = 250_000
"""Pairs of list items that are compared for the shortest difference; above it items are matched by position."""


class Removed:
    """What :data:`REMOVED` is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = Removed()
"""As a new value: the key or list item goes."""


def same(one: object, other: object) -> bool:
    """Whether two plain values are the same in YAML: ``1``, ``1.0`` and ``true`` differ, the order of keys does not count."""
    if one is other:
        return True
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and len(one) == len(other)
            and all(key in other and same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if type(one) is not type(other):
        return False
    return repr(one) == repr(other) if isinstance(one, float) else one == other


def differences(old: object, new: object) -> dict[Path, object]:
    """The least set of changes that makes ``new`` of ``old``.

    Changed and added values by their path, :data:`REMOVED` for what goes. Indexes count the items of the old list; an index
    behind its end appends. A list that gets items in its midst is given whole (:func:`runyard.runconfig.edit.rewrite` writes
    only the new items).
    """
    if old is None and isinstance(new, dict) and new:
        old = {}
    return dict(_differences(old, new, ()))


def _differences(old: object, new: object, path: Path) -> Iterator[tuple[Path, object]]:
    if same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            if key not in new:
                yield (*path, key), REMOVED
        for key, value in new.items():
            if key in old:
                yield from _differences(old[key], value, (*path, key))
            else:
                yield (*path, key), value
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(old, new, path)
    else:
        yield path, new


def _list_differences(old: list[object], new: list[object], path: Path) -> Iterator[tuple[Path, object]]:
    codes = opcodes(old, new)
    if any(tag == "insert" and start < len(old) for tag, start, *_ in codes) or not new:
        yield path, new
        return
    for tag, start, end, new_start, new_end in codes:
        if tag == "replace":
            for offset in range(end - start):
                yield from _differences(old[start + offset], new[new_start + offset], (*path, start + offset))
        elif tag == "delete":
            for index in range(start, end):
                yield (*path, index), REMOVED
        else:
            for offset in range(new_end - new_start):
                yield (*path, len(old) + offset), new[new_start + offset]


def opcodes(old: Sequence[object], new: Sequence[object]) -> list[Opcode]:
    """How one list becomes another, as :class:`difflib.SequenceMatcher` tells it, without the parts that are equal.

    A ``replace`` has as many old items as new ones; what one side has more follows as an ``insert`` or a ``delete``.
    """
    first = 0
    shorter = min(len(old), len(new))
    while first < shorter and same(old[first], new[first]):
        first += 1
    last = 0
    while last < shorter - first and same(old[-1 - last], new[-1 - last]):
        last += 1
    one = [repr(item) for item in old[first : len(old) - last]]
    other = [repr(item) for item in new[first : len(new) - last]]
    codes: list[Opcode] = [("replace", 0, len(one), 0, len(other))]
    if 0 < len(one) * len(other) <= _MAX_COMPARED:
        found = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
        codes = [code for code in found if code[0] != "equal"]
    if len(one) == len(other):
        in_place: list[Opcode] = [("replace", at, at + 1, at, at + 1) for at in range(len(one)) if one[at] != other[at]]
        codes = in_place if len(in_place) < _cost(codes) else codes
    return list(_even(codes, first))


def _cost(codes: Sequence[Opcode]) -> int:
    return sum(max(end - start, new_end - new_start) for _, start, end, new_start, new_end in codes)


def _even(codes: Sequence[Opcode], first: int) -> Iterator[Opcode]:
    for _, start, end, new_start, new_end in codes:
        common = min(end - start, new_end - new_start)
        a, b = first + start, first + new_start
        if common:
            yield "replace", a, a + common, b, b + common
        if end - start > common:
            yield "delete", a + common, first + end, b + common, b + common
        if new_end - new_start > common:
            yield "insert", a + common, a + common, b + common, first + new_end


class _Changes:
    """What becomes of one value and of what is inside it."""

    __slots__ = ("inside", "is_set", "value")

    def __init__(self) -> None:
        self.is_set = False
        self.value: object = None
        self.inside: dict[str | int, _Changes] = {}


def apply(document: object, changes: Mapping[Path, object], name: str) -> object:
    """A document with changes made; what stays is shared with the old one, which is left as it is.

    Raises:
        RunconfigError: if a path leads through a value that has no keys or items, or behind the end of a list, or a value
            cannot be written.
        TypeError: if a value is of a type that YAML has not.
    """
    root = _Changes()
    for path, value in changes.items():
        at = root
        for step in path:
            at = at.inside.setdefault(step, _Changes())
        at.is_set = True
        at.value = value if isinstance(value, Removed) else plain_value(value, f"{name}: {spell(path)}")
    return _changed(document, root, (), name)


def _changed(old: object, change: _Changes, path: Path, name: str) -> object:
    value = change.value if change.is_set else old
    if isinstance(value, Removed):
        return None if not path else REMOVED
    if not change.inside:
        return value
    if isinstance(value, list):
        return _changed_list(value, change, path, name)
    is_absent = value is None
    if is_absent:
        value = {}
    if not isinstance(value, dict):
        raise RunconfigError(f"{name}: {spell(path)} is neither a mapping nor a list; nothing inside it can be set")
    result = dict(value)
    for key, inner in change.inside.items():
        if not isinstance(key, str):
            raise RunconfigError(f"{name}: {spell(path)} is a mapping; item {key} of it cannot be set, name a key")
        new = _changed(value.get(key), inner, (*path, key), name)
        if isinstance(new, Removed):
            result.pop(key, None)
        elif key in value or inner.is_set or new is not None:
            result[key] = new
    return None if is_absent and not result else result


def _changed_list(old: list[object], change: _Changes, path: Path, name: str) -> list[object]:
    result = list(old)
    where = f"{name}: {spell(path)} is a list of {len(old)}"
    for index in change.inside:
        if not isinstance(index, int) or index < 0:
            raise RunconfigError(f"{where}; {index!r} of it cannot be set, name an index from 0")
    for index in sorted(index for index in change.inside if isinstance(index, int)):
        is_new = index >= len(old)
        if index > len(result) or (is_new and isinstance(change.inside[index].value, Removed)):
            raise RunconfigError(f"{where}; it has no item {index}")
        new = _changed(None if is_new else old[index], change.inside[index], (*path, index), name)
        result[index : index + 1] = [new]
    return [item for item in result if not isinstance(item, Removed)]


def plain_value(value: object, where: str, depth: int = 0) -> object:
    """A value as the reader gives it: plain types only.

    Raises:
        RunconfigError: if it can be written in no file.
        TypeError: if it is of a type that YAML has not.
    """
    if depth > MAX_DEPTH:
        raise RunconfigError(f"{where}: nested more than {MAX_DEPTH} deep")
    match value:
        case None | bool():
            return value
        case int():
            if abs(value) >= _TOO_LONG:
                raise RunconfigError(f"{where}: an integer of more than {MAX_DIGITS:,} digits; write it as a text")
            return int(value)
        case float():
            return float(value)
        case str():
            return _plain_text(value, where)
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise TypeError(f"{where}: the keys of a mapping must be texts")
            return {_plain_text(key, where): plain_value(item, where, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [plain_value(item, where, depth + 1) for item in value]
    raise TypeError(f"{where}: a value of the type {type(value).__name__} cannot be written")


def _plain_text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RunconfigError(f"{where}: the text holds half a surrogate pair, which no file can") from None
    return str(text)


def spell(path: Path) -> str:
    """A path for people: ``environment.docker.arguments[2]``."""
    if not path:
        return "the document"
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:60]}" for step in path).removeprefix(".")
    return text if text.isprintable() and text else repr(text)


def path_of_nan(changes: Mapping[Path, object]) -> Path:
    """Where a change has a number that is none."""
    for path, value in changes.items():
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        deeper: dict[Path, object] = {(*path, step): item for step, item in inside}
        if value != value or (deeper and path_of_nan(deeper)):  # noqa: PLR0124 - only NaN differs from itself
            return path
    return ()
