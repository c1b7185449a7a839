"""Silence: what is written while nothing is heard of a run, and what counts as proof that its job is gone."""

from __future__ import annotations

from typing import Final

from runyard.dispatch import calls
from runyard.dispatch.attempts import newest
from runyard.errors import TransientError
from runyard.ports import Compute, Ended, Ports
from runyard.runs.model import Run
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

SILENCE: Final = 120.0
"""Seconds of silence after which a run is shown as ``NotResponding`` (the SDK's heartbeat window), and for which a compute must
have said that it knows nothing of a job before that counts as proof: a listing may lag behind."""


def silent(ports: Ports, run: Run, detail: str) -> None:
    """Write down that nothing is heard of a run: once when it begins, once when it has lasted. Nothing else follows."""
    if run.state in {State.NOT_RESPONDING, State.FINALIZING}:
        return
    now = ports.clock.now()
    if run.silent_since is None:
        reason = f"not heard of: {detail}"
        move = Move(state=None, reason=reason, at=now)
        ports.runs.transition(transition(run, [move], who="watch", silent_since=now))
    elif now - run.silent_since >= SILENCE and not (run.state is State.STARTING and now < (run.claimed_until or 0.0)):
        reason = (
            f"nothing heard of it for {now - run.silent_since:.0f} s: {detail}; its script may still be running, so it is only "
            "watched (`runyard cancel --force` gives it up)"
        )
        ports.runs.transition(transition(run, [Move(state=State.NOT_RESPONDING, reason=reason, at=now)], who="watch"))


def missing(ports: Ports, run: Run, detail: str) -> bool:
    """Write down that a compute answers and has no such job; whether it has said so for long enough to be believed."""
    now = ports.clock.now()
    if run.missing_since is not None:
        return now - run.missing_since >= SILENCE
    move = Move(state=None, reason=f"{run.compute} answers and does not know it ({detail})", at=now)
    ports.runs.transition(transition(run, [move], who="watch", missing_since=now))
    return False


def gone(ports: Ports, compute: Compute, run: Run) -> Ended | None:
    """How a run ended whose compute has answered for long that it has no such job: by its start register.

    ``None`` if that says ``started`` for the first time: it may have started just now, after the compute looked, so the compute is
    asked for as long again.

    Raises:
        TransientError: if the register cannot be asked; nothing is known then.
    """
    assert run.handle is not None
    attempt = newest(ports, run)
    voided = calls.void(ports, compute, attempt, f"{compute.name} has no such job") if attempt is not None else False
    if voided is True:
        return Ended(
            handle=run.handle,
            exit_code=None,
            outcome="void",
            error=f"its job vanished from {compute.name} before it started",
        )
    if voided is not False:
        raise TransientError(f"whether it ever started is not known: {voided.message}")
    if not run.begun:
        now = ports.clock.now()
        reason = f"its start register says that its script was started, and {compute.name} does not know it; looked for again"
        move = Move(state=None, reason=reason, at=now)
        ports.runs.transition(transition(run, [move], who="watch", begun=True, missing_since=now))
        return None
    message = f"its script was started, and {compute.name} has no such job any more: how it ended is not known; look at its log"
    return Ended(
        handle=run.handle,
        exit_code=None,
        outcome="interrupted",
        error=message,
        error_class="transient",
        started=run.started,
        log_complete=False,
    )
