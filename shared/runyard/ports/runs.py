"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runyard.runs.model import Attempt, Event, Run
from runyard.runs.moves import Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which runs to list; newest first, by (created, id) descending."""

    statuses: frozenset[str] = frozenset()
    """Shown statuses (a state's name, or ``CancelRequested``); empty = all."""
    experiment: str | None = None
    target: str | None = None
    """Matches the compute as written or as resolved."""
    created_before: float | None = None
    limit: int = 50
    """Page size, 1 to 1,000."""
    after: str | None = None
    """The cursor of the page before (``Page.next``); opaque."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of runs."""

    runs: tuple[Run, ...] = field(default_factory=tuple)
    next: str | None = None
    """Cursor of the next page; ``None`` on the last."""


class RunStore(Protocol):
    """Keeps runs, their attempts and their history. A transition is one transaction.

    A change that ends a run puts it into the outbox in the same transaction, if there is a subscription
    (:meth:`SubscriptionStore.any <runyard.ports.subscriptions.SubscriptionStore.any>`): so whoever dies in whatever moment, an
    ending that is on record is announced. Without a subscription nothing more is written.
    """

    def create(self, birth: Transition, *, durable: bool = False) -> tuple[Run, bool]:
        """Write a new run with its first events.

        Args:
            birth: What to write.
            durable: Whether it must survive a power cut once this returns (doors), not only a kill.

        Returns:
            The stored run, and whether this call created it. If a run with the same ``identity`` exists,
            or existed and was deleted (a tombstone), nothing is written: the existing run is returned; for a
            tombstone, ``birth.after`` is returned and ``False``.

        Raises:
            ConflictError: if the id is taken by a run of another identity.
        """
        ...

    def get(self, run_id: str) -> Run | None:
        """The run, or ``None``."""
        ...

    def recent(self, run_id: str) -> Run | None:
        """The run as it is, or as it was up to a minute ago; cheap for one that this process read or changed before.

        It is for who does nothing by it but what :meth:`transition` proves, as the run may have moved on since.
        """
        ...

    def find(self, identity: str) -> str | None:
        """The id of the run made for this identity (also of a deleted one), or ``None``."""
        ...

    def transition(self, change: Transition, *, durable: bool = False) -> Run:
        """Write ``change.after``, its events and its attempt, if the run is still at ``change.before.version``.

        If it is not, but the event with the number of the change's last event has the change's op id, this very
        change was written before (its reply was lost): the stored run is returned.

        Args:
            change: What to write.
            durable: Whether it must survive a power cut once this returns (claims), not only a kill.

        Raises:
            ConflictError: if somebody else changed the run first.
            NotFoundError: if there is no such run.
        """
        ...

    def list(self, query: Query) -> Page:
        """A page of runs, newest first."""
        ...

    def history(self, run_id: str) -> Sequence[Event]:
        """Every event of the run, oldest first; empty if there is no such run."""
        ...

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Every attempt of the run, oldest first."""
        ...

    def attempt(self, run: Run) -> Attempt | None:
        """The row of the run's newest attempt (number ``run.attempt``), or ``None``; cheap right after the run was read or changed.

        It is as it was when the run was read, or as it is now.
        """
        ...

    def delete(self, run_id: str, *, at: float) -> None:
        """Remove an ended run with its history and leave a tombstone, so that its event never runs it again.

        Raises:
            ConflictError: if the run has not ended.
        """
        ...

    def forget(self, before: float) -> int:
        """Drop tombstones older than ``before``; returns how many."""
        ...

    def outbox(self, *, before: float, most: int) -> Sequence[str]:
        """Runs whose ending was written before ``before`` and is not announced yet; the oldest first. Cheap while there are none."""
        ...

    def in_outbox(self, run_id: str) -> bool:
        """Whether the run's ending is still to be announced."""
        ...

    def announced(self, run_id: str) -> None:
        """Take a run out of the outbox: every delivery of its ending is written."""
        ...
