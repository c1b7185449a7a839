"""The waiting lists of gates: who comes, goes sooner, leaves, and stands where.

Coming and leaving do not touch the gate's row, as hundreds come to one compute at a time; what keeps a run from being there twice is
its ``by|`` row. Only a run that may not go yet changes the gate (``later_at``), and that is rare.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from runyard.errors import ConflictError
from runyard.ports.gates import FAR, Waiting
from runyard.stores.azure.gate_rows import (
    DUE,
    DUE_END,
    GATE,
    LATER,
    TIMED,
    WAITING_END,
    View,
    by_key,
    entry_of,
    entry_row,
    list_key,
    listing,
    partition,
    place,
    removal,
    sooner,
    timed_key,
    unlisting,
)
from runyard.stores.azure.gate_swap import FRESH, TRIES, Change, Nothing, Step, Swaps, busy, no_gate
from runyard.stores.azure.table import MOST_OPERATIONS, Found, Op

RIPE: Final = (MOST_OPERATIONS - 1) // 4
"""How many entries one transaction moves to those that may go: each is four operations, and the gate one."""


class Line:
    """The waiting lists."""

    def __init__(self, swaps: Swaps) -> None:
        self._swaps = swaps
        self._table = swaps.table
        self._there: set[str] = set()
        """Gates that exist; none is ever removed."""

    def wait(self, compute: str, entry: Waiting) -> None:
        """Put a run on the list; see the port. One transaction, if it is new and may go at once."""
        if compute not in self._there:
            if self._table.get(partition(compute), GATE) is None:
                raise no_gate(compute)
            self._there.add(compute)
        if entry.not_before > 0:
            self._swaps.swap(compute, lambda view, _: self._later(view, entry))
            return
        for attempt in range(TRIES):
            try:
                self._table.transact([self._here(compute, entry), *listing(compute, entry)])
            except ConflictError:
                if self._is_here(compute, entry, attempt):
                    return
            else:
                return
        raise busy(compute)

    def _is_here(self, compute: str, entry: Waiting, attempt: int) -> bool:
        """Whether it is there by now, with its time at ``entry.not_before`` (0) or earlier."""
        found = self._find(compute, entry.run_id)
        if found is None:  # it has gone since
            self._swaps.pause(attempt)
            return False
        there = entry_of(found.row)
        if there.not_before <= entry.not_before:
            return True  # it waits and may go, or holds a slot, or this is what a lost reply was about
        try:
            self._table.transact([*unlisting(compute, there), *self._moved(compute, there, found.etag, 0.0)])
        except ConflictError:
            self._swaps.pause(attempt)
            return False
        return True

    def _later(self, view: View, entry: Waiting) -> Step[None]:
        """Put one on the list whose time has not come, or let one that is there go sooner."""
        compute = view.gate.compute
        gate = replace(view.gate, later_at=sooner(view.gate.later_at, entry.not_before))
        found = self._find(compute, entry.run_id)
        if found is None:
            return Change(gate=gate, result=None, rows=[self._here(compute, entry), *listing(compute, entry)])
        there = entry_of(found.row)
        if there.not_before <= entry.not_before:
            return Nothing(result=None, sure=True)
        earlier = replace(there, not_before=entry.not_before)
        rows = [
            Op(kind="update", row=entry_row(compute, by_key(entry.run_id), earlier), etag=found.etag),
            Op(kind="update", row=entry_row(compute, list_key(earlier), earlier), etag="*"),
            removal(compute, timed_key(there)),
            Op(kind="create", row=entry_row(compute, timed_key(earlier), earlier)),
        ]
        return Change(gate=gate, result=None, rows=rows)

    def leave(self, compute: str, run_id: str) -> bool:
        """Take a run off the list; whether it was there. If it goes under our hands, that counts as ours: replies get lost."""
        seen = False
        for attempt in range(TRIES):
            found = self._find(compute, run_id)
            if found is None:
                return seen
            entry = entry_of(found.row)
            if self._table.get(partition(compute), list_key(entry)) is None:
                if self._is_as_it_was(compute, found):
                    return False  # it holds a slot
                continue
            seen = True
            try:
                here = removal(compute, by_key(run_id), found.etag)
                self._table.transact([here, *unlisting(compute, entry)])
            except ConflictError:
                self._swaps.pause(attempt)
                continue
            return True
        raise busy(compute)

    def ripen(self, compute: str, at: float) -> None:
        """Move those whose time has come to those that may go; a transaction for each :data:`RIPE` of them."""
        while self._swaps.swap(compute, lambda view, _: self._ripe(view, at)):
            pass

    def _ripe(self, view: View, at: float) -> Step[bool]:
        compute = view.gate.compute
        if not 0 < view.gate.later_at <= at:
            return Nothing(result=False)
        rows = self._table.query(partition(compute), low=TIMED, most=RIPE + 1)
        first = [entry_of(row.row) for row in rows]
        ripe = [entry for entry in first[:RIPE] if entry.not_before <= at]
        left = first[len(ripe) :]
        gate = replace(view.gate, later_at=left[0].not_before if left else 0.0)
        moves = [
            op
            for entry in ripe
            for op in (*unlisting(compute, entry), *self._moved(compute, entry, "*", 0.0))
        ]  # fmt: skip
        return Change(gate=gate, result=bool(left) and left[0].not_before <= at, rows=moves)

    def head(self, compute: str, limit: int) -> Sequence[Waiting]:
        """The first, in order. Those that may not go yet are looked for unless it was seen just now that there are none."""
        if limit <= 0:
            return []
        due = self._between(compute, DUE, DUE_END, limit)
        known = self._swaps.known(compute, FRESH)
        if known is not None and known.gate.later_at == 0:
            return due
        later = self._between(compute, LATER, WAITING_END, limit)
        return list(islice(heapq.merge(due, later, key=lambda entry: (entry.rank, entry.run_id)), limit))

    def position(self, compute: str, run_id: str) -> int | None:
        """1 for the next to go, ``FAR`` + 1 beyond ``FAR``; ``None`` if it does not wait."""
        for _ in range(TRIES):
            found = self._find(compute, run_id)
            if found is None:
                return None
            entry = entry_of(found.row)
            if self._table.get(partition(compute), list_key(entry)) is not None:
                before = sum(self._count(compute, kind, kind + place(entry)) for kind in (DUE, LATER))
                return min(before, FAR) + 1
            if self._is_as_it_was(compute, found):
                return None  # it holds a slot
        raise busy(compute)

    def count(self, compute: str) -> int:
        """How many wait, as far as ``FAR``."""
        return self._count(compute, DUE, WAITING_END)

    def _count(self, compute: str, low: str, high: str) -> int:
        return sum(1 for _ in self._table.query(partition(compute), low=low, high=high, select=["RowKey"], most=FAR))

    def _between(self, compute: str, low: str, high: str, limit: int) -> list[Waiting]:
        rows = self._table.query(partition(compute), low=low, high=high, most=limit)
        return [entry_of(row.row) for row in rows]

    def _find(self, compute: str, run_id: str) -> Found | None:
        return self._table.get(partition(compute), by_key(run_id))

    def _is_as_it_was(self, compute: str, found: Found) -> bool:
        """Whether the run was not moved between two reads."""
        again = self._table.get(partition(compute), found.key)
        return again is not None and again.etag == found.etag

    @staticmethod
    def _here(compute: str, entry: Waiting) -> Op:
        return Op(kind="create", row=entry_row(compute, by_key(entry.run_id), entry))

    @staticmethod
    def _moved(compute: str, entry: Waiting, etag: str, not_before: float) -> list[Op]:
        """The operations that put an entry, taken off the list, back to it with another time."""
        after = replace(entry, not_before=not_before)
        here = Op(kind="update", row=entry_row(compute, by_key(entry.run_id), after), etag=etag)
        return [here, *listing(compute, after)]
