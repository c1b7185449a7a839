"""What is kept apart from a run's row: the secrets of its submission and of its job, by the places where they belong."""

from __future__ import annotations

from typing import Any, Final

import msgspec

SCHEMA: Final = 1


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a run's secret, as it is stored (JSON)."""

    run: str
    """The run's id."""
    at: float
    """When it was written."""
    request: dict[str, Any] = msgspec.field(default_factory=dict)
    """The secrets of ``Run.request``, by JSON pointers into it."""
    spec: dict[str, Any] = msgspec.field(default_factory=dict)
    """The secrets of ``Run.spec``, by JSON pointers into it."""
    schema: int = SCHEMA


_decoder: Final = msgspec.json.Decoder(Kept)


def encode(kept: Kept) -> str:
    """The stored form."""
    return msgspec.json.encode(kept).decode()


def decode(text: str) -> Kept | None:
    """Of the stored form; ``None`` if this is something else."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
