"""The reconciler: re-wakes what should move and does not, only through the paths that everything else takes.

It reads gates, the heads of waiting lists and slots, and the runs that are still ``NotStarted``; never all runs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from runyard.accept import messages
from runyard.dispatch.wakes import SUBMISSIONS, send_tick, wake_dispatch
from runyard.errors import ConflictError
from runyard.ports import Compute, Gate, Ports, Query
from runyard.runs.model import Run, RunError
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

OVERDUE: Final = 30.0
"""Seconds after its time when a watch counts as lost."""
STALE: Final = 60.0
"""Seconds after which a ``NotStarted`` run's message counts as lost and is sent again."""
NOT_STARTED_DEADLINE: Final = 15 * 60.0
"""Seconds after which a run that was never accepted is ``Failed`` (DESIGN §2)."""
ORPHANED: Final = 10 * 60.0
"""Seconds after which a waiting entry without a run's row is removed (DESIGN §3, rule 6)."""
INTERVAL: Final = 1.0
RESENT: Final = 200
"""Runs whose message is sent again in one round, at most."""
BUSY: Final = 2 * RESENT
"""Messages on ``submissions`` from which on nothing counts as lost: what waits in line would only come twice."""

log = logging.getLogger(__name__)


def reconcile(ports: Ports) -> int:
    """Wake what should move and does not; returns how many things it set going."""
    woken = 0
    for gate in ports.gates.list():
        compute = ports.computes.get(gate.compute)
        if compute is None:
            continue
        woken += _work_without_wake(ports, compute, gate)
        woken += _watch_without_tick(ports, compute, gate)
    return woken + _never_accepted(ports)


def _work_without_wake(ports: Ports, compute: Compute, gate: Gate) -> int:
    if not gate.waiting or gate.paused:
        return 0
    now = ports.clock.now()
    for entry in ports.gates.waiting(compute.name, limit=100):
        if now - entry.enqueued > ORPHANED and ports.runs.get(entry.run_id) is None:
            ports.gates.leave(compute.name, entry.run_id)
    if gate.taken >= gate.limit:
        return 0
    wake_dispatch(ports, compute)
    return 1


def _watch_without_tick(ports: Ports, compute: Compute, gate: Gate) -> int:
    now = ports.clock.now()
    if gate.next_at is None:
        generation = ports.gates.arm(compute.name, next_at=now + INTERVAL) if gate.taken else None
    elif gate.next_at + OVERDUE < now:
        log.warning("the watch of %s was overdue and is armed again", compute.name, extra={"action": "rearm"})
        generation = ports.gates.advance(compute.name, gate.generation, next_at=now + INTERVAL)
    else:
        generation = None
    if generation is None:
        return 0
    send_tick(ports, compute.name, generation, INTERVAL)
    return 1


def _never_accepted(ports: Ports) -> int:
    late = _not_started(ports, NOT_STARTED_DEADLINE)
    for run in late:
        _give_up(ports, run)
    if ports.queue.backlog(SUBMISSIONS, BUSY) >= BUSY:
        return len(late)
    lost = _not_started(ports, STALE)
    for run in lost:
        ports.queue.send(SUBMISSIONS, messages.for_run(run.id))
    return len(late) + len(lost)


def _not_started(ports: Ports, seconds: float) -> Sequence[Run]:
    """Runs that were asked for more than so many seconds ago and are not accepted yet."""
    before = ports.clock.now() - seconds
    query = Query(statuses=frozenset({State.NOT_STARTED.value}), created_before=before, limit=RESENT)
    return ports.runs.list(query).runs


def _give_up(ports: Ports, run: Run) -> None:
    minutes = int(NOT_STARTED_DEADLINE // 60)
    reason = (
        f"was not accepted within {minutes} minutes; `runyard queue list` shows what is stuck, then submit it again"
    )
    change = transition(
        run,
        [Move(state=State.FAILED, reason=reason, at=ports.clock.now())],
        who="reconcile",
        error=RunError(error_class="transient", message=reason, code="NotAccepted"),
    )
    try:
        ports.runs.transition(change)
    except ConflictError:
        log.info("%s was accepted just now", run.id, extra={"action": "give up", **run.log_context()})
