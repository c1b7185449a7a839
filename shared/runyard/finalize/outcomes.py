"""What an attempt's ending means for its run: an ending, another attempt, or none of it yet. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runyard.dispatch.retries import delay_of
from runyard.ports import Compute, Ended
from runyard.runs.model import Run, RunError
from runyard.runs.states import State

ON_SPOT: Final = 3
"""New attempts after a preemption on a compute that is declared spot, where the run does not say (DESIGN §2)."""

_CODES: Final = {
    "timeout": "MaxDurationExceeded",
    "canceled": "Canceled",
    "interrupted": "Interrupted",
    "preempted": "Preempted",
    "failed": "PreparationFailed",
    "void": "StartRefused",
}


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt is due."""

    error: RunError
    """Why this one is not the last."""
    count: str
    """Which counter of the run it uses up: ``failures``, ``preemptions`` or ``tries``."""
    most: int
    """What that counter may reach."""
    delay: float = 0.0
    """Seconds to wait first."""


def failure_of(seen: Ended) -> RunError | None:
    """The error of an ending that is not a success."""
    if seen.outcome == "exited" and seen.exit_code == 0:
        return None
    if seen.outcome == "exited":
        message = seen.error or f"the script exited with code {seen.exit_code}; its log says more"
        return RunError(error_class="user", message=message, code="ScriptFailed")
    message = seen.error or f"the attempt ended as {seen.outcome!r}"
    if seen.outcome == "preempted":
        error_class = "preempted"
    elif seen.outcome == "void":
        error_class = "transient"
    else:
        error_class = seen.error_class or "user"
    return RunError(error_class=error_class, message=message, code=_CODES.get(seen.outcome, "RunFailed"))


def another_attempt(run: Run, compute: Compute, seen: Ended, error: RunError | None, now: float) -> Again | None:
    """The attempt that follows, if one may.

    After the script began, a new one is made only when the run asked for it. Before that nothing was done yet, and the retry table
    says what follows. An attempt that was interrupted counts as begun: nobody knows.
    """
    if error is None or run.spec is None or run.cancel_requested or run.giving_up is not None:
        return None
    unstarted = seen.outcome == "void" or (seen.started is None and seen.outcome in {"failed", "preempted"})
    if seen.outcome == "preempted" and not unstarted:
        asked = run.spec.on_preemption
        budget = asked if asked is not None else ON_SPOT if compute.spot else 0
        return Again(error, "preemptions", budget) if run.preemptions < budget else None
    if unstarted:
        word = "transient" if seen.outcome in {"void", "preempted"} else error.error_class
        delay = delay_of(run, word, now)
        return Again(error, "tries", run.tries + 1, delay) if delay is not None else None
    if seen.outcome in {"exited", "interrupted"} and run.failures < run.spec.retries:
        return Again(error, "failures", run.spec.retries)
    return None


def final(run: Run, seen: Ended, error: RunError | None) -> tuple[State, str, RunError | None]:
    """The ending of the run, its reason, and its error."""
    if error is None:
        return State.COMPLETED, "the script exited with code 0", None
    if run.cancel_requested and seen.outcome in {"canceled", "void"}:
        return State.CANCELED, "canceled; nothing of it runs any more", None
    if run.giving_up is not None and seen.outcome in {"canceled", "void"}:
        return State.FAILED, run.giving_up.message, run.giving_up
    return State.FAILED, error.message, error


def story(seen: Ended) -> str:
    """What happened, for the history."""
    if seen.outcome == "exited":
        return f"the script exited with code {seen.exit_code}"
    return seen.error or f"the attempt ended: {seen.outcome}"
