"""Computes, webhooks, start marks and secrets in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import RLock

from runyard.ports.computes import Compute
from runyard.ports.marks import StartMark
from runyard.ports.webhooks import Webhook
from runyard.stores.names import check_secret


class MemoryComputeStore:
    """A :class:`~runyard.ports.computes.ComputeStore` in dictionaries."""

    def __init__(self) -> None:
        self._computes: dict[str, Compute] = {}
        self._aliases: dict[str, str] = {}

    def put(self, compute: Compute) -> None:
        """Create or replace."""
        self._computes[compute.name] = compute

    def get(self, name: str) -> Compute | None:
        """By its own name (aliases are not followed)."""
        return self._computes.get(name)

    def list(self) -> Sequence[Compute]:
        """All, by name."""
        return [compute for _, compute in sorted(self._computes.items())]

    def remove(self, name: str) -> bool:
        """Remove; whether it was there. Aliases stay, for whoever comes under the name next."""
        return self._computes.pop(name, None) is not None

    def aliases(self) -> Mapping[str, str]:
        """Alias to compute name."""
        return dict(sorted(self._aliases.items()))

    def set_alias(self, alias: str, compute: str | None) -> None:
        """Set an alias, or remove it (``None``)."""
        if compute is None:
            self._aliases.pop(alias, None)
        else:
            self._aliases[alias] = compute


class MemoryWebhookStore:
    """A :class:`~runyard.ports.webhooks.WebhookStore` in a dictionary."""

    def __init__(self) -> None:
        self._webhooks: dict[str, Webhook] = {}

    def put(self, webhook: Webhook) -> None:
        """Create or replace."""
        self._webhooks[webhook.name] = webhook

    def get(self, name: str) -> Webhook | None:
        """By name."""
        return self._webhooks.get(name)

    def list(self) -> Sequence[Webhook]:
        """All, by name."""
        return [webhook for _, webhook in sorted(self._webhooks.items())]

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        return self._webhooks.pop(name, None) is not None


class MemoryMarkStore:
    """A :class:`~runyard.ports.marks.MarkStore` in a dictionary."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._marks: dict[str, StartMark] = {}

    def begin(self, container: str, since: float) -> StartMark:
        """Set the mark, if there is none; see the port."""
        with self._lock:
            return self._marks.setdefault(container, StartMark(container=container, since=since))

    def get(self, container: str) -> StartMark | None:
        """The mark, or ``None``."""
        return self._marks.get(container)

    def count(self, container: str, missed: int, at: float) -> None:
        """Add to what the sweep found; see the port."""
        with self._lock:
            if (mark := self._marks.get(container)) is not None:
                self._marks[container] = replace(mark, missed=mark.missed + missed, missed_at=at)


class MemorySecrets:
    """:class:`~runyard.ports.secrets.Secrets` in a dictionary."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._values: dict[str, str] = {}
        self._changed: dict[str, float] = {}

    def get(self, name: str) -> str | None:
        """The value, or ``None``."""
        return self._values.get(name)

    def set(self, name: str, value: str) -> None:
        """Create or replace; see the port."""
        self._values[check_secret(name)] = value
        self._changed[name] = self._now()

    def names(self) -> Sequence[str]:
        """The names, sorted; never the values."""
        return sorted(self._values)

    def changed(self, name: str) -> float | None:
        """When it was last set; ``None`` if it is not there."""
        return self._changed.get(name) if name in self._values else None

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        return self._values.pop(name, None) is not None
