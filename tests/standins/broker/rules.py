"""What Service Bus refuses, each rule with its source."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from tests.standins.broker import faults as fault
from tests.standins.broker.wire import Parts

MAX_MESSAGE: Final = 256 * 1024
"""Bytes, on the standard tier. https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas"""
MAX_PROPERTIES: Final = 64 * 1024
"""Bytes of all properties together, the system's included (the same page)."""
MAX_PROPERTY: Final = 32 * 1024
"""Bytes of one property (the same page)."""
MAX_ID: Final = 128
"""Characters of a message id, a session id, a partition key (the same page)."""
MAX_PEEK: Final = 250
"""Messages that one peek gives, whatever it asks for.
https://learn.microsoft.com/azure/service-bus-messaging/message-browsing"""
MAX_REASON: Final = 4096
"""Characters of a dead letter's reason and of its description: ``MaxDeadLetterReasonLength`` of the .NET client.
https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/servicebus/Azure.Messaging.ServiceBus/src/Primitives/Constants.cs"""
MAX_NAME: Final = 260
"""Characters of a queue's name (the page of quotas)."""
MIN_LOCK, MAX_LOCK = 5.0, 300.0
"""Seconds of a lock. https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement#peeklock"""
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftservicebus"""
_SIMPLE: Final = (type(None), bool, int, float, str, bytes, uuid.UUID)
"""Simple AMQP types, as application properties are.
https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html#type-application-properties"""
SETTABLE: Final = frozenset(
    {"x-opt-scheduled-enqueue-time", "x-opt-partition-key", "x-opt-via-partition-key", "x-opt-deadletter-source"}
)
"""Annotations that a sender may set, as
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide#message-annotations lists them."""
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "com.microsoft:renew-lock": frozenset({"lock-tokens"}),
    "com.microsoft:peek-message": frozenset({"from-sequence-number", "message-count", "omit-message-body"}),
    "com.microsoft:schedule-message": frozenset({"messages"}),
    "com.microsoft:cancel-scheduled-message": frozenset({"sequence-numbers"}),
    "com.microsoft:update-disposition": frozenset(
        {"disposition-status", "lock-tokens", "deadletter-reason", "deadletter-description", "properties-to-modify"}
    ),
}
"""The fields of each request to ``$management``.
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response"""

TOO_LARGE: Final = "amqp:link:message-size-exceeded"
WRONG: Final = "com.microsoft:argument-error"
OUT_OF_RANGE: Final = "com.microsoft:argument-out-of-range"
NOT_FOUND: Final = "amqp:not-found"
NOT_DONE: Final = "amqp:not-implemented"
LOCK_LOST: Final = "com.microsoft:message-lock-lost"
NO_MESSAGE: Final = "com.microsoft:message-not-found"
FULL: Final = "amqp:resource-limit-exceeded"
BUSY: Final = "com.microsoft:server-busy"
UNAUTHORIZED: Final = "amqp:unauthorized-access"
INTERNAL: Final = "amqp:internal-error"


class RefusedError(Exception):
    """The service's no: an AMQP condition and a sentence."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description


def check_queue(name: str, lock: float) -> None:
    """Check a queue's settings, as its creation would."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise RefusedError(WRONG, f"{name[:300]!r} is no name of a queue")
    if not MIN_LOCK <= lock <= MAX_LOCK:
        raise RefusedError(WRONG, f"a lock lasts {MIN_LOCK:.0f} to {MAX_LOCK:.0f} s, and not {lock} s")


def check_size(raw: bytes) -> None:
    """Check a message's, or a batch's, size."""
    if len(raw) > MAX_MESSAGE:
        raise RefusedError(
            TOO_LARGE,
            f"The received message (delivery-id:0, size:{len(raw)} bytes) exceeds the limit ({MAX_MESSAGE} bytes) "
            "currently allowed on the link.",
        )


def check_message(raw: bytes, parts: Parts) -> None:
    """Check a message that is sent."""
    check_size(raw)
    if len(raw) - len(parts.body) > MAX_PROPERTIES:
        raise RefusedError(
            WRONG, f"the properties have {len(raw) - len(parts.body)} bytes; at most {MAX_PROPERTIES} are allowed"
        )
    if parts.message_id is not None and len(str(parts.message_id)) > MAX_ID:
        raise RefusedError(OUT_OF_RANGE, f"a message id has at most {MAX_ID} characters")
    for key, value in parts.application.items():
        _check_property(key, value)
    for key in parts.annotations:
        if str(key).startswith("x-opt-") and str(key) not in SETTABLE:
            raise RefusedError(WRONG, f"the annotation {key} is the service's own")


def _check_property(key: Any, value: Any) -> None:
    if not isinstance(key, str):
        raise RefusedError(WRONG, "the name of an application property is text")
    if not isinstance(value, _SIMPLE):
        raise RefusedError(WRONG, f"the application property {key} is of the type {type(value).__name__}")
    size = len(value) if isinstance(value, bytes) else len(str(value).encode())
    if size > MAX_PROPERTY:
        raise RefusedError(
            OUT_OF_RANGE, f"the application property {key} has {size} bytes; at most {MAX_PROPERTY} are allowed"
        )


def check_fields(operation: str, body: Mapping[Any, Any]) -> None:
    """Check a request to ``$management``."""
    if operation not in FIELDS:
        raise RefusedError(NOT_DONE, f"the operation {operation!r} is not done here")
    unknown = sorted(str(name) for name in body if str(name) not in FIELDS[operation])
    if unknown:
        raise RefusedError(WRONG, f"{operation} has no field {unknown[0]!r}")


def check_letter(reason: str, description: str) -> None:
    """Check why a message is dead-lettered."""
    for text in (reason, description):
        if len(text) > MAX_REASON:
            raise RefusedError(
                OUT_OF_RANGE, f"a dead letter's reason and description have at most {MAX_REASON} characters"
            )


def check_busy(faults: fault.Faults, queue: str) -> None:
    """Throttle, if that is to go wrong now."""
    if faults.hits(fault.BUSY, queue):
        raise RefusedError(BUSY, "The request was terminated because the namespace is being throttled.")


def check_load(faults: fault.Faults, queue: str) -> None:
    """Throttle, or have no room for a message."""
    check_busy(faults, queue)
    if faults.hits(fault.FULL, queue):
        raise RefusedError(FULL, f"The maximum entity size has been reached or exceeded for Queue: '{queue}'.")
