"""Times as events write them."""

from __future__ import annotations

from datetime import UTC, datetime

from runyard.errors import EventError


def seconds_of(time: object, whose: str) -> float | None:
    """An RFC 3339 time in seconds since the epoch; without a zone it is UTC; ``None`` stays ``None``.

    Raises:
        EventError: if it is not a time; ``whose`` says whose it is.
    """
    if time is None:
        return None
    try:
        when = datetime.fromisoformat(str(time))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise EventError(f"{whose} time must be a time like 2026-01-31T12:00:00Z") from None


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, as the SDK's services write it: ``2018-09-29T12:34:56.123456Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def iso_or_none(seconds: float | None) -> str | None:
    """The same, where there may be none."""
    return None if seconds is None else iso(seconds)
