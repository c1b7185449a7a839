"""Webhook deliveries of GitHub: how they are signed, and their names.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

from typing import Final

from runyard.errors import EventError, MediaTypeError
from runyard.events import signatures
from runyard.events.delivery import JSON, LONGEST_ID, Delivery, Occurrence, read_json, text_of

SIGNATURE: Final = "X-Hub-Signature-256"
DELIVERY: Final = "X-GitHub-Delivery"
EVENT: Final = "X-GitHub-Event"
PING: Final = "ping"
"""GitHub's first delivery to a new webhook: it asks for nothing."""

SIGNING: Final = signatures.Signing(scheme=signatures.BODY, header=SIGNATURE)
"""HMAC-SHA256 of the raw body in hex, after ``sha256=``. Nothing says when it was made."""

_HINT: Final = "; set the webhook's content type to application/json"


def sign(secret: str, body: bytes) -> str:
    """The value of :data:`SIGNATURE` for a body."""
    return signatures.sign(SIGNING, secret, body, timestamp=0)[SIGNATURE]


def read(delivery: Delivery) -> list[Occurrence]:
    """The event of a delivery whose signature was checked; none for GitHub's ping.

    Raises:
        EventError: if it lacks a name, or its body is not JSON.
    """
    if delivery.media_type() not in {JSON, ""}:
        raise MediaTypeError(f"the delivery's content is not application/json{_HINT}")
    ident, event = (_named(delivery, name) for name in (DELIVERY, EVENT))
    if event == PING:
        return []
    payload = read_json(delivery.body, hint=_HINT)
    return [Occurrence(id=ident, identity=(ident,), type=event, payload=payload)]


def _named(delivery: Delivery, name: str) -> str:
    value = delivery.header(name)
    if not value:
        raise EventError(f"the delivery has no {name}")
    return text_of(value, f"the {name}", longest=LONGEST_ID)
