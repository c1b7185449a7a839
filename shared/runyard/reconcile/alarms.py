"""Alarms: what an operator should look at, found in the stores alone; and how the log tells of them without flooding it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.ports import Clock, Compute, Gate, Ports, Query
from runyard.ports.deliveries import DEAD, PENDING
from runyard.ports.queue import COUNTED, DEAD_LETTERS
from runyard.reconcile.alarm import Alarm, lasting, many
from runyard.reconcile.schedules import of_schedules
from runyard.runs.model import Run
from runyard.runs.states import CANCEL_REQUESTED, State

LATE_WATCH: Final = 60.0
"""Seconds after its time when a poll is called overdue: the reconciler has sent its message again by then."""
LATE_DISPATCH: Final = 60.0
"""Seconds that a run may wait beside a free slot."""
LONG_SILENCE: Final = 3600.0
SLOW_ACCEPT: Final = 5 * 60.0
LONG_BLOCK: Final = 15 * 60.0
LONG_REFUSAL: Final = 3600.0
"""Seconds for which a compute may have refused the first of its waiting runs."""
MANY: Final = 1000
"""Runs that are looked at, and messages above which a queue is called long."""
LETTERS: Final = 100
"""Dead letters that are looked at, of each queue that holds some: each may have a quarter of a megabyte."""
AGAIN: Final = 3600.0
"""Seconds after which an alarm that lasts is logged again."""
GONE: Final = 120.0
"""Seconds without it after which an alarm counts as over: one that comes and goes with each look is one alarm."""

log = logging.getLogger(__name__)


def alarms(ports: Ports, supervised: Callable[[], bool] | None = None) -> Sequence[Alarm]:
    """Everything that is amiss now.

    Args:
        ports: The outside.
        supervised: Whether somebody looks after the scripts on this machine; ``None`` where there are none.
    """
    found = [*_dead_letters(ports), *_submissions(ports)]
    for gate in ports.gates.list():
        compute = ports.computes.get(gate.compute)
        if compute is not None:
            found += [*_watching(ports, gate), *_dispatching(ports, gate), *_refusing(ports, gate)]
            found += _unsupervised(ports, compute, gate, supervised)
    return [*found, *_draining(ports), *_silent(ports), *_never_accepted(ports), *of_schedules(ports), *_untold(ports)]


def _dead_letters(ports: Ports) -> Iterator[Alarm]:
    counts = ports.queue.counts()
    count = counts.get(BURIED, 0) + counts.get(DEAD_LETTERS, 0)
    if not count:
        return
    letters = [letter for name in (BURIED, DEAD_LETTERS) for letter in ports.queue.peek(name, most=LETTERS)]
    sources = sorted({each.properties.get("source") or each.dead_letter_source or "unknown" for each in letters})
    oldest = ports.clock.now() - min((letter.enqueued for letter in letters), default=ports.clock.now())
    yield Alarm(
        name="dead letters",
        detail=f"{many(count, 'message')} of {', '.join(sources)} could not be handled, the oldest {lasting(oldest)} ago",
        fix=f"look with `runyard queue peek {BURIED}`, send again with `runyard queue redrive`",
    )


def _submissions(ports: Ports) -> Iterator[Alarm]:
    count = ports.queue.counts().get(SUBMISSIONS, 0)
    if count <= MANY:
        return
    yield Alarm(
        name="submissions pile up",
        detail=f"{count:,}{' or more' if count >= COUNTED else ''} messages wait to be accepted",
        fix="see with `runyard doctor` whether a host serves the root; if one does, it catches up by itself",
    )


def _watching(ports: Ports, gate: Gate) -> Iterator[Alarm]:
    if not gate.taken:
        return
    now = ports.clock.now()
    if gate.next_at is None:
        # A dispatcher takes slots, plans, and only then arms the watch: nothing is amiss meanwhile.
        if now - min((slot.taken for slot in ports.gates.slots(gate.compute)), default=now) <= LATE_WATCH:
            return
        detail = f"{many(gate.taken, 'run')} on {gate.compute}, and no poll is planned"
    elif (late := now - gate.next_at) > LATE_WATCH:
        detail = f"{many(gate.taken, 'run')} on {gate.compute}, not polled for {lasting(late)} beyond the time"
    else:
        return
    yield Alarm(
        name=f"watch of {gate.compute} overdue",
        detail=detail,
        fix="start a host with `runyard up`; if one runs, its log says what keeps it from polling",
    )


def _dispatching(ports: Ports, gate: Gate) -> Iterator[Alarm]:
    now = ports.clock.now()
    if not gate.waiting or gate.taken >= gate.limit or gate.paused or gate.draining or gate.blocked_until > now:
        return
    due = [max(entry.enqueued, entry.not_before) for entry in ports.gates.waiting(gate.compute, limit=100)]
    late = now - min(due, default=now)
    taken_last = max((slot.taken for slot in ports.gates.slots(gate.compute)), default=0.0)
    if late > LATE_DISPATCH and now - taken_last > LATE_DISPATCH:
        yield Alarm(
            name=f"dispatch to {gate.compute} overdue",
            detail=f"{many(gate.waiting, 'run')} waiting for {lasting(late)} beside {gate.limit - gate.taken} free slots",
            fix="start a host with `runyard up`; if one runs, its log says what keeps it from starting them",
        )


def _refusing(ports: Ports, gate: Gate) -> Iterator[Alarm]:
    now = ports.clock.now()
    detail = ""
    if gate.blocked_until - now > LONG_BLOCK:
        detail = f"it takes nothing for another {lasting(gate.blocked_until - now)}: {gate.blocked_reason or 'no reason given'}"
    elif (head := _head(ports, gate)) is not None and now - (head.refused_since or now) > LONG_REFUSAL:
        detail = f"it has refused {head.id} for {lasting(now - (head.refused_since or now))}: {_said_last(ports, head)}"
    if detail:
        yield Alarm(
            name=f"{gate.compute} refuses",
            detail=detail,
            fix="send what waits elsewhere with `runyard resubmit RUN --target COMPUTE`, or wait: it is tried again by itself",
        )


def _head(ports: Ports, gate: Gate) -> Run | None:
    first = ports.gates.waiting(gate.compute, limit=1) if gate.waiting else ()
    return ports.runs.get(first[0].run_id) if first else None


def _said_last(ports: Ports, run: Run) -> str:
    events = ports.runs.history(run.id)
    return events[-1].reason if events else run.reason


def _unsupervised(ports: Ports, compute: Compute, gate: Gate, supervised: Callable[[], bool] | None) -> Iterator[Alarm]:
    if compute.kind != "local" or not gate.taken or supervised is None or supervised():
        return
    runs = (ports.runs.get(slot.run_id) for slot in ports.gates.slots(gate.compute))
    count = sum(run is not None and run.state in {State.PREPARING, State.RUNNING} for run in runs)
    if count:
        yield Alarm(
            name="supervisor gone",
            detail=f"{many(count, 'run')} on {gate.compute}, and no process looks after their scripts",
            fix="start a host with `runyard up`: it starts the next supervisor, which finds the scripts again",
        )


def _draining(ports: Ports) -> Iterator[Alarm]:
    gates = [gate for gate in ports.gates.list() if gate.draining]
    if gates:
        yield Alarm(
            name="draining",
            detail=f"nothing new starts; {sum(gate.taken for gate in gates)} running, "
            f"{sum(gate.waiting for gate in gates)} waiting",
            fix="end it with `runyard drain --undo`; a host that starts ends it, too",
        )


def _silent(ports: Ports) -> Iterator[Alarm]:
    query = Query(statuses=frozenset({State.NOT_RESPONDING.value, CANCEL_REQUESTED}), limit=MANY)
    now = ports.clock.now()
    silent = [run for run in ports.runs.list(query).runs if run.state is State.NOT_RESPONDING]
    silent = sorted((run for run in silent if now - run.since > LONG_SILENCE), key=lambda run: run.since)
    if silent:
        first = silent[0]
        yield Alarm(
            name="runs not responding",
            detail=f"{many(len(silent), 'run')} unheard of for over an hour, {first.id} for {lasting(now - first.since)}",
            fix=f"see `runyard why {first.id}`; once its compute is known to be gone, `runyard cancel {first.id} --force`",
        )


def _never_accepted(ports: Ports) -> Iterator[Alarm]:
    now = ports.clock.now()
    query = Query(statuses=frozenset({State.NOT_STARTED.value}), created_before=now - SLOW_ACCEPT, limit=MANY)
    runs = ports.runs.list(query).runs
    if runs:
        oldest = runs[-1]
        yield Alarm(
            name="runs not accepted",
            detail=f"{many(len(runs), 'run')} not read for over 5 minutes, {oldest.id} for {lasting(now - oldest.created)}",
            fix=f"see `runyard why {oldest.id}`; without a host, `runyard up` goes on",
        )


def _untold(ports: Ports) -> Iterator[Alarm]:
    """Subscriptions whose receiver does not take what it is sent."""
    subscriptions = ports.subscriptions.list()
    counts = ports.deliveries.counts() if subscriptions else {}
    for each in subscriptions:
        dead, pending = counts.get(each.name, {}).get(DEAD, 0), counts.get(each.name, {}).get(PENDING, 0)
        if dead:
            last = ports.deliveries.list(each.name, DEAD, most=1)
            yield Alarm(
                name=f"{each.name} was not told",
                detail=f"{many(dead, 'ending')} could not be delivered: {last[0].error if last else 'no reason given'}",
                fix=f"mend the receiver (`runyard notify test {each.name}`), then `runyard notify redrive {each.name}`",
            )
        if each.paused and pending:
            yield Alarm(
                name=f"{each.name} is paused",
                detail=f"{many(pending, 'ending')} kept for it: {each.paused_reason or 'no reason given'}",
                fix=f"send them with `runyard notify resume {each.name}`, or `runyard notify remove {each.name}`",
            )


class AlarmLog:
    """Tells the log of each alarm when it comes, every :data:`AGAIN` seconds while it lasts, and when it is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def tell(self, found: Sequence[Alarm]) -> None:
        """Log what is new, due again or over, given everything that is amiss now."""
        now = self._clock.now()
        with self._lock:
            due = [alarm for alarm in found if now - self._told.get(alarm.name, -AGAIN) >= AGAIN]
            self._told.update((alarm.name, now) for alarm in due)
            self._seen.update((alarm.name, now) for alarm in found)
            over = [name for name, seen in self._seen.items() if now - seen >= GONE]
            for name in over:
                del self._seen[name], self._told[name]
        for alarm in due:
            extra = {"action": "alarm", "alarm": alarm.name}
            log.error("%s: %s; %s", alarm.name, alarm.detail, alarm.fix, extra=extra)
        for name in over:
            log.info("%s: over", name, extra={"action": "alarm cleared", "alarm": name})
