"""Small named documents (computes, aliases, webhooks, start marks) in one table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import msgspec

from runyard.ports.computes import Compute
from runyard.ports.marks import StartMark
from runyard.ports.webhooks import Webhook
from runyard.stores.embedded.database import Database
from runyard.stores.webhook_forms import upgraded

T = TypeVar("T")

_PUT = (
    "INSERT INTO documents (kind, name, document) VALUES (?, ?, ?)"
    " ON CONFLICT (kind, name) DO UPDATE SET document = excluded.document"
)


class Documents(Generic[T]):
    """The documents of one kind; their JSON carries the schema number."""

    def __init__(
        self, database: Database, kind: str, form: type[T], upgrade: Callable[[T, bytes], T] | None = None
    ) -> None:
        """``upgrade`` brings a document that was decoded, and was stored by an older version, to today's form."""
        self._database = database
        self._kind = kind
        self._decoder = msgspec.json.Decoder(form)
        self._upgrade = upgrade

    def put(self, name: str, document: T) -> None:
        """Create or replace."""
        row = (self._kind, name, msgspec.json.encode(document))
        self._database.write(lambda db: db.execute(_PUT, row).rowcount)

    def first(self, name: str, document: T) -> T:
        """Write it unless there is one; returns the one that is there then."""
        row = (self._kind, name, msgspec.json.encode(document))
        self._database.write(
            lambda db: (
                db.execute(
                    "INSERT INTO documents (kind, name, document) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row
                ).rowcount
            )
        )
        return self.get(name) or document

    def change(self, name: str, make: Callable[[T | None], T | None]) -> T | None:
        """Put what is made of what is there, unless that is ``None``, in one transaction; returns what is there then."""

        def work(db: sqlite3.Connection) -> T | None:
            found = db.execute(
                "SELECT document FROM documents WHERE kind = ? AND name = ?", (self._kind, name)
            ).fetchone()
            before = None if found is None else self._decode(found[0])
            after = make(before)
            if after is not None:
                db.execute(_PUT, (self._kind, name, msgspec.json.encode(after)))
            return before if after is None else after

        return self._database.write(work, durable=True)

    def get(self, name: str) -> T | None:
        """By name."""
        rows = self._database.look("SELECT document FROM documents WHERE kind = ? AND name = ?", (self._kind, name))
        return self._decode(rows[0][0]) if rows else None

    def all(self) -> dict[str, T]:
        """All, by name."""
        rows = self._database.read("SELECT name, document FROM documents WHERE kind = ? ORDER BY name", (self._kind,))
        return {name: self._decode(document) for name, document in rows}

    def _decode(self, stored: bytes) -> T:
        document = self._decoder.decode(stored)
        return document if self._upgrade is None else self._upgrade(document, stored)

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        key = (self._kind, name)
        return self._database.write(
            lambda db: db.execute("DELETE FROM documents WHERE kind = ? AND name = ?", key).rowcount > 0
        )


class _Alias(msgspec.Struct, frozen=True):
    """Another name of a compute, as stored."""

    compute: str
    schema: int = 1


class EmbeddedComputeStore:
    """A :class:`~runyard.ports.computes.ComputeStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._computes = Documents(database, "compute", Compute)
        self._aliases = Documents(database, "alias", _Alias)

    def put(self, compute: Compute) -> None:
        """Create or replace."""
        self._computes.put(compute.name, compute)

    def get(self, name: str) -> Compute | None:
        """By its own name (aliases are not followed)."""
        return self._computes.get(name)

    def list(self) -> Sequence[Compute]:
        """All, by name."""
        return list(self._computes.all().values())

    def remove(self, name: str) -> bool:
        """Remove; whether it was there. Aliases stay, for whoever comes under the name next."""
        return self._computes.remove(name)

    def aliases(self) -> Mapping[str, str]:
        """Alias to compute name."""
        return {name: alias.compute for name, alias in self._aliases.all().items()}

    def set_alias(self, alias: str, compute: str | None) -> None:
        """Set an alias, or remove it (``None``)."""
        if compute is None:
            self._aliases.remove(alias)
        else:
            self._aliases.put(alias, _Alias(compute=compute))


class EmbeddedWebhookStore:
    """A :class:`~runyard.ports.webhooks.WebhookStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._webhooks = Documents(database, "webhook", Webhook, upgraded)

    def put(self, webhook: Webhook) -> None:
        """Create or replace."""
        self._webhooks.put(webhook.name, webhook)

    def get(self, name: str) -> Webhook | None:
        """By name."""
        return self._webhooks.get(name)

    def list(self) -> Sequence[Webhook]:
        """All, by name."""
        return list(self._webhooks.all().values())

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        return self._webhooks.remove(name)


class EmbeddedMarkStore:
    """A :class:`~runyard.ports.marks.MarkStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._marks = Documents(database, "mark", StartMark)

    def begin(self, container: str, since: float) -> StartMark:
        """Set the mark, if there is none; see the port."""
        new = StartMark(container=container, since=since)
        return self._marks.change(container, lambda there: new if there is None else None) or new

    def get(self, container: str) -> StartMark | None:
        """The mark, or ``None``."""
        return self._marks.get(container)

    def count(self, container: str, missed: int, at: float) -> None:
        """Add to what the sweep found; see the port."""

        def counted(there: StartMark | None) -> StartMark | None:
            return None if there is None else replace(there, missed=there.missed + missed, missed_at=at)

        self._marks.change(container, counted)
