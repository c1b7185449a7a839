"""Webhook deliveries of GitHub: their signature and their names.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from runyard.errors import AuthError, EventError

SIGNATURE: Final = "X-Hub-Signature-256"
DELIVERY: Final = "X-GitHub-Delivery"
EVENT: Final = "X-GitHub-Event"

LONGEST_ID: Final = 200
"""Characters of a delivery's id, as of every event's; GitHub's own have 36."""

_PREFIX: Final = "sha256="


def sign(secret: str, body: bytes) -> str:
    """The value of :data:`SIGNATURE` for a body."""
    return _PREFIX + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def verify(secret: str, body: bytes, header: str | None) -> None:
    """Check a delivery's signature in constant time.

    Args:
        secret: The webhook's secret.
        body: The raw body, byte for byte.
        header: The value of :data:`SIGNATURE`, or ``None`` if the delivery has none.

    Raises:
        AuthError: if there is no secret, no signature, or it is not that of the body.
    """
    if not secret:
        raise AuthError("the webhook has no secret; add it again with one")
    if not header:
        raise AuthError(f"the delivery is not signed: it has no {SIGNATURE}; set the webhook's secret at the sender")
    if not hmac.compare_digest(sign(secret, body).encode(), header.strip().encode("utf-8", "replace")):
        raise AuthError(f"the {SIGNATURE} is not that of the body; the secret at the sender is another one")


def delivery(headers: Mapping[str, str]) -> tuple[str, str]:
    """The delivery's id and the event's name (such as ``push``); the headers' casing does not count.

    Raises:
        EventError: if one of them is missing, or the id is too long.
    """
    folded = {name.lower(): value.strip() for name, value in headers.items()}
    for name in (DELIVERY, EVENT):
        if not folded.get(name.lower()):
            raise EventError(f"the delivery has no {name}")
    ident = folded[DELIVERY.lower()]
    if len(ident) > LONGEST_ID:
        raise EventError(f"the {DELIVERY} has {len(ident)} characters; at most {LONGEST_ID} are allowed")
    return ident, folded[EVENT.lower()]
