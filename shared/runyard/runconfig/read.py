"""From the bytes of a run configuration to a :class:`RunConfiguration`."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, lru_cache
from typing import Any, Final

from runyard.errors import RunconfigError, UnsupportedError
from runyard.runconfig import convert
from runyard.runconfig.model import RunConfiguration, RunyardOptions
from runyard.runconfig.paths import inside
from runyard.runconfig.sections import EnvironmentDefinition
from runyard.runconfig.yaml12 import Map, load

Files = Callable[[str], bytes | None]
"""Gives the content of a file by its path in the snapshot, or ``None`` if there is none."""

_EXAMPLE_VARIABLE: Final = ("EXAMPLE_ENV_VAR", "EXAMPLE_VALUE")
"""The SDK writes this pair into nearly every file."""

_SMALL: Final = 16_384
"""Bytes of the largest file that is remembered."""

_BODIES: Final = frozenset({"configuration", "rundefinition"})
"""Keys under which a submission body (``definition.json``) or a run's details hold the run configuration."""


def parse(data: bytes, name: str, *, files: Files | None = None) -> RunConfiguration:
    """Read a run configuration: YAML 1.2 or JSON, of any release, whole or partial, or a submission body around one.

    Keys match in any casing, with or without underscores; keys inside the user's own maps stay as they are. Keys
    that nobody knows are ignored and listed in ``unknown``.

    Args:
        data: The file.
        name: How errors call it.
        files: Gives other files of the snapshot; needed where ``environment`` is a path.

    Raises:
        RunconfigError: naming the file, the line and the key, what was found and what is allowed.
        UnsupportedError: for a file of Azure ML Workbench (2017).
    """
    return from_document(load(data, name), name, files=files)


def parse_shared(data: bytes, name: str, *, files: Files | None = None) -> RunConfiguration:
    """As :func:`parse`, but remembers: the same small file read again gives the same value, which nobody may change.

    Teams drop hundreds of snapshots with one run configuration; this makes the second one free.

    Raises:
        RunconfigError: as for :func:`parse`.
        UnsupportedError: as for :func:`parse`.
    """
    known = _remembered(data, name) if len(data) <= _SMALL else None
    return known or parse(data, name, files=files)


@lru_cache(maxsize=64)
def _remembered(data: bytes, name: str) -> RunConfiguration | None:
    """The run configuration, or ``None`` if it needs another file, whose content may differ next time."""
    asked: list[str] = []

    def no_file(path: str) -> bytes:
        asked.append(path)
        return b"{}"

    config = parse(data, name, files=no_file)
    return None if asked else config


def from_document(document: object, name: str, *, files: Files | None = None) -> RunConfiguration:
    """Read a run configuration that is a value already, such as one inline in an event.

    Raises:
        RunconfigError: as for :func:`parse`.
        UnsupportedError: as for :func:`parse`.
    """
    body = _unwrap(document, name)
    if any(convert.fold(key) == "argumentvector" for key in body):
        raise UnsupportedError(
            f"{name} is a run configuration of Azure ML Workbench (it has ArgumentVector), which this version does not "
            "read; write its script, arguments and target as `script`, `arguments` and `target`"
        )
    reader = _Reader(name, files)
    config = typing.cast("RunConfiguration", reader.section(RunConfiguration, body, ""))
    config.source = name
    config.unknown = reader.unknown
    config.notes = reader.notes
    variables = config.environment.environment_variables
    if variables.get(_EXAMPLE_VARIABLE[0]) == _EXAMPLE_VARIABLE[1]:
        del variables[_EXAMPLE_VARIABLE[0]]
    return config


def _unwrap(document: object, name: str) -> dict[str, object]:
    for _ in range(2):
        if not isinstance(document, dict):
            break
        inner = [value for key, value in document.items() if convert.fold(key) in _BODIES]
        if not inner or any(convert.fold(key) == "script" for key in document):
            return document
        document = inner[0]
    if isinstance(document, dict):
        return document
    what = "is empty" if document is None else f"holds {convert.describe(document)}"
    raise RunconfigError(f"{name} {what}; a run configuration is a mapping with keys such as `script` and `target`")


@dataclass(frozen=True, slots=True)
class _Key:
    """What a key of a section means."""

    field: str
    convert: convert.Convert | None
    """How its value is read, when it is none of the following."""
    section: type | None = None
    many: str = ""
    """``list`` or ``dict`` when the value holds several sections."""


class _Reader:
    """Reads the sections of one file."""

    def __init__(self, name: str, files: Files | None) -> None:
        self.name = name
        self.files = files
        self.unknown: list[str] = []
        self.notes: list[str] = []

    def section(self, cls: type, document: dict[str, Any], path: str) -> object:
        """An instance of ``cls`` from a mapping; ``path`` ends with a dot unless it is empty."""
        table = _table(cls)
        values: dict[str, object] = {}
        for key, value in document.items():
            known = table.get(key) or table.get(convert.fold(key))
            if known is None:
                self._unknown(cls, document, path, key)
                continue
            if value is None:
                continue
            if known.field in values:
                raise self._error(document, path, key, "says again what another spelling of this key says; keep one")
            try:
                if known.convert is not None:
                    values[known.field] = known.convert(value, convert.written_text(document, key, value))
                else:
                    values[known.field] = self._parts(known, value, f"{path}{key}")
            except convert.WrongValueError as error:
                what = f"is {error.found}; it must be {error.allowed}"
                raise self._error(document, path, key + error.item, what, at=key) from None
        return cls(**values)

    def _parts(self, known: _Key, value: object, path: str) -> object:
        """The section or sections under a key."""
        section = known.section
        assert section is not None
        if section is EnvironmentDefinition and isinstance(value, str):
            return self._environment_file(value, path)
        if known.many == "list":
            if not isinstance(value, list):
                raise convert.WrongValueError(value, "a list of mappings")
            return [self._one(section, item, f"{path}[{index}]", f"[{index}]") for index, item in enumerate(value)]
        if known.many == "dict":
            if not isinstance(value, dict):
                raise convert.WrongValueError(value, "a mapping of names to mappings")
            return {
                name: self._one(section, item, f"{path}.{name[:60]}", f".{name[:60]}") for name, item in value.items()
            }
        return self._one(section, value, path, "")

    def _one(self, section: type, value: object, path: str, item: str) -> object:
        if not isinstance(value, dict):
            wanted = "a mapping, or the path of a file" if section is EnvironmentDefinition else "a mapping"
            raise convert.WrongValueError(value, wanted, item)
        return self.section(section, value, f"{path}.")

    def _environment_file(self, path: str, key: str) -> object:
        """The environment from the file that the run configuration names."""
        safe = inside(path)
        if safe is None:
            raise RunconfigError(
                f"{self.name}: {key} is the path {path[:120]!r}; it must be the path of a file inside the snapshot"
            )
        data = self.files(safe) if self.files is not None else None
        if data is None:
            raise RunconfigError(f"{self.name}: {key} is the path {path[:120]!r}, and there is no such file at hand")
        document = load(data, safe)
        if not isinstance(document, dict):
            raise RunconfigError(f"{safe} holds {convert.describe(document)}; an environment is a mapping")
        outer, self.name = self.name, safe
        result = self.section(EnvironmentDefinition, document, "")
        self.name = outer
        return result

    def _unknown(self, cls: type, document: dict[str, Any], path: str, key: str) -> None:
        """Note a key that nobody knows; under ``runyard:`` it is an error."""
        name = f"{path}{key[:60]}"
        near = convert.nearest(key, [_camel(field.name) for field in fields(cls) if not field.metadata.get("own")])
        if cls is RunyardOptions:
            keys = ", ".join(field.name for field in fields(cls))
            raise self._error(document, path, key, f"is not a key of ours; those are {keys}{near}")
        self.unknown.append(name)
        if near or not path:
            self.notes.append(f"{self._where(document, key)}: {name} is not a known key and is ignored{near}")

    def _where(self, document: dict[str, Any], key: str) -> str:
        line = document.lines.get(key) if isinstance(document, Map) else None
        return f"{self.name}, line {line}" if line else self.name

    def _error(self, document: dict[str, Any], path: str, key: str, what: str, at: str = "") -> RunconfigError:
        return RunconfigError(f"{self._where(document, at or key)}: {path}{key[:120]} {what}")


def _camel(name: str) -> str:
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


@cache
def _table(cls: type) -> dict[str, _Key]:
    """What each key of a section means: by its usual spelling, and folded."""
    hints = typing.get_type_hints(cls)
    table: dict[str, _Key] = {}
    for field in fields(cls):
        if field.metadata.get("own"):
            continue
        known = _key(field.name, hints[field.name], field.metadata)
        for name in (_camel(field.name), *field.metadata.get("keys", ())):
            table[name] = table[convert.fold(name)] = known
    return table


def _key(name: str, hint: Any, metadata: typing.Mapping[str, Any]) -> _Key:
    """How a field is read, from its type."""
    options = [part for part in _union(hint) if part is not type(None)]
    if len(options) > 1:
        return _Key(name, convert.command)
    hint = options[0]
    parts = typing.get_args(hint) or (hint,)
    if is_dataclass(parts[-1]):
        return _Key(
            name,
            None,
            section=typing.cast("type", parts[-1]),
            many="" if hint is parts[-1] else hint.__origin__.__name__,
        )
    if typing.get_origin(hint) is dict:
        return _Key(name, convert.variables if parts[1] is str else convert.user_map)
    if typing.get_origin(hint) is list:
        return _Key(name, convert.items(_simple(parts[0], metadata, text=convert.scalar)))
    return _Key(name, _simple(hint, metadata, text=convert.text))


def _simple(kind: object, metadata: typing.Mapping[str, Any], text: convert.Convert) -> convert.Convert:
    """The converter to a type that has no parts."""
    if kind is str:
        return convert.word(metadata["allowed"], metadata["zero"]) if metadata.get("allowed") else text
    if kind is bool:
        return convert.boolean
    within = metadata.get("within", (None, None))
    return convert.integer(within) if kind is int else convert.number(within)


def _union(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
