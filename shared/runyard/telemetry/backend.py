"""The backend that sends: spans, metrics and logs through OpenTelemetry's SDK. Loaded only when it is asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from runyard.telemetry import Attributes, SpanKind
from runyard.telemetry.exporters import Exporters, make_exporters
from runyard.telemetry.instruments import INSTRUMENTS
from runyard.telemetry.logs import Shipping
from runyard.telemetry.settings import Wanted

SCOPE: Final = "runyard"
_KINDS: Final[Mapping[SpanKind, trace.SpanKind]] = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}


class _Ids(RandomIdGenerator):
    """Random ids, but for a span whose id is known before it is made: that of a run."""

    def __init__(self) -> None:
        self._next = threading.local()

    @contextmanager
    def fixed(self, context: SpanContext) -> Iterator[None]:
        """Give the next span of this thread these ids."""
        self._next.context = context
        try:
            yield
        finally:
            self._next.context = None

    def generate_span_id(self) -> int:
        context: SpanContext | None = getattr(self._next, "context", None)
        return context.span_id if context is not None else super().generate_span_id()

    def generate_trace_id(self) -> int:
        context: SpanContext | None = getattr(self._next, "context", None)
        return context.trace_id if context is not None else super().generate_trace_id()


class _Recorded:
    """A span of the SDK, as the rest sees it."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """Its context."""
        return _text_of(self._span.get_span_context())

    def note(self, attributes: Attributes) -> None:
        """Say more of it."""
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """Mark it as failed."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))


class OtelBackend:
    """Sends by the SDK. Its providers are its own: nothing global is set, so that others in the process have theirs."""

    def __init__(
        self, processors: Sequence[SpanProcessor], readers: Sequence[MetricReader], *, resource: Resource, system: str
    ) -> None:
        """Make a backend that gives spans to ``processors`` and metrics to ``readers``.

        Args:
            processors: What takes spans.
            readers: What takes metrics.
            resource: Who tells: the service's name, version and instance.
            system: What carries the messages.
        """
        self.system = system
        self._ids = _Ids()
        self._tracers = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        for processor in processors:
            self._tracers.add_span_processor(processor)
        self._tracer = self._tracers.get_tracer(SCOPE)
        self._meters = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)
        meter = self._meters.get_meter(SCOPE)
        self._counters: dict[str, Counter] = {}
        self._records: dict[str, Histogram] = {}
        self._gauges = {}
        for each in INSTRUMENTS.values():
            if each.kind == "counter":
                self._counters[each.name] = meter.create_counter(each.name, each.unit, each.meaning)  # type: ignore[assignment]
            elif each.kind == "histogram":
                self._records[each.name] = meter.create_histogram(  # type: ignore[assignment]
                    each.name, each.unit, each.meaning, explicit_bucket_boundaries_advisory=each.bounds
                )
            else:
                self._gauges[each.name] = meter.create_gauge(each.name, each.unit, each.meaning)
        self.shipping: Shipping | None = None

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, parent: str, links: tuple[str, ...], attributes: Attributes
    ) -> Iterator[_Recorded]:
        """A span around a block; see :func:`runyard.telemetry.span`."""
        made = self._tracer.start_span(
            name,
            context=_context(parent) if parent else None,
            kind=_KINDS[kind],
            attributes=attributes,
            links=[Link(_span_context(each)) for each in links],
            record_exception=False,  # its text may hold anything
            set_status_on_exception=False,
        )
        recorded = _Recorded(made)
        with trace.use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield recorded
            except BaseException as error:
                recorded.fail(type(error).__name__)
                raise

    def past(self, name: str, parent: str, times: tuple[float, float], attributes: Attributes, error_type: str) -> None:
        """A span that is over; see :func:`runyard.telemetry.past`."""
        self._over(name, _context(parent), times, attributes, error_type)

    def whole(self, own: str, parent: str, times: tuple[float, float], attributes: Attributes, error_type: str) -> None:
        """The span of a whole run; see :func:`runyard.telemetry.whole`."""
        with self._ids.fixed(_span_context(own)):
            self._over("run", _context(parent) if parent else Context(), times, attributes, error_type)

    def _over(
        self, name: str, context: Context, times: tuple[float, float], attributes: Attributes, error_type: str
    ) -> None:
        now = trace.get_current_span().get_span_context()
        start, end = round(times[0] * 1e9), round(max(times) * 1e9)
        made = self._tracer.start_span(
            name,
            context=context,
            attributes=attributes,
            links=[Link(now)] if now.is_valid else None,
            start_time=start,
        )
        if error_type:
            _Recorded(made).fail(error_type)
        made.end(end)

    def current(self) -> str:
        """The current context."""
        return _text_of(trace.get_current_span().get_span_context())

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Add, record or set; see :func:`runyard.telemetry.measure`."""
        if (counter := self._counters.get(name)) is not None:
            counter.add(value, attributes)
        elif (histogram := self._records.get(name)) is not None:
            histogram.record(value, attributes)
        else:
            self._gauges[name].set(value, attributes)

    def stop(self, timeout: float) -> None:
        """Send what is left and end: each in a thread, since a receiver that is gone must not hold up the stop."""
        if self.shipping is not None:
            logging.getLogger(SCOPE).removeHandler(self.shipping)
        ends = [self._tracers.shutdown, self._meters.shutdown]
        if self.shipping is not None:
            ends.append(self.shipping.end)
        threads = [threading.Thread(target=each, name="telemetry-end", daemon=True) for each in ends]
        for thread in threads:
            thread.start()
        until = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def open_backend(asked: Wanted, environ: Mapping[str, str], system: str) -> OtelBackend:
    """The backend that sends where ``asked`` says.

    Raises:
        ImportError: if a package is missing.
        ConfigError: if an exporter does not take its settings.
    """
    resource = resource_of(environ)
    made: Exporters = make_exporters(asked, environ)
    backend = OtelBackend(made.processors, made.readers, resource=resource, system=system)
    if made.log_processors:
        backend.shipping = Shipping(made.log_processors, resource)
        logging.getLogger(SCOPE).addHandler(backend.shipping)
    return backend


def resource_of(environ: Mapping[str, str]) -> Resource:
    """Who tells. ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` go before."""
    known = {"service.name": "runyard", "service.version": _version()}
    if site := environ.get("WEBSITE_SITE_NAME"):
        known |= {"cloud.provider": "azure", "cloud.platform": "azure_functions", "faas.name": site}
    if instance := environ.get("WEBSITE_INSTANCE_ID") or environ.get("CONTAINER_NAME"):
        known["service.instance.id"] = instance
    given = Resource.create()
    named = {name: value for name, value in given.attributes.items() if name != "service.name" or _is_named(environ)}
    return given.merge(Resource({**known, **named}))


def _is_named(environ: Mapping[str, str]) -> bool:
    return "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")


def _version() -> str:
    try:
        return version("runyard")
    except PackageNotFoundError:  # in Azure the library lies in a folder
        return "0"


def _text_of(context: SpanContext) -> str:
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def _span_context(traceparent: str) -> SpanContext:
    return SpanContext(
        trace_id=int(traceparent[3:35], 16),
        span_id=int(traceparent[36:52], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(traceparent[53:55], 16)),
    )


def _context(traceparent: str) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(_span_context(traceparent)), Context())
