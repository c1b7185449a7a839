"""The table of runs in Azure Tables: what each request of a change does, and why its death at any of them loses nothing.

* **A birth**: :mod:`runyard.stores.azure.run_births`.
* **A change** is one transaction on the run's own partition (:mod:`runyard.stores.azure.run_rows`). Of one that may show a rare status, a
  hint goes before it (:mod:`runyard.stores.azure.run_index`): a hint without the change costs a listing one look.
* **An ending** is that, with ``o`` if somebody listens, between two rows of :mod:`runyard.stores.azure.outbox`. The index follows. Until
  it does, the run stands among those on their way; any listing that comes to it reads the run itself, shows it as ended, and completes
  the index (:mod:`runyard.stores.azure.run_listing`). The reconciler lists those on their way every 30 s. A note after the ending writes
  the index again.
* **A deletion**: the tombstone; then the run's row is replaced by ``x``, with its events and attempts gone in the same transaction
  (more than a hundred: in further ones); then the index, the listing of all runs last; then ``x``. While the run stands in that listing
  whoever prunes comes to it again, and finds in ``x`` what is still to be done. Between the last two, ``x`` alone is left, which nobody
  sees; :meth:`AzureRunStore.forget` removes it with the tombstone. No change can bring the run back: its row is gone.
* **Forgetting** a tombstone: ``x`` and what it stands for, the identity, the place in the list of tombstones.

Any write may be sent twice, its first reply being lost. Those that would refuse their own first sending look who wrote what they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from runyard.errors import ConflictError, NotFoundError
from runyard.ports.clock import Clock
from runyard.ports.runs import Page, Query
from runyard.runs.model import Attempt, Event, Run
from runyard.runs.moves import Transition
from runyard.stores.azure import names, run_rows
from runyard.stores.azure.attempts import Newest
from runyard.stores.azure.identities import Identities
from runyard.stores.azure.outbox import Outbox
from runyard.stores.azure.parallel import Parallel
from runyard.stores.azure.run_births import Births, is_barred, is_of
from runyard.stores.azure.run_cache import RunCache
from runyard.stores.azure.run_index import Place, RunIndex
from runyard.stores.azure.run_listing import RunListing
from runyard.stores.azure.run_rows import ATTEMPTS, EVENTS, LEFT, RUN, attempt_key, event_key, partition
from runyard.stores.azure.table import MOST_OPERATIONS, Found, Op, Table, TransactionConflictError

_encode_place: Final = msgspec.json.Encoder().encode
_decode_place: Final = msgspec.json.Decoder(Place).decode


class AzureRunStore:
    """A :class:`~runyard.ports.runs.RunStore` in Azure Tables."""

    def __init__(
        self, table: Callable[[str], Table], clock: Clock, *, listened: Callable[[], bool] = lambda: False
    ) -> None:
        """Nothing is connected to yet.

        Args:
            table: Gives a table by its name.
            clock: The time, by which what is orphaned is told.
            listened: Whether there is a subscription (``SubscriptionStore.any``).
        """
        self._listened = listened
        self._parallel = Parallel()
        self._runs = table(names.RUNS)
        self._newest = Newest()
        self._seen = RunCache(clock.now)
        self._now = clock.now
        self._identities = Identities(table)
        self._index = RunIndex(table, clock.now, self._parallel, self.get)
        self._listing = RunListing(self._index, self._parallel, self.get)
        self._outbox = Outbox(table, clock.now, self._parallel)
        self._births = Births(self._runs, self._identities, self._index, self._outbox)

    def create(self, birth: Transition, *, durable: bool = False) -> tuple[Run, bool]:
        """Write a new run; see the port. Every write to a table is durable."""
        del durable
        at = self._now()
        stored, created = self._births.create(birth, listened=birth.after.has_ended and self._listened())
        if created:
            self._seen.keep(stored, at)
        return stored, created

    def get(self, run_id: str) -> Run | None:
        """The run, or ``None``."""
        at = self._now()
        found = self._living(run_id)
        if found is None:
            self._seen.drop(run_id)
            return None
        run = self._read(found)
        self._seen.keep(run, at)
        return run

    def recent(self, run_id: str) -> Run | None:
        """The run as it was up to a minute ago; see the port."""
        return self._seen.get(run_id) or self.get(run_id)

    def _living(self, run_id: str) -> Found | None:
        found = self._runs.get(partition(run_id), RUN)
        return None if found is None or is_barred(found) else found

    def _read(self, found: Found) -> Run:
        run = run_rows.run_of(found.row)
        beside = run_rows.beside(found.row)
        if beside is not None and beside.number == run.attempt:
            self._newest.keep(run, beside)
        return run

    def find(self, identity: str) -> str | None:
        """The id of the run made for this identity (also of a deleted one), or ``None``."""
        claim = self._identities.get(identity)
        if claim is None:
            return None
        if claim.deleted is None:
            found = self._living(claim.run_id)
            if found is None or not is_of(found, identity):
                return None  # whoever claimed it died before the run was written
        return claim.run_id

    def transition(self, change: Transition, *, durable: bool = False) -> Run:
        """Write the change if the run is still at the version it began from; see the port."""
        del durable
        before, after, at = change.before, change.after, self._now()
        operations = run_rows.written(change, "merge", "*")
        self._index.suspect(before, after)
        if after.has_ended and not before.has_ended and self._listened():
            self._outbox.intend(after.id, change.events[-1].time)
            operations.append(run_rows.put_out(after.id, change.events[-1].time))
        try:
            self._runs.transact(operations)
        except TransactionConflictError:
            return self._met(change)
        self._newest.follow(change)
        self._seen.keep(after, at)
        if after.has_ended:
            self._index.ended(after)
        return after

    def _met(self, change: Transition) -> Run:
        """The stored run, if this very change was written before: the reply was lost, and it was sent again."""
        before = change.before
        run = self.get(before.id)
        if run is None:
            raise NotFoundError(f"there is no run {before.id}")
        event = self._runs.get(partition(before.id), event_key(change.events[0].seq))
        if event is None or event.row["op"] != change.op_id:
            raise ConflictError(
                f"run {before.id} is at version {run.version}, not {before.version}: somebody else changed it first"
            )
        if run.has_ended:
            self._index.ended(run)
        return run

    def list(self, query: Query) -> Page:
        """A page of runs, newest first."""
        return self._listing.page(query)

    def history(self, run_id: str) -> Sequence[Event]:
        """Every event of the run, oldest first; empty if there is no such run."""
        low, high = EVENTS
        return run_rows.events_of([found.row for found in self._runs.query(partition(run_id), low=low, high=high)])

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Every attempt of the run, oldest first."""
        low, high = ATTEMPTS
        return [run_rows.attempt_of(found.row) for found in self._runs.query(partition(run_id), low=low, high=high)]

    def attempt(self, run: Run) -> Attempt | None:
        """The row of the run's newest attempt; no request for one that was read or written just now."""
        if not run.attempt or (kept := self._newest.of(run)) is not None:
            return kept if run.attempt else None
        found = self._runs.get(partition(run.id), attempt_key(run.attempt))
        return None if found is None else run_rows.attempt_of(found.row)

    def delete(self, run_id: str, *, at: float) -> None:
        """Remove an ended run and leave a tombstone; see the port."""
        found = self._living(run_id)
        if found is None:
            self._clear(run_id)
            return
        run = run_rows.run_of(found.row)
        if not run.has_ended:
            raise ConflictError(f"run {run_id} is {run.status}; only an ended run can be deleted: cancel it first")
        self._seen.drop(run_id)
        self._identities.bury(run.identity, run_id, at)
        self._remove(found, _encode_place(Place.of(run)))
        self._clear(run_id)

    def _remove(self, found: Found, place: bytes) -> None:
        """Put ``x`` in the place of the run, and as much else as one transaction takes."""
        pk = found.row["PartitionKey"]
        others = self._keys(pk, most=MOST_OPERATIONS)
        operations = [
            Op(kind="delete", row={"PartitionKey": pk, "RowKey": RUN}, etag="*"),
            Op(kind="upsert", row={"PartitionKey": pk, "RowKey": LEFT, "place": place}),
            *_deletions(pk, [key for key in others if key not in {RUN, LEFT}][: MOST_OPERATIONS - 2]),
        ]
        try:
            self._runs.transact(operations)
        except TransactionConflictError:
            # Removed by another, or by our first sending. A note that was added meanwhile is left to what follows.
            if self._runs.get(pk, RUN) is not None:
                raise

    def _clear(self, run_id: str) -> None:
        """Do what ``x`` says is still to be done for a deleted run."""
        pk = partition(run_id)
        left = self._runs.get(pk, LEFT)
        if left is None:
            return
        while keys := [key for key in self._keys(pk, most=MOST_OPERATIONS) if key not in {RUN, LEFT}]:
            try:
                self._runs.transact(_deletions(pk, keys))
            except TransactionConflictError as refused:
                if not refused.missing:  # else another clears it too
                    raise
        self._index.gone(_decode_place(left.row["place"]))
        self._runs.delete(pk, LEFT)

    def _keys(self, pk: str, *, most: int) -> Sequence[str]:
        return [found.key for found in self._runs.query(pk, select=["PartitionKey", "RowKey"], most=most)]

    def forget(self, before: float) -> int:
        """Drop tombstones older than ``before``; returns how many."""
        count = 0
        for grave in self._identities.graves(before):
            self._clear(grave.run_id)
            count += self._identities.forget(grave, before)
        return count

    def outbox(self, *, before: float, most: int) -> Sequence[str]:
        """Runs whose ending is not announced yet; see the port."""
        return self._outbox.waiting(before=before, most=most)

    def in_outbox(self, run_id: str) -> bool:
        """Whether the run's ending is still to be announced."""
        return self._outbox.holds(run_id)

    def announced(self, run_id: str) -> None:
        """Take a run out of the outbox."""
        self._outbox.announced(run_id)


def _deletions(pk: str, keys: Sequence[str]) -> list[Op]:
    return [Op(kind="delete", row={"PartitionKey": pk, "RowKey": key}, etag="*") for key in keys]
