"""The dispatcher: takes the first waiting runs of one compute up to its limit and hands them over."""

from __future__ import annotations

from typing import Final

from runyard.dispatch.cancel import cancel_waiting
from runyard.dispatch.claims import Claim, claim, confirmed, hand_over
from runyard.dispatch.slots import let_slot_go
from runyard.dispatch.wakes import DispatchWake, read, send_tick, wake_dispatch, wake_dispatch_later, wake_for_next
from runyard.ports import Compute, Ports, Slot
from runyard.runs.states import State

FIRST_POLL: Final = 1.0
"""Seconds from handing over to the first scheduled poll (a target that tells of endings is polled sooner)."""
ROWLESS: Final = 30.0
"""Seconds for which an entry without a run's row is passed over: whoever writes the row makes it due at once."""


def dispatch(ports: Ports, body: bytes) -> None:
    """Handle a wake: give free slots of the named compute to its first waiting runs.

    Raises:
        EventError: if the message does not have the agreed form.
    """
    compute = ports.computes.get(read(body, DispatchWake).compute)
    if compute is None:  # removed since: it had no runs, or it could not have been
        return
    slots = ports.gates.take(compute.name, at=ports.clock.now())
    if not slots:
        return
    claims = [made for slot in slots if (made := _claim_slot(ports, compute, slot)) is not None]
    if claims and (sure := confirmed(ports, compute, claims)):
        _arm(ports, compute)
        hand_over(ports, compute, sure)


def _claim_slot(ports: Ports, compute: Compute, slot: Slot) -> Claim | None:
    run = ports.runs.recent(slot.run_id)
    if run is None or run.state is not State.QUEUED or run.compute != compute.name or run.cancel_requested:
        run = ports.runs.get(slot.run_id)  # what follows then is proven by no transition
    if run is None or run.state is State.NOT_STARTED:
        _put_back_rowless(ports, compute, slot)
        return None
    if run.has_ended or run.compute != compute.name:
        let_slot_go(ports, compute, run, slot)
        return None
    if run.cancel_requested and run.state is State.QUEUED:
        cancel_waiting(ports, run, who="dispatch")
        let_slot_go(ports, compute, run, slot)
        return None
    if run.state is not State.QUEUED:
        return None  # on its compute already: the poll of its slot decides what is next
    return claim(ports, compute, run, slot)


def _put_back_rowless(ports: Ports, compute: Compute, slot: Slot) -> None:
    """Accept writes the gate before the run's row. Others go first meanwhile; only the reconciler removes an orphan."""
    later = ports.clock.now() + ROWLESS
    ports.gates.put_back(compute.name, slot.waiting(not_before=later), taken=slot.taken)
    run = ports.runs.get(slot.run_id)
    if run is not None and run.state is State.QUEUED and run.compute == compute.name:
        ports.gates.wait(
            compute.name, slot.waiting()
        )  # it came meanwhile, and accept, which saw the slot held, woke nobody
        wake_dispatch(ports, compute)
        return
    wake_for_next(ports, compute)
    wake_dispatch_later(ports, compute, ROWLESS)


def _arm(ports: Ports, compute: Compute) -> None:
    """Arm the watch before anything is handed over: a crash right after must not leave a run unwatched."""
    generation = ports.gates.arm(compute.name, next_at=ports.clock.now() + FIRST_POLL)
    if generation is not None:
        send_tick(ports, compute.name, generation, FIRST_POLL)
