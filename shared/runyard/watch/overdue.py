"""Deadlines of runs on a compute: what is done about one that has been in a state for too long (DESIGN §2)."""

from __future__ import annotations

from typing import Final

from runyard.dispatch import calls
from runyard.dispatch.refusals import Refusal, refuse
from runyard.errors import CapacityError
from runyard.finalize import finish
from runyard.ports import Compute, Ended, Ports, Running, Slot
from runyard.runs.deadlines import deadline
from runyard.runs.model import Run, RunError
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

GRACE: Final = 600.0
"""Seconds beyond its maximum duration after which a run that is not heard of has surely been ended by its runner."""


def give_up_if_overdue(ports: Ports, compute: Compute, run: Run, slot: Slot, seen: Running | None) -> bool:
    """Do what a state's deadline asks for once it is over; whether nothing else is to be done about the run now.

    Args:
        ports: The outside.
        compute: Where it is.
        run: As just written.
        slot: The one that it holds there.
        seen: What its compute says; ``None`` if it does not answer.
    """
    now = ports.clock.now()
    if run.state is State.NOT_RESPONDING and seen is None:
        return _outlived(ports, compute, run, slot, now)
    # A compute that has a job and never begins with it is as good as one that has no machine for it.
    waits = run.state in {State.STARTING, State.PROVISIONING}
    most = deadline(State.PROVISIONING if waits else run.state, compute.deadlines)
    if most is None or seen is None or now - run.since <= most or run.giving_up is not None:
        return False
    if waits:
        what = "had no machine for it" if run.state is State.PROVISIONING else "had it, and did not begin with it,"
        why = f"{compute.name} {what} within {most / 60:.0f} min ({seen.detail or 'it does not say why'})"
        refuse(ports, compute, Refusal(run, slot, CapacityError(why)))
        return True
    if run.state is State.PREPARING:
        _stop_preparing(ports, run, seen, most)
        return True
    return False


def _stop_preparing(ports: Ports, run: Run, seen: Running, most: float) -> None:
    """Its start register says ``started`` already, so its end must be seen before it is ``Failed``."""
    what = seen.detail or run.reason
    message = (
        f"it was still being prepared after {most / 60:.0f} min: {what}; its preparation log says more, and "
        f"`runyard compute set {run.compute} --deadline preparing=AGE` allows more"
    )
    error = RunError(error_class="config", message=message, code="PreparationTooLong")
    move = Move(state=None, reason=f"{message}; it is being ended", at=ports.clock.now())
    calls.cancel(ports, ports.runs.transition(transition(run, [move], who="watch", giving_up=error)))


def _outlived(ports: Ports, compute: Compute, run: Run, slot: Slot, now: float) -> bool:
    """A run that is not heard of ends by the clock alone only when its own maximum duration is long over."""
    longest = run.spec.max_duration if run.spec is not None else None
    if longest is None or run.started is None or now < run.started + longest + GRACE:
        return False
    message = (
        f"nothing was heard of it any more, and its maximum duration of {longest:g} s was over {GRACE / 60:.0f} min ago; "
        f"look at {run.compute} and at what it left there"
    )
    assert run.handle is not None
    seen = Ended(
        handle=run.handle,
        exit_code=None,
        outcome="timeout",
        error=message,
        error_class="transient",
        started=run.started,
        ended=now,
        log_complete=False,
    )
    finish(ports, compute, run, slot, seen)
    return True
