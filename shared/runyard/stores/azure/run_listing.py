"""Pages of runs, newest first: ranges of the index are read in order and merged, and what has not ended is looked up.

A listing is what mends the index: a run that it finds ended, and whose row does not say so, died with its writer between the run's
row and the index, so the index is completed; a row whose run was never written, or is gone, is removed after :data:`ORPHANED` seconds.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from runyard.ports.runs import Page, Query
from runyard.runs.model import Run
from runyard.runs.states import ENDINGS, State
from runyard.stores.azure.keys import AFTER, descending, escaped
from runyard.stores.azure.months import LAST, month_of, newest_first
from runyard.stores.azure.parallel import Parallel
from runyard.stores.azure.run_index import (
    ALL,
    BY_ENDING,
    OPEN,
    SHARDS,
    RunIndex,
    hints_of,
    key_of,
    of_row,
    time_partition,
)
from runyard.stores.azure.run_rows import decode_run
from runyard.stores.azure.table import Found, Op, Table, TransactionConflictError
from runyard.stores.paging import Key, check_query, encode_cursor
from runyard.stores.paging import key_of as place_of

ORPHANED: Final = 600.0
"""Seconds after which a row without a run is removed (DESIGN §3, rule 6)."""
AT_ONCE: Final = 64
"""Runs that are looked up together."""
_ENDED: Final = frozenset(map(str, ENDINGS))
_END: Final = "~~"
"""After every key with a prefix."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of an index, with its place in the listing."""

    key: str
    table: Table
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """Rows of one partition of an index."""

    table: Table
    partition: str
    prefix: str = ""
    where: str = ""


class RunListing:
    """Answers queries."""

    def __init__(self, index: RunIndex, parallel: Parallel, get: Callable[[str], Run | None]) -> None:
        """``get`` reads a run's own row."""
        self._index = index
        self._parallel = parallel
        self._get = get

    def page(self, query: Query) -> Page:
        """One page; see the port."""
        after = check_query(query)
        wanted = query.limit + 1
        found: list[Run] = []
        rows = _Walk(query, after, self._index, self._parallel).rows()
        while len(found) < wanted and (some := list(itertools.islice(rows, min(wanted - len(found) + 8, AT_ONCE)))):
            found += [run for run in self._runs(some) if _matches(run, query)]
        runs = tuple(found[: query.limit])
        return Page(runs=runs, next=encode_cursor(place_of(runs[-1])) if len(found) >= wanted else None)

    def _runs(self, rows: list[_Row]) -> Iterator[Run]:
        """The runs of these rows; the index is mended where it is wrong."""
        open_rows = [row for row in rows if not row.found.row["ending"]]
        looked_up = dict(zip((row.key for row in open_rows), self._parallel.map(self._look_up, open_rows), strict=True))
        self._mend(open_rows, looked_up)
        for row in rows:
            run = looked_up[row.key] if row.key in looked_up else decode_run(row.found.document)
            if run is not None:
                yield run

    def _look_up(self, row: _Row) -> Run | None:
        run = self._get(of_row(row.found.row))
        return run if run is not None and key_of(*place_of(run)) == row.key else None

    def _mend(self, rows: Iterable[_Row], looked_up: dict[str, Run | None]) -> None:
        past: dict[str, list[Op]] = {}
        for row in rows:
            run = looked_up[row.key]
            if run is None:
                self._remove_orphan(row)
            elif run.has_ended:
                self._index.ended(run)
            elif row.found.row.get("new") and run.state is not State.NOT_STARTED:
                key = {"PartitionKey": row.found.row["PartitionKey"], "RowKey": row.found.key}
                past.setdefault(key["PartitionKey"], []).append(Op(kind="merge", row={**key, "new": False}, etag="*"))
        for operations in past.values():
            # No run comes back to NotStarted, so the hint is only a cost. If one of them has ended just now, the next listing tries.
            with contextlib.suppress(TransactionConflictError):
                self._index.time.transact(operations)

    def _remove_orphan(self, row: _Row) -> None:
        if self._index.now() - float(row.found.row["written"]) < ORPHANED:
            return  # its run may be written right now
        row.table.delete(row.found.row["PartitionKey"], row.found.key)
        run = self._get(of_row(row.found.row))
        if run is not None and key_of(*place_of(run)) == row.key:  # written just now, by one that stood still
            self._index.born(run)


class _Walk:
    """The rows of the index that a query has to look at, newest first, each run once."""

    def __init__(self, query: Query, after: Key | None, index: RunIndex, parallel: Parallel) -> None:
        self._query = query
        self._index = index
        self._parallel = parallel
        self._values: dict[str, Any] = {"experiment": query.experiment or "", "target": query.target or ""}
        below = [] if after is None else [key_of(*after) + "!"]
        times = [] if after is None else [after[0]]
        if query.created_before is not None:
            below.append(descending(query.created_before) + AFTER)
            times.append(query.created_before)
        self._low = max(below, default="")
        self._high = month_of(min(times)) if times else LAST

    def rows(self) -> Iterator[_Row]:
        """All of them, lazily."""
        previous = ""
        for row in heapq.merge(*self._sources(), key=lambda row: row.key):
            if row.key != previous:
                yield row
            previous = row.key

    def _sources(self) -> Iterator[Iterator[_Row]]:
        statuses, experiment = self._query.statuses, self._query.experiment
        open_ones, ended = statuses - _ENDED, sorted(statuses & _ENDED)
        if open_ones:
            yield self._open_rows(open_ones)
        if statuses and not ended:
            return
        where = " or ".join(f"ending eq '{ending}'" for ending in ended)
        if experiment is not None:
            yield self._merged([self._range(self._index.experiments, escaped(experiment), where=where)])
        elif ended and BY_ENDING.issuperset(ended):
            for ending in ended:
                yield self._ending_rows(ending)
        else:
            yield self._time_rows(where)

    def _open_rows(self, statuses: frozenset[str]) -> Iterator[_Row]:
        hints = hints_of(statuses)
        conditions = [] if hints is None else [" or ".join(f"{hint} eq true" for hint in hints)]
        if self._query.experiment is not None:
            conditions.append("experiment eq @experiment")
        where = " and ".join(f"( {each} )" for each in conditions)
        months = self._index.floor.open_months(self._high)
        for month in months:
            yield from self._month(month, OPEN, where)
        if months:
            self._index.floor.raise_past(months[-1], self._has_no_open)

    def _has_no_open(self, month: str) -> bool:
        def first(shard: int) -> Found | None:
            return next(self._index.time.query(time_partition(month, shard), low=OPEN, high=OPEN + _END, most=1), None)

        return not any(self._parallel.map(first, range(SHARDS)))

    def _time_rows(self, where: str) -> Iterator[_Row]:
        for month in newest_first(self._index.time, self._index.now(), high=self._high):
            yield from self._month(month, ALL, self._of_target(where))

    def _month(self, month: str, prefix: str, where: str) -> Iterator[_Row]:
        shards = [time_partition(month, shard) for shard in range(SHARDS)]
        return self._merged(
            [_Range(table=self._index.time, partition=shard, prefix=prefix, where=where) for shard in shards]
        )

    def _ending_rows(self, ending: str) -> Iterator[_Row]:
        for month in newest_first(self._index.endings, self._index.now(), f"{ending}-", self._high):
            yield from self._merged([self._range(self._index.endings, f"{ending}-{month}")])

    def _range(self, table: Table, partition: str, *, where: str = "") -> _Range:
        return _Range(table=table, partition=partition, where=self._of_target(where))

    def _of_target(self, where: str) -> str:
        """Of what has ended only what ran on the target; what has not may not know it yet."""
        if self._query.target is None:
            return where
        here = "ending eq '' or target eq @target or compute eq @target"
        return f"( {where} ) and ( {here} )" if where else here

    def _merged(self, ranges: list[_Range]) -> Iterator[_Row]:
        """The rows of some ranges in order; the first of each are read together."""
        size = min(self._query.limit // len(ranges) * 2 + 8, 1000)
        first = self._parallel.map(lambda each: self._read(each, self._low, size), ranges)
        parts = map(partial(self._rest, size=size), ranges, first)
        return heapq.merge(*parts, key=lambda row: row.key)

    def _read(self, each: _Range, low: str, most: int) -> list[_Row]:
        found = each.table.query(
            each.partition, low=each.prefix + low, high=each.prefix + _END, where=each.where, most=most,
            parameters={name: value for name, value in self._values.items() if f"@{name}" in each.where},
        )  # fmt: skip
        return [_Row(row.key.removeprefix(each.prefix), each.table, row) for row in found]

    def _rest(self, each: _Range, rows: list[_Row], size: int) -> Iterator[_Row]:
        while True:
            yield from rows
            if len(rows) < size:
                return
            rows = self._read(each, rows[-1].key + "!", size)


def _matches(run: Run, query: Query) -> bool:
    return (
        (not query.statuses or run.status in query.statuses)
        and query.experiment in {None, run.experiment}
        and query.target in {None, run.target, run.compute}
        and (query.created_before is None or run.created < query.created_before)
    )
