"""The messages that move runs on. They carry names, never news: any of them may be lost, doubled or late."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from runyard.errors import EventError
from runyard.ports import Compute, Ports

SCHEMA: Final = 1
SUBMISSIONS: Final = "submissions"
WATCH: Final = "watch"
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


Form = TypeVar("Form", DispatchWake, WatchTick)


def dispatch_queue(kind: str) -> str:
    """The dispatch queue of a kind."""
    return f"dispatch-{kind}"


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
    if ports.gates.waiting(compute.name, limit=1):
        wake_dispatch(ports, compute)


def wake_dispatch_later(ports: Ports, compute: Compute, delay: float) -> None:
    """The same, not before ``delay`` seconds from now."""
    body = msgspec.json.encode(DispatchWake(compute=compute.name))
    ports.queue.send(dispatch_queue(compute.kind), body, delay=delay)


def nudge(compute: str) -> bytes:
    """The body of a ``watch`` message that asks for a poll now."""
    return msgspec.json.encode(WatchTick(compute=compute))


def send_tick(ports: Ports, compute: str, generation: int, interval: float) -> None:
    """Schedule the watch message that counts."""
    tick = WatchTick(compute=compute, generation=generation, interval=interval)
    ports.queue.send(WATCH, msgspec.json.encode(tick), delay=interval)


def read_wake(body: bytes) -> DispatchWake:
    """Read a ``dispatch-<kind>`` message.

    Raises:
        EventError: if it does not have that form or is of a newer schema.
    """
    return _known(_decode(body, DispatchWake))


def read_tick(body: bytes) -> WatchTick:
    """Read a ``watch`` message.

    Raises:
        EventError: if it does not have that form or is of a newer schema.
    """
    return _known(_decode(body, WatchTick))


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
