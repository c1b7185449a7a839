"""The whole chain on the adapters for Azure, while every kind of fault of its services happens by chance: ``make azure-chain``.

Two hosts, each with connections and caches of its own, take messages from the broker stand-in and write to Azurite through the
proxy; time is virtual and runs as fast as the machine does. Nothing is mended by hand: what ends, ends by the product's own
retries, wakes and timers. :mod:`tests.crash.azure_verdict` judges it, past the faults.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import random
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from runyard.accept import drop, submit
from runyard.dispatch import request_cancel
from runyard.dispatch.patience import tolerantly
from runyard.dispatch.wakes import BURIED, SUBMISSIONS, dispatch_queue
from runyard.errors import RunyardError
from runyard.events.blob import BlobDrop
from runyard.events.signatures import STANDARD, new_secret
from runyard.events.submission import Submission
from runyard.notify import Definition, define
from runyard.ports import BlobInfo, Compute, Ports, Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import reconcile, sweep, sweep_secrets
from runyard.runs.model import Origin
from runyard.stores.azure.names import QUEUES
from runyard.testing import ManualClock, MemoryCourier, ScriptedTarget
from tests.crash.azure_host import LOCK, Host, ports_of, quick, stores_of
from tests.crash.azure_verdict import Asked, Verdict, judge, unended
from tests.fakes import runconfig, snapshot
from tests.standins.azurite import azurite
from tests.standins.broker import Bench, broker
from tests.standins.broker import faults as bus
from tests.standins.broker.entities import QueueSettings
from tests.standins.faults import busy, closed, internal, lost, slow, throttled, timed_out, twice
from tests.standins.proxy import Proxy, proxied

HOSTS: Final = 2
LIMIT: Final = 20
COMPUTES: Final = ("first", "second")
STORAGE: Final = (
    busy(0), internal(), throttled(0), timed_out(done=True), lost(), closed(), slow(0.02), twice(),
)  # fmt: skip
"""What goes wrong with requests to storage; each at the rate."""
TEARS: Final = (bus.TEAR_BEFORE, bus.TEAR_AFTER, bus.DETACH)
"""What costs a connection: opening another takes up to a second."""
STEP: Final = 2.0
"""Virtual seconds of a tick."""
BUSY_STEP: Final = 0.1
"""Real seconds that a tick waits for handlers at most; the clock then goes on at twenty times the real pace."""
RECONCILE: Final = 30.0
SWEEP: Final = 300.0


@dataclass
class Chain:
    """The yard, what drives it, and what was asked of it."""

    proxy: Proxy
    bench: Bench
    clock: ManualClock
    target: ScriptedTarget
    courier: MemoryCourier
    hosts: list[Host]
    calm: Ports
    """Past every fault of storage."""
    chance: random.Random
    asked: Asked = field(default_factory=Asked)
    _due: dict[str, float] = field(default_factory=dict)

    def ask(self, number: int) -> None:
        """Ask for one run at one of the doors, until it is answered; some snapshots raise no event at all."""
        ports = self.chance.choice(self.hosts).ports
        door = self.chance.choice(("api", "queue", "blob", "blob", "unheard"))
        name = f"exp/{number:04d}.zip"
        runyard: dict[str, object] = {"retries": 1, "on_preemption": 1}
        config: dict[str, Any] = {"target": self.chance.choice(COMPUTES), "runyard": runyard}
        if number % 5 == 0:
            config["environmentVariables"] = {"A_TOKEN": f"canary-{number}"}
        container = "uploads" if door in {"api", "queue"} else "snapshots"
        info = self.calm.blobs.put(container, name, snapshot(config=runconfig(**config)))
        where = f"{container}/{name}"
        self.asked.snapshots[where] = door
        self._until_answered(self._request(ports, door, where, number, info))

    def _request(self, ports: Ports, door: str, where: str, number: int, info: BlobInfo) -> Callable[[], object]:
        body = {"experiment": "exp", "snapshot": where, "id": f"ask-{number}"}
        if door == "api":
            origin = Origin(source="api", name="chain")
            return lambda: submit(ports, Submission.of(body), origin=origin, key=f"ask-{number}")
        if door == "queue":
            return lambda: ports.queue.send(SUBMISSIONS, msgspec.json.encode(body), durable=True)
        if door == "unheard":
            return lambda: None
        event = BlobDrop(
            container=info.container,
            name=info.name,
            etag=info.etag,
            size=info.size,
            modified=info.modified,
            event_id=f"event-{number}",
        )

        def tell() -> None:
            for _ in range(2 if number % 7 == 0 else 1):
                drop(ports, event)

        return tell

    def _until_answered(self, act: Callable[[], object]) -> None:
        for _ in range(50):
            try:
                act()
            except RunyardError:
                self.asked.unanswered += 1
                continue
            return
        raise AssertionError("a door failed fifty times in a row")

    def cancel_some(self) -> None:
        """What people do now and then."""
        going = unended(self.calm)
        if going and self.chance.random() < 0.03:
            run = self.chance.choice(going)
            self.asked.canceled.add(run.id)
            self._until_answered(lambda: request_cancel(self.hosts[0].ports, run.id, who="chain"))

    def tick(self) -> None:
        """Let a little time go by; timers of the first host run when they are due."""
        for host in self.hosts:
            assert not host.failures, host.failures
        self._settle()
        self.clock.advance(STEP)
        ports = self.chance.choice(self.hosts).ports
        if self._is_due("reconcile", RECONCILE):
            tolerantly("reconcile", lambda: reconcile(ports))
        if self._is_due("sweep", SWEEP):
            tolerantly("sweep", lambda: sweep(ports))
            tolerantly("sweep of secrets", lambda: sweep_secrets(ports))

    def _is_due(self, timer: str, seconds: float) -> bool:
        now = self.clock.now()
        if now - self._due.setdefault(timer, now) < seconds:
            return False
        self._due[timer] = now
        return True

    def _settle(self) -> None:
        """Wait until nobody has anything to do now, or for a moment: a handler is not to be outrun by the clock."""
        deadline = time.monotonic() + BUSY_STEP
        while (any(host.busy for host in self.hosts) or self._ready()) and time.monotonic() < deadline:
            time.sleep(0.002)

    def _ready(self) -> bool:
        with self.bench._broker.lock:
            for entity in self.bench.namespace.entities():
                if entity.name != BURIED:
                    entity.settle_time()
                    if any(not stored.due for stored in entity.messages.values()):
                        return True
        return False

    def is_over(self) -> bool:
        """Whether everything asked for has ended, and nothing is under way any more."""
        if any(name != BURIED for name in self.bench.counts()):
            return False
        gates = self.calm.gates.list()
        return not unended(self.calm) and not any(g.taken or g.waiting or g.next_at is not None for g in gates)

    def lead(self, runs: int, *, patience: float) -> None:
        """Ask for so many runs, and live until they have ended.

        Args:
            runs: How many.
            patience: Real seconds.
        """
        deadline = time.monotonic() + patience
        for host in self.hosts:
            host.start()
        for number in range(runs):
            self.ask(number)
            self.tick()
            self.cancel_some()
        ticks = 0
        while ticks % 10 or len(self.calm_runs()) < runs or not self.is_over():
            assert time.monotonic() < deadline, "\n".join(["not everything ended", *self.tell()])
            self.tick()
            ticks += 1

    def calm_runs(self) -> list[str]:
        """The ids of all runs."""
        return [run.id for run in self.calm.runs.list(Query(limit=1000)).runs]

    def tell(self) -> list[str]:
        """What is still under way."""
        stuck = unended(self.calm)
        stories = [str(event) for run in stuck[:3] for event in self.calm.runs.history(run.id)[-20:]]
        missing = set(self.asked.snapshots) - {str(run.snapshot and run.snapshot.uri) for run in stuck}
        lines = [f"{len(stuck)} runs have not ended, of {len(self.calm_runs())}; {len(missing)} others"]
        return [*lines, *map(str, stuck[:3]), *map(str, self.calm.gates.list()), str(self.bench.counts()), *stories]


@contextlib.contextmanager
def opened(folder: Path, *, rate: float, seed: int, tears: float) -> Iterator[Chain]:
    """A chain for the time of a block; nothing goes wrong before it is led."""
    clock = ManualClock(start=time.time())
    target = ScriptedTarget(clock=clock, seed=seed, trouble=rate)
    courier = MemoryCourier()
    settings = {name: QueueSettings(lock=LOCK, forward_dead_letters_to=None if name == DEAD_LETTERS else DEAD_LETTERS)
                for name in (*QUEUES, dispatch_queue("scripted"))}  # fmt: skip
    bench = broker().namespace(settings, clock=clock.now)
    stopping = threading.Event()
    with quick(), proxied(azurite().account()) as proxy:
        straight = stores_of(proxy.account.connection, bench, folder, clock)
        straight.make()
        hosts = []
        for _ in range(HOSTS):
            stores = stores_of(proxy.connection, bench, folder, clock)
            hosts.append(Host(stores, ports_of(stores, target, courier), stopping))
        calm = ports_of(straight, target, courier)
        for name in COMPUTES:
            calm.computes.put(Compute(name=name, kind="scripted", limit=LIMIT))
            calm.gates.configure(name, limit=LIMIT)
        calm.marks.begin("snapshots", 0.0)
        define(calm, Definition(name="ear", url="https://ear.example/in", secret=new_secret(STANDARD)))
        proxy.faults.by_chance(rate * len(STORAGE), seed, STORAGE)
        bench.faults.rates.update(dict.fromkeys(bus.ALL, rate) | dict.fromkeys(TEARS, tears))
        try:
            yield Chain(proxy, bench, clock, target, courier, hosts, calm, random.Random(seed))
        finally:
            stopping.set()
            bench.faults.rates.clear()
            proxy.faults.none()
            for host in hosts:
                host.stop()
            straight.close()
            gc.collect()


@dataclass(frozen=True)
class Report:
    """What became of it."""

    verdict: Verdict
    seconds: float
    virtual: float
    faults: dict[str, int]
    messages: dict[str, int]
    requests: int

    def __str__(self) -> str:
        time_taken = f"{self.seconds:.0f} s real, {self.virtual / 60:.0f} min virtual"
        handled = f"{sum(self.messages.values())} messages handled {self.messages}"
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{time_taken}; {self.requests} requests to storage, {handled}\n"
            f"{sum(self.faults.values())} faults: {faults}\n{self.verdict}"
        )


def run_chain(folder: Path, *, runs: int, rate: float, seed: int, tears: float, patience: float) -> Report:
    """Lead a chain; every promise was checked when this returns."""
    began = time.monotonic()
    with opened(folder, rate=rate, seed=seed, tears=tears) as chain:
        started = chain.clock.now()
        chain.lead(runs, patience=patience)
        virtual = chain.clock.now() - started
        happened = Counter(chain.proxy.faults.happened)
        happened.update({f"bus: {name}": count for name, count in chain.bench.faults.happened.items()})
        messages: Counter[str] = sum((host.handled for host in chain.hosts), Counter())
        verdict = judge(chain.calm, chain.target, chain.courier, chain.clock, chain.bench.counts(), chain.asked)
        requests = chain.proxy.total()
    return Report(verdict, time.monotonic() - began, virtual, dict(happened), dict(messages), requests)


def main() -> None:
    """In full."""
    parser = argparse.ArgumentParser(description="The whole chain on Azure's adapters, with faults.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rate", type=float, default=0.05, help="of each kind of fault")
    parser.add_argument("--tears", type=float, help="rate of those that cost a connection; the same when not given")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--patience", type=float, default=3600.0, help="real seconds")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", ResourceWarning)
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    tears = asked.rate if asked.tears is None else asked.tears
    with tempfile.TemporaryDirectory(prefix="runyard-") as folder:
        report = run_chain(
            Path(folder), runs=asked.runs, rate=asked.rate, seed=asked.seed, tears=tears, patience=asked.patience
        )
    sys.stdout.write(f"{report}\n")


if __name__ == "__main__":
    main()
