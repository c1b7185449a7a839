"""From an observed ending to the run's own. The writes go: the run's row, cleanup, ``finished``, the slot last."""

from __future__ import annotations

import logging
from typing import Any, Final

from msgspec.structs import replace

from runyard import telemetry
from runyard.dispatch import calls, told
from runyard.dispatch.attempts import last_handled, newest
from runyard.dispatch.notes import untold
from runyard.dispatch.slots import entry_of
from runyard.dispatch.wakes import wake_dispatch, wake_dispatch_later, wake_finished, wake_for_next
from runyard.errors import ConflictError
from runyard.finalize.logged import DISPLAY_NAME, RUNS, read_logged
from runyard.finalize.outcomes import Again, another_attempt, failure_of, final, story
from runyard.ports import Compute, Ended, Ports, Slot
from runyard.runs.deadlines import deadline
from runyard.runs.model import Attempt, Run, RunError
from runyard.runs.moves import Move, Transition, transition
from runyard.runs.states import State

CLEANUP_PATIENCE: Final = 600.0
"""Seconds after an ending for which a cleanup that fails is tried again before the slot is freed all the same."""

_UNSEEN: Final[dict[str, Any]] = {"silent_since": None, "missing_since": None}

log = logging.getLogger(__name__)

__all__ = ["RUNS", "collecting_is_overdue", "finish", "finish_overdue", "free_slot", "let_go"]


@telemetry.step("finalize", 2)
def finish(ports: Ports, compute: Compute, run: Run, slot: Slot, seen: Ended) -> None:
    """End the run as its attempt ended, or queue it again if another attempt is due.

    Raises:
        ConflictError: if somebody else changed the run first; the next poll comes here again.
    """
    now = ports.clock.now()
    if not seen.collected:
        if run.state is not State.FINALIZING:
            ports.runs.transition(_finalizing(ports, run, seen))
            return
        if not collecting_is_overdue(run, compute, now):
            return
        seen = _incomplete(seen)
    error = failure_of(seen)
    again = another_attempt(run, compute, seen, error, now)
    stored = ports.runs.transition(_requeue(ports, run, seen, again) if again else _end(ports, run, seen, error))
    level = logging.WARNING if error is not None else logging.INFO
    log.log(level, "%s: %s, %s", run.id, stored.status, stored.reason, extra={"action": "end", **stored.log_context()})
    if again is not None:
        told.tried_again(again.error.error_class, compute.name)
        calls.clean_up(ports, stored, run.handle)
        _queue_again(ports, compute, stored, slot, again.delay)
    else:
        let_go(ports, compute, stored)


def finish_overdue(ports: Ports, compute: Compute, run: Run, slot: Slot) -> None:
    """End a run whose files could not be collected within their deadline, and whose compute does not answer any more."""
    row = newest(ports, run)
    if row is None or run.handle is None:
        return
    seen = Ended(
        handle=run.handle,
        exit_code=row.exit_code,
        outcome=row.outcome,
        error=row.error.message if row.error else "",
        error_class=row.error.error_class if row.error else "",
        started=row.started,
        ended=row.ended,
        collected=False,
    )
    finish(ports, compute, run, slot, seen)


def collecting_is_overdue(run: Run, compute: Compute, now: float) -> bool:
    """Whether a run has been ``Finalizing`` for longer than its compute allows."""
    most = deadline(State.FINALIZING, compute.deadlines)
    return run.state is State.FINALIZING and most is not None and now - run.since > most


def _incomplete(seen: Ended) -> Ended:
    return Ended(
        handle=seen.handle,
        exit_code=seen.exit_code,
        outcome=seen.outcome,
        error=seen.error,
        error_class=seen.error_class,
        started=seen.started,
        ended=seen.ended,
        log_bytes=seen.log_bytes,
        log_complete=False,
        notes=seen.notes,
    )


def _finalizing(ports: Ports, run: Run, seen: Ended) -> Transition:
    """To ``Finalizing``, with all that is needed to end the run should its compute not answer again."""
    ended = seen.ended or ports.clock.now()
    row = _row(ports, run, seen, ended)
    moves = [*untold(ports, run, seen.notes), *_moves_to_finalizing(run, seen, ended)]
    return transition(run, moves, who="watch", row=row, started=seen.started or run.started)


def _requeue(ports: Ports, run: Run, seen: Ended, again: Again) -> Transition:
    """Back to the waiting list, for another attempt."""
    now = ports.clock.now()
    used = getattr(run, again.count) + 1
    if again.count == "tries":
        when = f"it never began, and is tried again in {again.delay:.0f} s"
        changes: dict[str, Any] = {"refused_since": run.refused_since or now, "not_before": now + again.delay}
    else:
        what = "retries" if again.count == "failures" else "attempts after preemption"
        when = f"it runs again ({used} of {again.most} {what})"
        changes = {"tries": 0, "refused_since": None, "not_before": None}
    ended = seen.ended or now
    moves = [
        *untold(ports, run, seen.notes),
        *_moves_to_finalizing(run, seen, ended),
        Move(state=State.QUEUED, reason=f"attempt {run.attempt}: {again.error.message}; {when}", at=now),
    ]
    row = _row(ports, run, seen, ended)
    changes[again.count] = used
    return transition(run, moves, who="watch", row=row, handle=None, claimed_until=None, **_UNSEEN, **changes)


def _queue_again(ports: Ports, compute: Compute, run: Run, slot: Slot, delay: float) -> None:
    ports.gates.put_back(compute.name, entry_of(run), taken=slot.taken)
    if delay:
        wake_dispatch_later(ports, compute, delay)
        wake_for_next(ports, compute)
    else:
        wake_dispatch(ports, compute)


def _end(ports: Ports, run: Run, seen: Ended, error: RunError | None) -> Transition:
    """To the run's ending, with what its script logged."""
    now = ports.clock.now()
    ended = seen.ended or now
    state, reason, error = final(run, seen, error)
    logged = read_logged(ports, run.id, run.attempt)
    moves = [*untold(ports, run, seen.notes), *_moves_to_finalizing(run, seen, ended)]
    if logged.problem:
        moves.append(Move(state=None, reason=logged.problem, at=now))
    if not seen.log_complete:
        moves.append(Move(state=None, reason="its log is not complete: the compute did not give all of it", at=now))
    return transition(
        run,
        [*moves, Move(state=state, reason=reason, at=now)],
        who="watch",
        row=_row(ports, run, seen, ended),
        ended=ended,
        started=seen.started or run.started,
        exit_code=seen.exit_code,
        error=error,
        log_bytes=seen.log_bytes,
        log_complete=seen.log_complete,
        metrics=logged.metrics,
        tags={**run.tags, **logged.tags},
        properties={**run.properties, **logged.properties},
        display_name=logged.properties.get(DISPLAY_NAME) or run.display_name,
        claimed_until=None,
        **_UNSEEN,
    )


def let_go(ports: Ports, compute: Compute, run: Run) -> None:
    """Clean up after a run that has ended, then have it announced and free its slot. A cleanup that fails is tried again by the next poll."""
    failed = calls.clean_up(ports, run, run.handle) or _clean_up_earlier(ports, run)
    if failed:
        waited = ports.clock.now() - (run.ended or 0.0) > CLEANUP_PATIENCE
        after = "given up; look there for what it left" if waited else "tried again"
        _tell_once(ports, run, f"{failed}; {after}")
        if not waited:
            return
    wake_finished(ports, run)
    free_slot(ports, compute, run.id)


def _clean_up_earlier(ports: Ports, run: Run) -> str:
    """Once more for the attempts before the last: a cleanup that failed between two attempts was not waited for."""
    rows = ports.runs.attempts(run.id) if run.attempt > 1 or run.handle is None else ()
    said = [calls.clean_up(ports, run, row.handle) for row in rows if row.handle != run.handle]
    return next(filter(None, said), "")


def _tell_once(ports: Ports, run: Run, reason: str) -> None:
    if any(event.reason == reason for event in ports.runs.history(run.id)):
        return
    try:
        ports.runs.transition(transition(run, [Move(state=None, reason=reason, at=ports.clock.now())], who="finalize"))
    except ConflictError:
        return  # told the next time


def free_slot(ports: Ports, compute: Compute, run_id: str) -> None:
    """Free the slot of a run that has ended, and wake the dispatcher for the next."""
    if ports.gates.release(compute.name, run_id):
        wake_for_next(ports, compute)


def give_back(ports: Ports, compute: Compute, run: Run | None, slot: Slot, *, taken: float | None = None) -> None:
    """Put a run that waits, and whose slot is held by nobody's hand, back to its place; its last attempt is cleared away.

    With ``taken`` only a slot that is still as it was taken then: its dispatcher may be frozen and not dead.
    """
    if run is not None and (last := last_handled(ports, run)) is not None and last.ended is not None:
        calls.clean_up(ports, run, last.handle)
    not_before = run.not_before or 0.0 if run is not None else 0.0
    ports.gates.put_back(compute.name, slot.waiting(not_before=not_before), taken=taken)
    wake_dispatch(ports, compute)


def _moves_to_finalizing(run: Run, seen: Ended, ended: float) -> list[Move]:
    """A short script ends between two polls: its history is written as it was, in one transaction."""
    moves = []
    if seen.started is not None and run.state in {State.STARTING, State.PROVISIONING, State.PREPARING}:
        moves.append(Move(state=State.RUNNING, reason="the script has started", at=seen.started))
    if run.state is not State.FINALIZING:
        moves.append(Move(state=State.FINALIZING, reason=story(seen), at=ended))
    return moves


def _row(ports: Ports, run: Run, seen: Ended, ended: float) -> Attempt | None:
    row = newest(ports, run)
    if row is None:
        return None
    return replace(
        row,
        started=seen.started,
        ended=ended,
        exit_code=seen.exit_code,
        outcome=seen.outcome,
        error=failure_of(seen),
        handle=row.handle or seen.handle,
    )
