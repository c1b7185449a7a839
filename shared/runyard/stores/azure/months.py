"""Which months a table has partitions of, and back to which month there may be runs that have not ended.

PartitionKeys begin with ``yyyymm``, so the next month that exists is one request away however many rows are between. A listing of
runs on their way reads only the months above the *floor*: one row, which whoever lists moves up past a month that is long over and
has none. Who writes a run with such an old time all the same (a clock that is wrong, a restored backup) moves it down again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from runyard.errors import ConflictError, NotFoundError
from runyard.stores.azure.table import Found, Row, Table

FIRST, LAST = "000000", "999999"
DAY: Final = 86_400.0
SETTLED: Final = 7 * DAY
"""Seconds after which a month that is over counts as having all its runs."""
OLD: Final = 6 * DAY
"""Seconds: whoever writes an older run looks at the floor. A day less, for clocks that differ."""
RECENT: Final = 2 * DAY
EACH: Final = 600.0
"""Seconds between two tries to move the floor."""
_FLOOR: Final[Row] = {"PartitionKey": "floor", "RowKey": "open"}


def month_of(at: float) -> str:
    """``yyyymm``, UTC."""
    return time.strftime("%Y%m", time.gmtime(at))


def present(table: Table, prefix: str = "", low: str = FIRST, high: str = LAST) -> Iterator[str]:
    """The months of the partitions ``<prefix>yyyymm…``, ascending: ``low`` ≤ month ≤ ``high``; a request for each, and one more."""
    start = prefix + low
    while True:
        where = "PartitionKey ge @start and PartitionKey lt @end"
        values = {"start": start, "end": f"{prefix}{high}."}
        found = next(table.scan(where, parameters=values, select=["PartitionKey"], most=1), None)
        if found is None:
            return
        month = str(found.row["PartitionKey"])[len(prefix) : len(prefix) + 6]
        yield month
        start = f"{prefix}{month}."


def newest_first(table: Table, now: float, prefix: str = "", high: str = LAST) -> Iterator[str]:
    """The same, descending; those before the last days are asked for only when they are come to."""
    recent = month_of(now - RECENT)
    if high >= recent:
        yield from reversed(list(present(table, prefix, recent, high)))
    before = str(int(recent) - 1)
    yield from reversed(list(present(table, prefix, FIRST, min(before, high))))


class Floor:
    """The month up to which no run is on its way."""

    def __init__(self, table: Table, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        self._tried = 0.0

    def open_months(self, high: str = LAST) -> list[str]:
        """The months that may have runs on their way, descending, up to ``high``."""
        floor = _month(self._row())
        return list(reversed(list(present(self._table, low=str(int(floor) + 1).zfill(6), high=high))))

    def lower(self, month: str) -> None:
        """See that a run of this month is found."""
        while (row := self._row()) is not None and _month(row) >= month:
            with contextlib.suppress(ConflictError, NotFoundError):  # moved by another: look again
                self._table.replace({**_FLOOR, "month": str(int(month) - 1).zfill(6)}, row.etag)

    def raise_past(self, month: str, is_empty: Callable[[str], bool]) -> None:
        """Move it up past a month that is over and has none, now and then; ``is_empty`` says whether it has none."""
        now = self._now()
        if month >= month_of(now - SETTLED) or 0 <= now - self._tried < EACH:
            return
        self._tried = now
        row = self._row()
        if _month(row) >= month or not is_empty(month):
            return
        try:
            moved = {**_FLOOR, "month": month}
            if row is None:
                self._table.create(moved)
            else:
                self._table.replace(moved, row.etag)
        except (ConflictError, NotFoundError):
            return  # another has moved it
        if not is_empty(month):  # written between the look and the move, by one that read the floor before
            self.lower(month)

    def _row(self) -> Found | None:
        return self._table.get(_FLOOR["PartitionKey"], _FLOOR["RowKey"])


def _month(row: Found | None) -> str:
    return FIRST if row is None else str(row.row["month"])
