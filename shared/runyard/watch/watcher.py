"""The watcher. Only positive evidence moves a run: an unreachable compute is never a failure."""

from __future__ import annotations

import logging
from typing import Any, Final

from runyard.dispatch.cancel import press_cancel
from runyard.dispatch.hand_over import CLAIM, take_over
from runyard.dispatch.wakes import read_tick, send_tick, wake_dispatch
from runyard.errors import ConflictError, RunyardError
from runyard.finalize import finish, free_slot
from runyard.ports import Absent, Compute, Ended, Observation, Ports, Running, Slot, Unreachable, Waiting
from runyard.runs.model import Handle, Run
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

FASTEST: Final = 1.0
SLOWEST: Final = 30.0
GROWTH: Final = 1.5
"""The interval between scheduled polls, in seconds: it grows while nothing changes."""
SILENCE: Final = 120.0
"""Seconds of silence after which a run is shown as ``NotResponding`` (the SDK's heartbeat window)."""

_ORDER: Final = (State.STARTING, State.PROVISIONING, State.PREPARING, State.RUNNING)

log = logging.getLogger(__name__)


def watch(ports: Ports, body: bytes) -> None:
    """Handle a watch message: the winner of its generation polls and schedules the next, losers do nothing.

    Raises:
        EventError: if the message does not have the agreed form.
    """
    tick = read_tick(body)
    compute = ports.computes.get(tick.compute)
    if compute is None:
        return
    if tick.generation is None:
        observe(ports, compute)
        return
    if not ports.gates.slots(compute.name) and ports.gates.disarm(compute.name, tick.generation):
        return
    # Swap, send, then poll: a crash after the swap leaves an overdue gate, which the reconciler arms again.
    interval = min(max(tick.interval * GROWTH, FASTEST), SLOWEST)
    generation = ports.gates.advance(compute.name, tick.generation, next_at=ports.clock.now() + interval)
    if generation is None:
        return
    send_tick(ports, compute.name, generation, interval)
    observe(ports, compute)


def observe(ports: Ports, compute: Compute) -> None:
    """Poll every run that holds a slot of the compute, and act on what is seen."""
    polled: list[Run] = []
    handles: list[Handle] = []
    for slot in ports.gates.slots(compute.name):
        run = ports.runs.get(slot.run_id)
        if run is None or run.state is State.NOT_STARTED or run.state is State.QUEUED:
            _give_back(ports, compute, slot, run)
            continue
        if run.has_ended:
            free_slot(ports, compute, run.id)
        elif run.handle is not None:
            polled.append(run)
            handles.append(run.handle)
        elif _claim_expired(ports, run):
            take_over(ports, compute, run)
    if not handles:
        return
    for run, seen in zip(polled, ports.targets.get(compute.kind).poll(handles), strict=True):
        _apply(ports, compute, run, seen)


def _give_back(ports: Ports, compute: Compute, slot: Slot, run: Run | None) -> None:
    """A slot whose run was never claimed: its dispatcher died between two writes, if it is not there right now."""
    if ports.clock.now() - slot.taken < CLAIM:
        return
    priority, enqueued = (run.priority, run.created) if run is not None else (0, slot.taken)
    ports.gates.put_back(compute.name, Waiting(run_id=slot.run_id, priority=priority, enqueued=enqueued))
    wake_dispatch(ports, compute)


def _apply(ports: Ports, compute: Compute, run: Run, seen: Observation) -> None:
    """Act on one observation. A conflict means that a newer writer was first: the next poll sees afresh."""
    try:
        match seen:
            case Ended():
                finish(ports, compute, run, seen)
                return
            case Running():
                _advance(ports, run, seen)
            case Absent():
                if _claim_expired(ports, run):
                    take_over(ports, compute, run)
            case Unreachable():
                _silent(ports, run, seen)
    except ConflictError:
        log.info("a newer change of %s was first", run.id, extra={"action": "observe", **run.log_context()})
        return
    except (RunyardError, OSError) as error:
        _note(ports, run, f"its compute was observed, but that could not be carried out: {error}")
        return
    if run.cancel_requested:
        press_cancel(ports, run)


def _note(ports: Ports, run: Run, reason: str) -> None:
    """What goes wrong with one run is told on that run, once, and is no matter of its neighbours."""
    log.error("%s: %s", run.id, reason, extra={"action": "observe", **run.log_context()})
    history = ports.runs.history(run.id)
    if history and history[-1].reason == reason:
        return
    try:
        ports.runs.transition(transition(run, [Move(state=None, reason=reason, at=ports.clock.now())], who="watch"))
    except ConflictError:
        return  # it moved on: the next poll looks again


def _claim_expired(ports: Ports, run: Run) -> bool:
    return run.state is State.STARTING and (run.claimed_until or 0.0) < ports.clock.now()


def _advance(ports: Ports, run: Run, seen: Running) -> None:
    """Move a run forward to the phase that its compute reports; never back, but out of ``NotResponding``."""
    if run.state is seen.phase or run.state is State.FINALIZING:
        return
    if run.state is not State.NOT_RESPONDING and _ORDER.index(seen.phase) < _ORDER.index(run.state):
        return  # a stale observation
    reason = seen.detail or _REASONS[seen.phase]
    at = seen.started if seen.phase is State.RUNNING and seen.started else ports.clock.now()
    changes: dict[str, Any] = {"started": seen.started} if seen.started else {}
    move = Move(state=seen.phase, reason=reason, at=at)
    ports.runs.transition(transition(run, [move], who="watch", tries=0, **changes))


_REASONS: Final = {
    State.STARTING: "its compute has it",
    State.PROVISIONING: "its compute is getting a machine for it",
    State.PREPARING: "the runner prepares the snapshot and the environment",
    State.RUNNING: "the script has started",
}


def _silent(ports: Ports, run: Run, seen: Unreachable) -> None:
    if run.state is State.NOT_RESPONDING or run.state is State.FINALIZING:
        return
    now = ports.clock.now()
    if now - run.since < SILENCE:
        return
    reason = f"nothing heard from {run.compute}: {seen.detail or 'it does not answer'}; the script may still be running"
    ports.runs.transition(transition(run, [Move(state=State.NOT_RESPONDING, reason=reason, at=now)], who="watch"))
