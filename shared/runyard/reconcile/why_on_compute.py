"""Why a run that holds a slot is where it is: what its compute does with it, and what ends each of these states."""

from __future__ import annotations

from runyard.reconcile.account import Account, Said, View
from runyard.runs.deadlines import deadline
from runyard.runs.states import State
from runyard.watch.overdue import GRACE
from runyard.watch.silence import SILENCE


def starting(view: View, account: Account) -> None:
    """Claimed by a dispatcher."""
    run = view.run
    if run.handle is not None:
        account.waits.append(Said(f"{run.compute} to say that it has it"))
        account.facts.append(Said(f"attempt {run.attempt}, known there as {run.handle}"))
    else:
        account.waits.append(Said(f"{run.compute} to take it: attempt {run.attempt} is being handed over"))
    if run.claimed_until is not None:
        account.next.append(
            Said(
                "its claim ends: if nothing was heard of it, another dispatcher goes on with the same attempt",
                run.claimed_until,
            )
        )
    _looked_at(view, account)
    _can_cancel(view, account)


def provisioning(view: View, account: Account) -> None:
    """Its compute gets a machine."""
    account.waits.append(Said(f"a machine of {view.run.compute}"))
    _deadline(view, account, "no machine came: another compute of its fallbacks, else a later try")
    _looked_at(view, account)
    _can_cancel(view, account)


def preparing(view: View, account: Account) -> None:
    """Its snapshot and environment are made ready."""
    account.waits.append(Said("its snapshot and its environment to be ready"))
    _deadline(view, account, "Failed, saying what was being prepared")
    _looked_at(view, account)
    account.advice.append(f"see what is being done with `runyard logs -f {view.run.id}`")
    _can_cancel(view, account)


def running(view: View, account: Account) -> None:
    """Its script has started."""
    run = view.run
    account.waits.append(Said("its script to end"))
    account.facts.append(Said(f"its script started on {run.compute}, attempt {run.attempt}", run.started or run.since))
    _maximum(view, account)
    _new_attempts(view, account)
    _looked_at(view, account)
    account.advice.append(f"see what it writes with `runyard logs -f {run.id}`")
    _can_cancel(view, account)


def not_responding(view: View, account: Account) -> None:
    """Nothing is heard of it, which is no evidence of anything."""
    run = view.run
    account.waits.append(Said(f"news from {run.compute}: silence is no evidence of failure, so nothing is done to it"))
    account.facts.append(Said("not heard of since then", run.silent_since or run.since))
    if run.handle is not None:
        account.facts.append(Said(f"it is known there as {run.handle}; its script may still be running"))
    account.next.append(Said("heard of again, it goes on as it is found; found ended or gone, it ends so"))
    _outlived(view, account)
    _looked_at(view, account)
    account.advice.append(f"see whether {run.compute} is up and can be reached")
    account.advice.append(
        f"if it is gone for good, `runyard cancel {run.id} --force` ends the record; its script may still be running"
    )


def finalizing(view: View, account: Account) -> None:
    """Its script ended; its files are being completed."""
    account.waits.append(Said("its logs, outputs and metrics to be complete"))
    _deadline(view, account, "it ends as its script did, with its log marked as not complete")
    _looked_at(view, account)


def _deadline(view: View, account: Account, then: str) -> None:
    run = view.run
    seconds = deadline(run.state, view.compute.deadlines if view.compute is not None else {})
    if seconds is not None:
        account.next.append(Said(f"the time for {run.state} is up: {then}", run.since + seconds))


def _maximum(view: View, account: Account) -> None:
    """What bounds the script itself: the runner beside it, which needs nobody for that."""
    run = view.run
    longest = run.spec.max_duration if run.spec is not None else None
    if longest is not None and run.started is not None:
        account.next.append(
            Said("its maximum duration is over: the runner ends it, and it is Failed", run.started + longest)
        )
    elif longest is None:
        account.facts.append(Said("it has no maximum duration (maxRunDurationSeconds)"))


def _outlived(view: View, account: Account) -> None:
    """Its runner bounds the script even if nobody hears of it: long after that it cannot be running."""
    run = view.run
    longest = run.spec.max_duration if run.spec is not None else None
    if longest is not None and run.started is not None:
        over = run.started + longest + GRACE
        account.next.append(Said("its maximum duration is long over: Failed, if nothing was heard of it by then", over))
    else:
        account.facts.append(Said("it has no maximum duration (maxRunDurationSeconds), so no time ends it"))


def _new_attempts(view: View, account: Account) -> None:
    failed, preempted = view.retries - view.run.failures, view.on_preemption - view.run.preemptions
    if failed > 0:
        account.facts.append(Said(f"new attempts left if its script fails: {failed} of {view.retries}"))
    if preempted > 0:
        account.facts.append(
            Said(f"new attempts left if its machine is taken back: {preempted} of {view.on_preemption}")
        )


def _looked_at(view: View, account: Account) -> None:
    gate, silent_since = view.gate, view.run.silent_since
    if silent_since is not None and view.run.state not in {State.NOT_RESPONDING, State.FINALIZING}:
        account.facts.append(Said("not heard of since then", silent_since))
        due = max(silent_since + SILENCE, view.now, gate.next_at or 0.0 if gate is not None else 0.0)
        account.next.append(Said("NotResponding, if nothing was heard of it by then", due))
    if gate is None:
        account.facts.append(Said(f"the compute {view.run.compute} does not exist (any more): nobody looks at it"))
    elif not view.served:
        return
    elif gate.next_at is None:
        account.next.append(Said("the reconciler has it looked at again, within 30 s"))
    elif gate.next_at < view.now:
        account.facts.append(Said("the look at its compute is due", gate.next_at))
    else:
        account.next.append(Said("its compute is looked at", gate.next_at))


def _can_cancel(view: View, account: Account) -> None:
    if not view.run.cancel_requested:
        account.advice.append(f"end it with `runyard cancel {view.run.id}`")
