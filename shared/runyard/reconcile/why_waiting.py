"""Why a run waits: for accept to read it, or on its compute's waiting list."""

from __future__ import annotations

from typing import Final

from runyard.accept import messages
from runyard.dispatch.retries import MAX_TRIES, PATIENCE
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError
from runyard.ports import Gate, Message
from runyard.ports.queue import MAX_DELIVERIES
from runyard.reconcile.account import Account, Said, View, counted
from runyard.reconcile.wake_up import STALE
from runyard.runs.deadlines import DEADLINES
from runyard.runs.states import State

LOOKED_AT: Final = 1000
"""Messages, and places of a waiting list, that are looked at."""


def not_started(view: View, account: Account) -> None:
    """Its row is written, and its run configuration has not been read yet."""
    ahead, message = _message(view)
    if message is not None:
        behind = f"behind {counted(ahead, 'other')}" if ahead else "the first there"
        account.waits.append(Said(f"accept to read it: its message is in the queue submissions, {behind}"))
        account.facts.append(Said("its message was sent", message.enqueued))
        _deliveries(message.delivery_count, account)
        if view.served:
            account.next.append(Said(f"it is read; after {MAX_DELIVERIES} tries that failed it is Failed"))
    elif ahead >= LOOKED_AT:
        account.waits.append(
            Said(f"accept to read it: more than {LOOKED_AT:,} messages are ahead of it in the queue submissions")
        )
    else:
        _lost(view, account)
    account.advice.append("see with `runyard doctor` and `runyard queue list` what is stuck")
    account.advice.append(f"or give it up with `runyard cancel {view.run.id}`")


def _deliveries(count: int, account: Account) -> None:
    if count:
        tries = "once" if count == 1 else f"{count} times"
        account.facts.append(
            Said(f"it was taken up {tries}: it is being read now, or the host's log says why it was not")
        )


def _lost(view: View, account: Account) -> None:
    account.waits.append(Said("its message: it is not in the queue submissions (any more)"))
    if view.served and not view.run.cancel_requested:
        created = view.run.created
        again = Said("the reconciler sends its message again", max(created + STALE, view.now))
        last = Said("Failed, if it was not accepted by then", created + DEADLINES[State.NOT_STARTED])
        account.next += [again, last]


def _message(view: View) -> tuple[int, Message | None]:
    """How many messages are ahead of the run's own, and that one if it was found."""
    found = view.ports.queue.peek(SUBMISSIONS, most=LOOKED_AT)
    for index, message in enumerate(found):
        try:
            envelope = messages.read(message.body)
        except ConfigError:
            continue  # of a newer version: not ours to judge
        if envelope is not None and envelope.run == view.run.id:
            return index, message
    return len(found), None


def queued(view: View, account: Account) -> None:
    """On its compute's waiting list."""
    run, gate = view.run, view.gate
    if gate is None or view.compute is None:
        account.waits.append(Said(f"the compute {run.compute}, which does not exist (any more)"))
        account.advice.append(f"run it elsewhere with `runyard resubmit {run.id} --target COMPUTE`")
        account.advice.append(f"and give this one up with `runyard cancel {run.id}`")
        return
    if not run.cancel_requested:
        _closed(view, gate, account)
        _place(view, gate, account)
    _refusals(view, account)
    _attempts(view, account)
    account.advice.append(f"give it up with `runyard cancel {run.id}`")


def _closed(view: View, gate: Gate, account: Account) -> None:
    """What keeps its whole compute from starting anything."""
    name, compute = gate.compute, view.compute
    if gate.paused:
        reason = f": {compute.paused_reason}" if compute is not None and compute.paused_reason else ""
        account.waits.append(Said(f"{name} is paused{reason}"))
        account.advice.append(f"let it go on with `runyard compute resume {name}`")
    if gate.draining:
        account.waits.append(Said("the host is draining: nothing new starts, and what runs goes on"))
        account.advice.append("end the drain with `runyard drain --undo`; a host that starts ends it, too")
    if gate.blocked_until > view.now:
        reason = f": {gate.blocked_reason}" if gate.blocked_reason else ""
        account.waits.append(Said(f"{name} takes nothing{reason}", gate.blocked_until))
        account.next.append(Said(f"{name} is asked again", gate.blocked_until))
        account.advice.append(f"or run it elsewhere with `runyard resubmit {view.run.id} --target COMPUTE`")


def _is_closed(view: View, gate: Gate) -> bool:
    return gate.paused or gate.draining or gate.blocked_until > view.now


def _place(view: View, gate: Gate, account: Account) -> None:
    """Its place on the list, and the slots."""
    run, now = view.run, view.now
    entries = view.ports.gates.waiting(gate.compute, limit=LOOKED_AT)
    mine = next((index for index, entry in enumerate(entries) if entry.run_id == run.id), None)
    place = view.ports.gates.position(gate.compute, run.id) if mine is None else mine + 1
    if not place:
        account.waits.append(Said("its slot: a dispatcher has it in hand"))
        return
    higher = sum(entry.priority > run.priority for entry in entries[: place - 1])
    urgent = f", {higher} of them with a higher priority" if higher and mine is not None else ""
    ahead = f"{counted(place - 1, 'run')} ahead of it{urgent}" if place > 1 else "the next to go"
    account.facts.append(Said(f"place {place:,} of {gate.waiting:,}: {ahead}"))
    account.facts.append(Said(f"{gate.taken} of {gate.limit} slots of {gate.compute} are taken"))
    until = max(entries[mine].not_before if mine is not None else 0.0, run.not_before or 0.0)
    if until > now:
        account.waits.append(Said("its own next try", until))
        account.next.append(Said(f"it is tried again on {gate.compute}", until))
    elif gate.taken >= gate.limit and not _is_closed(view, gate):
        _full(gate, place, account)
    elif not _is_closed(view, gate):
        account.waits.append(Said("a dispatcher: slots are free"))
        if view.served:
            account.next.append(Said("the reconciler wakes one within 30 s, if nothing else did"))


def _full(gate: Gate, place: int, account: Account) -> None:
    """No slot is free. A limit that was lowered may be below what runs: then more than one has to end first."""
    account.waits.append(Said(f"a free slot: all {gate.limit} of {gate.compute} are taken"))
    over = gate.taken - gate.limit
    if place > 1:
        after = "enough of those that run, or are ahead of it,"
    else:
        after = f"{over + 1} of those that run" if over else "one of those that run"
    account.next.append(Said(f"it starts after {after} ended"))
    account.advice.append(f"let more run at a time with `runyard compute set {gate.compute} --limit {gate.taken + 1}`")


def _refusals(view: View, account: Account) -> None:
    run = view.run
    if not run.tries and run.refused_since is None:
        return
    account.facts.append(Said(f"refused {counted(run.tries, 'time')} in a row, first", run.refused_since))
    if (last := view.newest("dispatch")) is not None:
        account.facts.append(Said(f"the last time: {last.reason}", last.time))
    account.next.append(
        Said(
            f"given up after {MAX_TRIES} passing faults in a row, or then if its compute had no room all the time",
            (run.refused_since or run.since) + PATIENCE,
        )
    )
    if run.passed:
        account.facts.append(Said(f"these had no room for it: {', '.join(run.passed)}"))
    left = [name for name in (run.spec.fallback if run.spec else ()) if name not in {*run.passed, run.compute}]
    if left:
        account.facts.append(Said(f"if {run.compute} has no room, it goes to {left[0]}"))


def _attempts(view: View, account: Account) -> None:
    run = view.run
    if not run.attempt:
        return
    again = f"attempt {run.attempt} is over; it waits for another"
    if run.failures:
        again += f" (new attempts after failures: {run.failures} of {view.retries})"
    if run.preemptions:
        again += f" (after preemptions: {run.preemptions} of {view.on_preemption})"
    account.facts.append(Said(again))
