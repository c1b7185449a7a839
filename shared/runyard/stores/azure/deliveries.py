"""Deliveries in Azure Tables: PartitionKey = subscription.

=============================  =============================================================================================
RowKey                         what
=============================  =============================================================================================
``d|<id>``                     the delivery
``p|<next_at>|<id>``           that it is on its way, by when it is due
``s|<state>|<settled>|<id>``   that it is settled, the oldest first
=============================  =============================================================================================

A delivery and its ``p|`` or ``s|`` row change in one transaction, so what is due is found however many are dead. Each write leaves
an op id, by which one whose reply was lost is known again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from runyard.errors import ConflictError, RunyardError, ThrottledError, TransientError
from runyard.ports.deliveries import DELIVERED, KEPT, PENDING, Delivery
from runyard.stores.azure.keys import AFTER, ascending, escaped
from runyard.stores.azure.table import MOST_OPERATIONS, Found, Op, Row, Table, packed

ONE: Final = "d|"
ON_ITS_WAY: Final = "p|"
SETTLED: Final = "s|"
_ALL: Final = f"RowKey ge '{ONE}' and RowKey lt '{ONE}{AFTER}'"
_PLACE: Final = ("PartitionKey", "RowKey", "id", "state", "created", "next_at", "settled")
"""All but the document."""
TRIES: Final = 10

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Delivery).decode


class AzureDeliveryStore:
    """A :class:`~runyard.ports.deliveries.DeliveryStore` in the table ``deliveries``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        """Write a new one; see the port."""
        row, index = _row(delivery), _index(delivery)
        rows = [Op(kind="create", row=row), Op(kind="create", row=index)]
        return self._written(delivery, row, lambda: self._table.transact(rows))

    def get(self, subscription: str, ident: str) -> Delivery | None:
        """By its subscription and id."""
        found = self._find(subscription, ident)
        return None if found is None else _decode(found.document)

    def replace(self, delivery: Delivery, *, version: int) -> bool:
        """Write it if the stored one is at ``version``; whether it was written."""
        found = self._find(delivery.subscription, delivery.id)
        if found is None or found.row["version"] != version:
            return False
        row, before, after = _row(delivery), _index_key(found.row), _index(delivery)
        rows = [Op(kind="update", row=row, etag=found.etag)]
        if before != after["RowKey"]:
            rows += [_removal(row["PartitionKey"], before), Op(kind="create", row=after)]
        return self._written(delivery, row, lambda: self._table.transact(rows))

    def due(self, subscription: str, at: float, *, most: int) -> Sequence[Delivery]:
        """Those whose time has come; see the port. One query of short rows, and a read for each that is due."""
        high = f"{ON_ITS_WAY}{ascending(at)}|{AFTER}"
        waiting = self._table.query(escaped(subscription), low=ON_ITS_WAY, high=high, most=most)
        found = (self.get(subscription, each.row["id"]) for each in list(waiting))
        return [each for each in found if each is not None and each.state == PENDING and each.next_at <= at]

    def list(self, subscription: str | None = None, state: str | None = None, *, most: int = 100) -> Sequence[Delivery]:
        """The newest by ``created``: their places are read without their documents, and then as many as are wanted."""
        where = "" if state is None else "state eq @state"
        values = {} if state is None else {"state": state}
        if subscription is None:
            where = f"{_ALL} and {where}" if where else _ALL
            rows = self._table.scan(where, parameters=values, select=_PLACE)
        else:
            rows = self._table.query(
                escaped(subscription), low=ONE, high=ONE + AFTER, where=where, parameters=values, select=_PLACE
            )
        newest = sorted(rows, key=lambda row: (row.row["created"], row.row["id"]), reverse=True)[:most]
        found = (self._table.get(each.row["PartitionKey"], each.key) for each in newest)
        return [_decode(each.document) for each in found if each is not None]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By subscription and state; see the port. No document is read."""
        counts: dict[str, dict[str, int]] = {}
        where = f"{_ALL} and state ne @delivered"
        for found in self._table.scan(where, parameters={"delivered": DELIVERED}, select=("subscription", "state")):
            states = counts.setdefault(found.row["subscription"], {})
            states[found.row["state"]] = states.get(found.row["state"], 0) + 1
        return counts

    def drop(self, subscription: str) -> int:
        """Remove all of a subscription; returns how many. It may be repeated after it was cut short."""
        partition, gone = escaped(subscription), set[str]()
        error: RunyardError | None = None
        for _ in range(TRIES):
            rows = list(self._table.query(partition, low=ONE, high=ONE + AFTER, select=_PLACE))
            if not rows:
                return len(gone)
            gone |= {row.key for row in rows}
            pairs = [(_removal(partition, row.key), _removal(partition, _index_key(row.row))) for row in rows]
            operations = [op for pair in pairs for op in pair]
            for start in range(0, len(operations), MOST_OPERATIONS):
                try:
                    self._table.transact(operations[start : start + MOST_OPERATIONS])
                except ConflictError as refused:  # some changed, or a reply was lost: what is left is looked for again
                    error = refused
        raise ThrottledError(
            f"deliveries of {subscription!r} keep changing while they are removed; again later", 1.0
        ) from error

    def _find(self, subscription: str, ident: str) -> Found | None:
        return self._table.get(escaped(subscription), ONE + escaped(ident))

    def _written(self, delivery: Delivery, row: Row, write: Callable[[], object]) -> bool:
        """Whether a write was done, by this sending of it or by one whose reply was lost."""
        try:
            write()
        except (ConflictError, TransientError, ThrottledError) as error:
            after = self._find(delivery.subscription, delivery.id)
            if after is None or after.row["op"] != row["op"]:
                if isinstance(error, ConflictError):
                    return False
                raise
        self._trim(delivery)
        return True

    def _trim(self, written: Delivery) -> None:
        """Let go of those that were settled longest ago."""
        if written.state not in KEPT:
            return
        partition, low = escaped(written.subscription), f"{SETTLED}{written.state}|"
        settled = list(self._table.query(partition, low=low, high=low + AFTER, select=("RowKey", "id")))
        for each in settled[: max(len(settled) - KEPT[written.state], 0)]:
            try:
                gone = ONE + escaped(each.row["id"])
                self._table.transact([_removal(partition, gone), _removal(partition, each.key)])
            except ConflictError:
                continue  # somebody sends it again, or another let it go


def _row(delivery: Delivery) -> Row:
    return {
        "PartitionKey": escaped(delivery.subscription),
        "RowKey": ONE + escaped(delivery.id),
        "subscription": delivery.subscription,
        "id": delivery.id,
        "state": delivery.state,
        "created": float(delivery.created),
        "next_at": float(delivery.next_at),
        "settled": float(delivery.settled),
        "version": delivery.version,
        "op": secrets.token_hex(8),
        **packed(_encode(delivery)),
    }


def _index(delivery: Delivery) -> Row:
    """The row by which it is found when it is due, or the oldest of those that are settled."""
    key = _index_key(
        {"id": delivery.id, "state": delivery.state, "next_at": delivery.next_at, "settled": delivery.settled}
    )
    return {"PartitionKey": escaped(delivery.subscription), "RowKey": key, "id": delivery.id}


def _index_key(row: Mapping[str, Any]) -> str:
    last = escaped(row["id"])
    if row["state"] == PENDING:
        return f"{ON_ITS_WAY}{ascending(row['next_at'])}|{last}"
    return f"{SETTLED}{row['state']}|{ascending(row['settled'])}|{last}"


def _removal(partition: str, key: str) -> Op:
    return Op(kind="delete", row={"PartitionKey": partition, "RowKey": key}, etag="*")
