"""From an observed ending to the run's own. The writes go: the run's row, cleanup, the slot last."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from runyard.dispatch.wakes import wake_dispatch, wake_for_next
from runyard.errors import NotFoundError, RunyardError, TargetError
from runyard.ports import Compute, Ended, Ports, Waiting
from runyard.runs.metrics import summarise, tags_of
from runyard.runs.model import Attempt, MetricSummary, Run, RunError
from runyard.runs.moves import Move, Transition, transition
from runyard.runs.states import State

RUNS: Final = "runs"
"""The blob container of logs, outputs and metrics: ``<run id>/<attempt>/…``."""
MAX_METRICS: Final = 64 << 20
"""Bytes of ``metrics.jsonl`` that are summarised on the run; the file itself is kept whole."""

log = logging.getLogger(__name__)


def finish(ports: Ports, compute: Compute, run: Run, seen: Ended) -> None:
    """End the run as its attempt ended, or queue it again if it asked for another attempt.

    Raises:
        ConflictError: if somebody else changed the run first; the next poll comes here again.
    """
    error = failure_of(seen)
    again = error if error is not None and _may_run_again(run, seen) else None
    change = _requeue(ports, run, seen, again) if again is not None else _end(ports, run, seen, error)
    stored = ports.runs.transition(change)
    level = logging.WARNING if error is not None else logging.INFO
    log.log(level, "%s: %s, %s", run.id, stored.status, stored.reason, extra={"action": "end", **stored.log_context()})
    _clean_up(ports, run)
    if again is not None:
        ports.gates.put_back(compute.name, Waiting(run_id=run.id, priority=run.priority, enqueued=run.created))
        wake_dispatch(ports, compute)
    else:
        free_slot(ports, compute, run.id)


def _requeue(ports: Ports, run: Run, seen: Ended, error: RunError) -> Transition:
    """Back to the waiting list, for the attempt that the run asked for."""
    now = ports.clock.now()
    number = f"attempt {run.attempt} of {1 + (run.spec.retries if run.spec else 0)}"
    again = Move(state=State.QUEUED, reason=f"{number}: {error.message}; it will run again", at=now)
    moves = [*_moves_to_finalizing(run, seen, seen.ended or now), again]
    row = _attempt(ports, run, seen, seen.ended or now)
    return transition(run, moves, who="watch", row=row, handle=None, claimed_until=None)


def _end(ports: Ports, run: Run, seen: Ended, error: RunError | None) -> Transition:
    """To the run's ending, with what its script logged."""
    now = ports.clock.now()
    ended = seen.ended or now
    state, reason = _final(run, seen, error)
    logged = _read_logged(ports, run.id, run.attempt)
    moves = _moves_to_finalizing(run, seen, ended)
    if logged.problem:
        moves.append(Move(state=None, reason=logged.problem, at=now))
    return transition(
        run,
        [*moves, Move(state=state, reason=reason, at=now)],
        who="watch",
        row=_attempt(ports, run, seen, ended),
        ended=ended,
        started=seen.started or run.started,
        exit_code=seen.exit_code,
        error=error if state is State.FAILED else None,
        log_bytes=seen.log_bytes,
        log_complete=seen.log_complete,
        metrics=logged.metrics,
        tags={**run.tags, **logged.tags},
        claimed_until=None,
    )


def free_slot(ports: Ports, compute: Compute, run_id: str) -> None:
    """Free the slot of a run that has ended, and wake the dispatcher for the next."""
    if ports.gates.release(compute.name, run_id):
        wake_for_next(ports, compute)


def failure_of(seen: Ended) -> RunError | None:
    """The error of an ending that is not a success."""
    if seen.outcome == "exited" and seen.exit_code == 0:
        return None
    if seen.outcome == "exited":
        message = seen.error or f"the script exited with code {seen.exit_code}; its log says more"
        return RunError(error_class="user", message=message, code="ScriptFailed")
    message = seen.error or f"the attempt ended as {seen.outcome!r}"
    return RunError(error_class=seen.error_class or "user", message=message, code=_CODES.get(seen.outcome, "RunFailed"))


_CODES: Final = {
    "timeout": "MaxDurationExceeded",
    "canceled": "Canceled",
    "interrupted": "Interrupted",
    "failed": "PreparationFailed",
    "void": "StartRefused",
}


@dataclass(frozen=True, slots=True)
class _Logged:
    """What an attempt's script logged."""

    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    """Why it could not be read: the file is the script's to spoil, and that must not keep its run from ending."""


def _read_logged(ports: Ports, run_id: str, attempt: int) -> _Logged:
    name = f"{run_id}/{attempt}/metrics.jsonl"
    try:
        reader = ports.blobs.open(RUNS, name)
        try:
            lines = reader.read(0, min(reader.info.size, MAX_METRICS)).splitlines()
        finally:
            reader.close()
    except NotFoundError:
        return _Logged()
    except (RunyardError, OSError) as error:
        return _Logged(problem=f"its metrics could not be read: {error}")
    return _Logged(summarise(lines), tags_of(lines))


def _moves_to_finalizing(run: Run, seen: Ended, ended: float) -> list[Move]:
    """A short script ends between two polls: its history is written as it was, in one transaction."""
    moves = []
    if seen.started is not None and run.state in {State.STARTING, State.PROVISIONING, State.PREPARING}:
        moves.append(Move(state=State.RUNNING, reason="the script has started", at=seen.started))
    if run.state is not State.FINALIZING:
        moves.append(Move(state=State.FINALIZING, reason=_story(seen), at=ended))
    return moves


def _story(seen: Ended) -> str:
    if seen.outcome == "exited":
        return f"the script exited with code {seen.exit_code}"
    return seen.error or f"the attempt ended: {seen.outcome}"


def _final(run: Run, seen: Ended, error: RunError | None) -> tuple[State, str]:
    if error is None:
        return State.COMPLETED, "the script exited with code 0"
    if run.cancel_requested and seen.outcome in {"canceled", "void"}:
        return State.CANCELED, "canceled; nothing of it runs any more"
    return State.FAILED, error.message


def _may_run_again(run: Run, seen: Ended) -> bool:
    """After the script began, a new attempt is made only when the run asked for it."""
    if run.spec is None or run.cancel_requested or seen.outcome not in {"exited", "interrupted"}:
        return False
    return run.attempt <= run.spec.retries


def _attempt(ports: Ports, run: Run, seen: Ended, ended: float) -> Attempt | None:
    attempts = ports.runs.attempts(run.id)
    current = next((a for a in attempts if a.number == run.attempt), None)
    if current is None:
        return None
    return replace(current, started=seen.started, ended=ended, exit_code=seen.exit_code, outcome=seen.outcome)


def _clean_up(ports: Ports, run: Run) -> None:
    if run.handle is None:
        return
    try:
        ports.targets.get(run.kind).cleanup(run.handle)
    except TargetError as error:
        log.warning("cleanup of %s: %s", run.id, error.message, extra={"action": "cleanup", **run.log_context()})
