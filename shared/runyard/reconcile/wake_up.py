"""The reconciler: re-wakes what should move and does not, only through the paths that everything else takes.

It reads gates, the heads of waiting lists and slots, and the runs that are still ``NotStarted``; never all runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from runyard import telemetry
from runyard.accept import messages
from runyard.dispatch.cancel import WAITING, cancel_waiting
from runyard.dispatch.wakes import SUBMISSIONS, send_tick, wake_dispatch, wake_finished
from runyard.errors import ConflictError
from runyard.notify import take_up
from runyard.ports import Compute, Gate, Ports, Query
from runyard.reconcile.places import fail_stranded, restore
from runyard.runs.deadlines import DEADLINES
from runyard.runs.model import Run, RunError
from runyard.runs.moves import Move, transition
from runyard.runs.states import CANCEL_REQUESTED, State
from runyard.telemetry import instruments

OVERDUE: Final = 30.0
"""Seconds after its time when a watch counts as lost."""
STALE: Final = 60.0
"""Seconds after which a ``NotStarted`` run's message counts as lost and is sent again."""
ORPHANED: Final = 10 * 60.0
"""Seconds after which a waiting entry without a run's row is removed (DESIGN §3, rule 6)."""
FARTHEST: Final = 60.0
"""Seconds until the next poll that are more than any interval: the clock was set back since, and nobody would look till then."""
INTERVAL: Final = 1.0
RESENT: Final = 200
"""Runs whose message is sent again in one round, at most, and runs on one page of a listing."""

log = logging.getLogger(__name__)


def reconcile(ports: Ports) -> int:
    """Wake what should move and does not; returns how many things it set going."""
    woken = 0
    for gate in ports.gates.list():
        compute = ports.computes.get(gate.compute)
        if compute is None:
            woken += fail_stranded(ports, gate)
            continue
        if (gate.limit, gate.paused) != (compute.limit, compute.paused):  # whoever set it died before the gate had it
            ports.gates.configure(compute.name, limit=compute.limit, paused=compute.paused)
        _measure(gate)
        woken += _work_without_wake(ports, compute, gate)
        woken += _watch_without_tick(ports, compute, gate)
    return woken + restore(ports) + _never_accepted(ports) + _canceled_waiting(ports) + take_up(ports)


def _measure(gate: Gate) -> None:
    telemetry.measure(
        instruments.ON_COMPUTE, gate.waiting, {"runyard.compute": gate.compute, "runyard.place": "waiting"}
    )
    telemetry.measure(instruments.ON_COMPUTE, gate.taken, {"runyard.compute": gate.compute, "runyard.place": "slot"})
    telemetry.measure(instruments.LIMIT, gate.limit, {"runyard.compute": gate.compute})


def _work_without_wake(ports: Ports, compute: Compute, gate: Gate) -> int:
    if not gate.waiting or gate.paused:
        return 0
    now = ports.clock.now()
    for entry in ports.gates.waiting(compute.name, limit=100):
        if now - entry.enqueued > ORPHANED and ports.runs.get(entry.run_id) is None:
            ports.gates.leave(compute.name, entry.run_id)
            if ports.runs.get(entry.run_id) is not None:  # accept wrote it just now, and saw the entry there
                ports.gates.wait(compute.name, entry)
    if gate.taken >= gate.limit:
        return 0
    wake_dispatch(ports, compute)
    return 1


def _watch_without_tick(ports: Ports, compute: Compute, gate: Gate) -> int:
    now = ports.clock.now()
    if gate.next_at is None:
        generation = ports.gates.arm(compute.name, next_at=now + INTERVAL) if gate.taken else None
    elif gate.next_at + OVERDUE < now or gate.next_at > now + FARTHEST:
        log.warning("the watch of %s was overdue and is sent again", compute.name, extra={"action": "rearm"})
        # Under the same generation: the message may be late and not lost, and must not be overtaken again and again.
        generation = gate.generation
    else:
        generation = None
    if generation is None:
        return 0
    send_tick(ports, compute.name, generation, INTERVAL)
    return 1


def _never_accepted(ports: Ports) -> int:
    """Runs that are ``NotStarted`` though no submission waits: their messages were lost."""
    if ports.queue.wait((SUBMISSIONS,), 0.0):
        return 0  # accept has not come to them yet, be it after a night without a host
    now, count = ports.clock.now(), 0
    for run in _with_status(ports, State.NOT_STARTED.value, created_before=now - STALE):
        if (count := count + 1) > RESENT:
            break
        if now - run.created > DEADLINES[State.NOT_STARTED]:
            if not ports.queue.backlog(SUBMISSIONS, 1):  # else accept may have its message in hand right now
                _give_up(ports, run)
        else:
            ports.queue.send(SUBMISSIONS, messages.for_run(run.id))
    return count


def _canceled_waiting(ports: Ports) -> int:
    """Runs whose cancel was asked for and that still wait: they need no slot to end."""
    runs = [run for run in _with_status(ports, CANCEL_REQUESTED) if run.state in WAITING]
    for run in runs:
        cancel_waiting(ports, run, who="reconcile")
    return len(runs)


def _with_status(ports: Ports, status: str, created_before: float | None = None) -> Iterator[Run]:
    """Every run that shows this status."""
    after: str | None = None
    while True:
        query = Query(statuses=frozenset({status}), created_before=created_before, limit=RESENT, after=after)
        page = ports.runs.list(query)
        yield from page.runs
        if page.next is None:
            return
        after = page.next


def _give_up(ports: Ports, run: Run) -> None:
    minutes = int(DEADLINES[State.NOT_STARTED] // 60)
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
        wake_finished(ports, ports.runs.transition(change))
    except ConflictError:
        log.info("%s was accepted just now", run.id, extra={"action": "give up", **run.log_context()})
