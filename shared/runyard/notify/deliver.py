"""Deliveries that are due, of one subscription: each is claimed, tried once, and settled or put off."""

from __future__ import annotations

import json
import logging
from dataclasses import replace as with_changes
from typing import Final

import msgspec
from msgspec.structs import replace

from runyard import telemetry
from runyard.dispatch.wakes import SUBMISSIONS, NotifyWake, read, wake_notify, wake_notify_later
from runyard.errors import ConfigError, StorageFullError
from runyard.events.endings import CONTENT_TYPE, submission_of
from runyard.events.signatures import STANDARD_SIGNATURE, sign_standard
from runyard.notify import schedule
from runyard.ports import Delivery, Parcel, Ports, Receipt, Subscription, Try
from runyard.ports.deliveries import DEAD, DELIVERED, HISTORY, PENDING
from runyard.telemetry import instruments, traceparent

BATCH: Final = 50
"""Deliveries that one message hands out at most."""
BUDGET: Final = 20.0
"""Seconds after which a handler leaves the rest to the next message."""
LEASE: Final = 60.0
"""Seconds for which a try under way is left alone; then whoever made it is taken for dead."""
REST: Final = 5.0
"""Seconds for which a receiver that did not answer is left alone, while others of its deliveries are due."""

log = logging.getLogger(__name__)


def deliver(ports: Ports, body: bytes) -> None:
    """Handle a message of the queue ``notify``.

    Raises:
        EventError: if the message does not have its form.
    """
    name = read(body, NotifyWake).subscription
    subscription = ports.subscriptions.get(name)
    if subscription is None:
        ports.deliveries.drop(name)  # removed while an ending was being announced
        return
    until = ports.clock.now() + BUDGET
    for due in ports.deliveries.due(name, ports.clock.now(), most=BATCH):
        subscription = ports.subscriptions.get(name)
        if subscription is None or subscription.paused or ports.clock.now() > until:
            break
        if (claimed := _claim(ports, due)) is None:
            continue
        if not _try(ports, subscription, claimed):
            if ports.deliveries.due(name, ports.clock.now(), most=1):
                wake_notify_later(ports, name, REST)
            return
    if subscription is not None and not subscription.paused and ports.deliveries.due(name, ports.clock.now(), most=1):
        wake_notify(ports, name)


def redrive(ports: Ports, subscription: str | None = None) -> int:
    """Send what is dead once more, with a fresh count of tries; returns how many deliveries that were."""
    names: set[str] = set()
    count = 0
    while dead := ports.deliveries.list(subscription, DEAD, most=100):
        now, moved = ports.clock.now(), 0
        for each in dead:
            again = replace(each, state=PENDING, tries=0, next_at=now, settled=0.0, error="", version=each.version + 1)
            moved += ports.deliveries.replace(again, version=each.version)
            names.add(each.subscription)
        count += moved
        if not moved:
            break  # somebody else does the same
    for name in sorted(names):
        wake_notify(ports, name)
    return count


def _claim(ports: Ports, due: Delivery) -> Delivery | None:
    """Nobody else tries it meanwhile. Should this program die, it is tried again once the lease is over."""
    claimed = replace(due, tries=due.tries + 1, next_at=ports.clock.now() + LEASE, version=due.version + 1)
    return claimed if ports.deliveries.replace(claimed, version=due.version) else None


def _try(ports: Ports, subscription: Subscription, claimed: Delivery) -> bool:
    """Try it once; whether the receiver answered at all."""
    began = ports.clock.now()
    receipt = _hand_over(ports, subscription, claimed)
    now = ports.clock.now()
    error = schedule.said(receipt)
    made = Try(at=began, seconds=round(now - began, 3), status=receipt.status, error=error)
    after = replace(claimed, history=(*claimed.history, made)[-HISTORY:], version=claimed.version + 1)
    extra = {"action": "notify.delivered", "run": claimed.run_id}
    if schedule.is_taken(receipt):
        after = replace(after, state=DELIVERED, settled=now)
        log.debug("%s has %s", subscription.name, claimed.id, extra=extra)
    elif schedule.is_gone(receipt):
        _pause(ports, subscription.name, error)
        after = replace(after, tries=0, next_at=now)
    elif receipt.refused and subscription.queue:
        after = _dead(after, error, now)
    else:
        after = _later(ports, after, receipt, error, now)
    ports.deliveries.replace(after, version=claimed.version)
    telemetry.measure(instruments.DELIVERIES, 1, {"runyard.outcome": after.state})
    return receipt.status is not None or receipt.refused


def _later(ports: Ports, after: Delivery, receipt: Receipt, error: str, now: float) -> Delivery:
    delay = schedule.next_delay(receipt, after.tries, f"{after.subscription} {after.id}")
    if delay is None:
        return _dead(after, error, now)
    extra = {"action": "notify.retry", "run": after.run_id}
    log.info("%s: %s was not delivered: %s; again in %.0f s", after.subscription, after.id, error, delay, extra=extra)
    wake_notify_later(ports, after.subscription, delay)
    return replace(after, next_at=now + delay)


def _dead(after: Delivery, error: str, now: float) -> Delivery:
    extra = {"action": "notify.dead", "run": after.run_id}
    log.warning("%s: %s is given up: %s", after.subscription, after.id, error, extra=extra)
    return replace(after, state=DEAD, settled=now, error=error)


def _pause(ports: Ports, name: str, reason: str) -> None:
    """Send nothing more for now; as it is stored by now, for somebody may have changed it meanwhile."""
    subscription = ports.subscriptions.get(name)
    if subscription is not None and not subscription.paused:
        ports.subscriptions.put(with_changes(subscription, paused=True, paused_reason=reason))
        log.warning("%s is paused: %s", name, reason, extra={"action": "notify.paused"})


def _hand_over(ports: Ports, subscription: Subscription, delivery: Delivery) -> Receipt:
    """The same in the trace of the run, which goes on with the receiver."""
    with telemetry.of_delivery(delivery.run_id, delivery.trace) as span:
        receipt = hand_over(ports, subscription, delivery)
        span.note({"runyard.subscription": subscription.name, "runyard.notify.try": delivery.tries})
        if receipt.status is not None and not subscription.queue:
            span.note({"http.request.method": "POST", "http.response.status_code": receipt.status})
        if not schedule.is_taken(receipt):
            span.fail(str(receipt.status or "no answer"))
    return receipt


def hand_over(ports: Ports, subscription: Subscription, delivery: Delivery) -> Receipt:
    """One try, by HTTP or to a queue."""
    if subscription.queue:
        return _put(ports, subscription, delivery)
    url = ports.secrets.get(subscription.address)
    secrets = _secrets(ports, subscription)
    if url is None or not secrets:
        return Receipt(
            error="its address or its secret is missing; remove the subscription and add it again", refused=True
        )
    headers = signed(secrets, delivery.id, ports.clock.now(), delivery.body)
    return ports.courier.deliver(
        Parcel(url=url, headers=headers, body=delivery.body, allow_http=subscription.allow_http)
    )


def signed(secrets: list[str], ident: str, at: float, body: bytes) -> dict[str, str]:
    """The headers of a delivery; each secret signs, so that a receiver may change to the next one when it likes."""
    each = [sign_standard(secret, ident=ident, timestamp=at, body=body) for secret in secrets]
    both = " ".join(headers[STANDARD_SIGNATURE] for headers in each)
    trace = {traceparent.NAME: context} if (context := telemetry.current()) else {}
    return {"Content-Type": CONTENT_TYPE, "User-Agent": "runyard", **trace, **each[0], STANDARD_SIGNATURE: both}


def _secrets(ports: Ports, subscription: Subscription) -> list[str]:
    names = [subscription.secret]
    if subscription.earlier_secret and ports.clock.now() < subscription.earlier_until:
        names.append(subscription.earlier_secret)
    return [value for name in names if (value := ports.secrets.get(name)) is not None]


def _put(ports: Ports, subscription: Subscription, delivery: Delivery) -> Receipt:
    """To a queue: the submission that the ending makes, or the event itself."""
    body = delivery.body
    try:
        if subscription.queue == SUBMISSIONS:
            made = submission_of(subscription.template, json.loads(body), subscription.name, subscription.max_hops)
            document = made.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
            body = msgspec.json.encode(document)
        ports.queue.send(subscription.queue, body, message_id=_message_id(delivery), durable=True)
    except StorageFullError as error:
        return Receipt(error=error.message)
    except ConfigError as error:
        return Receipt(error=error.message, refused=True)
    return Receipt(status=202)


def _message_id(delivery: Delivery) -> str:
    """At most 128 characters, the same for each try."""
    return f"{delivery.id}/{delivery.subscription}"[:128]
