"""From the bytes of a run configuration to a :class:`RunConfiguration`."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final

from runyard.errors import RunconfigError
from runyard.runconfig import convert
from runyard.runconfig.bodies import unwrap
from runyard.runconfig.environment_sections import EnvironmentDefinition
from runyard.runconfig.eras import DEFAULT_ERA, HOLD_DEFAULTS, defaults_of, era_of
from runyard.runconfig.fields import key_of
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.own_options import Requirements, RunyardOptions
from runyard.runconfig.paths import inside
from runyard.runconfig.redact import masked
from runyard.runconfig.tables import Key, sections_of, table_of
from runyard.runconfig.workbench import is_workbench, modernise
from runyard.runconfig.yaml12 import Map, load

Files = Callable[[str], bytes | None]
"""Gives the content of a file by its path in the snapshot, or ``None`` if there is none."""

_EXAMPLE_VARIABLE: Final = ("EXAMPLE_ENV_VAR", "EXAMPLE_VALUE")
"""The SDK writes this pair into nearly every file."""

_TOLD: Final = 50
"""Unknown keys of a file that are told with their nearest spelling; looking for it takes its time."""

_SMALL: Final = 16_384
"""Bytes of the largest file that is remembered."""


@masked()
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
    """
    return from_document(load(data, name), name, files=files)


def parse_shared(data: bytes, name: str, *, files: Files | None = None) -> RunConfiguration:
    """As :func:`parse`, but remembers: the same small file read again gives the same value, which nobody may change.

    Teams drop hundreds of snapshots with one run configuration; this makes the second one free.

    Raises:
        RunconfigError: as for :func:`parse`.
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


@masked()
def from_document(document: object, name: str, *, files: Files | None = None) -> RunConfiguration:
    """Read a run configuration that is a value already, such as one inline in an event.

    Raises:
        RunconfigError: as for :func:`parse`.
    """
    body, notes = unwrap(document, name)
    if is_workbench(body):
        body, translated = modernise(body, name, files)
        notes += translated
    reader = _Reader(name, files, era_of(map(convert.fold, body)))
    config = typing.cast("RunConfiguration", reader.section(RunConfiguration, body, ""))
    config.source = name
    config.document = body
    config.unknown = reader.unknown
    config.notes = notes + reader.notes
    variables = config.environment.environment_variables
    if variables.get(_EXAMPLE_VARIABLE[0]) == _EXAMPLE_VARIABLE[1]:
        del variables[_EXAMPLE_VARIABLE[0]]
    return config


_OURS: Final = frozenset({RunyardOptions, Requirements})


class _Reader:
    """Reads the sections of one file."""

    def __init__(self, name: str, files: Files | None, era: str) -> None:
        self.name = name
        self.files = files
        self.era = era
        self.unknown: list[str] = []
        self.notes: list[str] = []

    def section(self, cls: type, document: dict[str, Any], path: str) -> object:
        """An instance of ``cls`` from a mapping; ``path`` ends with a dot unless it is empty."""
        table = table_of(cls)
        document = convert.merged(document) if "<<" in document else document
        values: dict[str, object] = {}
        for key, value in document.items():
            known = table.get(key) or table.get(convert.fold(key))
            if known is None:
                self._unknown(cls, document, path, key)
                continue
            if known.field in values:
                raise self._error(document, path, key, "says again what another spelling of this key says; keep one")
            if value is None:
                if known.nullable:
                    values[known.field] = None
                continue
            try:
                if known.convert is not None:
                    values[known.field] = known.convert(value, convert.written_text(document, key, value))
                else:
                    values[known.field] = self._parts(known, value, f"{path}{key}")
            except convert.WrongValueError as error:
                what = f"is {error.found}; it must be {error.allowed}"
                raise self._error(document, path, key + error.item, what, at=key) from None
            except convert.WrongPartError as error:
                raise self._error(document, path, key, f"is not as in a conda file: {error}") from None
        if self.era != DEFAULT_ERA:
            values = {**defaults_of(self.era, cls), **self._absent(cls, values), **values}
        return cls(**values)

    def _absent(self, cls: type, values: dict[str, object]) -> dict[str, object]:
        """The sections that are not there and that the era has other defaults in."""
        return {
            field: self.section(section, {}, "")
            for field, section in sections_of(cls)
            if field not in values and section in HOLD_DEFAULTS
        }

    def _parts(self, known: Key, value: object, path: str) -> object:
        """The section or sections under a key."""
        section = known.section
        assert section is not None
        if section is EnvironmentDefinition and isinstance(value, str):
            return self._environment_file(value, path)
        if known.or_text and isinstance(value, str):
            return value
        if known.many == "list":
            if not isinstance(value, list):
                raise convert.WrongValueError(value, "a list of mappings")
            return [self._one(section, item, f"{path}[{index}]", f"[{index}]") for index, item in enumerate(value)]
        if known.many == "dict":
            if not isinstance(value, dict):
                raise convert.WrongValueError(value, "a mapping of names to mappings")
            value = convert.merged(value) if "<<" in value else value
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
        known = [key_of(field) for field in fields(cls) if not field.metadata.get("own")]
        near = convert.nearest(key, known) if len(self.unknown) < _TOLD else ""
        if cls in _OURS:
            raise self._error(document, path, key, f"is not a key of ours; those are {', '.join(known)}{near}")
        self.unknown.append(name)
        if (near or not path) and len(self.unknown) <= _TOLD:
            self.notes.append(f"{self._where(document, key)}: {name} is not a known key and is ignored{near}")

    def _where(self, document: dict[str, Any], key: str) -> str:
        line = document.lines.get(key) if isinstance(document, Map) else None
        return f"{self.name}, line {line}" if line else self.name

    def _error(self, document: dict[str, Any], path: str, key: str, what: str, at: str = "") -> RunconfigError:
        return RunconfigError(f"{self._where(document, at or key)}: {path}{key[:120]} {what}")
