"""Webhooks: named doors for HTTP deliveries that prove who they are from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from runyard.events.signatures import Signing

SCHEMA: Final = 2
"""Version of a webhook's stored form. 1 had one secret, by its name under ``secret``, and was of the kind ``github``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret:
    """One of a webhook's secrets. Its value is in :class:`~runyard.ports.secrets.Secrets` under ``name``."""

    id: str
    """``1`` for the first, counted up with each rotation."""
    name: str
    created: float = 0.0
    until: float | None = None
    """From when on it proves nothing any more; ``None`` = until it is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook's definition."""

    name: str
    kind: str
    """What deliveries look like: ``github``, ``hmac``, ``cloudevents`` or ``eventgrid``."""
    secrets: tuple[WebhookSecret, ...] = ()
    """The newest first."""
    signing: Signing | None = None
    """How deliveries are signed; ``None`` = they show the secret itself in a header (GitHub's way is the kind's own)."""
    secret_header: str = ""
    """The header that shows the secret, where deliveries are not signed."""
    id_header: str = ""
    """Of ``hmac``: the header that holds a delivery's identity."""
    id_pointer: str = ""
    """Of ``hmac``: a JSON pointer to a delivery's identity in its payload."""
    submission: dict[str, object] = field(default_factory=dict)
    """The submission that an event makes; texts may hold JSON pointers into the payload: ``--alpha={/alpha}``."""
    template_secret: str = ""
    """The name of the secret that has what ``submission`` shows masked; empty if that is nothing."""
    events: tuple[str, ...] = ()
    """The events (``X-GitHub-Event``) or event types that start a run; empty = every one."""
    subject_prefix: str = ""
    subject_suffix: str = ""
    blob_drops: bool = False
    """Of ``eventgrid``: a blob's event starts the run of that blob, as the drop folder does, instead of ``submission``."""
    open_handshake: bool = False
    """Whether a handshake is answered without the secret, for senders that cannot show it there."""
    paused: bool = False
    created: float = 0.0
    schema: int = SCHEMA


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
