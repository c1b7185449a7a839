"""Where telemetry goes: OTLP over HTTP, Application Insights, or both."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from runyard.errors import ConfigError
from runyard.telemetry.settings import CONNECTION, Wanted

_AZURE: Final = "azure.monitor.opentelemetry.exporter"
"""By its name, since it is heavy and an extra: it is loaded when it is asked for."""


@dataclass(slots=True)
class Exporters:
    """What takes spans, metrics and logs."""

    processors: list[SpanProcessor] = field(default_factory=list)
    readers: list[MetricReader] = field(default_factory=list)
    log_processors: list[LogRecordProcessor] = field(default_factory=list)


def make_exporters(asked: Wanted, environ: Mapping[str, str]) -> Exporters:
    """Make what is asked for. Intervals and sizes are the SDK's own settings (``OTEL_BSP_*``, ``OTEL_METRIC_EXPORT_*``).

    Raises:
        ImportError: if the package for Application Insights is missing.
        ConfigError: if the connection string cannot be read.
    """
    made = Exporters()
    for exporter in asked.exporters:
        spans, metrics, logs = _otlp() if exporter == "otlp" else _azure(environ)
        if "traces" in asked.signals:
            made.processors.append(BatchSpanProcessor(spans()))
        if "metrics" in asked.signals:
            made.readers.append(PeriodicExportingMetricReader(metrics()))
        if "logs" in asked.signals:
            made.log_processors.append(BatchLogRecordProcessor(logs()))
    return made


def _otlp() -> tuple[Any, Any, Any]:
    # On first use: an app in Azure has only what sends to Application Insights.
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter, OTLPMetricExporter, OTLPLogExporter


def _azure(environ: Mapping[str, str]) -> tuple[Any, Any, Any]:
    """An exporter signs in by itself: with a managed identity where ``APPLICATIONINSIGHTS_AUTHENTICATION_STRING`` says so."""
    module = importlib.import_module(_AZURE)
    connection = environ[CONNECTION]

    def maker(name: str) -> Any:
        def make() -> Any:
            try:
                # No file of its own: what cannot be sent is lost, as with a collector, and lies in no temporary folder.
                return getattr(module, name)(connection_string=connection, disable_offline_storage=True)
            except ValueError:
                raise ConfigError(
                    f"{CONNECTION} cannot be read; copy it from the Application Insights resource's overview"
                ) from None

        return make

    return maker("AzureMonitorTraceExporter"), maker("AzureMonitorMetricExporter"), maker("AzureMonitorLogExporter")
