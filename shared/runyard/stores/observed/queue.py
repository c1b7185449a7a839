"""A queue whose messages carry the trace context of who sent them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runyard import telemetry
from runyard.ports import Queue
from runyard.telemetry import instruments
from runyard.telemetry.traceparent import NAME


class ObservedQueue:
    """Puts ``traceparent`` into the properties of each message that is sent, and counts it.

    A message that has one already (a dead letter that is sent again) keeps it. A wake has none: it may be merged with others.
    """

    def __init__(self, inner: Queue) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(
        self,
        name: str,
        body: bytes,
        *,
        delay: float = 0.0,
        message_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> str:
        """Send; see the port."""
        attributes: dict[str, telemetry.Value] = {
            "messaging.system": telemetry.system(),
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": name,
            "messaging.message.body.size": len(body),
        }
        with telemetry.span(f"send {name}", kind="producer", attributes=attributes) as span:
            carried = {NAME: span.traceparent, **(properties or {})} if span.traceparent else properties
            ident = self._inner.send(
                name, body, delay=delay, message_id=message_id, properties=carried, durable=durable
            )
            span.note({"messaging.message.id": ident})
        telemetry.measure(instruments.SENT, 1, {"messaging.destination.name": name})
        return ident

    def wake(self, name: str, body: bytes) -> None:
        """Wake; see the port."""
        self._inner.wake(name, body)
        telemetry.measure(instruments.SENT, 1, {"messaging.destination.name": name})
