"""Start marks: since when a drop container is watched, and how often it had to be looked through for what was missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMark:
    """What is kept of a watched container. Times are seconds since the epoch."""

    container: str
    since: float
    """When it was first watched, by its own clock: what came before is not taken unless somebody asks."""
    missed: int = 0
    """Blobs that raised no event and were found by the sweep, in all."""
    missed_at: float | None = None
    """When the sweep found some last."""
    schema: int = 1


class MarkStore(Protocol):
    """Keeps one start mark per container."""

    def begin(self, container: str, since: float) -> StartMark:
        """Set the mark, if there is none; returns the one that counts."""
        ...

    def get(self, container: str) -> StartMark | None:
        """The mark, or ``None`` if the container was never watched."""
        ...

    def count(self, container: str, missed: int, at: float) -> None:
        """Add to what the sweep found; nothing without a mark."""
        ...
