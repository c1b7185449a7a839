"""What a trigger does when a store, or a compute, does not answer now: a message comes again later, a timer at its next time.

A message that is given back is delivered again at once, and ten times within seconds: a service that is down for a minute would
turn every message into a dead letter. So a copy is sent that comes later, and the message is done with. Sent first: a crash
between the two leaves both, and every handler finds what was done before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from runyard.dispatch.retries import pause
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import AuthError, ConflictError, RunyardError, StorageFullError, TargetError, ThrottledError
from runyard.ports import Message, Ports
from runyard.ports.queue import DEAD_LETTERS

PASSING: Final = (TargetError, AuthError, ConflictError, StorageFullError)
"""What may be over later: a store is busy, down or full, a role is not assigned yet, somebody else writes the same row."""
KEPT: Final = frozenset({SUBMISSIONS, DEAD_LETTERS})
"""Queues whose messages are the only trace of what was asked for: these have the whole 24 hours, whatever the reason. The
others hold wakes, which the reconciler sends anew."""
SHORTEST: Final = 2.0
"""Seconds that a copy waits at least, whatever the platform says."""

TRIES: Final = "runyard-tries"
"""The property that counts a message's copies."""
SINCE: Final = "runyard-since"
"""When it could not be handled first, in seconds since the epoch."""
ENQUEUED: Final = "runyard-enqueued"
"""When the first of them was sent: it is part of the run's id."""
SOURCE: Final = "runyard-source"
"""Of a dead letter: the queue it came from."""
REASON: Final = "DeadLetterReason"
DESCRIPTION: Final = "DeadLetterErrorDescription"
"""Service Bus itself has these two as properties of dead letters.
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues"""
GAVE_UP: Final = "NotHandled"

log = logging.getLogger(__name__)


def patiently(ports: Ports, message: Message, handle: Callable[[], object]) -> None:
    """Handle a message; if that fails for a passing reason, have it come again later, or, in the end, make it a dead letter.

    It returns when the message is done with. What it raises, the queue included that cannot take the copy, gives it back.
    """
    try:
        handle()
    except PASSING as error:
        delay = _delay(message, error, ports.clock.now())
        if delay is None and message.queue == DEAD_LETTERS:
            raise
        if delay is None:
            _give_up(ports, message, error)
        else:
            _send_later(ports, message, error, delay)


def tolerantly(what: str, call: Callable[[], object]) -> None:
    """Do what a timer does; a passing failure is logged, and the next time tries again."""
    try:
        call()
    except PASSING as error:
        log.warning("%s: left out this time: %s", what, error.message, extra={"action": "timer.left_out"})


def enqueued_of(properties: Mapping[str, str]) -> float | None:
    """When the first message was sent of which this is a copy; ``None`` if it is no copy."""
    return _number(properties, ENQUEUED)


def _delay(message: Message, error: RunyardError, now: float) -> float | None:
    tries = int(_number(message.properties, TRIES) or 0)
    waited = now - (_number(message.properties, SINCE) or now)
    word = "throttled"
    if message.queue not in KEPT and not isinstance(error, AuthError | StorageFullError):
        word = "transient" if isinstance(error, ConflictError) else error.error_class
    delay = pause(word, tries, waited)
    if delay is not None and isinstance(error, ThrottledError) and error.retry_after is not None:
        return max(error.retry_after, SHORTEST)
    return delay


def _send_later(ports: Ports, message: Message, error: RunyardError, delay: float) -> None:
    """The copy has the same id: a submission without an id of its own is known by its message's."""
    tries = int(_number(message.properties, TRIES) or 0) + 1
    properties = {
        **message.properties,
        **_letter(message.dead_letter_source, message.dead_letter_reason, message.dead_letter_description),
        TRIES: str(tries),
        SINCE: str(_number(message.properties, SINCE) or ports.clock.now()),
        ENQUEUED: str(message.enqueued),
    }
    ports.queue.send(
        message.queue, message.body, delay=delay, message_id=message.id, properties=properties, durable=True
    )
    log.warning(
        "%s: a message was put off by %.0f s (%d): %s", message.queue, delay, tries, error.message, extra={"action": "put_off"}
    )  # fmt: skip


def _give_up(ports: Ports, message: Message, error: RunyardError) -> None:
    """A dead letter that says why; given back ten times it would become one that does not."""
    said = f"{error.message} (tried for as long as such an error is)"
    properties = {**message.properties, **_letter(message.queue, GAVE_UP, said), ENQUEUED: str(message.enqueued)}
    for name in (TRIES, SINCE):
        properties.pop(name, None)
    ports.queue.send(DEAD_LETTERS, message.body, message_id=message.id, properties=properties, durable=True)
    log.error("%s: a message was given up: %s", message.queue, error.message, extra={"action": "gave_up"})


def _letter(source: str, reason: str, description: str) -> dict[str, str]:
    return {SOURCE: source, REASON: reason, DESCRIPTION: description} if source else {}


def _number(properties: Mapping[str, str], name: str) -> float | None:
    """A number that we wrote ourselves; whatever else stands there counts for nothing."""
    try:
        found = float(properties.get(name, ""))
    except ValueError:
        return None
    return found if 0 <= found < 1e11 else None
