"""Minutes at full rate on a root, with one write in twenty going wrong and a queue at its worst: ``make soak``.

Four threads handle messages as a host does, in virtual time that runs as fast as the machine does. Runs are checked as they end and
then forgotten, so memory and file handles must stay as they are.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import logging
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from runyard.accept import accept, submit
from runyard.dispatch import dispatch, request_cancel
from runyard.dispatch.wakes import BURIED, SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import LockLostError, RunyardError
from runyard.events.submission import Submission
from runyard.ports import Compute, Message, Ports, Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury, prune, reconcile
from runyard.runs.model import Origin, Run
from runyard.runs.states import ENDINGS, State
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import FaultyPorts, ManualClock, MemoryCourier, OnlyTargets, ScriptedTarget, ShakyQueue
from runyard.watch import watch
from tests.fakes import runconfig, snapshot

THREADS: Final = 4
LIMIT: Final = 20
RATE: Final = 0.05
IN_FLIGHT: Final = 60
LAST_TICKS: Final = 30_000
"""Of two seconds each, in which everything must have ended once there are no more faults."""
COMPUTES: Final = ("first", "second")
DEAD: Final = ("could not be accepted", "was not accepted within")


@dataclass
class Sample:
    """What the process holds."""

    resident: int
    """KiB."""
    handles: int
    runs: int


@dataclass
class Soak:
    """The root, what drives it, and what was seen."""

    ports: Ports
    calm: Ports
    clock: ManualClock
    target: ScriptedTarget
    seed: int
    asked: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    busy: int = 0
    """Messages that are being handled."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    queues: tuple[str, ...] = (SUBMISSIONS, dispatch_queue("scripted"), WATCH, DEAD_LETTERS)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        for name in COMPUTES:
            self.calm.computes.put(Compute(name=name, kind="scripted", limit=LIMIT))
            self.calm.gates.configure(name, limit=LIMIT)
        self.calm.blobs.put("uploads", "a.zip", snapshot(config=runconfig(runyard={"retries": 1, "on_preemption": 1})))

    def handle(self) -> None:
        """A thread of a host."""
        handlers: dict[str, Callable[[Message], object]] = {
            SUBMISSIONS: lambda m: accept(self.ports, m.body, message_id=m.id, enqueued=m.enqueued),
            dispatch_queue("scripted"): lambda m: dispatch(self.ports, m.body),
            WATCH: lambda m: watch(self.ports, m.body),
            DEAD_LETTERS: lambda m: bury(self.ports, m),
        }
        while not self.stopping.is_set():
            try:
                there = self.ports.queue.wait(list(handlers), 0.01)
                for name in there:
                    for message in self.ports.queue.receive(name, most=4, lock=300.0):
                        self._handle(handlers[name], message)
            except RunyardError:
                continue  # the queue failed, as asked
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                raise

    def _handle(self, handler: Callable[[Message], object], message: Message) -> None:
        with self.lock:
            self.busy += 1
        try:
            self._handle_one(handler, message)
        finally:
            with self.lock:
                self.busy -= 1

    def _handle_one(self, handler: Callable[[Message], object], message: Message) -> None:
        try:
            handler(message)
            self.ports.queue.complete(message)
        except LockLostError:
            return  # it comes again
        except RunyardError:
            try:
                self.ports.queue.abandon(message)
            except RunyardError:
                return  # its lock runs out

    def ask(self) -> None:
        """Ask for runs until enough are under way; a client repeats what was not answered."""
        body = {"experiment": "exp", "snapshot": "uploads/a.zip", "target": self.chance.choice(COMPUTES)}
        key = f"key-{self.asked}"
        self.asked += 1
        for _ in range(50):
            try:
                submit(self.ports, Submission.of(body), origin=Origin(source="api", name="soak"), key=key)
            except RunyardError:
                continue
            return
        raise AssertionError("a door failed fifty times in a row")

    def disturb(self) -> None:
        """What people do: cancel, pause, change limits."""
        if self.chance.random() < 0.2 and (runs := self.calm.runs.list(Query(limit=50)).runs):
            self._try(lambda: request_cancel(self.ports, self.chance.choice(runs).id, who="soak"))

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except RunyardError:
            return  # whoever asked sees it, and may ask again

    def settle(self) -> None:
        """Check what has ended, and forget it."""
        for ending in ENDINGS:
            runs = self.calm.runs.list(Query(statuses=frozenset({str(ending)}), limit=1000)).runs
            for run in runs:
                if self.clock.now() - (run.ended or 0.0) > 4000 and not self._holds(run):
                    self.check(run)
                    self.ended[str(run.state)] += 1
                    self.calm.runs.delete(run.id, at=self.clock.now())
                    self.target.drop(run.id)
        self.calm.runs.forget(self.clock.now() - 90_000)
        self.target.calls.clear()  # its books are the test's own, and grow
        self.target.refused_starts.clear()

    def _holds(self, run: Run) -> bool:
        return any(slot.run_id == run.id for name in COMPUTES for slot in self.calm.gates.slots(name))

    def check(self, run: Run) -> None:
        """A true ending, and no attempt that started twice."""
        executions = self.target.executions_of(run.id)
        story = [f"{e.seq} {e.state} {e.who}: {e.reason}" for e in self.calm.runs.history(run.id)]
        tale = "\n".join([run.id, *map(str, executions), *story])
        attempts = [ran.attempt for ran in executions]
        assert len(set(attempts)) == len(attempts), f"an attempt ran twice\n{tale}"
        assert not any(ran.ended is None for ran in executions), f"it ended and still runs\n{tale}"
        spec = run.spec
        allowed = 1 + run.failures + run.preemptions
        assert len(executions) <= allowed, f"it ran more often than it may\n{tale}"
        if run.state is State.COMPLETED:
            assert executions, f"completed and never ran\n{tale}"
            assert run.exit_code == 0, tale
        if run.state is State.FAILED and run.exit_code is None:
            assert run.error is not None, tale
            assert spec is None or run.error.error_class, tale
        changes = [
            after
            for before, after in itertools.pairwise([e.state for e in self.calm.runs.history(run.id)])
            if before is not after
        ]
        assert 1 == sum(state in ENDINGS for state in changes), f"more than one ending\n{tale}"

    def watch_limits(self) -> None:
        """No compute carries more than its limit."""
        for name in COMPUTES:
            running = len(self.target.running(name))
            assert running <= LIMIT, f"{running} scripts run on {name}, whose limit is {LIMIT}"
            gate = self.calm.gates.get(name)
            assert gate is not None
            assert gate.taken <= LIMIT

    def sample(self) -> None:
        """Note what the process holds."""
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024
        self.samples.append(Sample(resident, len(os.listdir("/proc/self/fd")), sum(self.ended.values())))  # noqa: PTH208

    def lead(self, seconds: float) -> None:
        """Live for so long, then let everything end."""
        threads = [threading.Thread(target=self.handle, name=f"host-{n}", daemon=True) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        began, sampled, ticks = time.monotonic(), 0.0, 0
        try:
            while (now := time.monotonic() - began) < seconds:
                self._tick(ticks)
                ticks += 1
                if now - sampled > max(seconds / 60, 1.0):
                    sampled = now
                    self.sample()
            self._drain()
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join(20)

    def _tick(self, ticks: int) -> None:
        assert not self.failures, self.failures
        if self.asked - sum(self.ended.values()) < IN_FLIGHT * 20 and self._under_way() < IN_FLIGHT:
            for _ in range(5):
                self.ask()
        self.disturb()
        self._advance(1.0)
        if ticks % 30 == 0:
            self._try(lambda: reconcile(self.ports))
            self.watch_limits()
        if ticks % 300 == 0:
            self.settle()
            self._try(lambda: prune(self.ports, logs_older_than=1e9))

    def _under_way(self) -> int:
        gates = self.calm.gates.list()
        return sum(gate.taken + gate.waiting for gate in gates)

    def _drain(self) -> None:
        """No more faults, no more runs: everything ends."""
        for tick in range(LAST_TICKS):
            if self._is_over():
                self.clock.advance(10_000)
                self.settle()
                return
            self._advance(2.0)
            if tick % 15 == 0:
                reconcile(self.calm)
        going = frozenset(str(state) for state in State if state not in ENDINGS) | {"CancelRequested"}
        stuck = self.calm.runs.list(Query(statuses=going)).runs
        stories = [str(event) for run in stuck[:3] for event in self.calm.runs.history(run.id)[-30:]]
        known = [*map(str, stuck[:3]), *map(str, self.calm.gates.list()), str(self.calm.queue.counts()), *stories]
        raise AssertionError("\n".join(["not everything ended", *known]))

    def _advance(self, seconds: float) -> None:
        """Turn the clock once nobody has anything to do now, or after a moment: a handler is not to be outrun by it."""
        deadline = time.monotonic() + 0.05
        while (self.busy or self.calm.queue.wait(self.queues, 0.0)) and time.monotonic() < deadline:
            time.sleep(0.0005)
        self.clock.advance(seconds)

    def _is_over(self) -> bool:
        waiting = self.calm.queue.counts()
        going = frozenset(str(s) for s in State if s not in ENDINGS) | {"CancelRequested"}
        return (
            not self._under_way()
            and not waiting.get(SUBMISSIONS)
            and not self.calm.runs.list(Query(statuses=going)).runs
        )


def soak(folder: Path, *, seconds: float, seed: int) -> Soak:
    """Soak a root; every invariant was checked when this returns."""
    clock = ManualClock(start=1_000_000_000.0)
    target = ScriptedTarget(clock=clock, seed=seed, trouble=RATE * 2)
    with EmbeddedStores.open(folder, clock) as stores:
        calm = Ports(
            runs=stores.runs,
            gates=stores.gates,
            queue=stores.queue,
            blobs=stores.blobs,
            computes=stores.computes,
            webhooks=stores.webhooks,
            schedules=stores.schedules,
            marks=stores.marks,
            subscriptions=stores.subscriptions,
            deliveries=stores.deliveries,
            courier=MemoryCourier(),
            secrets=stores.secrets,
            clock=clock,
            targets=OnlyTargets(target),
        )
        shaky = ShakyQueue(inner=calm.queue, seed=seed, double=RATE, delay=RATE, drop=RATE, lose_lock=RATE, remember=50)
        faulty = FaultyPorts(inner=replace(calm, queue=shaky), seed=seed, rate=RATE, longest=20.0, remember=50)
        made = Soak(faulty.ports, calm, clock, target, seed)
        made.lead(seconds)
        counts = calm.queue.counts()
        made.ended["dead letters"] = counts.get(BURIED, 0) + counts.get(DEAD_LETTERS, 0)
    return made


def check_flat(samples: list[Sample]) -> str:
    """Compare the last third with the second: what is held at the beginning is being filled."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    resident = [max(s.resident for s in part) for part in (middle, last)]
    handles = [max(s.handles for s in part) for part in (middle, last)]
    assert handles[1] <= handles[0] + 2, f"file handles grow: {handles}"
    assert resident[1] <= resident[0] * 1.1 + 8192, f"memory grows: {resident} KiB"
    return f"memory {resident[0] >> 10} and {resident[1] >> 10} MiB, file handles {handles[0]} and {handles[1]}"


def main() -> None:
    """In full."""
    parser = argparse.ArgumentParser(description="Minutes at full rate with faults.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="runyard-") as folder:
        made = soak(Path(folder) / "root", seconds=asked.minutes * 60, seed=asked.seed)
    rate = sum(made.ended[str(ending)] for ending in ENDINGS) / (asked.minutes * 60)
    sys.stdout.write(f"{dict(made.ended)}, {rate:.0f} runs a second; {check_flat(made.samples)}\n")


if __name__ == "__main__":
    main()
