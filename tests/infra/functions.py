"""The functions of Bicep that the templates call, as far as they can be worked out without Azure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final


class Unknown(str):
    """A text that only Azure knows; it reads as where it comes from."""

    __slots__ = ()


def _unique_string(*parts: str) -> str:
    """Thirteen letters and digits, as Azure's are; others than Azure's."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:13]


def _union(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _concat(*parts: list[Any]) -> list[Any]:
    return [item for part in parts for item in part]


def _replace(whole: str, old: str, new: str) -> str:
    return whole if isinstance(whole, Unknown) else whole.replace(old, new)


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "concat": _concat,
    "empty": lambda value: not value,
    "guid": lambda *parts: _unique_string("guid", *parts),
    "replace": _replace,
    "subscription": lambda: {"id": Unknown("subscription")},
    "subscriptionResourceId": lambda kind, name: f"{kind}/{name}",
    "tenant": lambda: {"tenantId": Unknown("tenant")},
    "toLower": lambda value: value.lower(),
    "union": _union,
    "uniqueString": _unique_string,
}
