"""The watcher: the messages that make a compute be polled, and one poll of all its runs."""

from __future__ import annotations

import logging
from typing import Final

from runyard.dispatch import calls
from runyard.dispatch.cancel import end_unstarted
from runyard.dispatch.claims import CLAIM, take_over
from runyard.dispatch.slots import let_slot_go
from runyard.dispatch.wakes import WatchTick, read, send_tick
from runyard.finalize import give_back, let_go
from runyard.ports import Compute, Ports, Slot
from runyard.runs.model import Handle, Run
from runyard.runs.states import State
from runyard.watch.observe import act, claim_expired

FASTEST: Final = 1.0
SLOWEST: Final = 30.0
GROWTH: Final = 1.5
"""The interval between scheduled polls, in seconds: it grows while nothing changes."""

log = logging.getLogger(__name__)


def watch(ports: Ports, body: bytes) -> None:
    """Handle a watch message: the winner of its generation polls and schedules the next, losers do nothing.

    Raises:
        EventError: if the message does not have the agreed form.
    """
    tick = read(body, WatchTick)
    compute = ports.computes.get(tick.compute)
    if compute is None:
        return
    if tick.generation is None:
        observe(ports, compute, afresh=True)
        return
    if ports.gates.disarm(compute.name, tick.generation):
        return
    # Swap, send, then poll: a crash after the swap leaves an overdue gate, which the reconciler arms again.
    interval = min(max(tick.interval * GROWTH, FASTEST), SLOWEST)
    generation = ports.gates.advance(compute.name, tick.generation, next_at=ports.clock.now() + interval)
    if generation is None:
        return
    send_tick(ports, compute.name, generation, interval)
    observe(ports, compute)


def observe(ports: Ports, compute: Compute, *, afresh: bool = False) -> None:
    """Poll every run that holds a slot of the compute, and act on what is seen.

    Args:
        ports: The outside.
        compute: Which.
        afresh: Whether each run is read anew: who nudges may have changed it. Else one that is being watched is taken as it was
            seen last; nothing but its own change follows from that, and a newer one of somebody else refuses it.
    """
    polled: list[tuple[Run, Slot]] = []
    handles: list[Handle] = []
    for slot in ports.gates.slots(compute.name):
        run = None if afresh else _as_seen_last(ports, compute, slot)
        run = run or ports.runs.get(slot.run_id)
        if run is not None and _is_for_polling(ports, compute, run, slot):
            assert run.handle is not None
            polled.append((run, slot))
            handles.append(run.handle)
        elif run is None:
            _give_back(ports, compute, None, slot)
    if not handles:
        return
    for (run, slot), seen in zip(polled, calls.poll(ports, compute, handles), strict=True):
        act(ports, compute, run, slot, seen)


def _as_seen_last(ports: Ports, compute: Compute, slot: Slot) -> Run | None:
    """The run of a slot, not quite fresh, if all that there is to do is to look at its compute."""
    run = ports.runs.recent(slot.run_id)
    if run is None or run.has_ended or run.compute != compute.name or run.handle is None or run.cancel_requested:
        return None
    return None if run.state in {State.NOT_STARTED, State.QUEUED} else run


def _is_for_polling(ports: Ports, compute: Compute, run: Run, slot: Slot) -> bool:
    """See to what needs no look at the compute; whether there is something to look at."""
    if run.has_ended:
        let_go(ports, compute, run)
    elif run.compute != compute.name:  # it went on to a fallback, and who moved it died before the last step
        let_slot_go(ports, compute, run, slot)
    elif run.state in {State.NOT_STARTED, State.QUEUED}:
        _give_back(ports, compute, run, slot)
    elif run.cancel_requested and end_unstarted(ports, compute, run):
        return False
    elif run.handle is not None:
        return True
    elif claim_expired(ports, run):
        take_over(ports, compute, run, slot)
    return False


def _give_back(ports: Ports, compute: Compute, run: Run | None, slot: Slot) -> None:
    """A slot whose run was never claimed: its dispatcher died between two writes, if it is not there right now."""
    if ports.clock.now() - max(slot.taken, run.since if run is not None else 0.0) >= CLAIM:
        give_back(ports, compute, run, slot, taken=slot.taken)
