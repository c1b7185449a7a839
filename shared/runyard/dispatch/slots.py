"""Letting go of a slot whose run has no use for it, so that neither the run nor the slot is lost."""

from __future__ import annotations

from runyard.dispatch.wakes import wake_dispatch, wake_for_next
from runyard.ports import Compute, Ports, Slot, Waiting
from runyard.runs.model import Run
from runyard.runs.states import State


def entry_of(run: Run) -> Waiting:
    """A run's entry on a waiting list: its place is that of its age, wherever it goes."""
    return Waiting(run_id=run.id, priority=run.priority, enqueued=run.created, not_before=run.not_before or 0.0)


def let_slot_go(ports: Ports, compute: Compute, run: Run, slot: Slot) -> None:
    """Free a slot of a run that has ended, or that is another compute's now.

    While a run moves to another compute, this slot is all it has: who moves it may have died before it had an entry there, and
    so the entry comes first.
    """
    moved = run.compute != compute.name and run.state is State.QUEUED
    if moved:
        ports.gates.wait(run.compute, entry_of(run))
    if not ports.gates.release(compute.name, run.id, taken=slot.taken):
        return  # somebody else let it go, or the run came back and holds another
    wake_for_next(ports, compute)
    if moved and (other := ports.computes.get(run.compute)) is not None:
        wake_dispatch(ports, other)
    if not run.has_ended:
        _see_that_it_waits(ports, compute, run.id)


def _see_that_it_waits(ports: Ports, compute: Compute, run_id: str) -> None:
    """It may have come back just now, and found the slot held, so that it got no entry."""
    fresh = ports.runs.get(run_id)
    if fresh is not None and fresh.state is State.QUEUED and fresh.compute == compute.name:
        ports.gates.wait(compute.name, entry_of(fresh))
        wake_dispatch(ports, compute)
