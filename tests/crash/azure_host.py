"""A host for the chain on Azure's adapters: an instance of the Functions app, with connections and caches of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final
from unittest import mock

from runyard.accept import accept
from runyard.dispatch import dispatch
from runyard.dispatch.patience import patiently
from runyard.dispatch.wakes import FINISHED, NOTIFY, SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import RunyardError
from runyard.notify import announce, deliver
from runyard.ports import Message, Ports
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury
from runyard.services import Services
from runyard.stores.azure import bus as bus_adapter
from runyard.stores.azure import clients, retries
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.testing import ManualClock, MemoryCourier, OnlyTargets, ScriptedTarget
from runyard.watch import watch
from tests.standins.broker import Bench

THREADS: Final = 6
LOCK: Final = 300.0
QUICK: Final = {**clients.RETRIES, "retry_backoff_factor": 0.01}
"""The SDK's retries, as many and sooner."""
SETTLE: Final = 1.0
"""Real seconds after which a settlement's answer counts as lost."""


class Host:
    """An instance of the Functions app: stores of its own, and threads that handle messages."""

    def __init__(self, stores: AzureStores, ports: Ports, stopping: threading.Event) -> None:
        self.stores = stores
        self.services = Services(ports=ports, root=None, hosted=True, _closers=[stores.close])
        self.ports = self.services.ports
        self.busy = 0
        self.handled: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stopping = stopping
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]
        turns, kind = self.services.turns, dispatch_queue("scripted")
        self._handlers: dict[str, Callable[[Message], object]] = {
            SUBMISSIONS: lambda m: accept(self.ports, m.body, message_id=m.id, enqueued=m.enqueued),
            kind: lambda m: turns.take(kind, m.body, partial(dispatch, self.ports)),
            WATCH: lambda m: turns.take(WATCH, m.body, partial(watch, self.ports)),
            FINISHED: lambda m: announce(self.ports, m.body),
            NOTIFY: lambda m: turns.take(NOTIFY, m.body, partial(deliver, self.ports)),
            DEAD_LETTERS: lambda m: bury(self.ports, m),
        }

    def start(self) -> None:
        """Begin to take messages."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, once the stop was told."""
        for thread in self._threads:
            thread.join(30)
        self.services.close()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                for name in self.ports.queue.wait(list(self._handlers), 0.5):
                    for message in self.ports.queue.receive(name, most=1, lock=LOCK):
                        self._handle(name, message)
            except RunyardError:
                continue  # the queue failed, as asked
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                raise

    def _handle(self, name: str, message: Message) -> None:
        """As the Functions host does: what returns is completed, what raises is given back."""
        with self._lock:
            self.busy += 1
            self.handled[name] += 1
        try:
            patiently(self.ports, message, lambda: self._handlers[name](message))
        except RunyardError:
            with contextlib.suppress(RunyardError):  # its lock ends then
                self.ports.queue.abandon(message)
        else:
            with contextlib.suppress(RunyardError):  # it comes again
                self.ports.queue.complete(message)
        finally:
            with self._lock:
                self.busy -= 1


def ports_of(stores: AzureStores, target: ScriptedTarget, courier: MemoryCourier) -> Ports:
    """All ports over the stores."""
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
        courier=courier,
        secrets=stores.secrets,
        clock=stores.clock,
        targets=OnlyTargets(target),
    )


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """The adapters try as often as ever, and wait less between tries: the machine's time is not the chain's."""
    with (
        mock.patch.object(clients, "RETRIES", QUICK),
        mock.patch.object(retries, "FIRST", 0.01),
        mock.patch.object(bus_adapter, "SETTLE_SECONDS", SETTLE),
    ):
        yield


def stores_of(connection: str, bench: Bench, folder: Path, clock: ManualClock) -> AzureStores:
    settings = AzureSettings(
        storage_connection=connection, bus_connection=bench.connection, secrets_folder=folder / "secrets"
    )
    return AzureStores(settings, clock)
