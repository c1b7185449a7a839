"""Why a run ended as it did, and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from runyard.ports import Ports
from runyard.reconcile.account import Account, Said, View, counted
from runyard.runs.identity import REJECTED
from runyard.runs.model import Attempt, Run
from runyard.runs.states import ENDINGS, State

ABANDONED: Final = "abandoned"
"""Outcome of an attempt whose run was ended by force, with no evidence of its end."""

_AGAIN: Final = "run it again with `runyard resubmit {run}`"
_WAY_OUT: Final[Mapping[str, tuple[str, ...]]] = {
    "MaxDurationExceeded": ("raise maxRunDurationSeconds in its run configuration, and submit it again",),
    "Interrupted": (_AGAIN, "or ask for new attempts beforehand with runyard.retries in its run configuration"),
    "config": ("mend what the reason names in its run configuration or snapshot, and submit it again",),
    "auth": ("mend the credential or the permission that the reason names, then `runyard resubmit {run}`",),
    "user": ("see what its script wrote with `runyard logs {run}`", _AGAIN),
    "throttled": (_AGAIN, "or elsewhere with `runyard resubmit {run} --target COMPUTE`"),
    "transient": (_AGAIN, "and see `runyard doctor` if it fails again"),
    "capacity": (_AGAIN, "or elsewhere with `runyard resubmit {run} --target COMPUTE`"),
    "quota": ("make room, or ask for more; then `runyard resubmit {run}`, with `--target COMPUTE` elsewhere",),
    "preempted": (_AGAIN, "and let it survive this with runyard.on_preemption in its run configuration"),
    "internal": ("look into the host's log", _AGAIN),
}
"""By the error's code, else by its class."""


def left_behind(ports: Ports, run: Run) -> Attempt | None:
    """The attempt that may still be running although its run has ended: it was ended by force, without evidence."""
    if run.state not in ENDINGS:
        return None
    attempts = ports.runs.attempts(run.id)
    return attempts[-1] if attempts and attempts[-1].outcome == ABANDONED else None


def completed(view: View, account: Account) -> None:
    """Its script exited with code 0."""
    _attempts(view, account)
    if view.run.cancel_requested:
        account.facts.append(Said("its end was asked for, but its script had completed before that reached it"))
    account.advice.append(f"read its log with `runyard logs {view.run.id}`")
    account.advice.append(f"fetch its files with `runyard download {view.run.id}`")


def failed(view: View, account: Account) -> None:
    """Its script failed, or it could not be carried out."""
    run, error = view.run, view.run.error
    if error is not None:
        account.facts.append(Said(f"error class {error.error_class}" + (f", code {error.code}" if error.code else "")))
    if run.exit_code is not None:
        account.facts.append(Said(f"its script exited with code {run.exit_code}"))
    _attempts(view, account)
    _unused(view, account)
    if run.experiment == REJECTED:
        account.advice.append(
            "send a corrected event; this one made no run of its own, so there is nothing to submit again"
        )
        return
    known = [error.code, error.error_class] if error is not None else []
    ways = next((_WAY_OUT[word] for word in known if word in _WAY_OUT), _WAY_OUT["internal"])
    account.advice += [way.format(run=run.id) for way in ways]


def canceled(view: View, account: Account) -> None:
    """Its end was asked for."""
    run = view.run
    if (asked := view.asked_by()) is not None:
        account.facts.append(asked)
    left = left_behind(view.ports, run)
    if left is None:
        account.facts.append(Said("nothing of it runs any more"))
    else:
        where = f" (handle {left.handle})" if left.handle is not None else f" (attempt {left.number}, {left.name})"
        account.facts.append(
            Said(f"it may still be running on {left.compute}{where}: nothing here watches it any more")
        )
        account.advice.append(f"look on {left.compute} whether it runs, and end it there")
    _attempts(view, account)
    account.advice.append(_AGAIN.format(run=run.id))


def _attempts(view: View, account: Account) -> None:
    attempts: Sequence[Attempt] = view.ports.runs.attempts(view.run.id)
    if not attempts:
        account.facts.append(Said("it never got to a compute"))
        return
    outcomes = ", ".join(f"{each.number} {each.outcome or 'without an outcome'}" for each in attempts[-5:])
    more = "the last: " if len(attempts) > 5 else ""
    account.facts.append(Said(f"{counted(len(attempts), 'attempt')} on {attempts[-1].compute} ({more}{outcomes})"))


def _unused(view: View, account: Account) -> None:
    """New attempts that it had asked for, and that this error does not call for."""
    failures, preemptions = view.retries - view.run.failures, view.on_preemption - view.run.preemptions
    if view.run.state is not State.FAILED or not (view.retries or view.on_preemption):
        return
    account.facts.append(
        Said(
            f"new attempts left: {max(failures, 0)} of {view.retries} after a failure of its script, "
            f"{max(preemptions, 0)} of {view.on_preemption} after a preemption"
        )
    )
