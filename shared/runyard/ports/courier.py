"""The courier: takes an event to a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

TIMEOUT: Final = 10.0
"""Seconds that one delivery may take, from the look-up of the name to the answer's headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is taken where."""

    url: str
    """May hold a token: it is in no error and no log."""
    headers: Mapping[str, str]
    body: bytes
    allow_http: bool = False
    """Whether http to another machine than this one is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of it. Either a status or an error."""

    status: int | None = None
    """The HTTP status that was answered."""
    error: str = ""
    """Why there was no answer: one sentence, without the URL's query."""
    refused: bool = False
    """Whether it was not even tried, as the URL's rules forbid it: trying again helps only if the name means another address."""
    retry_after: float | None = None
    """Seconds that the receiver asks to be left alone."""


class Courier(Protocol):
    """Delivers by HTTP POST. Redirects are not followed, and of the answer only status and headers are read.

    An address is looked at after the name was resolved, and it is that address that is connected to: those of link-local
    networks and of the clouds' metadata services are refused. Certificates are checked.
    """

    def deliver(self, parcel: Parcel) -> Receipt:
        """Deliver within :data:`TIMEOUT` seconds. What goes wrong on the way is in the receipt and is never raised."""
        ...
