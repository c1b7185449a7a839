"""Webhooks: named doors for signed HTTP deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook's definition. Its secret is in :class:`~runyard.ports.secrets.Secrets` under ``secret``."""

    name: str
    kind: str
    """How deliveries are signed: ``github``."""
    secret: str
    """The name of the secret, not its value."""
    submission: dict[str, object] = field(default_factory=dict)
    """The submission that a delivery makes; texts may hold JSON pointers into the payload: ``--alpha={/alpha}``."""
    template_secret: str = ""
    """The name of the secret that has what ``submission`` shows masked; empty if that is nothing."""
    events: tuple[str, ...] = ()
    """Event names that start a run (``X-GitHub-Event``); empty = every one but ``ping``."""
    created: float = 0.0
    schema: int = 1


class WebhookStore(Protocol):
    """Keeps webhooks."""

    def put(self, webhook: Webhook) -> None:
        """Create or replace."""
        ...

    def get(self, name: str) -> Webhook | None:
        """By name."""
        ...

    def list(self) -> Sequence[Webhook]:
        """All, by name."""
        ...

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        ...
