"""When the blob SDK sends a request again: soon, a few times, and never before the service asked for it."""

from __future__ import annotations

import random
from typing import Any, Final

from azure.storage.blob import ExponentialRetry

from runyard.stores.azure.edge import seconds_to_wait

FIRST: Final = 0.2
LONGEST_WAIT: Final = 10.0
"""Seconds; a service that asks for more gets its request another time, from a message or a timer."""


class Patient(ExponentialRetry):
    """Up to three more sendings within about 4 s; the SDK's own policy reads no ``Retry-After``, and waits longer."""

    def __init__(self) -> None:
        super().__init__(retry_total=3)

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds before the next sending; the SDK takes ``None`` for: no more."""
        asked = seconds_to_wait(settings["history"][-1].http_response) if settings["history"] else None
        if asked is None:
            return FIRST * float(2 ** settings["count"]) * random.uniform(0.5, 1.5)  # noqa: S311 - only spreads load
        return asked

    def increment(self, settings: dict[str, Any], request: Any, response: Any = None, error: Any = None) -> bool:
        """Whether to send again."""
        asked = seconds_to_wait(response.http_response if response is not None else None)
        if asked is not None and asked > LONGEST_WAIT:
            return False
        return super().increment(settings, request, response, error)
