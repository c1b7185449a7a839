"""What must be true when everything has ended, read past the faults: none lost, none twice, every reason true."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

from runyard.dispatch.wakes import BURIED
from runyard.ports import Ended, Observation, Parcel, Ports, Query
from runyard.ports.deliveries import PENDING
from runyard.reconcile import sweep_secrets
from runyard.reconcile.secrets import ORPHANED
from runyard.runs.model import Run
from runyard.runs.states import CANCEL_REQUESTED, ENDINGS, State, check_move
from runyard.testing import ManualClock, MemoryCourier, ScriptedTarget

GOING = frozenset(str(state) for state in State if state not in ENDINGS) | {CANCEL_REQUESTED}


@dataclass
class Asked:
    """What was asked for, by whom; the ledger of the doors."""

    snapshots: dict[str, str] = field(default_factory=dict)
    """The door, by ``container/name`` of the snapshot: each is asked for once, under one identity."""
    canceled: set[str] = field(default_factory=set)
    """Runs whose cancel was asked for, answered or not."""
    unanswered: int = 0
    """How often a door failed, and was asked again."""


@dataclass(frozen=True)
class Verdict:
    """What was found true."""

    endings: Mapping[str, int]
    executions: int
    attempts: int
    doors: Mapping[str, int]
    unanswered: int
    told: int
    """Deliveries of endings, repeated ones too."""

    def __str__(self) -> str:
        return (
            f"none lost, none twice, every reason true: {dict(self.endings)} by {dict(self.doors)}; {self.attempts} attempts, "
            f"{self.executions} executions, {self.unanswered} requests asked again, {self.told} deliveries of endings"
        )


def unended(ports: Ports) -> list[Run]:
    """The runs that have not ended."""
    return list(ports.runs.list(Query(statuses=GOING, limit=1000)).runs)


def judge(
    ports: Ports,
    target: ScriptedTarget,
    courier: MemoryCourier,
    clock: ManualClock,
    counts: Mapping[str, int],
    asked: Asked,
) -> Verdict:
    """Check every promise.

    Raises:
        AssertionError: with the story of the run that broke one.
    """
    runs = list(ports.runs.list(Query(limit=1000)).runs)
    made = Counter(run.snapshot.uri if run.snapshot else run.reason for run in runs)
    assert dict.fromkeys(asked.snapshots, 1) == made, _difference(asked.snapshots, made)
    for run in runs:
        check(ports, target, run, canceled=run.id in asked.canceled)
    _check_quiet(ports, counts)
    _check_told(courier, runs)
    clock.advance(ORPHANED + 1)
    sweep_secrets(ports)
    kept = {name for name in ports.secrets.names() if not name.startswith("notify-")}
    assert {run.secret for run in runs if run.secret} == kept, "secrets without a run, or runs without their secret"
    return Verdict(
        endings=Counter(str(run.state) for run in runs),
        executions=len(target.executions),
        attempts=sum(run.attempt for run in runs),
        doors=Counter(asked.snapshots.values()),
        unanswered=asked.unanswered,
        told=len(courier.parcels),
    )


def check(ports: Ports, target: ScriptedTarget, run: Run, *, canceled: bool) -> None:
    """One run: its history by the rules, executed as often as it may be, ended as its script did."""
    history = ports.runs.history(run.id)
    ran = target.executions_of(run.id)
    story = [f"{e.seq} {e.state} {e.who}: {e.reason}" for e in history]
    tale = "\n".join([str(run), *map(str, ran), *story])
    assert list(range(1, len(history) + 1)) == [event.seq for event in history], tale
    changed_by = [op_id for op_id, _ in itertools.groupby(event.op_id for event in history)]
    assert len(set(changed_by)) == len(changed_by), f"a change was written twice\n{tale}"
    assert all(event.reason for event in history), tale
    changes = [(a.state, b.state) for a, b in itertools.pairwise(history) if a.state is not b.state]
    for before, after in changes:
        check_move(before, after)
    assert 1 == sum(after in ENDINGS for _, after in changes), f"not one ending\n{tale}"
    assert len({one.attempt for one in ran}) == len(ran), f"an attempt ran twice\n{tale}"
    assert not any(one.ended is None for one in ran), f"it ended and still runs\n{tale}"
    assert len(ran) <= 1 + run.failures + run.preemptions, f"it ran more often than it may\n{tale}"
    truth = target.truth(run.handle) if run.handle is not None else None
    assert _IS_TRUE[run.state](run, truth, canceled), f"not what became of it: {truth}\n{tale}"
    if run.state is State.COMPLETED:
        assert ran, f"completed and never ran\n{tale}"
        assert ran[-1].attempt == run.attempt, tale


def _completed(run: Run, truth: Observation | None, canceled: bool) -> bool:
    return isinstance(truth, Ended) and ("exited", 0, 0) == (truth.outcome, truth.exit_code, run.exit_code)


def _failed(run: Run, truth: Observation | None, canceled: bool) -> bool:
    if run.error is None or not run.error.error_class or not isinstance(truth, Ended):
        return False
    if run.exit_code is not None:
        return (truth.outcome, truth.exit_code) == ("exited", run.exit_code) and bool(run.exit_code)
    own = truth.outcome in {"preempted", "failed"} and truth.error in run.error.message
    return own or (truth.outcome == "void" and canceled)


def _canceled(run: Run, truth: Observation | None, canceled: bool) -> bool:
    there = not isinstance(truth, Ended) or truth.outcome in {"canceled", "void"}
    return canceled and run.cancel_requested and there


_IS_TRUE: Mapping[State, Callable[[Run, Observation | None, bool], bool]] = {
    State.COMPLETED: _completed,
    State.FAILED: _failed,
    State.CANCELED: _canceled,
}


def _check_quiet(ports: Ports, counts: Mapping[str, int]) -> None:
    for gate in ports.gates.list():
        assert (0, 0, None) == (gate.taken, gate.waiting, gate.next_at), gate
    assert 0 == counts.get(BURIED, 0), f"messages became dead letters: {ports.queue.peek(BURIED)}"
    assert {} == dict(counts), "something is left on a queue"
    assert not ports.runs.outbox(before=inf, most=1), "an ending was not announced"
    assert not ports.deliveries.list(state=PENDING), "a delivery is still due"


def _check_told(courier: MemoryCourier, runs: list[Run]) -> None:
    """Each ending was told at least once, and as it was."""
    told = {(body["data"]["runId"], body["data"]["status"]) for body in map(_body, courier.parcels)}
    assert {(run.id, str(run.state)) for run in runs} == told, (
        "the endings that were told are not those that there were"
    )


def _body(parcel: Parcel) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(parcel.body)
    return found


def _difference(asked: Mapping[str, str], made: Counter[str]) -> str:
    wrong = {name: made.get(name, 0) for name in {*asked, *made} if made.get(name, 0) != 1 or name not in asked}
    return (
        f"runs by snapshot that are not one: {[(name, count, asked.get(name)) for name, count in wrong.items()][:10]}"
    )
