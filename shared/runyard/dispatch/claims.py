"""Claiming a run for an attempt, and submitting it: what a dispatcher does with a slot, and who takes over from a dead one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_claim
from typing import Final

from msgspec.structs import replace

from runyard import telemetry
from runyard.dispatch import calls, told
from runyard.dispatch.attempts import newest
from runyard.dispatch.cancel import end_unstarted
from runyard.dispatch.refusals import Refusal, refuse
from runyard.dispatch.retries import MAX_TRIES
from runyard.dispatch.slots import let_slot_go
from runyard.dispatch.wakes import wake_dispatch
from runyard.errors import ConflictError, RunyardError
from runyard.ports import Compute, Job, Plan, Ports, Slot
from runyard.runs.model import Attempt, Handle, Run
from runyard.runs.moves import Move, Transition, transition
from runyard.runs.states import State

CLAIM: Final = 180.0
"""Seconds a claim holds; longer than any ``submit`` may take (60 s), so that only a dead dispatcher is taken over."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run in ``Starting`` that this dispatcher may submit."""

    run: Run
    plan: Plan
    slot: Slot
    first: bool
    """Whether nobody can have submitted the attempt before."""


@telemetry.step("claim", 2)
def claim(ports: Ports, compute: Compute, run: Run, slot: Slot) -> Claim | None:
    """Plan and prepare, then claim the run for its next attempt; ``None`` if that is not to be (the slot is freed)."""
    plan = calls.plan(ports, Job(run=run, compute=compute, attempt=run.attempt + 1, slot=slot.index))
    if isinstance(plan, RunyardError):
        refuse(ports, compute, Refusal(run, slot, plan, nothing_there=True))
        return None
    try:
        claimed = ports.runs.transition(_claiming(run, plan, slot, ports.clock.now()), durable=True)
    except ConflictError:
        _claimed_by_another(ports, compute, run.id, slot)
        return None
    log.info("%s: starting on %s", run.id, compute.name, extra={"action": "claim", **claimed.log_context()})
    return Claim(run=claimed, plan=plan, slot=slot, first=True)


def confirmed(ports: Ports, compute: Compute, claims: Sequence[Claim]) -> Sequence[Claim]:
    """Those claims whose slots are still held; the others are undone.

    A dispatcher that was frozen before its claim may find that its slot was given back meanwhile (``watch`` does that), and be
    somebody else's now.
    """
    now = ports.clock.now()
    held = ports.gates.confirm(compute.name, [made.slot for made in claims], at=now)
    for made in claims:
        if made.run.id not in held:
            _undo(ports, compute, made)
    return [replace_claim(made, slot=replace_claim(made.slot, taken=now)) for made in claims if made.run.id in held]


def _undo(ports: Ports, compute: Compute, made: Claim) -> None:
    """Back to the waiting list; nothing was handed over."""
    current: Run | None = made.run
    while current is not None and current.state is State.STARTING and current.attempt == made.run.attempt:
        reason = f"its slot on {compute.name} had been given back while its dispatcher stood still; it waits again"
        move = Move(state=State.QUEUED, reason=reason, at=ports.clock.now())
        change = transition(
            current, [move], who="dispatch", attempt=current.attempt - 1, handle=None, claimed_until=None
        )
        # The entry is first, as everywhere; if another dispatcher has the run's slot, it is put back to it.
        ports.gates.wait(compute.name, made.slot.waiting())
        others = [slot for slot in ports.gates.slots(compute.name) if slot.run_id == made.run.id]
        try:
            ports.runs.transition(change)
        except ConflictError:
            current = ports.runs.get(made.run.id)
            continue
        for other in others:
            ports.gates.put_back(compute.name, made.slot.waiting(), taken=other.taken)
        wake_dispatch(ports, compute)
        return


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
        not_before=None,
        silent_since=None,
        missing_since=None,
        begun=False,
        taken_over=0,
    )


def _claimed_by_another(ports: Ports, compute: Compute, run_id: str, slot: Slot) -> None:
    """A cancel request, or another dispatcher with a late wake, was first: the slot goes where the run now is."""
    fresh = ports.runs.get(run_id)
    if fresh is None:
        ports.gates.release(compute.name, run_id, taken=slot.taken)
    elif fresh.has_ended or fresh.compute != compute.name:
        let_slot_go(ports, compute, fresh, slot)
    elif fresh.state is State.QUEUED:
        ports.gates.put_back(compute.name, slot.waiting(), taken=slot.taken)
    else:
        return  # it is on its way by another's hand
    wake_dispatch(ports, compute)


def take_over(ports: Ports, compute: Compute, run: Run, slot: Slot) -> None:
    """Submit a run again whose claim expired, with the same attempt number: the start register lets one start.

    After :data:`MAX_TRIES` of these it is given up, if its start can be voided; one that started is handed over further, as that
    finds its handle.
    """
    if run.taken_over >= MAX_TRIES:
        why = RunyardError(f"{compute.name} was handed the run {run.taken_over} times and never had it; look there")
        if refuse(ports, compute, Refusal(run, slot, why)):
            return
        run = ports.runs.get(run.id) or run
        if run.state is not State.STARTING:
            return
    plan = calls.plan(ports, Job(run=run, compute=compute, attempt=run.attempt, slot=slot.index))
    if isinstance(plan, RunyardError):
        refuse(ports, compute, Refusal(run, slot, plan))
        return
    now = ports.clock.now()
    move = Move(
        state=None, reason=f"the claim of attempt {run.attempt} expired: taken over, to be handed on again", at=now
    )
    change = transition(run, [move], who="dispatch", claimed_until=now + CLAIM, taken_over=run.taken_over + 1)
    try:
        taken = Claim(run=ports.runs.transition(change, durable=True), plan=plan, slot=slot, first=False)
    except ConflictError:
        return  # whoever changed it goes on with it
    hand_over(ports, compute, [taken])


def hand_over(ports: Ports, compute: Compute, claims: Sequence[Claim]) -> None:
    """Submit claimed runs in one go and write down what came of each."""
    began = ports.clock.now()
    results = calls.submit_many(ports, compute, [made.plan for made in claims])
    times = began, ports.clock.now()
    for made, result in zip(claims, results, strict=True):
        told.submitted(made.run, times, result, first=made.first)
        if isinstance(result, RunyardError):
            nothing_there = made.first and calls.is_definite(result)
            refuse(ports, compute, Refusal(made.run, made.slot, result, nothing_there=nothing_there))
        elif made.plan.handle is None:
            _store_handle(ports, compute, made.run, result)


def _store_handle(ports: Ports, compute: Compute, run: Run, handle: Handle) -> None:
    """Write the handle to the run if the claim still stands, then honour a cancel that came meanwhile.

    If the claim does not stand, the job is nobody's any more: it cannot start (its register is void, or another's), and goes.
    """
    current: Run | None = run
    while current is not None and current.state is State.STARTING and current.attempt == run.attempt:
        row = newest(ports, current)
        move = Move(state=None, reason=f"handed over: {handle}", at=ports.clock.now())
        change = transition(
            current, [move], who="dispatch", row=replace(row, handle=handle) if row else None, handle=handle
        )
        try:
            stored = ports.runs.transition(change)
        except ConflictError:
            current = ports.runs.get(run.id)
            continue
        if stored.cancel_requested and not end_unstarted(ports, compute, stored):
            calls.cancel(ports, stored)
        return
    if current is None or current.has_ended or current.attempt != run.attempt:
        calls.clean_up(ports, run, handle)
