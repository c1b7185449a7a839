"""From the bindings' objects to the values that use cases take."""

from collections.abc import Mapping

import azure.functions as func

from runyard.dispatch.patience import DESCRIPTION, REASON, SOURCE, enqueued_of
from runyard.errors import EventError
from runyard.ports import Message
from runyard.services import current


def message_of(queue: str, message: func.ServiceBusMessage) -> Message:
    """A message of a queue; of a dead letter, with why it is there."""
    properties = properties_of(message)
    return Message(
        queue=queue,
        id=message.message_id,
        body=message.get_body(),
        sequence=message.sequence_number or 0,
        enqueued=enqueued_at(message, properties),
        delivery_count=message.delivery_count or 1,
        dead_letter_reason=message.dead_letter_reason or properties.get(REASON, ""),
        dead_letter_description=message.dead_letter_error_description or properties.get(DESCRIPTION, ""),
        dead_letter_source=message.dead_letter_source or properties.get(SOURCE, ""),
        properties=properties,
    )


def properties_of(message: func.ServiceBusMessage) -> dict[str, str]:
    """The application's own properties. Which of the two names they have depends on the version of the host's extension."""
    found: dict[str, object] = {}
    for each in (message.user_properties, message.application_properties):
        if isinstance(each, Mapping):
            found.update(each)
    return {name: str(value) for name, value in found.items()}


def enqueued_at(message: func.ServiceBusMessage, properties: Mapping[str, str]) -> float:
    """When a message was first sent, in seconds since the epoch; now, if the host does not say."""
    if (first := enqueued_of(properties)) is not None:
        return first
    sent = message.enqueued_time_utc
    return sent.timestamp() if sent is not None else current().ports.clock.now()


def event_of(event: func.EventGridEvent | func.CloudEvent) -> dict[str, object]:
    """An event, in the schema in which its subscription delivers: the worker makes either object of it.

    Raises:
        EventError: if it is of neither schema. Event Grid then tries again, and keeps it as a dead letter.
    """
    if isinstance(event, func.CloudEvent):
        said = {"type": event.type, "time": event.time, "source": event.source}
    else:
        said = {"eventType": event.event_type, "eventTime": event.event_time, "topic": event.topic}
    if not isinstance(said.get("type") or said.get("eventType"), str):
        raise EventError("the event has no type: it is neither in Event Grid's schema nor a CloudEvent")
    return {"id": event.id, "subject": event.subject, "data": event.get_json(), **said}
