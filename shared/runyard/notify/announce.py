"""From a run that has ended to one delivery for each subscription that it concerns."""

from __future__ import annotations

import logging

import msgspec

from runyard import telemetry
from runyard.dispatch.wakes import EndingWake, read, wake_notify
from runyard.events.endings import encoded, ending_event
from runyard.notify.matching import matches
from runyard.ports import Delivery, Ports, Subscription
from runyard.ports.deliveries import DEAD, MOST_PENDING, PENDING
from runyard.runs.model import Run

log = logging.getLogger(__name__)


def announce(ports: Ports, body: bytes) -> None:
    """Handle a message of the queue ``finished``: write the deliveries, then take the run out of the outbox.

    It may be repeated from any point: a delivery's id is the event's, and a run that is not in the outbox is done.

    Raises:
        EventError: if the message does not have its form.
    """
    wake: EndingWake = read(body, EndingWake)
    if not ports.runs.in_outbox(wake.run):
        return
    run = ports.runs.get(wake.run)
    with telemetry.of_run("announce", run) if run is not None else telemetry.NOTHING:
        _announce(ports, wake.run, run)


def _announce(ports: Ports, run_id: str, run: Run | None) -> None:
    concerned = _concerned(ports, run) if run is not None else []
    if run is not None and concerned:
        event = ending_event(run, ports.subscriptions.source())
        data, now = encoded(event), ports.clock.now()
        counts = ports.deliveries.counts()
        for each in concerned:
            delivery = Delivery(
                subscription=each.name,
                id=event["id"],
                run_id=run.id,
                type=event["type"],
                body=data,
                created=now,
                next_at=now,
                trace=run.trace,
            )
            ports.deliveries.add(_bounded(delivery, counts.get(each.name, {}).get(PENDING, 0), now))
    ports.runs.announced(run_id)
    for each in concerned:
        if not each.paused:
            wake_notify(ports, each.name)


def _concerned(ports: Ports, run: Run) -> list[Subscription]:
    return [each for each in ports.subscriptions.list() if matches(each, run)]


def _bounded(delivery: Delivery, pending: int, now: float) -> Delivery:
    """The delivery, or a dead one if too many are on their way already."""
    if pending < MOST_PENDING:
        return delivery
    error = f"{MOST_PENDING:,} deliveries wait for this receiver already, so this one was not begun"
    log.warning("%s: %s", delivery.subscription, error, extra={"action": "notify.dead", "run": delivery.run_id})
    return msgspec.structs.replace(delivery, state=DEAD, error=error, settled=now)
