"""Cancel requests: a flag on the run, then whatever its state needs."""

from __future__ import annotations

import logging

from runyard.dispatch import calls
from runyard.dispatch.attempts import ended_as, newest
from runyard.dispatch.wakes import WATCH, nudge, wake_finished, wake_for_next
from runyard.errors import ConflictError, NotFoundError
from runyard.ports import Compute, Ports
from runyard.runs.model import Run
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

WAITING = frozenset({State.NOT_STARTED, State.QUEUED})
"""States in which nothing of a run can be on a compute: what was handed over before has been voided, or has ended."""

log = logging.getLogger(__name__)


def request_cancel(ports: Ports, run_id: str, *, who: str, force: bool = False) -> Run:
    """Ask for a run's end. Repeatable; on a run that has ended it changes nothing.

    A run that waits is ``Canceled`` at once; one on a compute when nothing of it runs there any more.

    Args:
        ports: The outside.
        run_id: Which.
        who: Who asks, for the history.
        force: Whether to record it as ``Canceled`` now, whatever its compute says or does not say; its script may go on.

    Raises:
        NotFoundError: if there is no such run.
    """
    run = _ask(ports, run_id, who)
    if run.has_ended:
        return run
    run = _carry_out(ports, run)
    if force and not run.has_ended:
        run = _force(ports, run, who)
    if not run.has_ended:
        ports.queue.wake(WATCH, nudge(run.compute))
    return run


def _ask(ports: Ports, run_id: str, who: str) -> Run:
    """Set the flag; a run that waits ends in the same step."""
    while True:
        run = ports.runs.get(run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}; `runyard runs` lists them")
        if run.has_ended or (run.cancel_requested and run.state not in WAITING):
            return run
        now = ports.clock.now()
        moves = [Move(state=None, reason=f"cancel requested by {who}", at=now)]
        if run.state in WAITING:
            moves.append(Move(state=State.CANCELED, reason="canceled before it started", at=now))
        try:
            after = ports.runs.transition(transition(run, moves, who=who, cancel_requested=True), durable=True)
        except ConflictError:
            continue
        if after.has_ended and after.compute:
            ports.gates.leave(after.compute, after.id)
        wake_finished(ports, after)
        return after


def _carry_out(ports: Ports, run: Run) -> Run:
    """Do what can be done at once for a run on a compute; each poll does the same again until it has ended."""
    compute = ports.computes.get(run.compute)
    if compute is not None and end_unstarted(ports, compute, run):
        return ports.runs.get(run.id) or run
    calls.cancel(ports, run)
    return run


def cancel_waiting(ports: Ports, run: Run, *, who: str = "cancel") -> None:
    """End a run whose cancel was asked for and that waits; one that moved on is left to those who have it now."""
    now = ports.clock.now()
    try:
        ended = ports.runs.transition(
            transition(run, [Move(state=State.CANCELED, reason="canceled before it started", at=now)], who=who)
        )
    except ConflictError:
        return
    if ended.compute:
        ports.gates.leave(ended.compute, ended.id)
    wake_finished(ports, ended)


def end_unstarted(ports: Ports, compute: Compute, run: Run) -> bool:
    """End a claimed run that was asked to end, if its attempt can be kept from starting; whether it has ended so.

    Its dispatcher may be between claim and submission: should it submit later, the runner finds the register void.
    """
    attempt = newest(ports, run)
    if run.state is not State.STARTING or attempt is None:
        return False
    if calls.void(ports, compute, attempt, "canceled before it started") is not True:
        return False
    now = ports.clock.now()
    move = Move(state=State.CANCELED, reason="canceled before it started; nothing of it runs", at=now)
    change = transition(run, [move], who="cancel", row=ended_as(attempt, "void", now), claimed_until=None)
    try:
        ended = ports.runs.transition(change)
    except ConflictError:
        return False  # somebody goes on with it, and meets the void register: the next poll sees what came of that
    log.info("%s: canceled before it started", run.id, extra={"action": "end", **run.log_context()})
    if calls.clean_up(ports, run, run.handle):
        return True  # the poll of its slot tries again, and frees it then
    wake_finished(ports, ended)
    if ports.gates.release(compute.name, run.id):
        wake_for_next(ports, compute)
    return True


def _force(ports: Ports, run: Run, who: str) -> Run:
    """End the record without evidence. The slot goes too, so the compute may carry one run more than its limit says."""
    current: Run | None = run
    while current is not None and not current.has_ended:
        where = (
            f"{current.compute} as {current.handle}"
            if current.handle
            else f"{current.compute}, attempt {current.attempt}"
        )
        reason = f"canceled by force by {who}; it may still be running on {where}: look there, nothing here watches it any more"
        now = ports.clock.now()
        row = ended_as(newest(ports, current), "abandoned", now)
        move = Move(state=State.CANCELED, reason=reason, at=now)
        try:
            current = ports.runs.transition(transition(current, [move], who=who, row=row, claimed_until=None))
        except ConflictError:
            current = ports.runs.get(run.id)
            continue
        log.warning("%s: %s", run.id, reason, extra={"action": "end", **current.log_context()})
        compute = ports.computes.get(current.compute)
        wake_finished(ports, current)
        if ports.gates.release(current.compute, current.id) and compute is not None:
            wake_for_next(ports, compute)
    if current is None:
        raise NotFoundError(f"there is no run {run.id!r}")
    return current
