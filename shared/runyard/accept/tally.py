"""What became of each webhook's deliveries since this process began: kept in memory, so that a flood writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Of one webhook. Times are seconds since the epoch; 0 = never."""

    accepted: int = 0
    """Deliveries that were taken, also those that asked for no run."""
    runs: int = 0
    """Runs that they started; a repetition starts none."""
    refused: int = 0
    accepted_at: float = 0.0
    refused_at: float = 0.0
    refusal: str = ""
    """Why the last one was refused."""
    handshake_at: float = 0.0
    secret_used: Mapping[str, float] = field(default_factory=dict)
    """When a delivery was last proven by each secret, by its id."""


class Tally:
    """Counts by a webhook's name; only webhooks that exist are counted, so it does not grow by strangers."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._lock = threading.Lock()
        self._counts: dict[str, Count] = {}

    def of(self, name: str) -> Count:
        """What is known of a webhook."""
        with self._lock:
            return self._counts.get(name, Count())

    def accepted(self, name: str, *, secret: str, runs: int, at: float) -> None:
        """A delivery was taken."""
        with self._lock:
            was = self._counts.get(name, Count())
            used = {**was.secret_used, secret: at}
            self._counts[name] = replace(
                was, accepted=was.accepted + 1, runs=was.runs + runs, accepted_at=at, secret_used=used
            )

    def refused(self, name: str, why: str, *, at: float) -> None:
        """A delivery was refused."""
        with self._lock:
            was = self._counts.get(name, Count())
            self._counts[name] = replace(was, refused=was.refused + 1, refused_at=at, refusal=why)

    def shook(self, name: str, *, at: float) -> None:
        """A handshake was answered."""
        with self._lock:
            self._counts[name] = replace(self._counts.get(name, Count()), handshake_at=at)

    def forget(self, name: str) -> None:
        """The webhook was removed."""
        with self._lock:
            self._counts.pop(name, None)
