"""What follows when a compute does not take a run: another compute, a later try, or ``Failed``.

Before a claimed run does anything else, it is made sure that its attempt never starts: its reply may have been lost, and the job be
there. The start register decides (DESIGN §3.1).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any

from runyard.dispatch import calls, told
from runyard.dispatch.attempts import ended_as, newest
from runyard.dispatch.retries import MAX_TRIES, block_of, retry_delay
from runyard.dispatch.slots import entry_of, let_slot_go
from runyard.dispatch.wakes import wake_dispatch_later, wake_finished, wake_for_next
from runyard.errors import ConflictError, RunyardError
from runyard.ports import Compute, Ports, Slot
from runyard.runs.failures import failure
from runyard.runs.model import Attempt, Run
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A compute did not take a run."""

    run: Run
    """As the caller knows it: ``Queued`` (not claimed yet) or on the compute. If it changed since, nothing is done."""
    slot: Slot
    """The one that it holds, as the caller knows it."""
    error: RunyardError
    """Why."""
    nothing_there: bool = field(default=False, kw_only=True)
    """Whether it is certain that the compute has no job of the newest attempt and will have none."""
    voided: Attempt | None = field(default=None, kw_only=True)
    """The attempt that was used up by making sure."""


def refuse(ports: Ports, compute: Compute, refused: Refusal) -> bool:
    """Write down that a compute did not take a run, and what is next.

    Returns:
        Whether something else follows for the run; ``False``: it stays where it is, as its script started or nobody knows.
    """
    run = refused.run
    try:
        if not refused.nothing_there and run.state is not State.QUEUED:
            attempt = newest(ports, run)
            if attempt is not None and not _is_settled(ports, compute, run, attempt, refused.error):
                return False
            refused = replace(refused, voided=attempt)
        _go_on(ports, compute, refused)
    except ConflictError:
        log.info("%s changed while its refusal was written; the next poll decides", run.id, extra={"action": "refuse"})
    return True


def _is_settled(ports: Ports, compute: Compute, run: Run, attempt: Attempt, error: RunyardError) -> bool:
    """Void the attempt; if it started after all, or nobody knows, the run stays where it is and is watched."""
    voided = calls.void(ports, compute, attempt, f"it was given up: {error.message}")
    if voided is True:
        return True
    if voided is False:
        reason = f"{error.message}; but its script was started all the same"
    else:
        reason = f"{error.message}; whether {compute.name} has it is not known ({voided.message}); looked at again soon"
    if all(event.reason != reason for event in ports.runs.history(run.id)):
        move = Move(state=None, reason=reason, at=ports.clock.now())
        ports.runs.transition(transition(run, [move], who="dispatch", reason=reason))
    return False


def _go_on(ports: Ports, compute: Compute, refused: Refusal) -> None:
    """Another compute, later, or never."""
    run, error = refused.run, refused.error
    delay = retry_delay(run, error, ports.clock.now())
    if delay is None or run.cancel_requested:
        _fail(ports, compute, refused)
        return
    other = _fallback(ports, compute, run) if error.error_class in {"capacity", "quota"} else None
    settled = refused.voided is not None or run.state is State.QUEUED
    if other is not None and (settled or _void_newest(ports, compute, run)):
        _move_over(ports, compute, other, refused, delay)
    else:
        _try_later(ports, compute, refused, delay)


def _void_newest(ports: Ports, compute: Compute, run: Run) -> bool:
    """Registers are the compute's: the next one has its own, so this one's must be closed for good."""
    attempt = newest(ports, run)
    return attempt is None or calls.void(ports, compute, attempt, "the run went to another compute") is True


def _fail(ports: Ports, compute: Compute, refused: Refusal) -> None:
    """End it: ``Canceled`` if that was asked for, else ``Failed`` with the error."""
    run, now = refused.run, ports.clock.now()
    row = ended_as(refused.voided, "void", now)
    if run.cancel_requested:
        move = Move(state=State.CANCELED, reason="canceled before it started", at=now)
        ended = ports.runs.transition(transition(run, [move], who="dispatch", row=row, claimed_until=None))
    else:
        failed, why = failure(refused.error, now)
        change = transition(run, [failed], who="dispatch", row=row, error=why, claimed_until=None)
        ended = ports.runs.transition(change)
    if calls.clean_up(ports, run, run.handle):
        return  # the poll of its slot tries again, and frees it then
    wake_finished(ports, ended)
    ports.gates.release(compute.name, run.id)
    wake_for_next(ports, compute)


def _try_later(ports: Ports, compute: Compute, refused: Refusal, delay: float) -> None:
    """Back to its old place on the waiting list, to be passed over until the delay is over."""
    run, error, now = refused.run, refused.error, ports.clock.now()
    count = f"; try {run.tries + 1} of {MAX_TRIES}" if error.error_class == "transient" else ""
    reason = f"{error.message}; tried again in {delay:.0f} s{count}"
    stored = _back(ports, run, reason, now=now, not_before=now + delay, voided=refused.voided)
    told.tried_again(error.error_class, compute.name)
    if refused.voided is not None:  # else nothing of it is there
        calls.clean_up(ports, run, run.handle)
    ports.gates.put_back(compute.name, entry_of(stored), taken=refused.slot.taken)
    if (block := block_of(error.error_class, delay)) > 0:
        ports.gates.block(compute.name, until=now + block, reason=error.message)
    else:
        wake_for_next(ports, compute)  # its slot is free for the others
    wake_dispatch_later(ports, compute, delay)
    if 0 < block < delay:
        wake_dispatch_later(ports, compute, block)


def _back(
    ports: Ports,
    run: Run,
    reason: str,
    *,
    now: float,
    not_before: float | None,
    voided: Attempt | None,
    **changes: Any,
) -> Run:
    claimed = run.state is not State.QUEUED
    # Where nothing of it can be there, the next claim takes the same number again.
    attempt = run.attempt - 1 if claimed and voided is None and "compute" not in changes else run.attempt
    change = transition(
        run,
        [Move(state=State.QUEUED if claimed else None, reason=reason, at=now)],
        who="dispatch",
        row=ended_as(voided, "void", now),
        handle=None,
        claimed_until=None,
        silent_since=None,
        missing_since=None,
        reason=reason,
        tries=run.tries + 1,
        refused_since=run.refused_since or now,
        not_before=not_before,
        attempt=attempt,
        **changes,
    )
    return ports.runs.transition(change)


def _fallback(ports: Ports, compute: Compute, run: Run) -> Compute | None:
    """The next compute that the run may go to: each in turn, and the first again when all had no room."""
    names = run.spec.fallback if run.spec is not None else ()
    passed = {*run.passed, compute.name}
    for name in names:
        if name not in passed and (other := ports.computes.get(name)) is not None and not other.paused:
            return other
    if run.passed and run.passed[0] != compute.name:
        return ports.computes.get(run.passed[0])
    return None


def _move_over(ports: Ports, compute: Compute, other: Compute, refused: Refusal, delay: float) -> None:
    """To another compute's waiting list.

    Until it has its entry there, it has the slot here, and who polls this compute does the rest. An entry that came before the
    row would be thrown away there by who finds that the run is elsewhere.
    """
    run, error, now = refused.run, refused.error, ports.clock.now()
    back_to_first = other.name in run.passed
    wait = delay if back_to_first else 0.0
    passed = () if back_to_first else (*run.passed, compute.name)
    when = f"; tried again in {wait:.0f} s" if wait else ""
    row = ended_as(newest(ports, run), "void", now) if run.state is not State.QUEUED else None
    moved = _back(
        ports,
        run,
        f"{error.message}; it now waits for {other.name}{when}",
        now=now,
        not_before=now + wait if wait else None,
        voided=row,
        compute=other.name,
        kind=other.kind,
        passed=passed,
    )
    told.tried_again(error.error_class, compute.name)
    calls.clean_up(ports, run, run.handle)
    block = block_of(error.error_class, delay)
    ports.gates.block(compute.name, until=now + block, reason=error.message)
    let_slot_go(ports, compute, moved, refused.slot)
    wake_dispatch_later(ports, compute, block)
    if wait:
        wake_dispatch_later(ports, other, wait)
