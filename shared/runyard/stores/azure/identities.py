"""Which run was made for an event: a row for each identity, and for those of deleted runs a list by age.

A row says which run *may* be made for its event: it is written before the run is, and whoever wants to make a run under another id
has to change it first. The run's own row decides whether there is one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from runyard.errors import ConflictError, NotFoundError
from runyard.stores.azure import names
from runyard.stores.azure.keys import ascending, escaped
from runyard.stores.azure.months import month_of
from runyard.stores.azure.table import Found, Row, Table

_KEY: Final = "run"
_GRAVES: Final = "~"
"""How the partitions of deleted runs begin, by month of deletion; they sort after every identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What stands for an identity."""

    run_id: str
    etag: str
    deleted: float | None = None
    """When its run was deleted."""
    fresh: bool = False
    """Whether this call wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grave:
    """A deleted run."""

    identity: str
    run_id: str
    row: Found


class Identities:
    """The table ``identities``."""

    def __init__(self, table: Callable[[str], Table]) -> None:
        self._table = table(names.IDENTITIES)

    def get(self, identity: str) -> Claim | None:
        """What stands for it."""
        found = self._table.get(escaped(identity), _KEY)
        if found is None:
            return None
        deleted = found.row.get("deleted")
        return Claim(run_id=str(found.row["run"]), etag=found.etag, deleted=None if deleted is None else float(deleted))

    def claim(self, identity: str, run_id: str) -> Claim:
        """Write that ``run_id`` may be made for it, unless something stands there already, which is given then."""
        while True:
            try:
                return Claim(run_id=run_id, etag=self._table.create(_row(identity, run_id)), fresh=True)
            except ConflictError:
                if (there := self.get(identity)) is not None:
                    return there

    def move(self, identity: str, claim: Claim, run_id: str) -> Claim | None:
        """Let it be ``run_id`` from now on; ``None`` if another changed it since it was read."""
        try:
            etag = self._table.replace(_row(identity, run_id), claim.etag)
        except (ConflictError, NotFoundError):
            return None
        return Claim(run_id=run_id, etag=etag, fresh=True)

    def withdraw(self, identity: str, claim: Claim) -> None:
        """Take a claim back under which no run can be made."""
        with contextlib.suppress(ConflictError):  # another's by now
            self._table.delete(escaped(identity), _KEY, claim.etag)

    def bury(self, identity: str, run_id: str, at: float) -> None:
        """Write that its run is deleted. The list comes first: a tombstone that is not in it would stay for ever."""
        grave = {"PartitionKey": f"{_GRAVES}{month_of(at)}", "RowKey": f"{ascending(at)}|{escaped(identity)}"}
        self._table.upsert({**grave, "identity": identity, "run": run_id})
        self._table.upsert({**_row(identity, run_id), "deleted": at})

    def graves(self, before: float) -> Iterator[Grave]:
        """The runs that were deleted before; one request for each thousand."""
        where = "PartitionKey ge @first and PartitionKey le @last and RowKey lt @before"
        values = {"first": _GRAVES, "last": f"{_GRAVES}{month_of(before)}", "before": ascending(before)}
        for row in self._table.scan(where, parameters=values):
            yield Grave(identity=str(row.row["identity"]), run_id=str(row.row["run"]), row=row)

    def forget(self, grave: Grave, before: float) -> bool:
        """Drop the tombstone if it is older, then its place in the list."""
        claim, dropped = self.get(grave.identity), False
        if claim is not None and claim.deleted is not None and claim.deleted < before:
            with contextlib.suppress(ConflictError):  # dropped by another, and written anew since
                dropped = self._table.delete(escaped(grave.identity), _KEY, claim.etag)
        self._table.delete(grave.row.row["PartitionKey"], grave.row.key)
        return dropped


def _row(identity: str, run_id: str) -> Row:
    return {"PartitionKey": escaped(identity), "RowKey": _KEY, "run": run_id}
