"""Messages of Service Bus as the port has them, dead letters too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from runyard.ports.clock import Clock
from runyard.ports.queue import DEAD_LETTERS, Message
from runyard.stores.azure.bus import DEAD_LETTER_QUEUE

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage

MAX_REASON: Final = 4096
"""Characters of a dead letter's reason and of its description: ``MaxDeadLetterReasonLength`` of the .NET client.
https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/servicebus/Azure.Messaging.ServiceBus/src/Primitives/Constants.cs"""
OF_DEAD_LETTERS: Final = DEAD_LETTERS + DEAD_LETTER_QUEUE
"""Where the dead letters are that nobody could handle."""
_TOLD: Final = frozenset({"DeadLetterReason", "DeadLetterErrorDescription"})
"""The properties by which Service Bus says why a message is a dead letter."""


def message_of(queue: str, found: ServiceBusReceivedMessage, clock: Clock) -> Message:
    """A received or peeked message.

    On the wire the delivery count is that of the deliveries before:
    https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html#type-header
    """
    until = found.locked_until_utc
    locked = found.lock_token is not None and until is not None
    return Message(
        queue=queue.removesuffix(DEAD_LETTER_QUEUE),
        id=str(found.message_id or ""),
        body=b"".join(found.body) if not isinstance(found.body, bytes) else found.body,
        sequence=found.sequence_number or 0,
        enqueued=found.enqueued_time_utc.timestamp() if found.enqueued_time_utc else 0.0,
        delivery_count=(found.delivery_count or 0) + (1 if locked else 0),
        lock_token=str(found.lock_token) if locked else "",
        locked_until=clock.now() + (until.timestamp() - time.time()) if locked and until is not None else 0.0,
        dead_letter_reason=found.dead_letter_reason or "",
        dead_letter_description=found.dead_letter_error_description or "",
        dead_letter_source=source_of(found),
        properties=properties_of(found),
    )


def source_of(found: ServiceBusReceivedMessage) -> str:
    """The queue that a dead letter came from; empty for any other message."""
    return found.dead_letter_source or ""


def properties_of(found: ServiceBusReceivedMessage) -> Mapping[str, str]:
    """The properties that its sender gave it."""
    given: Mapping[Any, Any] = found.application_properties or {}
    texts = {_text(name): _text(value) for name, value in given.items()}
    return {name: value for name, value in texts.items() if name not in _TOLD}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
