"""Endings that are still to be announced: the row ``o`` among a run's own, and an index of these in the table ``outbox``.

The row ``o`` is written in the ending's own transaction, and it is the truth. The index row is written before that and deleted
after it, so whatever is to be announced is in the index. An index row without its ``o`` counts for nothing, and is removed when it is
old: its writer died before the ending was written, or another change was first, or who announced it died half-way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from runyard.stores.azure import names
from runyard.stores.azure.keys import ascending, escaped
from runyard.stores.azure.parallel import Parallel
from runyard.stores.azure.run_index import SHARDS, shard_of
from runyard.stores.azure.run_rows import OUT, partition
from runyard.stores.azure.table import PAGE, Found, Row, Table

STALE: Final = 600.0
"""Seconds after which an index row's writer is not about to write the ending any more."""


class Outbox:
    """The two rows of an ending."""

    def __init__(self, table: Callable[[str], Table], now: Callable[[], float], parallel: Parallel) -> None:
        self._runs = table(names.RUNS)
        self._index = table(names.OUTBOX)
        self._now = now
        self._parallel = parallel

    def intend(self, run_id: str, at: float) -> None:
        """Before the ending of the time ``at`` is written, with ``o``."""
        self._index.upsert({**_key(run_id, at), "run": run_id, "at": at, "written": self._now()})

    def waiting(self, *, before: float, most: int) -> Sequence[str]:
        """The runs to be announced whose endings are older, the oldest first. One request while there are none."""
        found = list(self._index.scan("RowKey lt @before", parameters={"before": ascending(before)}, most=PAGE))
        if len(found) == PAGE:
            found = [row for rows in self._parallel.map(lambda shard: self._shard(shard, before, most), range(SHARDS))
                     for row in rows]  # fmt: skip
        found.sort(key=lambda row: row.key)
        return list(dict.fromkeys(self._true(found, most)))

    def _shard(self, shard: int, before: float, most: int) -> list[Found]:
        return list(self._index.query(str(shard), high=ascending(before), most=most))

    def _true(self, found: Sequence[Found], most: int) -> Iterator[str]:
        """Those with an ``o`` of the same time."""
        left = most
        for start in range(0, len(found), most):
            some = found[start : start + most]
            for row, out in zip(some, self._parallel.map(self._out, some), strict=True):
                if out is not None and float(out.row["at"]) == float(row.row["at"]):
                    yield str(row.row["run"])
                    left -= 1
                    if not left:
                        return
                elif self._now() - float(row.row["written"]) > STALE:
                    self._index.delete(row.row["PartitionKey"], row.key, row.etag)

    def _out(self, row: Found) -> Found | None:
        return self._runs.get(partition(str(row.row["run"])), OUT)

    def holds(self, run_id: str) -> bool:
        """Whether the ending is still to be announced."""
        return self._runs.get(partition(run_id), OUT) is not None

    def announced(self, run_id: str) -> None:
        """Take it out; repeatable."""
        found = self._runs.get(partition(run_id), OUT)
        if found is None:
            return
        self._runs.delete(partition(run_id), OUT)
        key = _key(run_id, float(found.row["at"]))
        self._index.delete(key["PartitionKey"], key["RowKey"])


def _key(run_id: str, at: float) -> Row:
    return {"PartitionKey": str(shard_of(run_id)), "RowKey": f"{ascending(at)}|{escaped(run_id)}"}
