"""JSON answers and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response


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


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, as the SDK's services write it: ``2018-09-29T12:34:56.123456Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def iso_or_none(seconds: float | None) -> str | None:
    """The same, where there may be none."""
    return None if seconds is None else iso(seconds)
