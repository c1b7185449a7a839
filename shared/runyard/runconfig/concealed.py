"""Taking the secrets out of a document before it is stored, and putting them back for whoever carries it out.

What is a secret is what :mod:`~runyard.runconfig.redact` would mask, and what the author marked. A value that holds one is taken
out whole. Where it was is kept as a JSON pointer beside the value, so that nothing that is written in the document can ask for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runyard.runconfig.redact import MASK, redacted
from runyard.runner.sealed import pointer_to, reveal

__all__ = ["conceal", "reveal"]


def conceal(document: Any, marked: Iterable[str] = ()) -> tuple[Any, dict[str, Any]]:
    """The document with a mask in place of each secret, and the secrets by their JSON pointers.

    The document itself is returned, and an empty mapping, if there are none. ``reveal`` makes of the two what was given.

    Args:
        document: Plain values, as JSON has them.
        marked: Names of environment variables that are secret whatever they are called; those that a run configuration in the
            document marks itself are, too.
    """
    values: dict[str, Any] = {}
    shown = redacted(document, marked)
    if document == shown:
        return document, values
    masked = _compared(document, shown, (), values)
    return (masked, values) if values else (document, values)


def _compared(value: Any, shown: Any, place: tuple[object, ...], values: dict[str, Any]) -> Any:
    """What of ``value`` may be stored: ``shown`` is the same with its secrets masked, by whatever rule."""
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        return {key: _compared(item, shown[key], (*place, key), values) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and isinstance(shown, list):
        pairs = zip(value, shown, strict=True)
        return [_compared(item, other, (*place, index), values) for index, (item, other) in enumerate(pairs)]
    if value is shown or value == shown:
        return value
    values[pointer_to(*place)] = value
    return MASK
