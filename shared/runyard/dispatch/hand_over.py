"""Claiming a run for an attempt, submitting it to its target, and what follows when the target does not take it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runyard.dispatch.wakes import wake_dispatch, wake_dispatch_later
from runyard.errors import ConflictError, RunyardError, TargetError, ThrottledError
from runyard.ports import Compute, Job, Plan, Ports, Slot, Waiting
from runyard.runs.failures import failure
from runyard.runs.model import Attempt, Handle, Run
from runyard.runs.moves import Move, Transition, transition
from runyard.runs.states import State

CLAIM: Final = 180.0
"""Seconds a claim holds; longer than any ``submit`` may take (60 s), so that only a dead dispatcher is taken over."""
MAX_TRIES: Final = 10
"""Submissions in a row that may fail for a transient reason."""
BACKOFF: Final = {
    "transient": (2.0, 300.0),
    "throttled": (2.0, 300.0),
    "capacity": (60.0, 1800.0),
    "quota": (60.0, 1800.0),
}
"""By error class: the first delay, doubled each time up to the second, in seconds (DESIGN §2)."""
PATIENCE: Final = 24 * 3600.0
"""Seconds after which a throttled run, or one without capacity, is given up."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run in ``Starting`` that this dispatcher may submit."""

    run: Run
    plan: Plan


def claim(ports: Ports, compute: Compute, run: Run, slot: Slot) -> Claim | None:
    """Plan and prepare, then claim the run for its next attempt; ``None`` if that is not to be (the slot is freed)."""
    target = ports.targets.get(compute.kind)
    try:
        plan = target.plan(Job(run=run, compute=compute, attempt=run.attempt + 1, slot=slot.index))
        target.prepare(plan)
    except RunyardError as error:
        refuse(ports, compute, run, error)
        return None
    try:
        claimed = ports.runs.transition(_claiming(run, plan, slot, ports.clock.now()), durable=True)
    except ConflictError:
        _claimed_by_another(ports, compute, run.id)
        return None
    log.info("%s: starting on %s", run.id, compute.name, extra={"action": "claim", **claimed.log_context()})
    return Claim(run=claimed, plan=plan)


def _claiming(run: Run, plan: Plan, slot: Slot, now: float) -> Transition:
    row = Attempt(
        run_id=run.id,
        number=plan.attempt,
        compute=plan.compute,
        name=plan.name,
        slot=slot.index,
        claimed=now,
        handle=plan.handle,
    )
    move = Move(state=State.STARTING, reason=f"being handed to {plan.compute} in slot {slot.index}", at=now)
    return transition(
        run,
        [move],
        who="dispatch",
        row=row,
        attempt=plan.attempt,
        claimed_until=now + CLAIM,
        handle=plan.handle,
    )


def _claimed_by_another(ports: Ports, compute: Compute, run_id: str) -> None:
    """A cancel request, or another dispatcher with a late wake, was first: the slot goes where the run now is."""
    fresh = ports.runs.get(run_id)
    if fresh is None or fresh.has_ended:
        ports.gates.release(compute.name, run_id)
    elif fresh.state is State.QUEUED:
        ports.gates.put_back(compute.name, _entry(fresh))
    else:
        return  # it is on its way by another's hand
    wake_dispatch(ports, compute)


def take_over(ports: Ports, compute: Compute, run: Run) -> None:
    """Submit a run again whose claim expired, with the same attempt number: the start register lets one start."""
    slot = next((s for s in ports.gates.slots(compute.name) if s.run_id == run.id), None)
    if slot is None:
        return
    target = ports.targets.get(compute.kind)
    try:
        plan = target.plan(Job(run=run, compute=compute, attempt=run.attempt, slot=slot.index))
        target.prepare(plan)
    except RunyardError as error:
        refuse(ports, compute, run, error)
        return
    now = ports.clock.now()
    move = Move(state=None, reason=f"claim of attempt {run.attempt} expired: taken over", at=now)
    change = transition(run, [move], who="dispatch", claimed_until=now + CLAIM)
    try:
        taken = Claim(run=ports.runs.transition(change, durable=True), plan=plan)
    except ConflictError:
        return
    hand_over(ports, compute, [taken])


def hand_over(ports: Ports, compute: Compute, claims: Sequence[Claim]) -> None:
    """Submit claimed runs in one go and write down what came of each."""
    target = ports.targets.get(compute.kind)
    results = target.submit_many([made.plan for made in claims])
    for made, result in zip(claims, results, strict=True):
        if isinstance(result, Handle):
            if made.plan.handle is None:
                _store_handle(ports, made.run, result)
        elif isinstance(result, RunyardError):
            refuse(ports, compute, made.run, result)
        else:
            raise result


def _store_handle(ports: Ports, run: Run, handle: Handle) -> None:
    """Write the handle to the run, if the claim still stands."""
    current: Run | None = run
    while current is not None and current.state is State.STARTING and current.attempt == run.attempt:
        move = Move(state=None, reason=f"handed over: {handle}", at=ports.clock.now())
        try:
            ports.runs.transition(transition(current, [move], who="dispatch", handle=handle, tries=0))
        except ConflictError:
            current = ports.runs.get(run.id)
        else:
            return


def refuse(ports: Ports, compute: Compute, run: Run, error: RunyardError) -> None:
    """A target did not take a run: back to the waiting list for a passing reason, else ``Failed``."""
    delay = retry_delay(run, error, ports.clock.now())
    try:
        if delay is None:
            _fail(ports, compute, run, error)
        else:
            _try_later(ports, compute, run, error, delay)
    except ConflictError:
        log.info("%s changed while its refusal was written; the next poll decides", run.id, extra={"action": "refuse"})


def _fail(ports: Ports, compute: Compute, run: Run, error: RunyardError) -> None:
    move, why = failure(error, ports.clock.now())
    ports.runs.transition(transition(run, [move], who="dispatch", error=why))
    ports.gates.release(compute.name, run.id)
    wake_dispatch(ports, compute)


def _try_later(ports: Ports, compute: Compute, run: Run, error: RunyardError, delay: float) -> None:
    claimed = run.state is not State.QUEUED
    move = Move(
        state=State.QUEUED if claimed else None,
        reason=f"{error.message}; tried again in {delay:.0f} s",
        at=ports.clock.now(),
    )
    change = transition(
        run,
        [move],
        who="dispatch",
        handle=None,
        claimed_until=None,
        tries=run.tries + 1,
        # The next claim takes the same number: if the compute has the job after all, its name finds it.
        attempt=run.attempt - 1 if claimed else run.attempt,
    )
    stored = ports.runs.transition(change)
    ports.gates.put_back(compute.name, _entry(stored))
    wake_dispatch_later(ports, compute, delay)


def retry_delay(run: Run, error: RunyardError, now: float) -> float | None:
    """Seconds until the next try, or ``None`` for an error that is not retried (any more)."""
    if not isinstance(error, TargetError) or error.error_class not in BACKOFF:
        return None
    if error.error_class == "transient" and run.tries >= MAX_TRIES:
        return None
    if error.error_class != "transient" and now - run.created > PATIENCE:
        return None
    if isinstance(error, ThrottledError) and error.retry_after is not None:
        return max(error.retry_after, 0.0)
    first, most = BACKOFF[error.error_class]
    return float(min(first * 2 ** min(run.tries, 30), most))


def _entry(run: Run) -> Waiting:
    return Waiting(run_id=run.id, priority=run.priority, enqueued=run.created)
