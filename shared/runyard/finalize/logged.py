"""What an attempt's script logged, read from its files when it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from runyard.errors import NotFoundError, RunyardError
from runyard.ports import Ports
from runyard.runs.metrics import properties_of, summarise, tags_of
from runyard.runs.model import MetricSummary

RUNS: Final = "runs"
"""The blob container of logs, outputs and metrics: ``<run id>/<attempt>/…``."""
DISPLAY_NAME: Final = "displayName"
"""The property that a script's name for its run comes as."""
MAX_METRICS: Final = 64 << 20
"""Bytes of ``metrics.jsonl`` that are summarised on the run; the file itself is kept whole."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What an attempt's script logged."""

    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    """Why it could not be read: the file is the script's to spoil, and that must not keep its run from ending."""


def read_logged(ports: Ports, run_id: str, attempt: int) -> Logged:
    """Metrics, tags and properties of an attempt."""
    name = f"{run_id}/{attempt}/metrics.jsonl"
    try:
        reader = ports.blobs.open(RUNS, name)
        try:
            lines = reader.read(0, min(reader.info.size, MAX_METRICS)).splitlines()
        finally:
            reader.close()
    except NotFoundError:
        return Logged()
    except (RunyardError, OSError) as error:
        return Logged(problem=f"its metrics could not be read: {error}")
    return Logged(summarise(lines), tags_of(lines), properties_of(lines))
