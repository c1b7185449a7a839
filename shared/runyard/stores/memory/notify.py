"""Subscriptions, deliveries and a courier in memory."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import RLock

from runyard.ports.courier import Parcel, Receipt
from runyard.ports.deliveries import DEAD, KEPT, PENDING, Delivery
from runyard.ports.subscriptions import Subscription


class MemorySubscriptionStore:
    """A :class:`~runyard.ports.subscriptions.SubscriptionStore` in a dictionary."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._source = f"urn:uuid:{uuid.uuid4()}"

    def put(self, subscription: Subscription) -> None:
        """Create or replace."""
        self._subscriptions[subscription.name] = subscription

    def get(self, name: str) -> Subscription | None:
        """By name."""
        return self._subscriptions.get(name)

    def list(self) -> Sequence[Subscription]:
        """All, by name."""
        return [subscription for _, subscription in sorted(self._subscriptions.items())]

    def any(self) -> bool:
        """Whether there is one; never old."""
        return bool(self._subscriptions)

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        return self._subscriptions.pop(name, None) is not None

    def source(self) -> str:
        """The ``source`` of this service's events."""
        return self._source


class MemoryDeliveryStore:
    """A :class:`~runyard.ports.deliveries.DeliveryStore` in a dictionary."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._rows: dict[tuple[str, str], Delivery] = {}

    def add(self, delivery: Delivery) -> bool:
        """Write a new one; see the port."""
        with self._lock:
            key = (delivery.subscription, delivery.id)
            if key in self._rows:
                return False
            self._rows[key] = delivery
            self._trim(delivery)
            return True

    def get(self, subscription: str, ident: str) -> Delivery | None:
        """By its subscription and id."""
        return self._rows.get((subscription, ident))

    def replace(self, delivery: Delivery, *, version: int) -> bool:
        """Write it if the stored one is at ``version``; whether it was written."""
        with self._lock:
            key = (delivery.subscription, delivery.id)
            stored = self._rows.get(key)
            if stored is None or stored.version != version:
                return False
            self._rows[key] = delivery
            self._trim(delivery)
            return True

    def due(self, subscription: str, at: float, *, most: int) -> Sequence[Delivery]:
        """Those whose time has come; see the port."""
        with self._lock:
            found = [
                row
                for row in self._rows.values()
                if row.subscription == subscription and row.state == PENDING and row.next_at <= at
            ]
        return sorted(found, key=lambda row: (row.next_at, row.id))[:most]

    def list(self, subscription: str | None = None, state: str | None = None, *, most: int = 100) -> Sequence[Delivery]:
        """The newest by ``created``."""
        with self._lock:
            found = [
                row
                for row in self._rows.values()
                if subscription in {None, row.subscription} and state in {None, row.state}
            ]
        return sorted(found, key=lambda row: (row.created, row.id), reverse=True)[:most]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By subscription and state; see the port."""
        counts: dict[str, Counter[str]] = {}
        with self._lock:
            for row in self._rows.values():
                if row.state in {PENDING, DEAD}:
                    counts.setdefault(row.subscription, Counter())[row.state] += 1
        return counts

    def drop(self, subscription: str) -> int:
        """Remove all of a subscription; returns how many."""
        with self._lock:
            keys = [key for key in self._rows if key[0] == subscription]
            for key in keys:
                del self._rows[key]
            return len(keys)

    def _trim(self, written: Delivery) -> None:
        if written.state not in KEPT:
            return
        settled = [
            row
            for row in self._rows.values()
            if row.subscription == written.subscription and row.state == written.state
        ]
        for row in sorted(settled, key=lambda row: (row.settled, row.id), reverse=True)[KEPT[written.state] :]:
            del self._rows[row.subscription, row.id]


class MemoryCourier:
    """A :class:`~runyard.ports.courier.Courier` that keeps what it is given and answers as a test says."""

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []
        """What was delivered, in order."""
        self.answers: list[Receipt] = []
        """What comes of the next ones, first to last."""
        self.usual = Receipt(status=204)
        """What comes of all others."""

    def deliver(self, parcel: Parcel) -> Receipt:
        """Take a parcel."""
        self.parcels.append(parcel)
        return self.answers.pop(0) if self.answers else self.usual
