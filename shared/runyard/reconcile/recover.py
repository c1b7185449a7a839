"""What a host does first on a root that it takes over: its predecessor is gone, so nobody is between two writes."""

from __future__ import annotations

import math

from runyard.dispatch.slots import let_slot_go
from runyard.dispatch.wakes import WATCH, nudge, wake_dispatch
from runyard.errors import ConflictError
from runyard.finalize import give_back
from runyard.notify import take_up
from runyard.ports import Compute, Ports, Slot
from runyard.runs.moves import Move, transition
from runyard.runs.states import State


def recover(ports: Ports) -> None:
    """Undo half-made dispatches and have every compute in use looked at; for a host that is alone on its root.

    A slot whose run was not claimed yet goes back to the waiting list, and a claim counts as expired: the poll that
    follows either finds the job, or hands it over again under the same attempt number.
    """
    for compute in ports.computes.list():
        slots = ports.gates.slots(compute.name)
        for slot in slots:
            _free_or_expire(ports, compute, slot)
        if slots:
            ports.queue.wake(WATCH, nudge(compute.name))
        wake_dispatch(ports, compute)
    take_up(ports, late=-math.inf)


def _free_or_expire(ports: Ports, compute: Compute, slot: Slot) -> None:
    run = ports.runs.get(slot.run_id)
    if run is not None and run.compute and run.compute != compute.name:
        let_slot_go(ports, compute, run, slot)
    elif run is None or run.state in {State.NOT_STARTED, State.QUEUED}:
        give_back(ports, compute, run, slot)
    elif run.state is State.STARTING:
        now = ports.clock.now()
        move = Move(
            state=None,
            reason="the host that was starting it is gone; this one looks whether its compute has it, and goes on",
            at=now,
        )
        try:
            ports.runs.transition(transition(run, [move], who="recover", claimed_until=now))
        except ConflictError:
            return  # it is moving: nothing to recover
