"""The table of runs in memory."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import RLock

from runyard.errors import ConflictError, NotFoundError
from runyard.ports.runs import Page, Query
from runyard.runs.model import Attempt, Event, Run
from runyard.runs.moves import Transition
from runyard.stores.memory.order import Order
from runyard.stores.paging import Key, check_query, encode_cursor, key_of


@dataclass(slots=True)
class _Row:
    """A run with what belongs to it."""

    run: Run
    events: dict[int, Event]
    attempts: dict[int, Attempt]


class MemoryRunStore:
    """A :class:`~runyard.ports.runs.RunStore` that forgets when it is dropped."""

    def __init__(self, *, listened: Callable[[], bool] = lambda: False) -> None:
        """``listened``: whether there is a subscription (``SubscriptionStore.any``)."""
        self._listened = listened
        self._outbox: dict[str, float] = {}
        self._lock = RLock()
        self._rows: dict[str, _Row] = {}
        self._by_status: defaultdict[str, Order] = defaultdict(Order)
        self._identities: dict[str, str] = {}
        self._tombstones: dict[str, float] = {}

    def create(self, birth: Transition, *, durable: bool = False) -> tuple[Run, bool]:
        """Write a new run; see the port."""
        del durable  # nothing in memory survives a power cut
        run = birth.after
        with self._lock:
            if run.identity in self._identities:
                row = self._rows.get(self._identities[run.identity])
                return (run if row is None else row.run), False
            if run.id in self._rows:
                raise ConflictError(f"the run id {run.id} is taken by a run of another event")
            self._identities[run.identity] = run.id
            self._rows[run.id] = _Row(run, {event.seq: event for event in birth.events}, {})
            self._by_status[run.status].add(key_of(run))
            self._put_out(birth)
            return run, True

    def get(self, run_id: str) -> Run | None:
        """The run, or ``None``."""
        row = self._rows.get(run_id)
        return None if row is None else row.run

    recent = get

    def find(self, identity: str) -> str | None:
        """The id of the run made for this identity (also of a deleted one), or ``None``."""
        return self._identities.get(identity)

    def transition(self, change: Transition, *, durable: bool = False) -> Run:  # noqa: ARG002  # nothing is durable here
        """Write the change if the run is still at the version it began from; see the port."""
        before = change.before
        with self._lock:
            row = self._rows.get(before.id)
            if row is None:
                raise NotFoundError(f"there is no run {before.id}")
            if row.run.version != before.version:
                written = row.events.get(change.events[-1].seq)
                if written is not None and written.op_id == change.op_id:
                    return row.run
                raise ConflictError(
                    f"run {before.id} is at version {row.run.version}, not {before.version}: "
                    "somebody else changed it first"
                )
            if change.after.status != row.run.status:
                self._by_status[row.run.status].remove(key_of(row.run))
                self._by_status[change.after.status].add(key_of(change.after))
            row.run = change.after
            row.events.update({event.seq: event for event in change.events})
            if change.attempt is not None:
                row.attempts[change.attempt.number] = change.attempt
            self._put_out(change)
            return change.after

    def _put_out(self, change: Transition) -> None:
        if change.after.has_ended and not change.before.has_ended and self._listened():
            self._outbox.setdefault(change.after.id, change.events[-1].time)

    def list(self, query: Query) -> Page:
        """A page of runs, newest first."""
        after = check_query(query)
        with self._lock:
            found = list(islice(self._newest(query, after), query.limit + 1))
        runs = tuple(found[: query.limit])
        return Page(runs=runs, next=encode_cursor(key_of(runs[-1])) if len(found) > query.limit else None)

    def _newest(self, query: Query, after: Key | None) -> Iterator[Run]:
        below = [after] if after is not None else []
        if query.created_before is not None:
            below.append((query.created_before, ""))
        orders = [self._by_status[status] for status in query.statuses or list(self._by_status)]
        keys = heapq.merge(*(order.down(min(below, default=None)) for order in orders), reverse=True)
        return (run for _, run_id in keys if _matches(run := self._rows[run_id].run, query))

    def history(self, run_id: str) -> Sequence[Event]:
        """Every event of the run, oldest first; empty if there is no such run."""
        with self._lock:
            row = self._rows.get(run_id)
            return [] if row is None else [row.events[seq] for seq in sorted(row.events)]

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Every attempt of the run, oldest first."""
        with self._lock:
            row = self._rows.get(run_id)
            return [] if row is None else [row.attempts[number] for number in sorted(row.attempts)]

    def attempt(self, run: Run) -> Attempt | None:
        """The row of the run's newest attempt."""
        row = self._rows.get(run.id)
        return None if row is None else row.attempts.get(run.attempt)

    def delete(self, run_id: str, *, at: float) -> None:
        """Remove an ended run and leave a tombstone; see the port."""
        with self._lock:
            row = self._rows.get(run_id)
            if row is None:
                return
            if not row.run.has_ended:
                raise ConflictError(
                    f"run {run_id} is {row.run.status}; only an ended run can be deleted: cancel it first"
                )
            self._tombstones[row.run.identity] = at
            self._by_status[row.run.status].remove(key_of(row.run))
            del self._rows[run_id]

    def forget(self, before: float) -> int:
        """Drop tombstones older than ``before``; returns how many."""
        with self._lock:
            old = [identity for identity, at in self._tombstones.items() if at < before]
            for identity in old:
                del self._tombstones[identity]
                del self._identities[identity]
            return len(old)

    def outbox(self, *, before: float, most: int) -> Sequence[str]:
        """Runs whose ending is not announced yet; see the port."""
        with self._lock:
            found = sorted((at, run_id) for run_id, at in self._outbox.items() if at < before)
        return [run_id for _, run_id in found[:most]]

    def in_outbox(self, run_id: str) -> bool:
        """Whether the run's ending is still to be announced."""
        return run_id in self._outbox

    def announced(self, run_id: str) -> None:
        """Take a run out of the outbox."""
        self._outbox.pop(run_id, None)


def _matches(run: Run, query: Query) -> bool:
    return query.experiment in {None, run.experiment} and query.target in {None, run.target, run.compute}
