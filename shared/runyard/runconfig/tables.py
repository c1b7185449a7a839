"""What each key of a section means to the reader: from the types and options of its fields."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Final

from runyard.errors import RunconfigError
from runyard.runconfig import convert
from runyard.runconfig.fields import key_of


@dataclass(frozen=True, slots=True)
class Key:
    """What a key of a section means."""

    field: str
    convert: convert.Convert | None
    """How its value is read, when it is none of the following."""
    section: type | None = None
    many: str = ""
    """``list`` or ``dict`` when the value holds several sections."""
    nullable: bool = False
    """Whether null is a value of its own; elsewhere it means the default."""
    or_text: bool = False
    """Whether a text may stand for the section."""


@cache
def table_of(cls: type) -> dict[str, Key]:
    """What each key of a section means: by its usual spelling, and folded."""
    hints = _hints(cls)
    table: dict[str, Key] = {}
    for item in fields(cls):
        if item.metadata.get("own"):
            continue
        known = _key(item.name, hints[item.name], item.metadata)
        for name in (key_of(item), *item.metadata.get("keys", ())):
            table[name] = table[convert.fold(name)] = known
    return table


@cache
def sections_of(cls: type) -> tuple[tuple[str, type], ...]:
    """The fields of a section that are sections themselves and never null, with their types."""
    known = {key.field: key for key in table_of(cls).values()}
    return tuple(
        (name, key.section) for name, key in known.items() if key.section and not key.many and not key.nullable
    )


def _hints(cls: type) -> dict[str, Any]:
    """The types of a section's fields; those that only annotations know are opaque here."""
    return typing.get_type_hints(cls, localns={"CondaDependencies": _Conda, "Loaded": object})


class _Conda:
    """Stands for ``CondaDependencies``, whose module is only loaded when a file holds some."""


def _conda(value: object, _written: str) -> object:
    if not isinstance(value, dict):
        raise convert.WrongValueError(value, "a mapping as in a conda file", show=False)
    from runyard.environment.conda import CondaDependencies  # noqa: PLC0415 - rare in a file

    try:
        return CondaDependencies(_underlying_structure=value)
    except RunconfigError as error:
        raise convert.WrongPartError(error.message.removeprefix("condaDependencies: ")) from None


_SIMPLE: Final = {bool: convert.boolean}


def _key(name: str, hint: Any, metadata: typing.Mapping[str, Any]) -> Key:
    """How a field is read, from its type."""
    options = _union(hint)
    nullable = type(None) in options
    kinds = [kind for kind in options if kind is not type(None)]
    or_text = False
    if len(kinds) > 1:
        sections = [kind for kind in kinds if is_dataclass(kind)]
        if not sections:
            return Key(name, convert.command, nullable=nullable)
        kinds, or_text = sections, True
    kind = kinds[0]
    if kind is _Conda:
        return Key(name, _conda, nullable=nullable)
    parts = typing.get_args(kind) or (kind,)
    if is_dataclass(parts[-1]):
        many = "" if kind is parts[-1] else kind.__origin__.__name__
        return Key(name, None, typing.cast("type", parts[-1]), many, nullable, or_text)
    if typing.get_origin(kind) is dict:
        return Key(name, convert.variables if parts[1] is str else convert.user_map, nullable=nullable)
    if typing.get_origin(kind) is list:
        item = convert.anything if parts[0] is object else _simple(parts[0], metadata, convert.scalar)
        return Key(name, convert.items(item), nullable=nullable)
    read = _simple(kind, metadata, convert.text)
    return Key(name, convert.secret(read) if metadata.get("secret") else read, nullable=nullable)


def _simple(kind: Any, metadata: typing.Mapping[str, Any], text: convert.Convert) -> convert.Convert:
    """The converter to a type that has no parts."""
    if kind is str:
        return convert.word(metadata["allowed"], metadata["zero"]) if metadata.get("allowed") else text
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    within = metadata.get("within", (None, None))
    return convert.integer(within) if kind is int else convert.number(within)


def _union(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
