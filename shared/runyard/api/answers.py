"""JSON answers and times."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from starlette.responses import Response

from runyard.events.times import iso, iso_or_none

__all__ = ["answer", "is_text", "iso", "iso_or_none"]


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a script may name things with what is no text; JSON can spell it, UTF-8 cannot
        data = json.dumps(value).encode()
    return Response(data, status, headers, media_type="application/json")


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8: a file's name may hold any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
