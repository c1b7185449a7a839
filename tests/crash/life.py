"""One life of a run, with the program that carries it killed at one point: driver and verdict."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from runyard.accept import accept
from runyard.dispatch import dispatch
from runyard.dispatch.wakes import BURIED, FINISHED, NOTIFY, SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import LockLostError, RunyardError
from runyard.notify import announce, deliver
from runyard.ports import Message, Ports, Query, kept_of
from runyard.ports.deliveries import PENDING
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury, reconcile, sweep, sweep_secrets
from runyard.reconcile.secrets import ORPHANED
from runyard.runs.model import Run
from runyard.runs.states import ENDINGS, check_move
from runyard.testing import Crash, ManualClock, Moment, ScriptedTarget, Steps
from runyard.watch import watch
from tests.crash.plots import CANARY, Act, NotYet, Plot
from tests.crash.worlds import MakeWorld, World

TICK = 2.0
LONGEST = 3000.0
RECONCILE = 30.0
SWEEP = 300.0
QUEUES = (SUBMISSIONS, dispatch_queue("scripted"), WATCH, FINISHED, NOTIFY, DEAD_LETTERS)


@dataclass
class Life:
    """The programs that carry one run, one after the other."""

    plot: Plot
    world: World
    steps: Steps
    clock: ManualClock
    target: ScriptedTarget
    kills: int = 0
    pending: list[tuple[float, Act]] = field(default_factory=list)

    def lead(self) -> None:
        """Live until nothing happens any more."""
        start = self.clock.now()
        self.pending = [(start + at, act) for at, act in sorted(self.plot.acts.items())]
        last_reconciled = last_swept = start
        while self.clock.now() - start < LONGEST:
            now = self.clock.now()
            while self.pending and self.pending[0][0] <= now and self._survives(self.pending[0][1]):
                self.pending.pop(0)
            while self._survives(self._deliver):
                if not self.steps.ports.queue.wait(QUEUES, 0.0):
                    break
            if now - last_reconciled >= RECONCILE:
                last_reconciled = now
                self._survives(reconcile)
            if now - last_swept >= SWEEP:
                last_swept = now
                self._survives(sweep)
            if not self.pending and self._is_over():
                return
            self.clock.advance(TICK)

    def _survives(self, act: Callable[[Ports], object]) -> bool:
        """Do something; whether it was done. If the program is killed, the next one takes its place."""
        try:
            act(self.steps.ports)
        except Crash:
            self.kills += 1
            self.steps = Steps(inner=self.world.open(), seen=self.steps.seen)
            self.world.take_over(self.steps.ports)
            return False
        except NotYet:
            return False
        return True

    def _handle(self, ports: Ports, name: str, message: Message) -> None:
        handlers: dict[str, Callable[[Message], object]] = {
            SUBMISSIONS: lambda m: accept(ports, m.body, message_id=m.id, enqueued=m.enqueued),
            dispatch_queue("scripted"): lambda m: dispatch(ports, m.body),
            WATCH: lambda m: watch(ports, m.body),
            FINISHED: lambda m: announce(ports, m.body),
            NOTIFY: lambda m: deliver(ports, m.body),
            DEAD_LETTERS: lambda m: bury(ports, m),
        }
        handlers[name](message)

    def _deliver(self, ports: Ports) -> None:
        for name in ports.queue.wait(QUEUES, 0.0):
            for message in ports.queue.receive(name, most=16, lock=60.0):
                try:
                    self._handle(ports, name, message)
                    ports.queue.complete(message)
                except LockLostError:
                    continue  # it comes again
                except RunyardError:
                    ports.queue.abandon(message)

    def _is_over(self) -> bool:
        ports = self.steps.inner
        runs = ports.runs.list(Query()).runs
        gates = ports.gates.list()
        quiet = all(not gate.taken and not gate.waiting and gate.next_at is None for gate in gates)
        told = not ports.runs.outbox(before=inf, most=1) and not ports.deliveries.list(state=PENDING)
        return (
            bool(runs)
            and all(run.has_ended for run in runs)
            and quiet
            and told
            and not sum(ports.queue.counts().values())
        )


def live(
    plot: Plot,
    make: MakeWorld,
    crash_at: tuple[int, Moment] | None,
    *,
    known_beforehand: bool,
    verdict: Callable[[Life], object] | None = None,
    form: type[Life] | None = None,
) -> Life:
    """Lead one life, killed at ``crash_at``, and check it."""
    clock = ManualClock(start=1_000_000_000.0)
    target = ScriptedTarget(clock=clock, known_beforehand=known_beforehand)
    target.next_jobs(*plot.jobs)
    world = make(clock, target)
    plot.prepare(world.open())
    clock.advance(60)
    life = (form or Life)(plot, world, Steps(inner=world.open(), crash_at=crash_at), clock, target)
    try:
        life.lead()
        (verdict or check)(life)
    except Exception as error:
        error.add_note(tell(life, crash_at))
        raise
    finally:
        world.close()
    return life


def check(life: Life) -> None:
    """One run, executed as often as it asked for, ended as its script did, and nothing left of it."""
    ports, plot = life.steps.inner, life.plot
    (run,) = ports.runs.list(Query(limit=1000)).runs
    executions = life.target.executions
    attempts = [ran.attempt for ran in executions]
    assert (plot.state, plot.executions) == (run.status, len(executions))
    assert sorted(set(attempts)) == attempts, "an attempt started twice"
    if plot.state != "Canceled":
        assert plot.exit_code == run.exit_code
    history = ports.runs.history(run.id)
    assert list(range(1, len(history) + 1)) == [event.seq for event in history]
    states = [event.state for event in history]
    for before, after in itertools.pairwise(states):
        if before is not after:
            check_move(before, after)
    assert 1 == len([1 for before, after in itertools.pairwise(states) if after in ENDINGS and before is not after])
    assert all(event.reason for event in history)
    if "by force" not in plot.name:
        taken = {job.removeprefix("submit ") for job in life.target.calls if job.startswith("submit ")}
        cleaned = {job.removeprefix("cleanup ") for job in life.target.calls if job.startswith("cleanup ")}
        there = {job for job in taken if life.target.has_job(job)}
        # Of a job whose handle nobody ever got only its register can be had: it is void, and the job exits by itself.
        lost = set() if life.target.known_beforehand else there - {f"{ran.run_id}/{ran.attempt}" for ran in executions}
        assert set() == there - cleaned - lost, "a job is left on the compute"
    for gate in ports.gates.list():
        assert (0, 0, None) == (gate.taken, gate.waiting, gate.next_at), gate
    assert {} == {name: count for name, count in ports.queue.counts().items() if count and name != BURIED}
    assert 0 == ports.queue.counts().get(BURIED, 0), "a message became a dead letter"
    check_secrets(life, run)


def check_secrets(life: Life, run: Run) -> None:
    """What the run carried is in its one secret and not in its row; what was written beside that is gone after a while."""
    ports = life.steps.inner
    life.clock.advance(ORPHANED + 1)
    sweep_secrets(ports)
    kept = [name for name in ports.secrets.names() if not name.startswith("notify-")]  # those of who is told
    assert [name for name in [run.secret] if name] == kept
    assert ("with secrets" in life.plot.name) is bool(run.secret)
    assert CANARY not in repr(run)
    if run.secret:
        assert {"/environment_variables/A_TOKEN": CANARY} == kept_of(ports.secrets, run.secret, run.id).spec


def tell(life: Life, crash_at: object) -> str:
    """The story of a life that went wrong."""
    ports = life.steps.inner
    lines = [f"{life.plot.name}, killed at {crash_at}, {life.kills} kills", life.steps.report(), str(life.target.calls)]
    for run in ports.runs.list(Query()).runs:
        lines += [f"{event.seq} {event.state} {event.who}: {event.reason}" for event in ports.runs.history(run.id)]
    lines += [str(gate) for gate in ports.gates.list()]
    lines.append(str(dict(ports.queue.counts())))
    return "\n".join(lines)
