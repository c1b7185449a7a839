"""Where the services saturate: a minute at 1,000 runs a second in virtual time, its operations by partition and by service.

Usage: python -m benchmarks.scale [--rate 1000] [--seconds 60] [--computes 20] [--duration 5] [--json], from the root of a checkout.

The use cases and the table adapters are the real ones, over tables, queues and blobs in memory that count what they are asked. Each
function has stores of its own, as each has instances of its own in Azure, so that none knows what another remembers. One thread does
everything, so conflicts between instances are not in the figures (docs/scale.md says what they add). The limits are the
services' published ones: each has its source in docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

from runyard.accept import accept, submit
from runyard.dispatch import dispatch
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.events.submission import Submission
from runyard.ports import BlobReader, Compute, ComputeStore, Gates, Message, Ports
from runyard.reconcile import reconcile
from runyard.runs.model import Origin
from runyard.stores.azure import names
from runyard.stores.azure.blobs import FIRST
from runyard.stores.azure.documents import AzureComputeStore
from runyard.stores.azure.gates import AzureGates
from runyard.stores.memory import MemoryBlobStore, MemoryQueue, MemorySecrets
from runyard.testing import Behaviour, ManualClock, OnlyTargets, ScriptedTarget
from runyard.watch import watch
from tests.fakes import runconfig, snapshot
from tests.standins.azure_stores import TabledStores, tabled_ports
from tests.standins.tables import MemoryTables

STEP = 0.25
"""Virtual seconds between looks at the queues."""
ENTITIES, PARTITION = 20_000, 2_000
"""Entities a second of a storage account, and of one partition of a table."""
CREDITS = 1_000
"""Credits a second of a Service Bus namespace of the standard tier: one for each message that is sent, and one for each received."""
BLOBS = 20_000
"""Requests a second of a storage account."""
DISPATCH = dispatch_queue("scripted")


@dataclass
class Counts:
    """What was asked of each service."""

    clock: ManualClock
    start: float
    table_requests: Counter[str] = field(default_factory=Counter)
    table_entities: Counter[str] = field(default_factory=Counter)
    by_partition: defaultdict[tuple[str, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    blobs: Counter[str] = field(default_factory=Counter)
    executions: Counter[str] = field(default_factory=Counter)

    def table(self, table: str, verb: str, partition: str, entities: int) -> None:
        self.table_requests[f"{table} {verb}"] += 1
        touched = max(entities, 1)
        self.table_entities[table] += touched
        self.by_partition[table, partition][int(self.clock.now() - self.start)] += touched


class CountedQueue(MemoryQueue):
    """Service Bus merges no wakes: each is a message."""

    def __init__(self, clock: ManualClock, counts: Counts) -> None:
        super().__init__(clock)
        self._counts = counts

    def send(self, name: str, body: bytes, **options: Any) -> str:
        self._counts.sent[name] += 1
        return super().send(name, body, **options)

    def wake(self, name: str, body: bytes) -> None:
        self.send(name, body)

    def receive(self, name: str, *, most: int, lock: float) -> Any:
        found = super().receive(name, most=most, lock=lock)
        self._counts.received[name] += len(found)
        return found


class _CountedReader:
    """What comes with the opening costs no request of its own."""

    def __init__(self, inner: BlobReader, counts: Counts) -> None:
        self._inner = inner
        self._counts = counts
        self.info = inner.info

    def read(self, offset: int, length: int) -> bytes:
        self._counts.blobs["read a range"] += offset + length > FIRST
        return self._inner.read(offset, length)

    def close(self) -> None:
        self._inner.close()


class CountedBlobs(MemoryBlobStore):
    """One request for each call, and one for each range."""

    def __init__(self, clock: ManualClock, counts: Counts) -> None:
        super().__init__(clock)
        self._counts = counts

    def head(self, container: str, name: str) -> Any:
        self._counts.blobs["properties"] += 1
        return super().head(container, name)

    def open(self, container: str, name: str, *, etag: str | None = None) -> Any:
        self._counts.blobs["open"] += 1
        return _CountedReader(super().open(container, name, etag=etag), self._counts)


class _Instance(TabledStores):
    """Stores whose memory ages in virtual time."""

    @cached_property
    def gates(self) -> Gates:
        return AzureGates(self.table(names.GATES), monotonic=self.clock.now)

    @cached_property
    def computes(self) -> ComputeStore:
        return AzureComputeStore(self.table(names.DOCUMENTS), monotonic=self.clock.now)


class Yard:
    """A yard in Azure, in memory, in virtual time."""

    def __init__(self, computes: int, limit: int, duration: float) -> None:
        self.clock = ManualClock(start=1_800_000_000.0)
        self.counts = Counts(self.clock, self.clock.now())
        target = ScriptedTarget(clock=self.clock, default=Behaviour(duration=duration))
        self._tables = MemoryTables(self.counts.table)
        self._shared: dict[str, Any] = {
            "targets": OnlyTargets(target),
            "queue": CountedQueue(self.clock, self.counts),
            "blobs": CountedBlobs(self.clock, self.counts),
            "secrets": MemorySecrets(self.clock.now),
        }
        self.ports, accepting, dispatching, watching, self.timers = (self._instance() for _ in range(5))
        self.names = [f"compute{number:02}" for number in range(computes)]
        for name in self.names:
            self.ports.computes.put(Compute(name=name, kind="scripted", limit=limit))
            self.ports.gates.configure(name, limit=limit)
            self.ports.blobs.put("uploads", f"{name}.zip", snapshot(config=runconfig(target=name)))
        self.asked = 0
        self._handlers: Mapping[str, tuple[str, Callable[[Message], object]]] = {
            SUBMISSIONS: ("accept", lambda m: accept(accepting, m.body, message_id=m.id, enqueued=m.enqueued)),
            DISPATCH: ("dispatch", lambda m: dispatch(dispatching, m.body)),
            WATCH: ("watch", lambda m: watch(watching, m.body)),
        }

    def _instance(self) -> Ports:
        """The ports of an instance that serves one function."""
        return tabled_ports(_Instance(self._tables, self.clock), **self._shared)

    def ask(self) -> None:
        """One submission over HTTP."""
        name = self.names[self.asked % len(self.names)]
        self.asked += 1
        submission = Submission.of({"experiment": f"exp{self.asked % 50}", "snapshot": f"uploads/{name}.zip"})
        self.counts.executions["http"] += 1
        submit(self.ports, submission, origin=Origin(source="api", name="load"), key=f"key-{self.asked}")

    def serve(self) -> None:
        """Handle what is due."""
        while due := self.ports.queue.wait(tuple(self._handlers), 0.0):
            for queue in due:
                function, handle = self._handlers[queue]
                for message in self.ports.queue.receive(queue, most=32, lock=60):
                    self.counts.executions[function] += 1
                    handle(message)
                    self.ports.queue.complete(message)

    def ended(self) -> bool:
        """Whether nothing runs or waits any more."""
        self._tables.told = lambda *_: None  # a look of the benchmark's own
        gates = self.ports.gates.list()
        self._tables.told = self.counts.table
        return all(not gate.taken and not gate.waiting for gate in gates)


def simulate(yard: Yard, rate: int, seconds: int) -> float:
    """Ask for ``rate`` runs a second and see to all of them; returns the real seconds that it took."""
    began, asked = time.perf_counter(), 0.0
    for step in range(int(seconds / STEP)):
        asked += rate * STEP
        while yard.asked < int(asked):
            yard.ask()
        yard.serve()
        if step and not step % int(30 / STEP):
            yard.counts.executions["reconcile"] += 1
            reconcile(yard.timers)
        yard.clock.advance(STEP)
    counted = yard.counts.clock.now()
    while not yard.ended():
        yard.serve()
        yard.clock.advance(STEP)
        assert yard.clock.now() - counted < 3600, "the runs do not come to an end"
    return time.perf_counter() - began


def figures(yard: Yard, rate: int) -> dict[str, Any]:
    """The figures, for people and scripts."""
    counts, runs = yard.counts, yard.asked
    messages = sum(counts.sent.values()) + sum(counts.received.values())
    services = {
        "table entities": (sum(counts.table_entities.values()), ENTITIES),
        "Service Bus credits": (messages, CREDITS),
        "blob requests": (sum(counts.blobs.values()), BLOBS),
    }
    hottest = sorted(
        (
            (max(by_second.values()), f"{table}/{partition}")
            for (table, partition), by_second in counts.by_partition.items()
        ),
        reverse=True,
    )
    worst: dict[str, tuple[int, str]] = {}
    for peak, name in hottest:
        worst.setdefault(name.partition("/")[0], (peak, name))
    return {
        "runs": runs,
        "table requests a run": round(sum(counts.table_requests.values()) / runs, 2),
        "messages a run": round(sum(counts.sent.values()) / runs, 2),
        "executions a run": {name: round(count / runs, 3) for name, count in counts.executions.items()},
        "services": {
            name: {
                "a run": round(count / runs, 2),
                "a second": round(count / runs * rate),
                "limit": limit,
                "saturates at runs/s": round(limit / (count / runs)),
            }
            for name, (count, limit) in services.items()
        },
        "hottest partition by table": {
            table: {
                "partition": name.partition("/")[2],
                "entities in its busiest second": peak,
                "share of the limit": round(peak / PARTITION, 3),
                "saturates at runs/s": round(rate * PARTITION / peak) if peak else inf,
            }
            for table, (peak, name) in worst.items()
        },
        "table requests": {name: round(count / runs, 3) for name, count in counts.table_requests.most_common()},
        "messages": {name: round(count / runs, 3) for name, count in counts.sent.most_common()},
        "blob requests": {name: round(count / runs, 3) for name, count in counts.blobs.most_common()},
    }


def show(found: Mapping[str, Any], indent: int = 0) -> None:
    """Print nested figures."""
    for name, value in found.items():
        if isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values()):
            print(" " * indent + name)
            show(value, indent + 2)
        elif isinstance(value, Mapping):
            print(" " * indent + f"{name:<26}" + "  ".join(f"{key}: {each}" for key, each in value.items()))
        else:
            print(" " * indent + f"{name:<26}{value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=int, default=1000, help="runs a second")
    parser.add_argument("--seconds", type=int, default=60, help="virtual seconds")
    parser.add_argument("--computes", type=int, default=20)
    parser.add_argument("--limit", type=int, default=500, help="of each compute")
    parser.add_argument("--duration", type=float, default=5.0, help="virtual seconds of each script")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    logging.getLogger("runyard").setLevel(logging.ERROR)
    yard = Yard(args.computes, args.limit, args.duration)
    spent = simulate(yard, args.rate, args.seconds)
    found = figures(yard, args.rate)
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{yard.asked:,} runs, {args.seconds} virtual seconds at {args.rate:,} runs/s, in {spent:.0f} s")
    show(found)


if __name__ == "__main__":
    main()
