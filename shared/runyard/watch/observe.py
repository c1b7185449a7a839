"""What follows from one observation. Only positive evidence moves a run: an unreachable compute is never a failure."""

from __future__ import annotations

import logging
from typing import Any, Final

from runyard.dispatch import calls
from runyard.dispatch.calls import as_ours
from runyard.dispatch.claims import take_over
from runyard.dispatch.notes import untold
from runyard.errors import ConflictError, RunyardError
from runyard.finalize import collecting_is_overdue, finish, finish_overdue
from runyard.ports import Absent, Compute, Ended, Observation, Ports, Running, Slot, Unreachable
from runyard.runs.model import Run
from runyard.runs.moves import Move, transition
from runyard.runs.states import State
from runyard.watch.overdue import give_up_if_overdue
from runyard.watch.silence import gone, missing, silent

_ORDER: Final = (State.STARTING, State.PROVISIONING, State.PREPARING, State.RUNNING)

log = logging.getLogger(__name__)


def act(ports: Ports, compute: Compute, run: Run, slot: Slot, seen: Observation) -> None:
    """Act on one observation. A conflict means that a newer writer was first: the next poll sees afresh."""
    try:
        if seen.handle != run.handle:
            note(ports, run, f"an observation of another attempt ({seen.handle}) was left aside")
            return
        goes_on = _follow(ports, compute, run, slot, seen)
    except ConflictError:
        log.info("a newer change of %s was first", run.id, extra={"action": "observe", **run.log_context()})
        return
    except Exception as error:  # noqa: BLE001 - a kind may observe what is none of the port's: this run's matter alone
        said = error if isinstance(error, RunyardError | OSError) else as_ours(error, f"what {compute.name} said of it")
        note(ports, run, f"its compute was observed, but that could not be carried out: {said}")
        return
    if goes_on and (run.cancel_requested or run.giving_up is not None):
        calls.cancel(ports, run)


def _follow(ports: Ports, compute: Compute, run: Run, slot: Slot, seen: Observation) -> bool:
    """Do what an observation asks for; whether the run goes on as before."""
    match seen:
        case Ended():
            finish(ports, compute, run, slot, seen)
            return False
        case Running():
            return not give_up_if_overdue(ports, compute, _advance(ports, run, seen), slot, seen)
        case Absent():
            return not _missing(ports, compute, run, slot, seen)
        case Unreachable():
            return not _unheard(ports, compute, run, slot, seen)


def note(ports: Ports, run: Run, reason: str) -> None:
    """What goes wrong with one run is told on that run, once, and is no matter of its neighbours."""
    log.error("%s: %s", run.id, reason, extra={"action": "observe", **run.log_context()})
    history = ports.runs.history(run.id)
    if history and history[-1].reason == reason:
        return
    try:
        ports.runs.transition(transition(run, [Move(state=None, reason=reason, at=ports.clock.now())], who="watch"))
    except ConflictError:
        return  # it moved on: the next poll looks again


def claim_expired(ports: Ports, run: Run) -> bool:
    """Whether another dispatcher may hand the run over, under the same attempt number."""
    return run.state is State.STARTING and (run.claimed_until or 0.0) < ports.clock.now()


def _missing(ports: Ports, compute: Compute, run: Run, slot: Slot, seen: Absent) -> bool:
    """The compute answers and has no such job; whether all that follows has been done."""
    if run.state is State.STARTING:
        if claim_expired(ports, run):
            take_over(ports, compute, run, slot)
            return True
        return False
    if not missing(ports, run, seen.detail or "no such job"):
        return False
    if (ending := gone(ports, compute, run)) is not None:
        finish(ports, compute, run, slot, ending)
    return True


def _unheard(ports: Ports, compute: Compute, run: Run, slot: Slot, seen: Unreachable) -> bool:
    """The compute does not answer; whether all that can be done has been."""
    if collecting_is_overdue(run, compute, ports.clock.now()):
        finish_overdue(ports, compute, run, slot)
        return True
    silent(ports, run, seen.detail or "it does not answer")
    return give_up_if_overdue(ports, compute, run, slot, None)


def _advance(ports: Ports, run: Run, seen: Running) -> Run:
    """Move a run forward to the phase that its compute reports; never back, but out of ``NotResponding``."""
    if run.state is State.FINALIZING:
        return run
    changes: dict[str, Any] = {}
    if seen.started and seen.started != run.started:
        changes["started"] = seen.started
    told = untold(ports, run, seen.notes)
    unseen = run.silent_since is not None or run.missing_since is not None
    if unseen:
        changes.update(silent_since=None, missing_since=None)
    if seen.phase is not State.STARTING:
        changes.update(tries=0, taken_over=0, refused_since=None, passed=(), claimed_until=None)
    back = run.state is State.NOT_RESPONDING
    if run.state is seen.phase or (not back and _ORDER.index(seen.phase) < _ORDER.index(run.state)):
        if unseen:
            reason = f"heard of again: {seen.detail or _REASONS[seen.phase]}"
            told.append(Move(state=None, reason=reason, at=ports.clock.now()))
        if not told:
            return run  # nothing new, or a stale observation
        return ports.runs.transition(transition(run, told, who="watch", silent_since=None, missing_since=None))
    at = seen.started if seen.phase is State.RUNNING and seen.started and not back else ports.clock.now()
    phase = State.PREPARING if back and seen.phase is State.STARTING else seen.phase
    move = Move(state=phase, reason=seen.detail or _REASONS[seen.phase], at=at)
    return ports.runs.transition(transition(run, [*told, move], who="watch", **changes))


_REASONS: Final = {
    State.STARTING: "its compute has it",
    State.PROVISIONING: "its compute is getting a machine for it",
    State.PREPARING: "the runner prepares the snapshot and the environment",
    State.RUNNING: "the script has started",
}
