"""What Azure takes, as the models of Microsoft's own management packages say it: names, types, required fields, known values.

The packages come in two styles of generated code: a map of attributes with dotted wire names, and annotated fields. Both read
as :class:`Field` by wire name.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.infra.functions import Unknown

_KNOWN_VALUES: Final = re.compile(r'Known values are: (.*?")\.(?:\s|$)')
_PRIMITIVES: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "bool": (bool,),
    "duration": (str,),
    "iso-8601": (str,),
    "object": (object,),
}


@dataclass(kw_only=True)
class Field:
    """One field of a model, or a level of nesting that the model leaves out (``inner``)."""

    kind: Any = None
    required: bool = False
    read_only: bool = False
    values: frozenset[str] = frozenset()
    inner: dict[str, Field] = field(default_factory=dict)


def fields(model: type) -> dict[str, Field]:
    """A model's fields by wire name."""
    return _mapped(model) if hasattr(model, "_attribute_map") else _annotated(model)


def _mapped(model: type) -> dict[str, Field]:
    found: dict[str, Field] = {}
    rules: Mapping[str, Mapping[str, Any]] = getattr(model, "_validation", {})
    for name, entry in model._attribute_map.items():  # type: ignore[attr-defined]
        if not entry["key"]:  # additional properties: whatever else there is
            continue
        *above, last = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", entry["key"])]
        level = found
        for part in above:
            level = level.setdefault(part, Field()).inner
        level[last] = Field(
            kind=entry["type"],
            required=bool(rules.get(name, {}).get("required")),
            read_only=bool(rules.get(name, {}).get("readonly")),
            values=_values(model, name),
        )
    return found


def _values(model: type, name: str) -> frozenset[str]:
    """The known values, which this style of code has in its documentation alone."""
    said = re.search(rf":ivar {name}: (.*?):vartype", model.__doc__ or "", re.DOTALL)
    known = _KNOWN_VALUES.search(" ".join(said.group(1).split())) if said else None
    return frozenset(re.findall(r'"([^"]+)"', known.group(1))) if known else frozenset()


def _annotated(model: type) -> dict[str, Field]:
    module = sys.modules[model.__module__]
    public = sys.modules[model.__module__.rpartition(".")[0]]
    hints = typing.get_type_hints(model, {**vars(public), **vars(module), "_models": public, "_models1": public})
    found: dict[str, Field] = {}
    for base in reversed(model.__mro__):
        for name, entry in vars(base).items():
            if hasattr(entry, "_rest_name_input"):
                hint = hints[name]
                optional = types.NoneType in typing.get_args(hint)
                read_only = entry._visibility == ["read"]
                found[entry._rest_name_input or name] = Field(
                    kind=hint, required=not optional and not read_only, read_only=read_only
                )
    return found


def problems(value: Any, model: type, path: str) -> Iterator[str]:
    """What Azure would not take in ``value``, which is to be a ``model``."""
    if not isinstance(value, Mapping):
        yield f"{path} is no object"
        return
    try:
        exact = _of_kind(value, model)
    except KeyError as error:
        yield f"{path} is of the unknown kind {error}"
        return
    yield from _level(value, fields(exact), path, sys.modules[model.__module__])


def _level(value: Mapping[str, Any], known: Mapping[str, Field], path: str, module: Any) -> Iterator[str]:
    for name in sorted(known):
        if known[name].required and value.get(name) is None:
            yield f"{path}.{name} is missing"
    for name, item in value.items():
        where = f"{path}.{name}"
        if name not in known:
            yield f"{where} is not known"
        elif item is None:
            continue
        elif known[name].read_only:
            yield f"{where} is read-only"
        elif known[name].inner:
            yield from _level(item, known[name].inner, where, module)
        else:
            yield from _value(item, known[name].kind, where, module)
            if known[name].values and not isinstance(item, Unknown) and item not in known[name].values:
                yield f"{where} is {item!r}, and not one of {sorted(known[name].values)}"


def _of_kind(value: Mapping[str, Any], model: type) -> type:
    """The model that the discriminator names.

    Raises:
        KeyError: if it names none.
    """
    for name, kinds in vars(model).get("_subtype_map", {}).items():
        wire = model._attribute_map[name]["key"].replace("\\.", ".")  # type: ignore[attr-defined]
        return _of_kind(value, getattr(sys.modules[model.__module__], kinds[value.get(wire)]))
    return model


def _value(item: Any, kind: Any, path: str, module: Any) -> Iterator[str]:
    if isinstance(kind, str):
        yield from _named(item, kind, path, module)
        return
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        yield from _union(item, [part for part in inner if part is not types.NoneType], path, module)
    elif origin in {list, typing.List}:  # noqa: UP006 - how the packages write it
        yield from _each(item, inner[0], path, module)
    elif origin is dict:
        for name, part in item.items():
            yield from _value(part, inner[1], f"{path}.{name}", module)
    elif origin is typing.Literal:
        if item not in inner:
            yield f"{path} is {item!r}, and not one of {inner}"
    elif isinstance(kind, type) and hasattr(kind, "_deserialize") and not issubclass(kind, str):
        yield from problems(item, kind, path)
    elif isinstance(kind, type) and kind in {str, int, bool, float}:
        yield from _primitive(item, kind.__name__, path)


def _named(item: Any, kind: str, path: str, module: Any) -> Iterator[str]:
    if kind.startswith("["):
        yield from _each(item, kind[1:-1], path, module)
    elif kind.startswith("{"):
        for name, part in item.items():
            yield from _named(part, kind[1:-1], f"{path}.{name}", module)
    elif kind in _PRIMITIVES:
        yield from _primitive(item, kind, path)
    else:
        yield from problems(item, getattr(module, kind), path)


def _each(item: Any, kind: Any, path: str, module: Any) -> Iterator[str]:
    if not isinstance(item, list):
        yield f"{path} is no list"
        return
    for index, part in enumerate(item):
        yield from _value(part, kind, f"{path}[{index}]", module)


def _primitive(item: Any, kind: str, path: str) -> Iterator[str]:
    wanted = _PRIMITIVES[kind]
    if not isinstance(item, wanted) or (isinstance(item, bool) and bool not in wanted and object not in wanted):
        yield f"{path} is {item!r}, and no {kind}"


def _union(item: Any, kinds: list[Any], path: str, module: Any) -> Iterator[str]:
    """A text or an enumeration is that enumeration: what it does not know was misspelt."""
    for kind in kinds:
        values = [entry.value for entry in getattr(kind, "__members__", {}).values()]
        if values and not isinstance(item, Unknown):
            if item not in values:
                yield f"{path} is {item!r}, and not one of {sorted(values)}"
            return
    rest = [kind for kind in kinds if not hasattr(kind, "__members__")]
    if len(rest) == 1:
        yield from _value(item, rest[0], path, module)
