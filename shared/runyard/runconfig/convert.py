"""From what a file says to what a field holds: one function per type, and a plain word on what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from runyard.runconfig.yaml12 import Map, Seq, scalar_text

Convert = Callable[[object, str], object]
"""Takes a value and the text it was written as; raises :class:`WrongValueError`."""

_YES: Final = frozenset({"true", "yes", "on"})
_NO: Final = frozenset({"false", "no", "off"})
_DIGITS: Final = re.compile(r"[-+]?[0-9]{1,18}")


class WrongValueError(Exception):
    """A value is not what its key may hold; the reader adds file, line and key."""

    def __init__(self, value: object, allowed: str, item: str = "", *, show: bool = True) -> None:
        super().__init__(allowed)
        self.found = describe(value) if show else kind_of(value)
        self.allowed = allowed
        self.item = item
        """Which item of the value: ``[2]``, or ``.NAME``."""


class WrongPartError(Exception):
    """What is below a key has a fault of its own, told by whoever reads it; the reader adds file, line and key."""


def describe(value: object) -> str:
    """What a value is, in words; long ones are cut, lists and mappings only named."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {str(value)[:40]}"
        case str():
            return "a text with a NUL character" if "\0" in value else f"the text {value[:60]!r}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def kind_of(value: object) -> str:
    """What a value is, without the value: for what may be a secret."""
    match value:
        case None | bool() | list() | dict():
            return describe(value)
        case int() | float():
            return "a number"
        case _:
            return "a text"


def fold(key: str) -> str:
    """A key without what its spellings differ in: case and underscores."""
    return key.replace("_", "").lower()


def nearest(word: str, words: Sequence[str]) -> str:
    """``; did you mean 'x'?`` for the nearest of ``words``, or nothing."""
    folded = {fold(known): known for known in words}
    near = difflib.get_close_matches(fold(word[:80]), folded, n=1, cutoff=0.7)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def text(value: object, written: str) -> str:
    """A text; a number is taken as it was written, so that ``version: 1.10`` stays ``1.10``."""
    if isinstance(value, str):
        if "\0" in value:
            raise WrongValueError(value, "a text without NUL characters")
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return written
    raise WrongValueError(value, "a text")


def scalar(value: object, written: str) -> str:
    """The text of any scalar, as it was written."""
    if value is None or isinstance(value, (bool, int, float)):
        return written
    return text(value, written)


def boolean(value: object, _written: str) -> bool:
    """``true`` or ``false``; the words that YAML 1.1 took for booleans are understood too."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
    raise WrongValueError(value, "true or false")


def integer(within: tuple[int | None, int | None]) -> Convert:
    """Makes the converter to a whole number between two bounds."""

    def convert(value: object, _written: str) -> int:
        found = value
        if (isinstance(value, str) and _DIGITS.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
            found = int(value)
        if isinstance(found, bool) or not isinstance(found, int) or not _is_within(found, within):
            raise WrongValueError(value, "a whole number" + _bounds(within))
        return found

    return convert


def number(within: tuple[int | None, int | None]) -> Convert:
    """Makes the converter to a number between two bounds."""

    def convert(value: object, _written: str) -> float:
        found = value
        if isinstance(value, str):
            try:
                found = float(value)
            except ValueError:
                found = value
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not _is_within(found, within):
            raise WrongValueError(value, "a number" + _bounds(within))
        return found if isinstance(found, int) else int(found) if found.is_integer() else found

    return convert


def _is_within(value: float, within: tuple[int | None, int | None]) -> bool:
    least, most = within
    return -1e18 < value < 1e18 and (least is None or value >= least) and (most is None or value <= most)


def _bounds(within: tuple[int | None, int | None]) -> str:
    least, most = within
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f" of at least {least}"


def word(allowed: Sequence[str], zero: str) -> Convert:
    """Makes the converter to one of some words, in any casing."""
    canonical = {fold(known): known for known in allowed}

    def convert(value: object, _written: str) -> str:
        if isinstance(value, str):
            if (known := canonical.get(fold(value))) is not None:
                return known
            raise WrongValueError(value, f"one of {', '.join(allowed)}{nearest(value, allowed)}")
        if zero and value == 0 and not isinstance(value, bool):
            return zero
        raise WrongValueError(value, f"one of {', '.join(allowed)}")

    return convert


def items(convert: Convert) -> Convert:
    """Makes the converter of a list."""

    def convert_list(value: object, _written: str) -> list[object]:
        if not isinstance(value, list):
            raise WrongValueError(value, "a list", show=False)
        written = value.written if isinstance(value, Seq) else {}
        result = []
        for index, item in enumerate(value):
            try:
                result.append(convert(item, written[index] if index in written else as_text(item)))
            except WrongValueError as error:
                error.item = f"[{index}]"
                raise
        return result

    return convert_list


def merged(document: dict[str, Any]) -> dict[str, Any]:
    """A mapping with what its ``<<`` names put in: the SDK's loader merged these, so their authors mean it."""
    sources = document["<<"]
    sources = sources if isinstance(sources, list) else [sources]
    if not sources or not all(isinstance(source, dict) for source in sources):
        return document
    result = Map()
    for source in (document, *sources):
        inner = merged(source) if source is not document and "<<" in source else source
        for key, value in inner.items():
            if key in result or (key == "<<" and source is document):
                continue
            result[key] = value
            if isinstance(inner, Map):
                result.lines[key] = inner.lines.get(key, 0)
                if key in inner.written:
                    result.written[key] = inner.written[key]
    return result


def variables(value: object, _written: str) -> dict[str, str]:
    """A map of the user's: its keys untouched, its values as texts (null is the empty text)."""
    if not isinstance(value, dict):
        raise WrongValueError(value, "a mapping of names to texts", show=False)
    value = merged(value) if "<<" in value else value
    result = {}
    for name, item in value.items():
        try:
            result[name] = "" if item is None else scalar(item, written_text(value, name, item))
        except WrongValueError as error:
            error.item = f".{name[:60]}"
            raise
    return result


def user_map(value: object, _written: str) -> dict[str, object]:
    """A map whose inside is the user's or not ours to understand, as it is."""
    if not isinstance(value, dict):
        raise WrongValueError(value, "a mapping", show=False)
    return value


def anything(value: object, _written: str) -> object:
    """What is not ours to understand."""
    return value


def secret(read: Convert) -> Convert:
    """Makes the converter of a value that no error may show."""

    def convert(value: object, written: str) -> object:
        try:
            return read(value, written)
        except WrongValueError as error:
            raise WrongValueError(value, error.allowed, show=False) from None

    return convert


def command(value: object, written: str) -> str | list[object]:
    """A command: one text, or a list of scalars."""
    if isinstance(value, list):
        return items(scalar)(value, written)  # type: ignore[return-value]
    return text(value, written)


def written_text(document: Mapping[str, Any], key: str, value: object) -> str:
    """How the value of a key was written."""
    if isinstance(value, str):
        return value
    if isinstance(document, Map) and key in document.written:
        return document.written[key]
    return as_text(value)


def as_text(value: object) -> str:
    """The text of a text, or of a scalar whose writing is not known; nothing for a list or a mapping."""
    return "" if isinstance(value, (list, dict)) else scalar_text(value)
