"""Schedules: submissions that are made by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runyard.events.timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Times of a schedule for which no run was made."""

    first: float
    last: float
    count: int
    """How many; 1,000 stands for that many or more."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule: when, what, and how far it is. Times are seconds since the epoch."""

    name: str
    uid: str
    """Random, of this definition: what is defined anew under the same name is another schedule."""
    timing: Timing
    submission: dict[str, object] = field(default_factory=dict)
    """What each time submits; texts may hold JSON pointers into the time's document: ``--date={/date}``."""
    template_secret: str = ""
    """The name of the secret that holds what is masked in ``submission``; empty if nothing is."""
    catch_up: str = "last"
    """What is made up for after times were missed: ``last``, ``all`` or ``none``."""
    grace: float | None = None
    """Seconds after which a missed time is too old to be made up for; ``None`` = none is."""
    overlap: str = "allow"
    """``skip`` leaves a time out while the run before it has not ended."""
    paused: bool = False
    created: float = 0.0
    next_at: float | None = None
    """The first time that is not dealt with; ``None`` when there is none any more."""
    held: float | None = None
    """A time that came when nothing could be submitted: it is not missed, and goes first."""
    retry_at: float = 0.0
    """Nothing is tried before, after a failure."""
    moved: float = 0.0
    """When ``next_at`` was set. If it lies in the future, the clock was set back since."""
    last_at: float | None = None
    """The newest time that made a run."""
    last_run: str = ""
    last_error: str = ""
    """Why the newest time made none; empty if it did."""
    failures: int = 0
    """How many times in a row made no run, or one that failed."""
    skipped: tuple[Skipped, ...] = ()
    """The newest times that made no run on purpose, oldest first."""
    version: str = ""
    """Of the stored row; the store's own. Empty: it is not stored yet."""
    schema: int = 1

    @property
    def due(self) -> float | None:
        """When it has something to do next; ``None`` = never, or not while it is paused."""
        if self.paused:
            return None
        first = self.next_at if self.held is None else self.held
        return None if first is None else max(first, self.retry_at)


class ScheduleStore(Protocol):
    """Keeps schedules. A row is changed by compare-and-swap only (Azure Tables: ETag and If-Match)."""

    def put(self, schedule: Schedule) -> Schedule:
        """Write it, if the stored row is still at ``schedule.version`` (empty: if there is none of this name).

        Returns:
            What is stored: the same with its new version.

        Raises:
            ConflictError: if somebody else wrote, made or removed it first.
        """
        ...

    def get(self, name: str) -> Schedule | None:
        """By name."""
        ...

    def list(self) -> Sequence[Schedule]:
        """All, by name."""
        ...

    def due(self, now: float, *, limit: int = 100) -> Sequence[Schedule]:
        """Those whose ``due`` is not later than ``now``, the most overdue first; then those that were moved later than ``now``.

        The second kind was moved by a clock that was set back since, so that its next time cannot be relied on. Paused ones
        are not among them.
        """
        ...

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        ...
