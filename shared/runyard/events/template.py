"""Submission templates of webhooks: texts with JSON pointers (RFC 6901) into the payload, such as ``--alpha={/alpha}``.

There are no expressions. Payloads come from strangers, so a value only ever becomes (a part of) one text: one argument, one tag,
one variable's value. It never names a target, a snapshot, a run configuration, a variable or an option.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from runyard.errors import EventError
from runyard.events.submission import MAX_BYTES
from runyard.runconfig.yaml12 import scalar_text

_POINTER: Final = re.compile(r"\{(/[^{}]*)\}")
_OPTION: Final = re.compile(r"--?[A-Za-z0-9][\w.-]*=")
"""How an item must begin, before the first pointer, if it begins with a dash."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
"""Half of a character: JSON can spell one (RFC 8259, section 8.2), UTF-8 cannot."""

_MAX_VALUE: Final = 4096
"""Characters of one payload value."""

_FILLED: Final = ("arguments", "displayName", "environmentVariables", "id", "tags")
"""Fields whose texts may hold pointers."""

_SPELLED: Final = {"display_name": "displayName", "environment_variables": "environmentVariables"}


def check(template: Mapping[str, object]) -> None:
    """Refuse a template that has a pointer where none may be, or is too large; its other faults show when it is filled.

    Raises:
        EventError: naming the place, or the size.
    """
    _each_text(template, lambda text, _place: text)
    spelled = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
    size = len(spelled.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise EventError(f"the submission has {size:,} bytes; at most {MAX_BYTES:,} are allowed")


def pointers(template: Mapping[str, object]) -> list[str]:
    """Every pointer of a template, in order."""
    found: list[str] = []

    def note(text: str, _place: str) -> str:
        found.extend(match[1] for match in _POINTER.finditer(text))
        return text

    _each_text(template, note)
    return found


def fill(template: Mapping[str, object], payload: object) -> dict[str, object]:
    """The submission (a JSON object, not checked yet) that a payload makes of a template.

    Args:
        template: A submission whose texts may hold pointers, in its arguments, tags (values), variables (values),
            ``displayName`` and ``id``.
        payload: The delivery's body as plain values.

    Raises:
        EventError: if a pointer names nothing, or something that may not stand there.
    """

    def replace(text: str, place: str) -> str:
        filled = _POINTER.sub(lambda match: value_at(payload, match[1]), text)
        if place.startswith("arguments"):
            _check_argument(text, filled, place)
        return filled

    return _each_text(template, replace)


def _each_text(template: Mapping[str, object], replace: Callable[[str, str], str]) -> dict[str, object]:
    """The template with every text that may hold pointers and does replaced."""
    result: dict[str, object] = {}
    for key, value in template.items():
        field = _SPELLED.get(key, key)
        if field not in _FILLED:
            _refuse(value, field)
            result[key] = value
        elif isinstance(value, Mapping):
            for name in value:
                _refuse(name, f"the names of {field}")
            result[key] = {name: _one(item, f"{field}.{name}", replace) for name, item in value.items()}
        elif isinstance(value, (list, tuple)):
            result[key] = [_one(item, f"{field}[{index}]", replace) for index, item in enumerate(value)]
        else:
            result[key] = _one(value, field, replace)
    return result


def _one(value: object, place: str, replace: Callable[[str, str], str]) -> object:
    if isinstance(value, str):
        return replace(value, place) if _POINTER.search(value) else value
    _refuse(value, place)
    return value


def _refuse(value: object, place: str) -> None:
    """Raise if there is a pointer anywhere in a value."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if found := _POINTER.search(text):
                raise EventError(
                    f"{place} of the template holds the pointer {found[0]}; pointers may stand in {', '.join(_FILLED)} only"
                )
            case Mapping() as mapping:
                waiting.extend(mapping.keys())
                waiting.extend(mapping.values())
            case list() | tuple() as items:
                waiting.extend(items)


def value_at(payload: object, pointer: str) -> str:
    """The text of the payload's value at a JSON pointer (RFC 6901).

    Raises:
        EventError: if there is nothing, or no single value.
    """
    value = payload
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", key) and int(key) < len(value):
            value = value[int(key)]
        else:
            raise EventError(f"the payload has nothing at {pointer}")
    if not isinstance(value, (str, int, float)):
        kind = "null" if value is None else "a list or an object"
        raise EventError(f"the payload's {pointer} is {kind}; a text, a number, true or false is needed")
    text = scalar_text(value)
    if len(text) > _MAX_VALUE or "\0" in text:
        raise EventError(f"the payload's {pointer} is longer than {_MAX_VALUE:,} characters, or holds a NUL")
    if _SURROGATE.search(text):
        raise EventError(f"the payload's {pointer} holds half of a character (a lone surrogate), which no text may")
    return text


def _check_argument(text: str, filled: str, place: str) -> None:
    """A payload's value may be an option's value, never an option."""
    literal = _POINTER.split(text, maxsplit=1)[0]
    if filled.startswith("-") and not _OPTION.match(literal):
        raise EventError(
            f"{place} would begin with '-' by the payload's value; join it to its option in the template, as --name={{/pointer}}"
        )
