"""Tombstones: what keeps the event of a deleted run from running it again, and for how long it has to."""

from __future__ import annotations

from typing import Final

from runyard.ports import Ports
from runyard.runs.identity import seconds_of
from runyard.runs.model import Run

KEPT: Final = 180 * 86_400.0
"""Seconds that a tombstone is kept: 180 days.

Longer than anything that repeats an event: Service Bus and Event Grid keep one for 14 days and 24 hours, GitHub lets a
delivery be repeated for 3 days, and who sends an ``Idempotency-Key`` again does so within minutes. A file in the drop
folder has no such end: what is older than this is left alone by whoever looks for files that raised no event.
"""


def buried_at(run: Run, now: float) -> float:
    """When a run that is deleted now counts as deleted: not before its file's own time, which may lie in the future.

    So a tombstone goes only when its file is too old to be found by :func:`is_too_old`.
    """
    return max(now, seconds_of(run.id) + 1.0)


def is_too_old(ports: Ports, modified: float) -> bool:
    """Whether the tombstone of a blob that was last changed then may be forgotten by now."""
    return modified < ports.clock.now() - KEPT


def forget_old(ports: Ports) -> int:
    """Drop the tombstones that nothing needs any more; returns how many."""
    return ports.runs.forget(ports.clock.now() - KEPT)
