"""Runs that wait, and have no place where they wait: no order of writes makes one, and if one is there all the same, it is found.

Whoever goes by the waiting lists alone would never see it again.
"""

from __future__ import annotations

import logging
from typing import Final

from runyard.dispatch.slots import entry_of
from runyard.dispatch.wakes import wake_dispatch, wake_finished
from runyard.errors import ConflictError, UnsupportedError
from runyard.ports import Gate, Ports, Query
from runyard.runs.failures import failure
from runyard.runs.model import Run
from runyard.runs.moves import transition
from runyard.runs.states import State

SETTLED: Final = 60.0
"""Seconds: a younger run may be between two writes of accept."""
LOOKED_AT: Final = 200
"""Runs that are looked at in one round: one page, however many wait."""

log = logging.getLogger(__name__)


def restore(ports: Ports) -> int:
    """Give a run that is ``Queued`` and neither on its compute's list nor in a slot its place again; returns how many.

    It is older than all that wait beside it, for those before it have gone: so the oldest on the lists say where to look.
    """
    oldest, placed = _placed(ports)
    query = Query(statuses=frozenset({str(State.QUEUED)}), created_before=oldest, limit=LOOKED_AT)
    lost = [run for run in ports.runs.list(query).runs if run.id not in placed and _is_lost(ports, run)]
    for run in lost:
        ports.gates.wait(run.compute, entry_of(run))
        log.error("%s waited nowhere and was put back", run.id, extra={"action": "restore", **run.log_context()})
        if (compute := ports.computes.get(run.compute)) is not None:
            wake_dispatch(ports, compute)
    return len(lost)


def fail_stranded(ports: Ports, gate: Gate) -> int:
    """End what waits for a compute that is gone: it was accepted in the moment of the removal. Returns how many."""
    ended = 0
    for entry in ports.gates.waiting(gate.compute, limit=100):
        run = ports.runs.get(entry.run_id)
        if run is not None and run.state is State.QUEUED and run.compute == gate.compute:
            error = UnsupportedError(
                f"the compute {gate.compute} was removed; `runyard resubmit {run.id} --target COMPUTE`"
            )
            move, why = failure(error, ports.clock.now())
            try:
                failed = ports.runs.transition(transition(run, [move], who="reconcile", error=why))
            except ConflictError:
                continue  # the next round looks again
            wake_finished(ports, failed)
            ended += 1
        if run is not None:
            ports.gates.leave(gate.compute, entry.run_id)
    return ended


def _placed(ports: Ports) -> tuple[float, set[str]]:
    """Until when a run that has no place was made, and those that surely have one."""
    until, placed = 0.0, set[str]()
    settled = ports.clock.now() - SETTLED
    for gate in ports.gates.list():
        head = ports.gates.waiting(gate.compute, limit=100) if gate.waiting else ()
        placed.update(entry.run_id for entry in head)
        if gate.taken:
            placed.update(slot.run_id for slot in ports.gates.slots(gate.compute))
        until = max(until, min(settled, head[0].enqueued) if head else settled)
    return until, placed


def _is_lost(ports: Ports, run: Run) -> bool:
    if ports.gates.get(run.compute) is None or ports.gates.position(run.compute, run.id) is not None:
        return False
    if any(slot.run_id == run.id for slot in ports.gates.slots(run.compute)):
        return False
    fresh = ports.runs.get(run.id)  # the places were looked at after it was listed: it may have moved on meanwhile
    return fresh is not None and fresh.version == run.version
