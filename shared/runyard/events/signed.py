"""Deliveries of whoever signs by HMAC: any JSON, and what makes one the same as another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from runyard.errors import EventError, MediaTypeError
from runyard.events.delivery import JSON, LONGEST_ID, Delivery, Occurrence, read_json, text_of
from runyard.events.signatures import STRIPE, Proof, Signing
from runyard.events.template import value_at

STRIPE_ID: Final = "id"
"""Which member of a payload of Stripe's form is its id: a repetition is signed anew, with a time of its own."""


def read(delivery: Delivery, signing: Signing, proof: Proof, *, id_header: str, id_pointer: str) -> list[Occurrence]:
    """The event of a delivery whose signature was checked.

    Args:
        delivery: The request.
        signing: How it is signed.
        proof: What its signature says.
        id_header: The header that holds its identity; empty = none does.
        id_pointer: The JSON pointer to it in the payload; empty = none.

    Raises:
        MediaTypeError: if it is not JSON by its type.
        EventError: if it is not JSON, or has no identity where it should.
    """
    kind = delivery.media_type()
    if kind not in {JSON, ""} and not kind.endswith("+json"):
        raise MediaTypeError("the delivery's content is not application/json; send JSON")
    payload = read_json(delivery.body)
    ident = _named(delivery, payload, id_header, id_pointer) or proof.ident
    if not ident and signing.scheme == STRIPE and isinstance(payload, Mapping):
        ident = payload[STRIPE_ID] if isinstance(payload.get(STRIPE_ID), str) else ""
    if ident:
        ident = text_of(ident, "the delivery's id", longest=LONGEST_ID)
        return [Occurrence(id=ident, identity=("id", ident), type=_type(payload), payload=payload)]
    digest = hashlib.sha256(delivery.body).hexdigest()
    shown = f"{proof.timestamp}-{digest[:12]}".lstrip("-")
    return [Occurrence(id=shown, identity=("body", proof.timestamp, digest), type=_type(payload), payload=payload)]


def _named(delivery: Delivery, payload: object, header: str, pointer: str) -> str:
    if header:
        value = delivery.header(header)
        if not value:
            raise EventError(f"the delivery has no {header}, which holds its identity")
        return value
    return value_at(payload, pointer) if pointer else ""


def _type(payload: object) -> str:
    """The type that payloads of Stripe's and Standard Webhooks' form name."""
    found = payload.get("type") if isinstance(payload, Mapping) else None
    return found if isinstance(found, str) else ""
