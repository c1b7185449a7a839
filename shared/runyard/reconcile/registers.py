"""Start registers outlive cleanup; they go with their run, once nothing that is under way can ask for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from runyard.errors import TargetError, UnsupportedError
from runyard.ports import Ports
from runyard.runs.model import Attempt, Run

SETTLED: Final = 86_400.0
"""Seconds from a run's ending until its registers may go: a dispatcher on a machine that slept may wake and submit late."""

log = logging.getLogger(__name__)


def forget_registers(ports: Ports, run: Run, attempts: Sequence[Attempt]) -> None:
    """Remove the start registers of a deleted run. One that stays behind is harmless: its name never comes again."""
    if ports.clock.now() - (run.ended or run.created) < SETTLED:
        return
    for attempt in attempts:
        try:
            ports.targets.get(_kind(ports, run, attempt)).forget(attempt)
        except (TargetError, UnsupportedError) as error:
            extra = {"action": "forget", **run.log_context()}
            log.warning("%s: its start register stays on %s: %s", run.id, attempt.compute, error.message, extra=extra)


def _kind(ports: Ports, run: Run, attempt: Attempt) -> str:
    """The kind of the compute that an attempt was made on: a fallback may be of another than the run's own."""
    if attempt.handle is not None:
        return attempt.handle.kind
    compute = ports.computes.get(attempt.compute)
    return run.kind if compute is None else compute.kind
