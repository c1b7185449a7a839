"""Traces, metrics and logs, as the rest of Runyard sees them: a few functions that do next to nothing while telemetry is off.

Nothing here imports OpenTelemetry; :func:`start` loads what does, if the environment asks for it. Names and numbers may go
into it, and what a sender calls a run; never arguments, payloads or values of variables.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Final, Literal, ParamSpec, Protocol, Self, TypeVar

from runyard.telemetry import traceparent
from runyard.telemetry.settings import wanted

Value = str | int | float | bool
Attributes = Mapping[str, Value]
SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class Recording(Protocol):
    """A span that is being recorded."""

    @property
    def traceparent(self) -> str:
        """Its context; empty while telemetry is off."""
        ...

    def note(self, attributes: Attributes) -> None:
        """Say more of it."""
        ...

    def rename(self, name: str) -> None:
        """Give it another name."""
        ...

    def fail(self, error_type: str) -> None:
        """Mark it as failed, with the kind of error and no more: an error's text may hold anything."""
        ...


class Backend(Protocol):
    """What does the work while telemetry is on."""

    system: str

    def span(
        self, name: str, kind: SpanKind, parent: str, links: tuple[str, ...], attributes: Attributes
    ) -> AbstractContextManager[Recording]:
        """See :func:`span`."""
        ...

    def past(self, name: str, parent: str, times: tuple[float, float], attributes: Attributes, error_type: str) -> None:
        """See :func:`past`."""
        ...

    def whole(self, own: str, parent: str, times: tuple[float, float], attributes: Attributes, error_type: str) -> None:
        """See :func:`whole`."""
        ...

    def current(self) -> str:
        """See :func:`current`."""
        ...

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """See :func:`measure`."""
        ...

    def stop(self, timeout: float) -> None:
        """Send what is left and end."""
        ...


class _Nothing:
    """The span of telemetry that is off."""

    __slots__ = ()
    traceparent = ""

    def note(self, attributes: Attributes) -> None:
        """Nobody listens."""

    def rename(self, name: str) -> None:
        """Nobody listens."""

    def fail(self, error_type: str) -> None:
        """Nobody listens."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


NOTHING: Final = _Nothing()
SERVICE_BUS: Final = "servicebus"
"""What carries messages in Azure: https://opentelemetry.io/docs/specs/semconv/messaging/azure-messaging/."""
PATIENCE: Final = 5.0
"""Seconds that sending what is left may take at the end."""
_NONE: Final[Attributes] = {}
_backend: Backend | None = None


def on() -> bool:
    """Whether telemetry is on."""
    return _backend is not None


def start(*, system: str, environ: Mapping[str, str] | None = None) -> bool:
    """Turn telemetry on if the environment asks for it; whether it is on. Hosts call it, before they open anything.

    Where the packages are missing, one line of the log says so and nothing is sent: no run waits for its telemetry.

    Args:
        system: What carries the messages: ``servicebus``, or ``runyard`` for the queues of one machine.
        environ: The settings; by default the environment.

    Raises:
        ConfigError: if the settings contradict each other.
    """
    settings = os.environ if environ is None else environ
    asked = wanted(settings)
    if not asked or on():
        return on()
    try:
        module = importlib.import_module("runyard.telemetry.backend")
        install(module.open_backend(asked, settings, system))
    except ImportError as error:
        extra = "telemetry-azure" if "azure" in asked.exporters else "telemetry"
        log.warning(
            "telemetry is asked for and stays off: %s is not installed; pip install 'runyard[%s]'",
            error.name,
            extra,
            extra={"action": "telemetry.missing"},
        )
        return False
    log.info("telemetry goes to %s", " and ".join(asked.exporters), extra={"action": "telemetry.started"})
    return True


def install(backend: Backend | None) -> None:
    """Make this the backend; ``None`` turns telemetry off."""
    global _backend  # noqa: PLW0603 - a process has one, set by its host before anything else runs
    _backend = backend


def stop(timeout: float = PATIENCE) -> None:
    """Send what is left, within ``timeout`` seconds, and turn telemetry off. Repeatable."""
    ended = _backend
    install(None)
    if ended is not None:
        ended.stop(timeout)


def span(
    name: str,
    *,
    kind: SpanKind = "internal",
    parent: str = "",
    links: tuple[str, ...] = (),
    attributes: Attributes = _NONE,
) -> AbstractContextManager[Recording]:
    """A span around a block.

    Args:
        name: Its name; few different ones.
        kind: Its kind.
        parent: The context that it belongs to; by default the current one.
        links: Contexts that it has to do with.
        attributes: What is known of it now.
    """
    if _backend is None:
        return NOTHING
    return _backend.span(name, kind, parent, links, attributes)


def past(
    name: str, parent: str, times: tuple[float, float], attributes: Attributes = _NONE, error_type: str = ""
) -> None:
    """A span that is over: from and to, in seconds since the epoch. It links to the current one."""
    if _backend is not None:
        _backend.past(name, parent, times, attributes, error_type)


def whole(
    own: str, parent: str, times: tuple[float, float], attributes: Attributes = _NONE, error_type: str = ""
) -> None:
    """The span of a whole run, under the context ``own`` of which others are children already."""
    if _backend is not None:
        _backend.whole(own, parent, times, attributes, error_type)


def event(trace: str) -> AbstractContextManager[Recording]:
    """Around what an event asks for that says to which trace it belongs, when that is not the one of who brought it."""
    if _backend is None or not trace:
        return NOTHING
    now = _backend.current()
    return _backend.span("event", "consumer", trace, (now,) if now else (), _NONE)


def current() -> str:
    """The current context, to be sent or stored; empty if there is none, or telemetry is off."""
    return "" if _backend is None else _backend.current()


def measure(name: str, value: float, attributes: Attributes = _NONE) -> None:
    """Add to a counter, record in a histogram, or set a gauge: one of :data:`~runyard.telemetry.instruments.INSTRUMENTS`."""
    if _backend is not None:
        _backend.measure(name, value, attributes)


def system() -> str:
    """What carries the messages."""
    return "" if _backend is None else _backend.system


def of_run(name: str, run: Any, *, kind: SpanKind = "internal") -> AbstractContextManager[Recording]:
    """A span around what is done for a run, in its trace and linked to the current span.

    Args:
        name: What is done.
        run: Anything with the run's ``id`` and its ``trace``.
        kind: The span's kind.
    """
    return NOTHING if _backend is None else _in_trace(_backend, name, run.id, run.trace, kind)


def of_delivery(run_id: str, trace: str) -> AbstractContextManager[Recording]:
    """The same around one try to deliver a run's ending."""
    return NOTHING if _backend is None else _in_trace(_backend, "deliver", run_id, trace, "client")


def _in_trace(
    backend: Backend, name: str, run_id: str, trace: str, kind: SpanKind
) -> AbstractContextManager[Recording]:
    now, own = backend.current(), traceparent.of_run(run_id, trace)
    links = (now,) if now and traceparent.trace_id(now) != traceparent.trace_id(own) else ()
    return backend.span(name, kind, own, links, {"runyard.run.id": run_id})


def step(name: str, position: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a use case's step for one run, which is its argument at this position, with :func:`of_run`."""

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        @wraps(call)
        def traced(*args: P.args, **kwargs: P.kwargs) -> T:
            if _backend is None:
                return call(*args, **kwargs)
            with of_run(name, args[position]):
                return call(*args, **kwargs)

        return traced

    return decorate
