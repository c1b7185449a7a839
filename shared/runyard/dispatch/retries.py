"""When a compute that refused a run for a passing reason is asked again: the table of DESIGN §2 as numbers. Pure."""

from __future__ import annotations

from typing import Final

from runyard.errors import RunyardError, TargetError, ThrottledError
from runyard.runs.model import Run

MAX_TRIES: Final = 10
"""Tries in a row that may fail for a transient reason."""
PATIENCE: Final = 24 * 3600.0
"""Seconds after the first refusal in a row until a throttled run, or one without capacity or quota, is given up."""
BACKOFF: Final = {
    "transient": (2.0, 300.0),
    "throttled": (2.0, 300.0),
    "capacity": (60.0, 1800.0),
    "quota": (60.0, 1800.0),
}
"""By error class: the first delay, doubled each time up to the second, in seconds."""
OF_THE_COMPUTE: Final = frozenset({"throttled", "capacity", "quota"})
"""Classes that say something of the compute as a whole: its other waiting runs need not ask within the first delay."""


def retry_delay(run: Run, error: RunyardError, now: float) -> float | None:
    """Seconds until the next try, or ``None`` for an error that is not retried (any more)."""
    if not isinstance(error, TargetError):
        return None
    delay = delay_of(run, error.error_class, now)
    if delay is not None and isinstance(error, ThrottledError) and error.retry_after is not None:
        return max(error.retry_after, 0.0)
    return delay


def delay_of(run: Run, error_class: str, now: float) -> float | None:
    """The same by the word of the table alone."""
    return pause(error_class, run.tries, now - (run.refused_since or now))


def pause(error_class: str, tries: int, waited: float) -> float | None:
    """Seconds until the next try after ``tries`` in vain, the first of them ``waited`` seconds ago; ``None``: no more."""
    if error_class not in BACKOFF:
        return None
    if tries >= MAX_TRIES if error_class == "transient" else waited > PATIENCE:
        return None
    first, most = BACKOFF[error_class]
    return float(min(first * 2 ** min(tries, 30), most))


def block_of(error_class: str, delay: float) -> float:
    """Seconds for which the compute's other runs need not ask either; 0 if it is a matter of this run alone."""
    if error_class not in OF_THE_COMPUTE:
        return 0.0
    return delay if error_class == "throttled" else min(delay, BACKOFF[error_class][0])
