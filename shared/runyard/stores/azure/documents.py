"""Small named documents (computes, aliases, webhooks, subscriptions, start marks) in one table: PartitionKey = kind, RowKey = name.

Creating and replacing are one upsert, which may be repeated. What is made of what is there is a compare-and-swap; it leaves an op
id, so that one whose reply was lost is not done twice.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Generic, TypeVar

import msgspec

from runyard.errors import ConflictError, NotFoundError, ThrottledError, TransientError
from runyard.ports.computes import OLD, Compute
from runyard.ports.marks import StartMark
from runyard.ports.subscriptions import Subscription
from runyard.ports.webhooks import Webhook
from runyard.stores.azure.keys import escaped
from runyard.stores.azure.recent import Recent
from runyard.stores.azure.table import Found, Row, Table, packed
from runyard.stores.webhook_forms import upgraded

T = TypeVar("T")
Monotonic = Callable[[], float]

LISTENED: Final = 30.0
"""Seconds for which it is believed that somebody is subscribed, or nobody."""
TRIES: Final = 30
OPS: Final = 16
"""How many changes back a document remembers their op ids."""


class Documents(Generic[T]):
    """The documents of one kind; their JSON carries the schema number."""

    def __init__(self, table: Table, kind: str, form: type[T], upgrade: Callable[[T, bytes], T] | None = None) -> None:
        """``upgrade`` brings a document that was decoded, and was stored by an older version, to today's form."""
        self._table = table
        self._kind = kind
        self._decoder = msgspec.json.Decoder(form)
        self._upgrade = upgrade

    def put(self, name: str, document: T) -> None:
        """Create or replace.

        Raises:
            ConfigError: if it is too large for a table row.
        """
        self._table.upsert(self._row(name, document))

    def first(self, name: str, document: T) -> T:
        """Write it unless there is one; returns the one that is there then."""
        try:
            self._table.create(self._row(name, document))
        except ConflictError:
            return self.get(name) or document
        return document

    def change(self, name: str, make: Callable[[T], T]) -> None:
        """Put what is made of what is there; nothing if there is none."""
        op = secrets.token_hex(8)
        found = self._find(name)
        for _ in range(TRIES):
            if found is None:
                return
            ops = str(found.row.get("ops", "")).split()
            row = {**self._row(name, make(self._decoded(found))), "ops": " ".join([op, *ops][:OPS])}
            try:
                self._table.replace(row, found.etag)
            except (ConflictError, NotFoundError, TransientError, ThrottledError) as error:
                found = self._find(name)
                if found is not None and op in str(found.row.get("ops", "")).split():
                    return
                if isinstance(error, TransientError | ThrottledError):
                    raise
            else:
                return
        raise ThrottledError(f"{self._kind} {name!r} is being changed by too many at once; it is tried again", 1.0)

    def get(self, name: str) -> T | None:
        """By name."""
        found = self._find(name)
        return None if found is None else self._decoded(found)

    def all(self) -> dict[str, T]:
        """All, by name."""
        found = {str(each.row["name"]): self._decoded(each) for each in self._table.query(self._kind)}
        return dict(sorted(found.items()))

    def any(self) -> bool:
        """Whether there is one."""
        return bool(list(self._table.query(self._kind, select=["RowKey"], most=1)))

    def remove(self, name: str) -> bool:
        """Remove; whether it was there. It is looked for first: the answer to a removal may be lost."""
        there = self._find(name) is not None
        return self._table.delete(self._kind, escaped(name)) or there

    def _find(self, name: str) -> Found | None:
        return self._table.get(self._kind, escaped(name))

    def _row(self, name: str, document: T) -> Row:
        data = packed(msgspec.json.encode(document))
        return {"PartitionKey": self._kind, "RowKey": escaped(name), "name": name, **data}

    def _decoded(self, found: Found) -> T:
        stored = found.document
        document = self._decoder.decode(stored)
        return document if self._upgrade is None else self._upgrade(document, stored)


class _Alias(msgspec.Struct, frozen=True):
    """Another name of a compute, as stored."""

    compute: str
    schema: int = 1


class AzureComputeStore:
    """A :class:`~runyard.ports.computes.ComputeStore` in the table ``documents``."""

    def __init__(self, table: Table, *, monotonic: Monotonic = time.monotonic) -> None:
        self._computes = Documents(table, "compute", Compute)
        self._aliases = Documents(table, "alias", _Alias)
        self._known = Recent[Compute](OLD, monotonic)
        self._names = Recent[dict[str, _Alias]](OLD, monotonic)

    def put(self, compute: Compute) -> None:
        """Create or replace."""
        try:
            self._computes.put(compute.name, compute)
        finally:  # also if only the answer was lost
            self._known.forget()

    def get(self, name: str) -> Compute | None:
        """By its own name (aliases are not followed); what another process changed is seen 5 s later at most."""
        return self._known.get(name, lambda: self._computes.get(name))

    def list(self) -> Sequence[Compute]:
        """All, by name."""
        return list(self._computes.all().values())

    def remove(self, name: str) -> bool:
        """Remove; whether it was there. Aliases stay, for whoever comes under the name next."""
        try:
            return self._computes.remove(name)
        finally:
            self._known.forget()

    def aliases(self) -> Mapping[str, str]:
        """Alias to compute name; what another process changed is seen 5 s later at most."""
        found = self._names.get("", self._aliases.all) or {}
        return {name: alias.compute for name, alias in found.items()}

    def set_alias(self, alias: str, compute: str | None) -> None:
        """Set an alias, or remove it (``None``)."""
        try:
            if compute is None:
                self._aliases.remove(alias)
            else:
                self._aliases.put(alias, _Alias(compute=compute))
        finally:
            self._names.forget()


class AzureWebhookStore:
    """A :class:`~runyard.ports.webhooks.WebhookStore` in the table ``documents``."""

    def __init__(self, table: Table) -> None:
        self._webhooks = Documents(table, "webhook", Webhook, upgraded)

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


class AzureMarkStore:
    """A :class:`~runyard.ports.marks.MarkStore` in the table ``documents``."""

    def __init__(self, table: Table) -> None:
        self._marks = Documents(table, "mark", StartMark)

    def begin(self, container: str, since: float) -> StartMark:
        """Set the mark, if there is none; see the port."""
        return self._marks.get(container) or self._marks.first(container, StartMark(container=container, since=since))

    def get(self, container: str) -> StartMark | None:
        """The mark, or ``None``."""
        return self._marks.get(container)

    def count(self, container: str, missed: int, at: float) -> None:
        """Add to what the sweep found; see the port."""
        self._marks.change(container, lambda there: replace(there, missed=there.missed + missed, missed_at=at))


class _Source(msgspec.Struct, frozen=True):
    """How this service calls itself, as stored."""

    urn: str
    schema: int = 1


class AzureSubscriptionStore:
    """A :class:`~runyard.ports.subscriptions.SubscriptionStore` in the table ``documents``."""

    def __init__(self, table: Table, *, monotonic: Monotonic = time.monotonic) -> None:
        self._subscriptions = Documents(table, "subscription", Subscription)
        self._sources = Documents(table, "service", _Source)
        self._listened = Recent[bool](LISTENED, monotonic)
        self._source = ""

    def put(self, subscription: Subscription) -> None:
        """Create or replace."""
        try:
            self._subscriptions.put(subscription.name, subscription)
        finally:
            self._listened.forget()

    def get(self, name: str) -> Subscription | None:
        """By name."""
        return self._subscriptions.get(name)

    def list(self) -> Sequence[Subscription]:
        """All, by name."""
        return list(self._subscriptions.all().values())

    def any(self) -> bool:
        """Whether there is one; up to 30 s old."""
        return bool(self._listened.get("", self._subscriptions.any))

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        try:
            return self._subscriptions.remove(name)
        finally:
            self._listened.forget()

    def source(self) -> str:
        """The ``source`` of this service's events; see the port."""
        if not self._source:
            stored = self._sources.get("source")
            made = stored or self._sources.first("source", _Source(urn=f"urn:uuid:{uuid.uuid4()}"))
            self._source = made.urn
        return self._source
