"""How a field of a run configuration's section says what a reader and a writer must know of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import Field, field, fields
from functools import cache
from typing import Any


def option(  # noqa: PLR0913 - each is a fact that a declaration may state
    default: Any = None,
    *,
    key: str = "",
    keys: Sequence[str] = (),
    allowed: Sequence[str] = (),
    within: tuple[int | None, int | None] = (None, None),
    zero: str = "",
    later: bool = False,
    secret: bool = False,
    kw_only: bool = False,
) -> Any:
    """A field and what a reader must know of it.

    Args:
        default: Its default; a class or function is called to make it.
        key: Its key on disk, where that is not its name in camelCase.
        keys: Its further keys on disk (case and underscores do not count).
        allowed: The texts it may hold, in their canonical casing (read in any casing).
        within: Smallest and largest legal number.
        zero: What the number 0 stands for, where service files write enumerations as numbers.
        later: A file of release 1.0.85 has no such key: a new file has it only when it says something.
        secret: Its value is never shown, not even in an error.
        kw_only: The constructor takes it by name only.
    """
    metadata = {
        "key": key,
        "keys": keys,
        "allowed": allowed,
        "within": within,
        "zero": zero,
        "later": later,
        "secret": secret,
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata, kw_only=kw_only, repr=not secret)
    return field(default=default, metadata=metadata, kw_only=kw_only, repr=not secret)


def own(default: Any) -> Any:
    """A field that is not in the file."""
    return field(default_factory=default, metadata={"own": True}, repr=False, compare=False, kw_only=True)


def camel(name: str) -> str:
    """``memory_gb`` as ``memoryGb``: the SDK's rule from an attribute to its key on disk."""
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def key_of(item: Field[Any]) -> str:
    """A field's key on disk."""
    return item.metadata.get("key") or camel(item.name)


@cache
def keys_of(cls: type) -> tuple[tuple[str, str, bool], ...]:
    """Of each field of a section, in the file's order: its name, its key, and whether only later releases have it."""
    return tuple(
        (item.name, key_of(item), bool(item.metadata.get("later")))
        for item in fields(cls)
        if not item.metadata.get("own")
    )
