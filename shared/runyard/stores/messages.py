"""The rules of a queue that every adapter follows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from runyard.errors import ConfigError, LockLostError
from runyard.ports.queue import MAX_BODY, MAX_DELIVERIES, MAX_PROPERTIES, Message

MAX_ID: Final = 128
"""Characters of a message id: Service Bus' limit."""
TOO_MANY_DELIVERIES: Final = "MaxDeliveryCountExceeded"
"""The reason that Service Bus gives a message it dead-letters for its deliveries."""
TOO_MANY_DESCRIPTION: Final = f"It was delivered {MAX_DELIVERIES} times and never completed."


def check_message(queue: str, body: bytes, message_id: str | None, properties: Mapping[str, str] | None = None) -> str:
    """Check what is sent and return its id, a random one if none is given.

    Raises:
        ConfigError: if the body, the id or the properties are too large.
    """
    if len(body) > MAX_BODY:
        raise ConfigError(
            f"a message on {queue!r} has at most {MAX_BODY} bytes, and this one has {len(body)}; "
            "put the content in a blob and send its name"
        )
    size = sum(len(name.encode()) + len(value.encode()) for name, value in (properties or {}).items())
    if size > MAX_PROPERTIES:
        raise ConfigError(
            f"the properties of a message have at most {MAX_PROPERTIES} bytes together, and these have {size}"
        )
    if message_id is None:
        return secrets.token_hex(16)
    if not 1 <= len(message_id) <= MAX_ID:
        raise ConfigError(f"a message id has 1 to {MAX_ID} characters, and this one has {len(message_id)}")
    return message_id


def lock_lost(message: Message) -> LockLostError:
    """The error for a message whose lock is no longer the caller's."""
    return LockLostError(
        f"the lock of message {message.id} on {message.queue!r} expired or was taken; it will be delivered again"
    )
