"""What dispatch tells telemetry."""

from __future__ import annotations

from runyard import telemetry
from runyard.errors import RunyardError
from runyard.runs.model import Run
from runyard.telemetry import instruments
from runyard.telemetry.traceparent import of_run


def submitted(run: Run, times: tuple[float, float], result: object, *, first: bool) -> None:
    """A run was handed over with others in one call: when that began and ended, and what came of it for this one."""
    if not telemetry.on():
        return
    failed = result.error_class if isinstance(result, RunyardError) else ""
    about: telemetry.Attributes = {
        "runyard.run.id": run.id,
        "runyard.run.attempt": run.attempt,
        "runyard.compute": run.compute,
    }
    telemetry.past("submit", of_run(run.id, run.trace), times, about, failed)
    if first and run.attempt == 1 and not failed:
        telemetry.measure(instruments.DISPATCH, max(0.0, times[1] - run.created), {"runyard.compute": run.compute})


def tried_again(error_class: str, compute: str) -> None:
    """A try or an attempt follows one that failed."""
    telemetry.measure(instruments.RETRIES, 1, {"runyard.error.class": error_class, "runyard.compute": compute})
