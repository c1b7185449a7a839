"""Deliveries: one event on its way to one subscription. The row is the truth; messages only say that one is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

PENDING: Final = "pending"
"""On its way: tried again when its time has come."""
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
"""Given up: kept to be looked at and sent again."""
STATES: Final = (PENDING, DELIVERED, DEAD)

KEPT: Final[Mapping[str, int]] = {DELIVERED: 100, DEAD: 1000}
"""How many deliveries of each subscription are kept once they are settled: the newest."""
MOST_PENDING: Final = 10_000
"""Deliveries of a subscription that may be on their way: further ones are dead at once, so that a receiver that is never there
again fills no disk."""


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One try."""

    at: float
    seconds: float
    """How long it took."""
    status: int | None = None
    """The HTTP status; ``None`` if there was no answer, or no HTTP."""
    error: str = ""
    """One sentence; empty if it was taken."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one subscription. ``version`` is the compare-and-swap token."""

    subscription: str
    id: str
    """The event's: the same for each try."""
    run_id: str
    type: str
    body: bytes
    """The event as it is sent, at most 64 KiB: the same bytes for each try, also after the run was deleted."""
    created: float
    state: str = PENDING
    next_at: float = 0.0
    """While it is on its way: when it is due, or, while a try is under way, when that counts as lost."""
    tries: int = 0
    """Tries since it was made, or sent again by hand."""
    history: tuple[Try, ...] = ()
    """The newest tries, at most :data:`HISTORY`."""
    settled: float = 0.0
    """When it was delivered, or given up."""
    error: str = ""
    """Why it is dead."""
    trace: str = ""
    """The trace context of what asked for its run, as the run's row has it."""
    version: int = 1
    schema: int = 1


HISTORY: Final = 20


class DeliveryStore(Protocol):
    """Keeps deliveries, and of those that are settled the newest :data:`KEPT` of each subscription."""

    def add(self, delivery: Delivery) -> bool:
        """Write a new one; ``False``, and nothing is written, if the subscription has one with this id."""
        ...

    def get(self, subscription: str, ident: str) -> Delivery | None:
        """By its subscription and id."""
        ...

    def replace(self, delivery: Delivery, *, version: int) -> bool:
        """Write it if the stored one is at ``version``; whether it was written."""
        ...

    def due(self, subscription: str, at: float, *, most: int) -> Sequence[Delivery]:
        """Those on their way whose ``next_at`` is not after ``at``, the longest due first."""
        ...

    def list(self, subscription: str | None = None, state: str | None = None, *, most: int = 100) -> Sequence[Delivery]:
        """The newest by ``created``."""
        ...

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By subscription and state, those that are on their way or dead; what is 0 is left out."""
        ...

    def drop(self, subscription: str) -> int:
        """Remove all of a subscription; returns how many."""
        ...
