"""From the bindings' objects to the values that use cases take."""

import azure.functions as func

from runyard.ports import Message
from runyard.ports.queue import DEAD_LETTERS
from runyard.services import current
from runyard.telemetry.functions import sender_of
from runyard.telemetry.traceparent import NAME


def enqueued_at(message: func.ServiceBusMessage) -> float:
    """When a message was sent, in seconds since the epoch; now, if the host does not say."""
    sent = message.enqueued_time_utc
    return sent.timestamp() if sent is not None else current().ports.clock.now()


def dead_letter_of(message: func.ServiceBusMessage) -> Message:
    """A message of the dead-letter queue, with why it is there."""
    return Message(
        queue=DEAD_LETTERS,
        id=message.message_id,
        body=message.get_body(),
        sequence=message.sequence_number or 0,
        enqueued=enqueued_at(message),
        delivery_count=message.delivery_count or 1,
        dead_letter_reason=message.dead_letter_reason or "",
        dead_letter_description=message.dead_letter_error_description or "",
        dead_letter_source=message.dead_letter_source or "",
        properties=trace_of(message),
    )


def trace_of(message: func.ServiceBusMessage) -> dict[str, str]:
    """The trace context among a message's properties; nothing else of these is ours."""
    context = sender_of(message)
    return {NAME: context} if context else {}


def event_of(event: func.EventGridEvent) -> dict[str, object]:
    """An event in the Event Grid schema."""
    return {
        "id": event.id,
        "eventType": event.event_type,
        "subject": event.subject,
        "eventTime": event.event_time,
        "data": event.get_json(),
    }
