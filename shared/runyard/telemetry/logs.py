"""Log records on their way to where spans and metrics go, with their action and the run's fields as attributes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.resources import Resource

from runyard.telemetry.lines import fields

_SEVERITY: Final = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}


class Shipping(logging.Handler):
    """Hands records of level INFO and above to OpenTelemetry. Of an exception goes its type; tracebacks stay here."""

    def __init__(self, processors: Sequence[LogRecordProcessor], resource: Resource) -> None:
        super().__init__(logging.INFO)
        self._provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        for processor in processors:
            self._provider.add_log_record_processor(processor)
        self._logger = self._provider.get_logger("runyard")

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one over; the current span's ids go with it."""
        try:
            attributes = fields(record)
            if record.exc_info and record.exc_info[0] is not None:
                attributes["exception.type"] = record.exc_info[0].__name__
            self._logger.emit(
                timestamp=round(record.created * 1e9),
                severity_number=_SEVERITY.get(record.levelno, SeverityNumber.INFO),
                severity_text=record.levelname,
                body=record.getMessage(),
                attributes=attributes,
            )
        except Exception:  # noqa: BLE001 - logging's own rule: a handler reports its failure and never raises
            self.handleError(record)

    def end(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
