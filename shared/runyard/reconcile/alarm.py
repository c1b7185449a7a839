"""What an alarm is, and the words in which it is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that does not mend itself."""

    name: str
    """Which: the same words for as long as it lasts."""
    detail: str
    """What was found."""
    fix: str
    """What to do."""


def lasting(seconds: float) -> str:
    """A duration in words, in its largest unit: ``3 hours``."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}s"
    return f"{max(int(seconds), 0)} s"


def many(count: int, what: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
