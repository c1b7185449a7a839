"""The messages that move runs on. They carry names, never news: any of them may be lost, doubled or late."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from runyard.errors import EventError
from runyard.ports import Compute, Ports
from runyard.ports.queue import DEAD_LETTERS
from runyard.runs.model import Run

SCHEMA: Final = 1
SUBMISSIONS: Final = "submissions"
WATCH: Final = "watch"
FINISHED: Final = "finished"
"""Runs that have ended, and whose ending is to be announced."""
NOTIFY: Final = "notify"
"""Subscriptions that have deliveries due."""
BURIED: Final = "buried"
"""Dead letters after their consequence was written down: kept to be looked at and sent again."""


class DispatchWake(msgspec.Struct, frozen=True, kw_only=True):
    """``dispatch-<kind>``: the compute may have work."""

    compute: str
    schema: int = SCHEMA


class WatchTick(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``watch``: poll the compute. Without a generation it is a nudge, beside the scheduled ones."""

    compute: str
    generation: int | None = None
    interval: float = 0.0
    schema: int = SCHEMA


class EndingWake(msgspec.Struct, frozen=True, kw_only=True):
    """``finished``: the run has ended, and that may be still to be announced."""

    run: str
    schema: int = SCHEMA


class NotifyWake(msgspec.Struct, frozen=True, kw_only=True):
    """``notify``: the subscription may have deliveries due."""

    subscription: str
    schema: int = SCHEMA


Form = TypeVar("Form", DispatchWake, WatchTick, EndingWake, NotifyWake)


def dispatch_queue(kind: str) -> str:
    """The dispatch queue of a kind."""
    return f"dispatch-{kind}"


def queues(kinds: Iterable[str]) -> frozenset[str]:
    """Every queue of a service with these kinds of compute target: what it listens to, and :data:`BURIED`."""
    return frozenset({SUBMISSIONS, WATCH, FINISHED, NOTIFY, BURIED, DEAD_LETTERS, *map(dispatch_queue, kinds)})


def wake_dispatch(ports: Ports, compute: Compute) -> None:
    """Tell the dispatcher of the compute's kind that there may be something to do."""
    ports.queue.wake(dispatch_queue(compute.kind), msgspec.json.encode(DispatchWake(compute=compute.name)))


def wake_for_new(ports: Ports, compute: Compute) -> None:
    """The same for a run that has just been put on the waiting list, with its row written.

    On a full compute nobody is told: who frees a slot sees that somebody waits.
    """
    if ports.gates.room(compute.name):
        wake_dispatch(ports, compute)


def wake_for_next(ports: Ports, compute: Compute) -> None:
    """The same after a slot was freed, if somebody waits for it."""
    if ports.gates.awaited(compute.name):
        wake_dispatch(ports, compute)


def wake_dispatch_later(ports: Ports, compute: Compute, delay: float) -> None:
    """The same, not before ``delay`` seconds from now."""
    body = msgspec.json.encode(DispatchWake(compute=compute.name))
    ports.queue.send(dispatch_queue(compute.kind), body, delay=delay)


def wake_finished(ports: Ports, run: Run) -> None:
    """Have a run's ending announced, if anybody asked for that. Whoever writes an ending says so here when all else is done.

    It is a wake: that the ending is to be announced stands in the outbox since the ending was written.
    """
    if run.has_ended and ports.subscriptions.any():
        send_ending(ports, run.id)


def send_ending(ports: Ports, run_id: str) -> None:
    """The same for one that is known to be in the outbox."""
    ports.queue.wake(FINISHED, msgspec.json.encode(EndingWake(run=run_id)))


def wake_notify(ports: Ports, subscription: str) -> None:
    """Tell of deliveries that are due."""
    ports.queue.wake(NOTIFY, msgspec.json.encode(NotifyWake(subscription=subscription)))


def wake_notify_later(ports: Ports, subscription: str, delay: float) -> None:
    """The same, not before ``delay`` seconds from now."""
    ports.queue.send(NOTIFY, msgspec.json.encode(NotifyWake(subscription=subscription)), delay=delay)


def nudge(compute: str) -> bytes:
    """The body of a ``watch`` message that asks for a poll now."""
    return msgspec.json.encode(WatchTick(compute=compute))


def send_tick(ports: Ports, compute: str, generation: int, interval: float) -> None:
    """Schedule the watch message that counts."""
    tick = WatchTick(compute=compute, generation=generation, interval=interval)
    ports.queue.send(WATCH, msgspec.json.encode(tick), delay=interval)


def read(body: bytes, form: type[Form]) -> Form:
    """Read a message of one of these forms.

    Raises:
        EventError: if it does not have that form or is of a newer schema.
    """
    return _known(_decode(body, form))


def _decode(body: bytes, form: type[Form]) -> Form:
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventError(f"the message is not a {form.__name__}: {error}") from None


def _known(message: Form) -> Form:
    if message.schema > SCHEMA:
        raise EventError(
            f"the message has schema {message.schema}, and this version knows up to {SCHEMA}; upgrade first"
        )
    return message
