"""Telemetry that a test reads: spans and metrics in memory, and a house whose functions are those of the app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from functions.dead_letters import bury_dead_letter
from functions.dispatching import _dispatcher
from functions.endings import announce_ending, deliver_due
from functions.submissions import accept_submission
from functions.watching import poll_compute
from runyard import telemetry
from runyard.dispatch.wakes import FINISHED, NOTIFY, SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import LockLostError
from runyard.host.bindings import queue_message
from runyard.ports.queue import DEAD_LETTERS
from runyard.services import Services, install
from runyard.telemetry.backend import OtelBackend
from tests.unit.house import House


@dataclass
class Recorder:
    """What was recorded."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Those that are over, by when they began."""
        found = [span for span in self.exporter.get_finished_spans() if name in {None, span.name}]
        return sorted(found, key=lambda span: span.start_time or 0)

    def span(self, name: str) -> ReadableSpan:
        """The one of this name."""
        (span,) = self.spans(name)
        return span

    def of_trace(self, trace: str) -> list[ReadableSpan]:
        """Those of one trace."""
        return [span for span in self.spans() if trace_of(span) == trace]

    def points(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """By instrument, each series: its attributes, and its value (of a histogram, its count)."""
        data = self.reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, Any], float]]] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = getattr(point, "value", None)
                        told = getattr(point, "count", 0) if value is None else value
                        found.setdefault(metric.name, []).append((dict(point.attributes or {}), told))
        return found


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent is not None else ""


@contextmanager
def recording() -> Iterator[Recorder]:
    """Telemetry that is on for the time of a block."""
    recorder = Recorder()
    backend = OtelBackend(
        [SimpleSpanProcessor(recorder.exporter)], [recorder.reader], resource=Resource({}), system="runyard"
    )
    telemetry.install(backend)
    try:
        yield recorder
    finally:
        telemetry.stop()


@dataclass
class TracedHouse(House):
    """A house whose messages come to the functions of the app, as a host calls them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.serve()

    def serve(self) -> None:
        """Put the services around the ports as they are now."""
        services = Services(ports=self.ports, root=None)
        self.ports = services.ports
        install(services)

    def deliver(self, queue: str, most: int = 100) -> int:
        handlers: dict[str, Callable[..., Any]] = {
            SUBMISSIONS: accept_submission,
            dispatch_queue("fake"): _dispatcher("fake", dispatch_queue("fake")),
            WATCH: poll_compute,
            FINISHED: announce_ending,
            NOTIFY: deliver_due,
            DEAD_LETTERS: bury_dead_letter,
        }
        messages = self.ports.queue.receive(queue, most=most, lock=60.0)
        for message in messages:
            handlers[queue](message=queue_message(message))
            with suppress(LockLostError):  # it comes again, as in a host
                self.ports.queue.complete(message)
        return len(messages)


@contextmanager
def traced_house(**settings: Any) -> Iterator[tuple[TracedHouse, Recorder]]:
    """A house with telemetry on."""
    with recording() as recorder:
        try:
            yield TracedHouse(**settings), recorder
        finally:
            install(None)
