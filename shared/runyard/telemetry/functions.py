"""The span of a function's call, the same under the embedded host and under Microsoft's worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, Literal, ParamSpec, TypeVar

from runyard import telemetry
from runyard.telemetry import instruments
from runyard.telemetry.traceparent import NAME, valid

P = ParamSpec("P")
T = TypeVar("T")
Trigger = Literal["queue", "timer", "event"]

_FAAS: Final = {"queue": "pubsub", "timer": "timer", "event": "datasource"}
"""``faas.trigger``: https://opentelemetry.io/docs/specs/semconv/attributes-registry/faas/"""


def traced(
    name: str, trigger: Trigger = "queue", *, queue: str = "", joins: bool = False
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function with a span and a measured duration.

    Args:
        name: The function's name.
        trigger: What starts it.
        queue: Where its messages come from.
        joins: Whether its span belongs to the trace of the message, as that of a submission does. Wakes do not: they come from
            many runs or from one another, and a trace that they formed would never end; theirs is linked.
    """

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        @wraps(call)
        def handler(*args: P.args, **kwargs: P.kwargs) -> T:
            if not telemetry.on():
                return call(*args, **kwargs)
            value: Any = next(iter((*args, *kwargs.values())), None)
            return _call(lambda: call(*args, **kwargs), name, trigger, queue, value, joins=joins)

        return handler

    return decorate


def _call(call: Callable[[], T], name: str, trigger: Trigger, queue: str, value: Any, *, joins: bool) -> T:
    sender = sender_of(value) if trigger == "queue" else ""
    ambient = telemetry.current()
    parent = sender if joins else ""
    links = tuple(each for each in (sender, ambient) if each and each not in {parent, "" if parent else ambient})
    attributes: dict[str, telemetry.Value] = {"faas.name": name, "faas.trigger": _FAAS[trigger]}
    if trigger == "queue":
        attributes |= _messaging(queue, value)
    began, failed = time.perf_counter(), ""
    try:
        with telemetry.span(
            f"process {queue}" if queue else name,
            kind="consumer" if trigger == "queue" else "internal",
            parent=parent,
            links=links,
            attributes=attributes,
        ):
            return call()
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        told = {"faas.name": name, **({"error.type": failed} if failed else {})}
        telemetry.measure(instruments.FUNCTION, time.perf_counter() - began, told)


def sender_of(message: Any) -> str:
    """The trace context that a message's sender wrote into its properties; empty if there is none.

    The worker hands properties over as it got them: a value may be bytes.
    """
    properties = getattr(message, "application_properties", None)
    if not isinstance(properties, dict):
        return ""
    value = properties.get(NAME)
    return valid(value.decode("ascii", "replace") if isinstance(value, bytes) else value)


def _messaging(queue: str, message: Any) -> dict[str, telemetry.Value]:
    """What is known of a message: https://opentelemetry.io/docs/specs/semconv/messaging/azure-messaging/."""
    found: dict[str, telemetry.Value] = {
        "messaging.system": telemetry.system(),
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": queue,
    }
    if ident := getattr(message, "message_id", None):
        found["messaging.message.id"] = str(ident)
    if count := getattr(message, "delivery_count", None):
        found["messaging.servicebus.message.delivery_count"] = int(count)
    if (sent := getattr(message, "enqueued_time_utc", None)) is not None:
        found["messaging.servicebus.message.enqueued_time"] = int(sent.timestamp())
    return found
