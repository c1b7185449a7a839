"""Subscriptions and deliveries in SQLite."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from runyard.ports.deliveries import DEAD, KEPT, PENDING, Delivery
from runyard.ports.subscriptions import Subscription
from runyard.stores.embedded.database import Database
from runyard.stores.embedded.documents import Documents

SUBSCRIPTION: Final = "subscription"
"""Their kind in the table of documents: a run's ending asks for one of it, in its own transaction."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Delivery).decode

_ADD: Final = (
    "INSERT INTO deliveries (subscription, id, state, created, next_at, settled, version, document)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_REPLACE: Final = (
    "UPDATE deliveries SET state = ?, created = ?, next_at = ?, settled = ?, version = ?, document = ?"
    " WHERE subscription = ? AND id = ? AND version = ?"
)
_TRIM: Final = (
    "DELETE FROM deliveries WHERE subscription = ? AND state = ? AND (settled, id) <="
    " (SELECT settled, id FROM deliveries WHERE subscription = ? AND state = ? ORDER BY settled DESC, id DESC"
    " LIMIT 1 OFFSET ?)"
)
_DUE: Final = (
    "SELECT document FROM deliveries WHERE subscription = ? AND state = 'pending' AND next_at <= ?"
    " ORDER BY next_at, id LIMIT ?"
)


class _Source(msgspec.Struct, frozen=True):
    """How this service calls itself, as stored."""

    urn: str
    schema: int = 1


class EmbeddedSubscriptionStore:
    """A :class:`~runyard.ports.subscriptions.SubscriptionStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions = Documents(database, SUBSCRIPTION, Subscription)
        self._sources = Documents(database, "service", _Source)

    def put(self, subscription: Subscription) -> None:
        """Create or replace."""
        self._subscriptions.put(subscription.name, subscription)

    def get(self, name: str) -> Subscription | None:
        """By name."""
        return self._subscriptions.get(name)

    def list(self) -> Sequence[Subscription]:
        """All, by name."""
        return list(self._subscriptions.all().values())

    def any(self) -> bool:
        """Whether there is one; never old."""
        return bool(self._database.look("SELECT 1 FROM documents WHERE kind = ? LIMIT 1", (SUBSCRIPTION,)))

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        return self._subscriptions.remove(name)

    def source(self) -> str:
        """The ``source`` of this service's events; see the port."""
        if (stored := self._sources.get("source")) is not None:
            return stored.urn
        return self._sources.first("source", _Source(urn=f"urn:uuid:{uuid.uuid4()}")).urn


class EmbeddedDeliveryStore:
    """A :class:`~runyard.ports.deliveries.DeliveryStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, delivery: Delivery) -> bool:
        """Write a new one; see the port."""
        key = (delivery.subscription, delivery.id)
        row = (*key, *_columns(delivery))

        def work(db: sqlite3.Connection) -> bool:
            added = db.execute(_ADD, row).rowcount > 0
            if added:
                _trim(db, delivery)
            return added

        return self._database.write(work)

    def get(self, subscription: str, ident: str) -> Delivery | None:
        """By its subscription and id."""
        rows = self._database.look(
            "SELECT document FROM deliveries WHERE subscription = ? AND id = ?", (subscription, ident)
        )
        return _decode(rows[0][0]) if rows else None

    def replace(self, delivery: Delivery, *, version: int) -> bool:
        """Write it if the stored one is at ``version``; whether it was written."""
        args = (*_columns(delivery), delivery.subscription, delivery.id, version)

        def work(db: sqlite3.Connection) -> bool:
            written = db.execute(_REPLACE, args).rowcount > 0
            if written:
                _trim(db, delivery)
            return written

        return self._database.write(work)

    def due(self, subscription: str, at: float, *, most: int) -> Sequence[Delivery]:
        """Those whose time has come; see the port."""
        return [_decode(row[0]) for row in self._database.read(_DUE, (subscription, at, most))]

    def list(self, subscription: str | None = None, state: str | None = None, *, most: int = 100) -> Sequence[Delivery]:
        """The newest by ``created``."""
        given = {name: value for name, value in (("subscription", subscription), ("state", state)) if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "TRUE"
        sql = f"SELECT document FROM deliveries WHERE {where} ORDER BY created DESC, id DESC LIMIT ?"  # noqa: S608  # fixed texts
        return [_decode(row[0]) for row in self._database.read(sql, (*given.values(), most))]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By subscription and state; see the port."""
        counts: dict[str, dict[str, int]] = {}
        sql = "SELECT subscription, state, count(*) FROM deliveries WHERE state IN (?, ?) GROUP BY subscription, state"
        for subscription, state, count in self._database.read(sql, (PENDING, DEAD)):
            counts.setdefault(subscription, {})[state] = count
        return counts

    def drop(self, subscription: str) -> int:
        """Remove all of a subscription; returns how many."""
        return self._database.write(
            lambda db: db.execute("DELETE FROM deliveries WHERE subscription = ?", (subscription,)).rowcount
        )


def _columns(delivery: Delivery) -> tuple[object, ...]:
    return (
        delivery.state,
        delivery.created,
        delivery.next_at,
        delivery.settled,
        delivery.version,
        _encode(delivery),
    )


def _trim(db: sqlite3.Connection, written: Delivery) -> None:
    """Let go of those that were settled longest ago."""
    if written.state in KEPT:
        whose = (written.subscription, written.state)
        db.execute(_TRIM, (*whose, *whose, KEPT[written.state]))
