"""A delivery: an HTTP request that brings one event or several; and an event as webhooks see it, of whatever kind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from runyard.errors import EventError, MediaTypeError
from runyard.telemetry.traceparent import NAME, valid

MOST_EVENTS: Final = 500
"""Events of one delivery: each is durable writes (8 ms on a busy machine), and Event Grid waits 30 s for all of them."""
LONGEST_ID: Final = 200
"""Characters of a delivery's id that its sender made up for the purpose; GitHub's own have 36."""
LONGEST_ATTRIBUTE: Final = 1024
"""Characters of an attribute of an event, its id and type too."""

JSON: Final = "application/json"

_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MEDIA: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request's headers and its raw body."""

    headers: tuple[tuple[str, str], ...]
    """Names in lower case; values as Latin-1 text, which is how HTTP has bytes in them."""
    body: bytes = b""

    @classmethod
    def of(cls, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Delivery:
        """A delivery of a request, whatever the casing of its headers."""
        return cls(tuple((name.lower(), value) for name, value in headers), body)

    def header(self, name: str) -> str | None:
        """The value of a header, without the space around it; ``None`` if it is not there.

        Raises:
            EventError: if it is there twice: who is to say which one counts.
        """
        found = [value.strip(" \t") for each, value in self.headers if each == name.lower()]
        if len(found) > 1:
            raise EventError(f"the delivery has the header {name} {len(found)} times; it may have it once")
        return found[0] if found else None

    def media_type(self) -> str:
        """The type of the content, in lower case and without parameters; empty if the delivery does not say.

        Raises:
            MediaTypeError: if the content is packed, or its text is not UTF-8.
        """
        if (self.header("content-encoding") or "identity").lower() != "identity":
            raise MediaTypeError("the delivery's content is packed (Content-Encoding); send it as it is")
        kind, *parameters = (self.header("content-type") or "").split(";")
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _CHARSETS:
                raise MediaTypeError("the delivery's text is not UTF-8 (charset); send it as UTF-8")
        kind = kind.strip().lower()
        if kind and not _MEDIA.fullmatch(kind):
            raise MediaTypeError("the delivery's Content-Type is none; application/json is usual")
        return kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One event of a delivery."""

    id: str
    """The event's own id, for people: the run's ``event_id``."""
    identity: tuple[str, ...]
    """What makes it the same event if it comes again."""
    type: str = ""
    subject: str = ""
    payload: object = None
    """What templates point into."""

    @property
    def trace(self) -> str:
        """The trace that it says it belongs to; empty if it does not say.

        CloudEvents do by an attribute: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md.
        """
        return valid(self.payload.get(NAME)) if isinstance(self.payload, Mapping) else ""


def read_json(body: bytes, *, hint: str = "") -> Any:
    """The body's JSON.

    Raises:
        EventError: if it is empty, or not JSON (NaN and infinities are not).
    """
    if not body.strip():
        raise EventError("the delivery has no content; send the event as JSON")
    try:
        return json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise EventError(f"the payload is not JSON{hint}") from None


def text_of(value: object, what: str, *, longest: int = LONGEST_ATTRIBUTE) -> str:
    """A text that identifies something.

    Raises:
        EventError: if it is no text, empty, too long, or holds control characters.
    """
    if not isinstance(value, str) or not 0 < len(value) <= longest or _CONTROL.search(value):
        raise EventError(f"{what} must be a text of 1 to {longest:,} characters, none of them a control character")
    return value


def _finite(digits: str) -> float:
    """The number; ``1e999`` would become an infinity."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError
    return value


def _refuse(_constant: str) -> NoReturn:
    raise ValueError
