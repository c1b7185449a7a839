"""What a run asks of Azure's services: operations by service, and runs a second through the control plane.

Usage: python -m benchmarks.azure_adapters [--lone 3] [--burst 100] [--threads 4] [--json], from the root of a checkout; needs Azurite
(`make azurite`).

The SDKs are the real ones, over Azurite, the broker and the vault of the tests; the compute is scripted, so what a runner writes
(logs, outputs) is not in the figures. Each function has stores and connections of its own, as each has instances of its own in Azure:
none knows what another remembers. They are warm. In the last burst the compute tells of endings (a nudge for each look), as
otherwise the runs wait for the next poll; these messages count. The time of a burst holds that waiting, too.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from azure.keyvault.secrets import SecretClient

from runyard.accept import accept, submit
from runyard.dispatch import dispatch
from runyard.dispatch.turns import Turns
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue, nudge
from runyard.events.submission import Submission
from runyard.ports import Compute, Message, Ports
from runyard.runs.model import Origin
from runyard.runs.states import State
from runyard.stores.azure import names
from runyard.stores.azure.counting import Counting
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.clock import SystemClock
from runyard.testing import Behaviour, MemoryCourier, OnlyTargets, ScriptedTarget
from runyard.watch import watch
from tests.fakes import runconfig, snapshot
from tests.standins.azurite import azurite
from tests.standins.broker import broker
from tests.standins.vault import Credential, Vault, vault

DISPATCH: Final = dispatch_queue("scripted")
FUNCTIONS: Final[Mapping[str, str]] = {"accept": SUBMISSIONS, "dispatch": DISPATCH, "watch": WATCH}
DURATION: Final = 0.3
"""Seconds of a script: the first poll sees that it has ended."""
LOOK: Final = 0.5
"""Seconds between two nudges of a compute that tells of endings."""
PATIENCE: Final = 120.0
AIMS: Final = {"lone": {"tables": 16, "messages": 5, "blobs": 5}, "burst": {"tables": 14, "messages": 5, "blobs": 5}}


class Counts:
    """Requests by service, and executions by function."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.services: dict[str, Counter[str]] = {}

    def add(self, service: str, what: str, number: int = 1) -> None:
        with self._lock:
            self.services.setdefault(service, Counter())[what] += number

    def sent(self, service: str, method: str, path: str) -> None:
        """What the adapters tell."""
        if service == "tables":
            self.add("tables", f"{_table(path)} {_verb(method, path)}")
        elif service == "blobs":
            self.add("blobs", {"HEAD": "properties", "GET": "open or read"}.get(method, method.lower()))
        elif service == "vault":
            self.add("vault", method.lower())
        elif method == "SEND":
            self.add("messages", path)

    def clear(self) -> None:
        with self._lock:
            self.services = {}


def _table(path: str) -> str:
    """The table of a request; of a transaction that is only said in its body."""
    name = unquote(path).rstrip("/").rpartition("/")[2]
    return "" if name == "$batch" else name.partition("(")[0]


def _verb(method: str, path: str) -> str:
    if path.endswith("$batch"):
        return "transaction"
    if method == "GET":
        return "get" if "PartitionKey" in path else "query"
    return {"POST": "create", "PUT": "replace", "PATCH": "merge"}.get(method, method.lower())


class Yard:
    """A yard over the stand-ins: an instance for each function, and pumps that play the Functions host."""

    def __init__(self, stack: ExitStack, threads: int) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self.clock = SystemClock()
        self.counts = Counts()
        self._vault: Vault = stack.enter_context(vault(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        bench = broker().namespace([*names.QUEUES, DISPATCH])
        self._settings = AzureSettings(
            storage_connection=azurite().account().connection,
            bus_connection=bench.connection,
            vault_uri=self._vault.uri,
        )
        self._targets = OnlyTargets(ScriptedTarget(clock=self.clock, default=Behaviour(duration=DURATION)))
        self.ours = self._instance(None)
        self._http = self._instance("http")
        self._pools: list[ThreadPoolExecutor] = []
        for function in FUNCTIONS:
            self._pump(function, self._instance(function), threads)
        self._names = iter(range(1_000_000))

    def _instance(self, function: str | None) -> Ports:
        """The ports of an instance; without a function they are the benchmark's own, and not counted."""
        stores = AzureStores(self._settings, self.clock, sent=self.counts.sent if function else None)
        self._stack.callback(stores.close)
        policies = [Counting("vault", self.counts.sent)] if function else []
        stores.clients.__dict__["vault"] = SecretClient(
            self._vault.uri,
            Credential(),
            connection_verify=self._vault.trusted,
            verify_challenge_resource=False,
            per_retry_policies=policies,
        )
        if function is None:
            stores.make()
        return Ports(
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
            clock=self.clock,
            targets=self._targets,
        )

    def _pump(self, function: str, ports: Ports, threads: int) -> None:
        turns, pool = Turns(ports.queue), ThreadPoolExecutor(threads)
        handlers: Mapping[str, Callable[[Message], object]] = {
            "accept": lambda m: accept(ports, m.body, message_id=m.id, enqueued=m.enqueued),
            "dispatch": lambda m: turns.take(DISPATCH, m.body, partial(dispatch, ports)),
            "watch": lambda m: turns.take(WATCH, m.body, partial(watch, ports)),
        }
        queue, handle = FUNCTIONS[function], handlers[function]

        def carry(message: Message) -> None:
            self.counts.add("executions", function)
            handle(message)
            ports.queue.complete(message)

        def run() -> None:
            while not self._stop.is_set():
                for name in ports.queue.wait([queue], 0.5):
                    found = ports.queue.receive(name, most=32, lock=60)
                    self.counts.add("received", queue, len(found))
                    list(pool.map(carry, found))

        thread = threading.Thread(target=run, name=function)
        thread.start()
        self._stack.callback(pool.shutdown)
        self._stack.callback(thread.join)

    def stop(self) -> None:
        self._stop.set()

    def compute(self, limit: int) -> str:
        """A compute of this limit that nobody has used."""
        name = f"compute{next(self._names)}"
        self.ours.computes.put(Compute(name=name, kind="scripted", limit=limit))
        self.ours.gates.configure(name, limit=limit)
        self.ours.blobs.put("uploads", f"{name}.zip", snapshot(config=runconfig(target=name)))
        return name

    def ask(self, compute: str, **more: object) -> str:
        """One submission over HTTP."""
        submission = Submission.of({"experiment": "exp", "snapshot": f"uploads/{compute}.zip", **more})
        self.counts.add("executions", "http")
        origin = Origin(source="api", name="bench")
        return submit(self._http, submission, origin=origin, key=f"key-{next(self._names)}")[0].id

    def quiet(self, compute: str, runs: list[str], *, told: bool = False) -> float:
        """Wait until all have ended and the compute is not watched any more; returns when the last slot was free."""
        until, free = time.monotonic() + PATIENCE, 0.0
        while True:
            gate = self.ours.gates.get(compute)
            assert gate is not None
            if not free and not gate.taken and not gate.waiting and self._ended(runs):
                free = time.monotonic()
            if free and (told or gate.next_at is None):
                return free
            if told and gate.taken:
                self._http.queue.send(WATCH, nudge(compute))
            assert time.monotonic() < until, f"the runs do not come to an end: {gate}"
            time.sleep(LOOK if told else 0.1)

    def _ended(self, runs: list[str]) -> bool:
        found = [self.ours.runs.get(run) for run in (runs[0], runs[-1])]
        return all(run is not None and run.has_ended for run in found)

    def measure(
        self, runs: int, limit: int, *, apart: bool = False, told: bool = False, **more: object
    ) -> dict[str, Any]:
        """Operations a run; ``apart``: each begins when the one before is over and forgotten."""
        compute = self.compute(limit)
        self.quiet(compute, [self.ask(compute, **more)])  # what is opened and read only once
        self.counts.clear()
        began, ended = time.monotonic(), 0.0
        if apart:
            made = []
            for _ in range(runs):
                made.append(self.ask(compute, **more))
                ended = self.quiet(compute, made[-1:])
        else:
            with ThreadPoolExecutor(8) as people:
                made = list(people.map(lambda _: self.ask(compute, **more), range(runs)))
            ended = self.quiet(compute, made, told=told)
        states = Counter(run.state for name in made if (run := self.ours.runs.get(name)) is not None)
        assert states == {State.COMPLETED: runs}, states
        return {"runs/s": round(runs / (ended - began), 1), **self._figures(runs)}

    def _figures(self, runs: int) -> dict[str, Any]:
        found = {"tables": Counter[str](), "messages": Counter[str](), "received": Counter[str](), "blobs": Counter[str](),
                 "vault": Counter[str](), "executions": Counter[str](), **self.counts.services}  # fmt: skip
        return {
            service: {
                "a run": round(sum(each.values()) / runs, 2),
                "of these": {what: round(count / runs, 2) for what, count in each.most_common()},
            }
            for service, each in found.items()
        }

    def raw(self, threads: int, seconds: float = 2.0) -> float:
        """Azurite's own speed: inserts a second of one small row each, by as many threads, with the same SDK."""
        table = AzureStores(self._settings, self.clock).table(names.DOCUMENTS)
        until = time.monotonic() + seconds

        def insert(thread: int) -> int:
            number = 0
            while time.monotonic() < until:
                table.create({"PartitionKey": f"raw{thread}", "RowKey": str(number), "d0": b"x" * 1000})
                number += 1
            return number

        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(insert, range(threads))) / seconds


@contextmanager
def yard(threads: int) -> Iterator[Yard]:
    """A yard for the time of a block."""
    with ExitStack() as stack:
        made = Yard(stack, threads)
        stack.callback(made.stop)
        yield made


def measured(lone: int, burst: int, threads: int) -> dict[str, Any]:
    """All figures."""
    with yard(threads) as made:
        raw = made.raw(threads)
        found = {
            "lone": made.measure(lone, 100, apart=True),
            "lone, with a secret": made.measure(lone, 100, apart=True, environmentVariables={"A_TOKEN": "s3cret"}),
            f"burst of {burst}, limit {burst}": made.measure(burst, burst),
            f"burst of {burst}, limit 4": made.measure(burst, 4, told=True),
        }
        for each in found.values():
            each["share of Azurite"] = round(each["runs/s"] * each["tables"]["a run"] / raw, 2)
        return {"Azurite, inserts/s": round(raw), "cores": os.cpu_count(), **found}


def show(found: Mapping[str, Any]) -> None:
    """A table for people, then what each figure is made of."""
    cases = {name: each for name, each in found.items() if isinstance(each, Mapping)}
    services = ("tables", "messages", "received", "blobs", "vault", "executions")
    print(f"Azurite alone: {found['Azurite, inserts/s']} inserts/s; {found['cores']} cores\n")
    print("| a run's | " + " | ".join((*services, "runs/s", "share of Azurite's speed")) + " |")
    print("| --- |" + " ---: |" * (len(services) + 2))
    for name, each in cases.items():
        figures = [each[service]["a run"] for service in services]
        print(f"| {name} | " + " | ".join(map(str, (*figures, each["runs/s"], each["share of Azurite"]))) + " |")
    for kind, aims in AIMS.items():
        print(f"aims, {kind}: " + ", ".join(f"{service} ≤ {most}" for service, most in aims.items()))
    for name, each in cases.items():
        print(f"\n{name}")
        for service in services:
            print(
                f"  {service:<11}" + "  ".join(f"{what}: {count}" for what, count in each[service]["of these"].items())
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lone", type=int, default=3, help="runs that come one by one")
    parser.add_argument("--burst", type=int, default=100, help="runs that come at once")
    parser.add_argument("--threads", type=int, default=4, help="of each function")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    for name in ("runyard", "azure"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    found = measured(args.lone, args.burst, args.threads)
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)


if __name__ == "__main__":
    main()
