"""Deliveries of Azure Event Grid in both its schemas, and its handshake.

https://learn.microsoft.com/azure/event-grid/event-schema and
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema. In the CloudEvents schema a delivery
is as any CloudEvent's, one or a batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from runyard.errors import EventError, MediaTypeError
from runyard.events import cloudevents
from runyard.events.delivery import JSON, MOST_EVENTS, Delivery, Occurrence, read_json, text_of
from runyard.events.times import seconds_of

VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"
DELETION: Final = "Microsoft.EventGrid.SubscriptionDeletedEvent"
"""Says that the subscription is gone; it asks for nothing."""
EVENT_TYPE: Final = "aeg-event-type"

_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,100}")


def read(delivery: Delivery) -> list[Occurrence] | str:
    """The events of a delivery, or, of a handshake, the code to answer with.

    Raises:
        MediaTypeError: if it is of neither schema.
        EventError: if it does not have the agreed form.
    """
    kind = delivery.media_type()
    if kind in {cloudevents.STRUCTURED, cloudevents.BATCHED}:
        return [each for each in cloudevents.read(delivery) if each.type != DELETION]
    if kind not in {JSON, ""}:
        raise MediaTypeError(f"Event Grid sends {JSON} or {cloudevents.STRUCTURED}; this is something else")
    events = read_json(delivery.body)
    if not isinstance(events, list) or not events:
        raise EventError("Event Grid delivers a JSON array of events; this is none, or it is empty")
    if len(events) > MOST_EVENTS:
        raise EventError(
            f"the delivery has {len(events):,} events; at most {MOST_EVENTS:,} are taken at a time: set the "
            f"subscription's maximum events per batch to that"
        )
    if any(_type(event) == VALIDATION for event in events):
        return _code(events)
    return [each for each in map(_occurrence, events) if each.type != DELETION]


def _type(event: Any) -> object:
    return event.get("eventType") if isinstance(event, Mapping) else None


def _code(events: list[Any]) -> str:
    """The code of a handshake. Its ``validationUrl`` is never fetched."""
    if len(events) > 1:
        raise EventError("a handshake of Event Grid comes alone, and this one has other events with it")
    data = events[0].get("data")
    code = data.get("validationCode") if isinstance(data, Mapping) else None
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise EventError("the handshake has no validationCode of letters, digits and '-'")
    return code


def _occurrence(event: Any) -> Occurrence:
    if not isinstance(event, Mapping):
        raise EventError("an event of Event Grid must be a JSON object")
    ident, kind = (text_of(event.get(name), f"the event's {name}") for name in ("id", "eventType"))
    topic = event.get("topic")
    if topic is not None:
        text_of(topic, "the event's topic")
    subject = event.get("subject")
    if not isinstance(subject, str):
        raise EventError("the event's subject must be a text")
    if subject:
        text_of(subject, "the event's subject")
    if seconds_of(event.get("eventTime"), "the event's") is None:
        raise EventError("the event has no eventTime")
    return Occurrence(id=ident, identity=(topic or "", ident), type=kind, subject=subject, payload=dict(event))
