"""Taking what is known out of a mapping whose keys may be spelled in any casing, one key at a time.

The forms that are not the SDK's own layout (Azure ML Workbench, ``.compute`` files, bodies of the service) are read with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runyard.errors import RunconfigError
from runyard.runconfig.convert import Convert, WrongValueError, describe, fold, merged, written_text
from runyard.runconfig.yaml12 import Map


class Folded:
    """A mapping of a file; its errors name the file, the line and the key as its author spelled it."""

    def __init__(self, document: object, name: str, path: str = "", what: str = "") -> None:
        """Look at a mapping.

        Args:
            document: The mapping; it is not changed.
            name: How errors call the file.
            path: What stands before the keys of this mapping in errors: nothing, or ``packages[0].``.
            what: What the error says if it is no mapping; it ends the sentence.

        Raises:
            RunconfigError: if it is not a mapping.
        """
        if not isinstance(document, dict):
            where = f"{name}: {path.rstrip('.')} is" if path else name if document is None else f"{name} holds"
            bare = "is empty" if document is None and not path else _bare(document)
            raise RunconfigError(f"{where} {bare}; {what or 'it must be a mapping'}")
        self.document: dict[str, Any] = merged(document) if "<<" in document else document
        self.name = name
        self.path = path
        self._keys: dict[str, list[str]] = {}
        for key in self.document:
            self._keys.setdefault(_fold(key), []).append(key)
        self._taken: set[str] = set()

    def spelled(self, *keys: str) -> str | None:
        """How the first of some keys that is there and holds something is spelled; else how one that is there is.

        Raises:
            RunconfigError: if it is there twice, in two spellings.
        """
        found = [key for wanted in keys for key in self._keys.get(_fold(wanted), [])]
        self._taken.update(found)
        holding = [key for key in found if self.document[key] not in (None, "")]
        if len(holding) > 1:
            raise self.error(holding[1], f"says again what {self.path}{holding[0][:60]} says; keep one")
        found = holding or found
        return found[0] if found else None

    def value(self, *keys: str) -> object:
        """The value of a key as it is; ``None`` if it is not there."""
        key = self.spelled(*keys)
        return None if key is None else self.document[key]

    def take(self, read: Convert, *keys: str) -> Any:
        """The value of a key, read; ``None`` if it is not there, null or the empty text.

        Raises:
            RunconfigError: if it is not what ``read`` takes.
        """
        key = self.spelled(*keys)
        if key is None or self.document[key] in (None, ""):
            return None
        value = self.document[key]
        try:
            return read(value, written_text(self.document, key, value))
        except WrongValueError as error:
            raise self.error(key, f"is {error.found}; it must be {error.allowed}", error.item) from None

    def rest(self) -> list[str]:
        """The keys that nobody asked for, as they are spelled."""
        return [key for key in self.document if key not in self._taken]

    def error(self, key: str, what: str, item: str = "") -> RunconfigError:
        """The error that a key is not right; ``what`` continues the sentence."""
        return RunconfigError(f"{self.where(key)}: {self.path}{key[:120]}{item} {what}")

    def where(self, key: str) -> str:
        """The file, and the line of a key where it is known."""
        line = self.line(key)
        return f"{self.name}, line {line}" if line else self.name

    def line(self, key: str | None) -> int:
        """The line of a key; 0 if it is not known."""
        return self.document.lines.get(key, 0) if isinstance(self.document, Map) and key is not None else 0


def _fold(key: str) -> str:
    return fold(key).replace("-", "").replace(" ", "")


def _bare(value: object) -> str:
    """What a value is, without its text, which may be anything."""
    return "a text" if isinstance(value, str) else describe(value)


def put(into: Map, key: str, value: object, line: int = 0) -> None:
    """Set a key and the line that it comes from."""
    into[key] = value
    if line:
        into.lines[key] = line


def mapping(items: Iterable[tuple[str, object, int]]) -> Map:
    """A mapping of keys, values and lines; what is ``None`` is left out."""
    result = Map()
    for key, value, line in items:
        if value is not None:
            put(result, key, value, line)
    return result


def beneath(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> Map:
    """``upper``, with what only ``lower`` says filled in, at every depth; keys match in any spelling."""
    result = copied(upper)
    spelled = {fold(key): key for key in result}
    for key, value in lower.items():
        there = spelled.get(fold(key))
        if there is None:
            put(result, key, value, lower.lines.get(key, 0) if isinstance(lower, Map) else 0)
        elif isinstance(result[there], dict) and isinstance(value, dict):
            put(result, there, beneath(result[there], value))  # type: ignore[arg-type]  # seen to be mappings
        elif result[there] is None:
            put(result, there, value)
    return result


def copied(document: Mapping[str, Any]) -> Map:
    """A copy that remembers what the original remembers of its lines and writing."""
    result = Map()
    result.update(document)
    if isinstance(document, Map):
        result.lines.update(document.lines)
        result.written.update(document.written)
    return result
