"""Dead letters: what follows from a message that could not be handled is written where a user looks, on the run.

The message itself is kept on the queue ``buried``, to be looked at and sent again.
"""

from __future__ import annotations

import logging
from typing import Final

from runyard import telemetry
from runyard.accept import messages, reject
from runyard.accept.acceptor import accept_run, blob_identity, event_identity, fail
from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.errors import ConfigError, EventError
from runyard.events.submission import parse_submission
from runyard.ports import Message, Ports
from runyard.reconcile.wake_up import reconcile
from runyard.runs.model import Origin
from runyard.runs.states import State
from runyard.telemetry import instruments
from runyard.telemetry.traceparent import NAME, valid

LOCK: Final = 60.0
LONGEST: Final = 500
"""Characters of a description that are told."""

log = logging.getLogger(__name__)


def bury(ports: Ports, letter: Message) -> None:
    """Handle a message of the queue ``deadletters``."""
    source, why = letter.dead_letter_source or "unknown", letter.dead_letter_reason or "no reason given"
    log.error(
        "a message of %s became a dead letter: %s", source, why, extra={"action": "dead letter", "letter": letter.id}
    )
    telemetry.measure(instruments.DEAD_LETTERS, 1, {"messaging.destination.name": source})
    if source == SUBMISSIONS:
        _end_submission(ports, letter, letter.dead_letter_description or why)
    else:
        reconcile(ports)  # a lost wake: whatever it was to move is found by its gate
    # Without a source the letter was sent here by hand: sent again it goes to accept, which tells what is wrong with it.
    properties = {"source": letter.dead_letter_source, "reason": why, "description": letter.dead_letter_description}
    ports.queue.send(BURIED, letter.body, message_id=letter.id, properties={**properties, **_trace_of(letter)})


def _trace_of(letter: Message) -> dict[str, str]:
    """Its trace context: sent again, it goes on in the same trace."""
    trace = valid(letter.properties.get(NAME))
    return {NAME: trace} if trace else {}


def _failure(description: str, way_out: str) -> EventError:
    """Why, in one line: what a handler raised may have many."""
    said = " ".join(description.split())[:LONGEST].rstrip(".; ")
    return EventError(f"could not be accepted: {said}; once that is mended, {way_out}")


def _end_submission(ports: Ports, letter: Message, description: str) -> None:
    origin = Origin(source="queue", name=SUBMISSIONS, event_id=letter.id)
    try:
        envelope = messages.read(letter.body)
    except ConfigError as unknown:
        reject(ports, origin, EventError(unknown.message), at=letter.enqueued)
        return
    if envelope is not None and envelope.run:
        _end_run(ports, envelope.run, _failure(description, f"`runyard resubmit {envelope.run}` runs it"))
    elif envelope is not None and envelope.blob is not None:
        blob = envelope.blob
        origin = Origin(source="blob", name=blob.name, event_id=blob.event_id)
        error = _failure(description, "drop the snapshot again")
        if not _goes_on(ports, blob_identity(blob)):
            reject(ports, origin, error, at=letter.enqueued, ident=blob_identity(blob))
    elif not _goes_on(ports, _identity_of(letter)):
        error = _failure(description, "`runyard queue redrive` sends it again")
        reject(ports, origin, error, at=letter.enqueued)


def _identity_of(letter: Message) -> str | None:
    """The identity of the run that a public submission asks for; ``None`` if it cannot be read."""
    try:
        return event_identity(parse_submission(letter.body), letter.id)
    except ConfigError:
        return None


def _goes_on(ports: Ports, ident: str | None) -> bool:
    """Whether the message's run is there, so that the message is only one that came too often; see that the run goes on."""
    known = ports.runs.find(ident) if ident is not None else None
    if known is None:
        return False
    if ports.runs.get(known) is not None:
        accept_run(ports, known)
    return True


def _end_run(ports: Ports, run_id: str, error: EventError) -> None:
    run = ports.runs.get(run_id)
    if run is not None and run.state is State.NOT_STARTED:
        fail(ports, run, error)
    elif run is not None and run.state is State.QUEUED:
        accept_run(ports, run.id)  # accepted after all: only its wake may be missing


def redrive(ports: Ports, *, source: str | None = None, most: int = 1000) -> int:
    """Send buried messages, and dead letters that nobody could bury, back to the queue they came from; returns how many.

    Args:
        ports: The outside.
        source: Only those of this queue.
        most: At most so many.
    """
    sent = ports.queue.redrive(source=source, most=most)
    kept: list[Message] = []
    while sent < most and (letters := ports.queue.receive(BURIED, most=min(100, most - sent), lock=LOCK)):
        for letter in letters:
            if source is not None and letter.properties.get("source") != source:
                kept.append(letter)
                continue
            source_of = letter.properties.get("source") or SUBMISSIONS
            ports.queue.send(source_of, letter.body, properties=_trace_of(letter), durable=True)
            ports.queue.complete(letter)
            sent += 1
    for letter in kept:  # given back only now: sooner, they would be received again at once
        ports.queue.send(BURIED, letter.body, message_id=letter.id, properties=letter.properties, durable=True)
        ports.queue.complete(letter)
    return sent
