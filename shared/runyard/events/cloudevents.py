"""CloudEvents 1.0 over HTTP: structured, binary and batched deliveries, and the handshake before the first one.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md and, for the handshake,
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from runyard.errors import EventError, MediaTypeError
from runyard.events.delivery import MOST_EVENTS, Delivery, Occurrence, read_json, text_of
from runyard.events.times import seconds_of

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
VERSION: Final = "1.0"

REQUEST_ORIGIN: Final = "WebHook-Request-Origin"
REQUEST_RATE: Final = "WebHook-Request-Rate"
RATE: Final = 6000
"""Requests a minute that a handshake allows at most: what accept does. Who is faster than it can take is told by 429."""

_FAMILY: Final = "application/cloudevents"
_IS_JSON: Final = re.compile(r"[a-z]+/([a-z0-9.-]+\+)?json")
_NAME: Final = re.compile(r"[a-z0-9]{1,40}")
_ORIGIN: Final = re.compile(r"[A-Za-z0-9*_](?:[A-Za-z0-9*_.-]{0,251}[A-Za-z0-9*_])?")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read(delivery: Delivery, *, signed: bool = False) -> list[Occurrence]:
    """The events of a delivery.

    Args:
        delivery: The request.
        signed: Whether a signature of the body is what proves it; then binary mode proves nothing of its attributes.

    Raises:
        MediaTypeError: if it is no CloudEvent that is understood.
        EventError: if it does not have the agreed form.
    """
    kind = delivery.media_type()
    if kind == STRUCTURED:
        return [occurrence(read_json(delivery.body))]
    if kind == BATCHED:
        return batch(read_json(delivery.body))
    if kind.startswith(_FAMILY):
        raise MediaTypeError(f"CloudEvents are understood in JSON only: {STRUCTURED} or {BATCHED}")
    if not kind or delivery.header("ce-specversion") is None:
        raise MediaTypeError(f"this is no CloudEvent: send {STRUCTURED}, or the attributes in ce- headers")
    if signed:
        raise MediaTypeError(f"in binary mode the signature does not cover the event's attributes; send {STRUCTURED}")
    return [occurrence(_binary(delivery, kind))]


def batch(events: Any) -> list[Occurrence]:
    """The events of a batch; it may be empty.

    Raises:
        EventError: if it is no array, too long, or one is not a CloudEvent.
    """
    if not isinstance(events, list):
        raise EventError("a batch of CloudEvents must be a JSON array")
    if len(events) > MOST_EVENTS:
        raise EventError(f"the delivery has {len(events):,} events; at most {MOST_EVENTS:,} are taken at a time")
    return [occurrence(event) for event in events]


def occurrence(event: Any) -> Occurrence:
    """One CloudEvent; templates point into the whole event.

    Raises:
        EventError: naming the attribute that is wrong.
    """
    if not isinstance(event, Mapping):
        raise EventError("a CloudEvent must be a JSON object")
    version = event.get("specversion")
    if version != VERSION:
        found = "missing" if version is None else "another one"
        raise EventError(f"the CloudEvent's specversion is {found}; CloudEvents {VERSION} is understood")
    ident, source, kind = (text_of(event.get(name), f"the CloudEvent's {name}") for name in ("id", "source", "type"))
    subject = event.get("subject")
    if subject is not None:
        text_of(subject, "the CloudEvent's subject")
    seconds_of(event.get("time"), "the CloudEvent's")
    return Occurrence(
        id=ident, identity=(source, ident), type=kind, subject=subject or "", payload=_with_data(dict(event))
    )


def allowance(delivery: Delivery) -> dict[str, str]:
    """The headers that agree to a handshake's request. Its callback is never called.

    Raises:
        EventError: if it does not say for whom it asks.
    """
    origin = delivery.header(REQUEST_ORIGIN) or ""
    if not _ORIGIN.fullmatch(origin):
        raise EventError(f"a handshake needs {REQUEST_ORIGIN} with the sender's DNS name")
    rate = delivery.header(REQUEST_RATE) or ""
    asked = int(rate) if re.fullmatch(r"[1-9][0-9]{0,8}", rate) else RATE
    return {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(min(asked, RATE)), "Allow": "POST"}


def _with_data(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its ``data`` unpacked, where it came as base64 and is JSON."""
    packed = event.get("data_base64")
    if packed is None:
        return event
    if "data" in event:
        raise EventError("the CloudEvent has both data and data_base64; it may have one")
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise EventError("the CloudEvent's data_base64 is not base64") from None
    if _is_json(event.get("datacontenttype")):
        event["data"] = read_json(data)
    return event


def _binary(delivery: Delivery, kind: str) -> dict[str, Any]:
    """The event of a delivery in binary mode, as a structured one would say it."""
    event: dict[str, Any] = {}
    for header in {name for name, _ in delivery.headers if name.startswith("ce-")}:
        name = header.removeprefix("ce-")
        if name == "datacontenttype" or not _NAME.fullmatch(name) or name in {"data", "data_base64"}:
            raise EventError(f"the header {header[:60]} is not one of a CloudEvent in binary mode")
        event[name] = _decoded(header, delivery.header(header) or "")
    event["datacontenttype"] = kind
    if not delivery.body:
        return event
    if _is_json(kind):
        return {**event, "data": read_json(delivery.body)}
    if kind.startswith("text/"):
        try:
            return {**event, "data": delivery.body.decode()}
        except UnicodeDecodeError:
            raise EventError("the CloudEvent's data is said to be text and is not UTF-8") from None
    return {**event, "data_base64": base64.b64encode(delivery.body).decode()}


def _decoded(header: str, value: str) -> str:
    """An attribute's value: quotes away, then one round of percent-decoding, as the binding says."""
    if not value.isascii():
        raise EventError(f"the header {header[:60]} has a character that is not ASCII; it must be percent-encoded")
    if found := _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", found[1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise EventError(f"the header {header[:60]} is percent-encoded and not UTF-8") from None


def _is_json(kind: object) -> bool:
    """Whether a media type is JSON's; without one, ``data`` is."""
    return kind is None or (isinstance(kind, str) and bool(_IS_JSON.fullmatch(kind.partition(";")[0].strip().lower())))
