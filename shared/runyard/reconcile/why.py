"""Why a run is where it is: what it waits for, what happens next and when, and what a user can do about it.

Reads the run, its compute's gate and, while it was not accepted, the queue; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runyard.ports import Ports
from runyard.reconcile.account import Account, Said, View, Why
from runyard.reconcile.why_ended import canceled, completed, failed
from runyard.reconcile.why_on_compute import (
    finalizing,
    not_responding,
    preparing,
    provisioning,
    running,
    starting,
)
from runyard.reconcile.why_waiting import not_started, queued
from runyard.runs.model import Run
from runyard.runs.states import ON_COMPUTE, State

_TELLERS: Final[Mapping[State, Callable[[View, Account], None]]] = {
    State.NOT_STARTED: not_started,
    State.QUEUED: queued,
    State.STARTING: starting,
    State.PROVISIONING: provisioning,
    State.PREPARING: preparing,
    State.RUNNING: running,
    State.NOT_RESPONDING: not_responding,
    State.FINALIZING: finalizing,
    State.COMPLETED: completed,
    State.FAILED: failed,
    State.CANCELED: canceled,
}


def why(ports: Ports, run: Run, *, served: bool = True) -> Why:
    """Say why a run is where it is.

    Args:
        ports: The outside; only read.
        run: The run as it is now.
        served: Whether a host is there to move it on.
    """
    view = View.of(ports, run, served=served)
    account = Account()
    if not run.has_ended:
        if not served:
            _without_host(view, account)
        _asked_to_end(view, account)
    _TELLERS[run.state](view, account)
    account.next.sort(key=lambda said: said.at if said.at is not None else view.now)
    return Why(
        run_id=run.id,
        status=run.status,
        state=run.state,
        since=run.since,
        reason=run.reason,
        now=view.now,
        served=served,
        waits=tuple(account.waits),
        next=tuple(account.next),
        facts=tuple(account.facts),
        advice=tuple(dict.fromkeys(account.advice)),
    )


def _without_host(view: View, account: Account) -> None:
    account.waits.append(Said("a host: none serves the root now, so nothing moves"))
    if view.run.state in ON_COMPUTE:
        account.facts.append(Said("what runs on a compute goes on; the next host sees how it ended"))
    account.advice.append("start a host with `runyard up`")


def _asked_to_end(view: View, account: Account) -> None:
    """A cancel that was asked for, or an attempt that is being given up: what has to happen before it is over."""
    run = view.run
    if run.giving_up is not None:
        error = run.giving_up
        account.facts.append(Said(f"its attempt was asked to end ({error.error_class}): {error.message}"))
        account.next.append(Said("it ends with that error once nothing of it runs any more"))
    if not run.cancel_requested:
        return
    account.facts.append(view.asked_by() or Said("its end was asked for"))
    if run.state in {State.NOT_STARTED, State.QUEUED}:
        account.next.append(Said("it is Canceled by the next who meets it; nothing of it was started"))
    elif run.state is State.STARTING:
        account.next.append(
            Said("its start is refused if its script has not started yet, and its processes are ended if it has")
        )
    elif run.state is State.FINALIZING:
        account.next.append(Said("its script has ended already; its files are being completed, then it ends"))
    else:
        account.next.append(
            Said("its processes get TERM, and KILL 10 s later; each poll asks again until none is left")
        )
    if run.state in ON_COMPUTE:
        account.advice.append(
            f"end the record at once with `runyard cancel {run.id} --force`, at the price that the script may go on"
        )
