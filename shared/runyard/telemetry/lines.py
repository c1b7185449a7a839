"""Log records as lines of JSON, one object each, for those who collect them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from runyard import telemetry
from runyard.telemetry.traceparent import span_id, trace_id

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every record has; the rest came by ``extra``."""


def fields(record: logging.LogRecord) -> dict[str, telemetry.Value]:
    """What the code said beside the sentence: its action, and the run's fields."""
    found: dict[str, telemetry.Value] = {}
    for name, value in vars(record).items():
        if name in _OWN or name.startswith("_"):
            continue
        if isinstance(value, Mapping):  # a run's whole log_context()
            found.update({key: each for key, each in value.items() if isinstance(each, str | int | float | bool)})
        elif isinstance(value, str | int | float | bool):
            found[name] = value
    return found


def as_json(record: logging.LogRecord) -> str:
    """A record as one line of JSON. Times are ISO 8601 in UTC; the ids of trace and span are there while telemetry is on."""
    document: dict[str, telemetry.Value] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
        **fields(record),
    }
    if record.exc_info and record.exc_info[0] is not None:
        document["error"] = record.exc_info[0].__name__
    if context := telemetry.current():
        document |= {"trace_id": trace_id(context), "span_id": span_id(context)}
    return json.dumps(document, ensure_ascii=True)
