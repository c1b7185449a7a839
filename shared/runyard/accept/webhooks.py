"""Webhooks: a delivery that proves who it is from becomes submissions by the webhook's template, one an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runyard import telemetry
from runyard.accept.acceptor import blob_identity
from runyard.accept.concealed import whole_template
from runyard.accept.doors import check_room, drop, submit
from runyard.accept.rejections import reject
from runyard.accept.resolve import CONTAINERS
from runyard.accept.tally import Tally
from runyard.accept.webhook_kinds import is_wanted, kind_of, prove, read
from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    EventError,
    NotFoundError,
    RunyardError,
    TransientError,
)
from runyard.events.blob import BlobDrop, experiment_of, parse_blob_event
from runyard.events.cloudevents import allowance
from runyard.events.delivery import Delivery, Occurrence
from runyard.events.endings import counted
from runyard.events.eventgrid import EVENT_TYPE
from runyard.events.signatures import Proof
from runyard.events.submission import Submission
from runyard.events.template import fill
from runyard.ports import Ports, Webhook
from runyard.runs.identity import identity, plain_etag, run_id
from runyard.runs.model import Origin
from runyard.runs.states import State

PAUSE: Final = 300.0
"""Seconds after which who was turned away by a paused webhook may come again. Event Grid tries for a day."""

STARTED: Final = "started"
FOUND: Final = "found"
IGNORED: Final = "ignored"
REJECTED: Final = "rejected"
DELETED: Final = "deleted"


class PausedError(TransientError):
    """The webhook is paused."""

    def __init__(self, name: str) -> None:
        super().__init__(f"webhook {name!r} is paused; send it again later, or `runyard webhook resume {name}`")
        self.retry_after = PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an event."""

    event: Occurrence
    what: str
    """``started``, ``found`` (a repetition), ``ignored`` (a filter), ``rejected`` or ``deleted`` (within a batch)."""
    run: str | None = None
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of a delivery."""

    outcomes: Sequence[Outcome] = ()
    validation: str | None = None
    """Of Event Grid's handshake: the code to answer with."""


def existing_webhook(ports: Ports, name: str) -> Webhook:
    """The webhook.

    Raises:
        NotFoundError: if there is none of this name.
    """
    webhook = ports.webhooks.get(name)
    if webhook is None:
        raise NotFoundError(f"there is no webhook {name[:60]!r}; `runyard webhook list` lists them")
    return webhook


def deliver(ports: Ports, name: str, delivery: Delivery, tally: Tally | None = None) -> Delivered:
    """Take a delivery; the same events again find the runs they made. It returns when all is written durably.

    Raises:
        NotFoundError: if there is no such webhook, or its snapshot is gone.
        AuthError: if it does not prove who it is from.
        PausedError: if the webhook is paused.
        ConflictError: if the run that its one event made was deleted.
        EventError: if it cannot be read, or does not have what the template points at.
        ThrottledError: if too many submissions wait already; those of its events that were taken stay taken.
    """
    webhook = existing_webhook(ports, name)
    try:
        return _take(ports, webhook, delivery, tally)
    except RunyardError as error:
        if tally is not None:
            tally.refused(name, error.message, at=ports.clock.now())
        raise


def handshake(ports: Ports, name: str, delivery: Delivery, tally: Tally | None = None) -> dict[str, str] | None:
    """The headers that agree to the handshake of CloudEvents (OPTIONS); ``None`` if the webhook's kind has none.

    Where deliveries are signed there is nothing to sign in a handshake, so it is answered as it comes: it starts nothing, and
    only tells the sender that somebody here expects it.

    Raises:
        NotFoundError: if there is no such webhook.
        AuthError: if the secret is missing or wrong, and the webhook's handshake is not open.
        EventError: if the request does not say who asks.
    """
    webhook = existing_webhook(ports, name)
    if not kind_of(webhook).handshake:
        return None
    try:
        if webhook.signing is None and not webhook.open_handshake:
            prove(ports, webhook, delivery)
        headers = allowance(delivery)
    except RunyardError as error:
        if tally is not None:
            tally.refused(name, f"handshake: {error.message}", at=ports.clock.now())
        raise
    if tally is not None:
        tally.shook(name, at=ports.clock.now())
    return headers


def _take(ports: Ports, webhook: Webhook, delivery: Delivery, tally: Tally | None) -> Delivered:
    try:
        proof, secret = prove(ports, webhook, delivery)
    except AuthError:
        if not (webhook.open_handshake and delivery.header(EVENT_TYPE) == "SubscriptionValidation"):
            raise
        proof, secret = Proof(0), None
    found = read(webhook, delivery, proof)
    now = ports.clock.now()
    if isinstance(found, str):
        if tally is not None:
            tally.shook(webhook.name, at=now)
        return Delivered(validation=found)
    if secret is None:
        raise AuthError(
            "the delivery calls itself a handshake and is none; only a handshake is answered without the secret"
        )
    if webhook.paused:
        raise PausedError(webhook.name)
    outcomes = [carry_out(ports, webhook, event, alone=len(found) == 1) for event in found]
    if tally is not None:
        started = sum(outcome.what == STARTED for outcome in outcomes)
        tally.accepted(webhook.name, secret=secret.id, runs=started, at=now)
    return Delivered(outcomes=outcomes)


def carry_out(ports: Ports, webhook: Webhook, event: Occurrence, *, alone: bool = True) -> Outcome:
    """Start the run that an event asks for, or find the one it made before.

    Args:
        ports: The outside.
        webhook: Whose event it is.
        event: The event.
        alone: Whether it came alone; then the delivery is refused for what is wrong with it. One of several becomes a
            ``Failed`` run in ``_rejected``, and the others are as they would be without it.

    Raises:
        ConfigError: if it came alone and asks for what cannot be.
        ConflictError: if it came alone and its run was deleted.
        NotFoundError: if the snapshot is not there.
        ThrottledError: if too many submissions wait already.
    """
    if not is_wanted(webhook, event):
        return Outcome(event=event, what=IGNORED)
    try:
        with telemetry.event(event.trace):
            return _drop(ports, event) if webhook.blob_drops else _submit(ports, webhook, event)
    except ConflictError:
        if alone:
            raise
        return Outcome(event=event, what=DELETED)
    except ConfigError as error:
        if alone:
            raise
        key = identity(_key(webhook, event))
        run = reject(ports, _origin(webhook, event), error, at=ports.clock.now(), ident=key)
        return Outcome(event=event, what=REJECTED, run=run.id, status=run.status)


def submission_of(ports: Ports, webhook: Webhook, event: Occurrence) -> Submission:
    """What an event asks for, by the webhook's template.

    Raises:
        ConfigError: if the template's secrets are gone.
        EventError: if the payload does not have what the template points at, or it may not stand there.
    """
    filled = fill(whole_template(ports, webhook), event.payload)
    return Submission.of(counted(filled, event.type, event.payload))


def blob_of(ports: Ports, event: Occurrence) -> BlobDrop | None:
    """The snapshot that a blob's event tells of; ``None`` if it tells of something else, such as a blob that is not whole.

    Raises:
        ConfigError: if its container is not registered, or it does not say which version of the blob is meant.
        EventError: if it does not have the agreed form.
        NotFoundError: if the blob is not there.
    """
    if not isinstance(event.payload, Mapping):
        raise EventError("the blob event must be a JSON object")
    found = parse_blob_event(event.payload)
    if found is None:
        return None
    if found.container not in CONTAINERS:
        known = ", ".join(sorted(CONTAINERS))
        raise ConfigError(f"the blob is in {found.container[:63]!r}, and the registered containers are {known}")
    if not found.etag:
        raise EventError("the blob event has no eTag, and without one its version is not known")
    there = ports.blobs.head(found.container, found.name)
    if there is None:
        raise NotFoundError(
            f"there is no blob {found.container}/{found.name[:200]}; the event is of another store, or came late"
        )
    # The event's time is a moment after the blob's own, which is what the sweep sees, and part of the run's id.
    same = plain_etag(there.etag) == found.etag
    return replace(found, modified=there.modified) if same else found


def _drop(ports: Ports, event: Occurrence) -> Outcome:
    found = blob_of(ports, event)
    if found is None:
        return Outcome(event=event, what=IGNORED)
    ident = blob_identity(found)
    known = ports.runs.find(ident)
    if known is not None:
        run = ports.runs.get(known)
        if run is None:
            raise ConflictError(
                f"the run of this blob was {known}, and it was deleted since; drop the file again to run it"
            )
        return Outcome(event=event, what=FOUND, run=run.id, status=run.status)
    check_room(ports, None)
    ident = run_id(experiment_of(found.name), found.modified, ident)
    drop(ports, found, durable=True)
    return Outcome(event=event, what=STARTED, run=ident, status=str(State.NOT_STARTED))


def _submit(ports: Ports, webhook: Webhook, event: Occurrence) -> Outcome:
    run, created = submit(
        ports, submission_of(ports, webhook, event), origin=_origin(webhook, event), key=_key(webhook, event)
    )
    return Outcome(event=event, what=STARTED if created else FOUND, run=run.id, status=run.status)


def _origin(webhook: Webhook, event: Occurrence) -> Origin:
    return Origin(source="webhook", name=webhook.name, event_id=event.id)


def _key(webhook: Webhook, event: Occurrence) -> str:
    """The event's identity. No part holds a line's end, so no two of them join to the same text."""
    return "\n".join((webhook.name, *event.identity))
