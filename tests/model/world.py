"""A whole Runyard where anything may happen, and what must hold whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec
from msgspec.structs import replace as replace_struct

from runyard.accept import accept, drop, submit
from runyard.computes import put, undrain
from runyard.dispatch import dispatch, request_cancel
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import LockLostError, RunyardError
from runyard.events.blob import BlobDrop
from runyard.events.submission import Submission
from runyard.finalize.outcomes import ON_SPOT
from runyard.ports import Compute, Ended, Message, Ports, Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury, prune, reconcile, recover
from runyard.runs.model import Handle, Origin, Run
from runyard.runs.states import State
from runyard.testing import (
    WRITES,
    Crash,
    Fault,
    FaultyPorts,
    ManualClock,
    Moment,
    OnlyTargets,
    ShakyQueue,
    Step,
    Steps,
    memory_ports,
)
from runyard.watch import watch
from tests.fakes import runconfig, snapshot
from tests.model.swamp import Swamp
from tests.model.worker import Worker

COMPUTE = "local"
SPARE = "spare"
COMPUTES = (COMPUTE, SPARE)
"""Where runs go that find no capacity on the other; its machines may be taken back at any time."""
KIND = "scripted"
QUEUES = (SUBMISSIONS, dispatch_queue(KIND), WATCH, DEAD_LETTERS)
LOCK = 60.0
FAR = 1_000_000_000
"""Places: to the end."""
DEADLINES = {"Provisioning": 200.0, "Preparing": 300.0, "Finalizing": 200.0}

FALLIBLE = frozenset(f"{port}.{name}" for port in ("runs", "gates", "blobs") for name in WRITES[port]) | {
    "queue.send",
    "queue.wake",
}
"""What fails in bad weather. What targets do is the scripted target's own business."""


@dataclass
class World:
    """The use cases over memory ports that stop, fail, and are shaky by one seed."""

    seed: int
    limit: int = 1
    trouble: float = 0.2
    known_beforehand: bool = True
    clock: ManualClock = field(default_factory=lambda: ManualClock(start=1_000_000_000.0))
    frozen: list[tuple[Worker, Message | None]] = field(default_factory=list)
    """Who stands still in the midst of its work, and the message that it handles, if it is one that makes it work."""
    story: list[str] = field(default_factory=list)
    """What happened, for the message of a failing test."""
    endings: dict[str, Run] = field(default_factory=dict)
    """Every run that ended, as it was when that was seen first."""
    drops: list[BlobDrop] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    asked: list[Submission] = field(default_factory=list)
    submissions: int = 0
    slots_before: dict[str, int] = field(default_factory=dict)
    forced: set[str] = field(default_factory=set)
    """Runs whose cancel was forced: their scripts may go on."""
    pruned: bool = False
    places: int = 0
    """How many there were so far where somebody might stand still: two for each write."""
    freeze_at: int = 0
    """The number of the place where who comes to it stands still."""

    def __post_init__(self) -> None:
        self.target = Swamp(
            clock=self.clock, seed=self.seed, trouble=self.trouble, known_beforehand=self.known_beforehand
        )
        self.plain = memory_ports(OnlyTargets(self.target), clock=self.clock)
        self.queue = ShakyQueue(inner=self.plain.queue, seed=self.seed)
        self.faults = FaultyPorts(
            inner=replace(self.plain, queue=self.queue),
            seed=self.seed,
            only=FALLIBLE,
            kinds=(Fault.REFUSED, Fault.LOST, Fault.TWICE),
        )
        self.ports: Ports = Steps(inner=self.faults.ports, hook=self._hook).ports
        self.plain.computes.put(Compute(name=COMPUTE, kind=KIND, limit=self.limit, deadlines=DEADLINES))
        self.plain.gates.configure(COMPUTE, limit=self.limit)
        self.plain.computes.put(Compute(name=SPARE, kind=KIND, limit=1, spot=True, deadlines=DEADLINES))
        self.plain.gates.configure(SPARE, limit=1)

    # What may happen.

    def drop_blob(self, *, retries: int, priority: int, stop: int | None = None) -> None:
        config = _config(retries, priority)
        name = f"exp/{len(self.drops)}.zip"
        info = self.plain.blobs.put("snapshots", name, snapshot(config=config))
        event = BlobDrop(
            container="snapshots", name=name, etag=info.etag, size=info.size, modified=info.modified, event_id="e"
        )
        self.drops.append(event)
        self.attempt(lambda: drop(self.ports, event), stop)

    def call_api(self, *, retries: int, priority: int, stop: int | None = None) -> None:
        submission = self._submission(retries, priority)
        self.asked.append(submission)
        self.attempt(lambda: submit(self.ports, submission, origin=Origin(source="api", name="me")), stop)

    def send_submission(self, *, retries: int, priority: int) -> None:
        submission = self._submission(retries, priority)
        self.bodies.append(msgspec.json.encode(submission.model_dump(mode="json", by_alias=True, exclude_unset=True)))
        self.queue.send(SUBMISSIONS, self.bodies[-1], durable=True)

    def _submission(self, retries: int, priority: int) -> Submission:
        self.submissions += 1
        number = self.submissions
        config = _config(retries, priority)
        self.plain.blobs.put("uploads", f"{number}.zip", snapshot(config=config))
        return Submission.of({"snapshot": f"uploads/{number}.zip", "experiment": "exp", "id": f"event-{number}"})

    def repeat_event(self, number: int) -> None:
        if self.drops:
            self._tried(lambda: drop(self.ports, self.drops[number % len(self.drops)], source="sweep"))
        if self.asked:
            again = self.asked[number % len(self.asked)]
            self._tried(lambda: submit(self.ports, again, origin=Origin(source="api", name="me")))
        if self.bodies:
            self.queue.send(SUBMISSIONS, self.bodies[number % len(self.bodies)], durable=True)

    def handle(self, queue: str, stop_after: int | None) -> None:
        """Receive one message and handle it; perhaps only so far."""
        for message in self.queue.receive(queue, most=1, lock=LOCK):
            self._handle(message, stop_after)

    def thaw(self, number: int, places: int) -> None:
        worker, message = self.frozen.pop(number % len(self.frozen))
        worker.go(places)
        self._after(worker, message)

    def kill(self, number: int) -> None:
        worker, _ = self.frozen.pop(number % len(self.frozen))
        worker.kill()
        assert isinstance(worker.error, Crash)

    def configure(self, limit: int, *, paused: bool, stop: int | None = None) -> None:
        self.attempt(lambda: put(self.ports, COMPUTE, limit=limit, paused=paused), stop)

    def cancel(self, number: int, *, force: bool, stop: int | None = None) -> None:
        runs = self.runs()
        if not runs:
            return
        run = runs[number % len(runs)]
        if force and not run.has_ended:
            self.forced.add(run.id)
        self.attempt(lambda: request_cancel(self.ports, run.id, who="me", force=force), stop)

    def prune(self, *, keep: int, stop: int | None = None) -> None:
        self.pruned = True
        self.attempt(lambda: prune(self.ports, runs_older_than=0.0, keep=keep), stop)

    def take_over(self, stop: int | None = None) -> None:
        """The host is gone with all that it did, and the next one begins; it may be killed in the midst of that, too."""
        while self.frozen:
            self.kill(0)
        self.attempt(lambda: recover(self.ports), stop)
        while self.frozen:
            self.kill(0)

    def attempt(self, act: Callable[[], object], stop_after: int | None = None) -> None:
        """Do something that a fault may interrupt, perhaps only so far: a timer or a caller, who comes again or does not."""
        if stop_after is None:
            self._tried(act)
        else:
            self._begin(Worker(f"act {len(self.story)}", act), None, stop_after)

    def _tried(self, act: Callable[[], object]) -> None:
        try:
            act()
        except RunyardError as error:
            self.story.append(f"  failed: {error.message}")

    def live(self, seconds: float) -> None:
        """Let all live on for so long but those who stand still."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.clock.advance(min(20.0, until - self.clock.now()))
            self._tried(lambda: reconcile(self.ports))
            for queue in QUEUES:
                self.handle_all(queue)

    def live_in_threads(self, seconds: float, step: float) -> None:
        """The same, with all that is done able to stand still at :attr:`freeze_at`, and looked at after each step."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.clock.advance(step)
            self.attempt(lambda: reconcile(self.ports), FAR)
            for queue in QUEUES:
                for message in self.queue.receive(queue, most=100, lock=LOCK):
                    self._handle(message, FAR)
            self.check()

    def is_over(self) -> bool:
        return not self.left()

    # The host.

    def _work(self, message: Message) -> Callable[[], object]:
        if message.queue == SUBMISSIONS:
            return lambda: accept(self.ports, message.body, message_id=message.id, enqueued=message.enqueued)
        if message.queue == WATCH:
            return lambda: watch(self.ports, message.body)
        if message.queue == DEAD_LETTERS:
            return lambda: bury(self.ports, message)
        return lambda: dispatch(self.ports, message.body)

    def _handle(self, message: Message, stop_after: int | None) -> None:
        self.story.append(f"handle {message.queue} {message.body.decode()} {stop_after}")
        if stop_after is None:
            try:
                self._work(message)()
            except RunyardError as error:
                self._give_back(message, error)
            else:
                self._complete(message)
            return
        self._begin(Worker(f"{message.queue} {len(self.story)}", self._work(message)), message, stop_after)

    def _begin(self, worker: Worker, message: Message | None, stop_after: int) -> None:
        self.frozen.append((worker, message))  # the hook must find it
        worker.go(stop_after)
        self.frozen.remove((worker, message))
        self._after(worker, message)

    def _after(self, worker: Worker, message: Message | None) -> None:
        if not worker.done:
            self.frozen.append((worker, message))
        elif worker.error is None:
            self._complete(message)
        elif isinstance(worker.error, RunyardError):
            self._give_back(message, worker.error)
        else:
            raise worker.error

    def _complete(self, message: Message | None) -> None:
        if message is None:
            return
        try:
            self.queue.complete(message)
        except LockLostError:
            self.story.append("  its lock was lost")

    def _give_back(self, message: Message | None, error: RunyardError) -> None:
        self.story.append(f"  failed: {error.message}")
        if message is None:
            return
        try:
            self.queue.abandon(message)
        except LockLostError:
            self.story.append("  its lock was lost")

    def _hook(self, step: Step) -> None:
        self.places += 1
        for worker, _ in self.frozen:
            if worker.is_current():
                worker.here(stop=self.places == self.freeze_at)
        if step.moment is Moment.AFTER:
            self.story.append(f"    {step.operation}")

    # What must hold.

    def runs(self) -> list[Run]:
        return list(self.plain.runs.list(Query(limit=1000)).runs)

    def check(self) -> None:
        """What must hold at any time."""
        runs = {run.id: run for run in self.runs()}
        self._check_endings(runs)
        self._check_executions(runs)
        for compute in COMPUTES:
            self._check_gate(compute, runs)

    def _check_endings(self, runs: dict[str, Run]) -> None:
        going = {ran.run_id for compute in COMPUTES for ran in self.target.running(compute)} - self.forced
        for run in runs.values():
            if not run.has_ended:
                continue
            assert run.id not in going, self.tell(f"{run.id} is {run.state}, and its script runs")
            first = self.endings.setdefault(run.id, run)
            kept = replace_struct(
                first, version=run.version
            )  # what is told of it later makes events, and no other ending
            assert kept == run, self.tell(f"the ending of {run.id} changed from {first} to {run}")
            self._check_truth(run)
        assert self.pruned or set(self.endings) <= set(runs), self.tell("a run that ended is gone")

    def _check_truth(self, run: Run) -> None:
        if run.state is State.CANCELED:
            assert run.cancel_requested, self.tell(f"{run.id} is Canceled, and nobody asked for it")
        if run.id in self.forced:
            return
        if run.attempt == 0:
            assert run.state is not State.COMPLETED, self.tell(f"{run.id} completed without an attempt")
            return
        seen = self.target.truth(Handle(kind=KIND, compute=run.compute, id=f"{run.id}/{run.attempt}"))
        code = seen.exit_code if isinstance(seen, Ended) else None
        claimed = run.state is State.COMPLETED
        assert claimed == (code == 0), self.tell(f"{run.id} is {run.state}: {run.reason}; but its compute says {seen}")

    def _check_executions(self, runs: dict[str, Run]) -> None:
        by_run: dict[str, list[int]] = {}
        for ran in self.target.executions:
            by_run.setdefault(ran.run_id, []).append(ran.attempt)
        for run_id, attempts in by_run.items():
            run = runs.get(run_id) or self.endings.get(run_id)
            assert run is not None, self.tell(f"{run_id} ran, and there is no such run")
            assert len(attempts) == len(set(attempts)), self.tell(f"an attempt of {run_id} ran twice: {attempts}")
            spec = run.spec
            allowed = 1 + (spec.retries if spec else 0) + ON_SPOT
            assert len(attempts) <= allowed, self.tell(f"{run_id} ran {len(attempts)} times, and asked for {allowed}")

    def _check_gate(self, compute: str, runs: dict[str, Run]) -> None:
        gate = self.plain.gates.get(compute)
        slots = {slot.run_id for slot in self.plain.gates.slots(compute)}
        assert gate is not None
        going = [ran.run_id for ran in self.target.running(compute) if ran.run_id not in self.forced]
        assert set(going) <= slots, self.tell(f"{going} run, and the slots are those of {slots}")
        assert len(going) == len(set(going)), self.tell(f"a run runs twice at a time: {going}")
        most = max(gate.limit, self.slots_before.get(compute, 0))
        assert len(slots) <= most, self.tell(f"{len(slots)} slots are held, and the limit is {gate.limit}")
        self.slots_before[compute] = len(slots)
        for entry in self.plain.gates.waiting(compute):
            run = runs.get(entry.run_id)
            if run is not None and run.state is State.QUEUED:
                assert run.created >= entry.enqueued, self.tell(f"{run.id} lost its place in the order of going")
                assert run.priority == entry.priority, self.tell(f"{run.id} lost its priority")

    def tell(self, wrong: str) -> str:
        """What is wrong, and how it came about."""
        return "\n".join([wrong, *self.story[-400:], self.queue.report(), self.faults.report()])

    # The end.

    def settle(self, *, lose_messages: bool, hours: float = 72.0) -> None:
        """Let all go well, and time pass, until nothing is left to do; only the reconciler may be needed for that."""
        self.story.append("settle")
        self.queue.calm()
        self.faults.calm()
        while self.frozen:
            self.thaw(0, 1_000_000)
        undrain(self.ports)
        self.configure(self.limit, paused=False)
        if lose_messages:
            for queue in (dispatch_queue(KIND), WATCH):
                for message in self.plain.queue.receive(queue, most=10_000, lock=LOCK):
                    self.plain.queue.complete(message)
        until = self.clock.now() + hours * 3600
        while self.clock.now() < until and not self.is_over():
            self.clock.advance(20.0 if self.clock.now() < until - (hours - 1.0) * 3600 else 120.0)
            reconcile(self.ports)
            for _ in range(50):
                if not sum(self.handle_all(queue) for queue in QUEUES):
                    break
        self.check()
        assert self.is_over(), self.tell(f"after {hours} hours of calm: {self.left()}")

    def handle_all(self, queue: str) -> int:
        messages = self.queue.receive(queue, most=100, lock=LOCK)
        for message in messages:
            self._handle(message, None)
        return len(messages)

    def left(self) -> list[str]:
        """What is still to be done."""
        gates = self.plain.gates
        left = [f"{run.id} is {run.state}: {run.reason}" for run in self.runs() if not run.has_ended]
        for compute in COMPUTES:
            left += [f"{slot.run_id} holds a slot" for slot in gates.slots(compute)]
            left += [f"{entry.run_id} waits" for entry in gates.waiting(compute)]
            left += [f"{ran.run_id} runs" for ran in self.target.running(compute) if ran.run_id not in self.forced]
        return left + [
            f"{count} on {queue}" for queue, count in self.plain.queue.counts().items() if queue == SUBMISSIONS
        ]


def _config(retries: int, priority: int) -> str:
    return runconfig(runyard={"retries": retries, "priority": priority, "fallback": [SPARE]})
