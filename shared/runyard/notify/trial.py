"""Try a subscription now, with an event that says it is a test."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError
from runyard.events.endings import TEST_TYPE, encoded, test_event
from runyard.notify.definitions import existing
from runyard.notify.deliver import hand_over
from runyard.notify.schedule import is_taken, said
from runyard.ports import Delivery, Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What came of a test."""

    delivered: bool
    id: str
    """The event's."""
    status: int | None
    error: str
    seconds: float


def send_test(ports: Ports, name: str) -> Tested:
    """Send one event of the type ``io.runyard.test`` and wait for the answer. It is tried once, and on no record.

    Raises:
        NotFoundError: if there is no such subscription.
        ConfigError: if it starts runs: there is nothing to send but a run.
    """
    subscription = existing(ports, name)
    if subscription.queue == SUBMISSIONS:
        raise ConfigError(
            f"{name} starts a run at each ending, so a test would start one; try its template with a run that ends"
        )
    began = ports.clock.now()
    event = test_event(f"test-{secrets.token_hex(8)}", ports.subscriptions.source(), name, began)
    delivery = Delivery(
        subscription=name, id=event["id"], run_id="", type=TEST_TYPE, body=encoded(event), created=began
    )
    receipt = hand_over(ports, subscription, delivery)
    return Tested(
        delivered=is_taken(receipt),
        id=delivery.id,
        status=receipt.status,
        error=said(receipt),
        seconds=round(ports.clock.now() - began, 3),
    )
