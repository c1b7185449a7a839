"""The adapters that the suites run over. A new one joins with one more entry in ``ADAPTERS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import pytest

from runyard.errors import UnsupportedError
from runyard.ports import (
    BlobStore,
    ComputeStore,
    DeliveryStore,
    Gates,
    MarkStore,
    Queue,
    RunStore,
    ScheduleStore,
    Secrets,
    SubscriptionStore,
    WebhookStore,
)
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.azure.vault import VaultSecrets
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import (
    FaultyPorts,
    ManualClock,
    MemoryBlobStore,
    MemoryComputeStore,
    MemoryDeliveryStore,
    MemoryGates,
    MemoryMarkStore,
    MemoryQueue,
    MemoryRunStore,
    MemoryScheduleStore,
    MemorySecrets,
    MemorySubscriptionStore,
    MemoryWebhookStore,
    OnlyTargets,
    ShakyQueue,
    Steps,
    memory_ports,
)
from tests.standins.azurite import azurite
from tests.standins.broker import shared_queue
from tests.standins.vault import vault


@dataclass(frozen=True, kw_only=True)
class Stores:
    """One adapter of each port."""

    runs: RunStore
    gates: Gates
    queue: Queue
    blobs: BlobStore
    computes: ComputeStore
    webhooks: WebhookStore
    schedules: ScheduleStore
    marks: MarkStore
    subscriptions: SubscriptionStore
    deliveries: DeliveryStore
    secrets: Secrets


@contextmanager
def memory(folder: Path, clock: ManualClock) -> Iterator[Stores]:
    subscriptions = MemorySubscriptionStore()
    yield Stores(
        runs=MemoryRunStore(listened=subscriptions.any),
        gates=MemoryGates(),
        queue=MemoryQueue(clock),
        blobs=MemoryBlobStore(clock),
        computes=MemoryComputeStore(),
        webhooks=MemoryWebhookStore(),
        schedules=MemoryScheduleStore(),
        marks=MemoryMarkStore(),
        subscriptions=subscriptions,
        deliveries=MemoryDeliveryStore(),
        secrets=MemorySecrets(),
    )


@contextmanager
def wrapped(folder: Path, clock: ManualClock) -> Iterator[Stores]:
    """What stands around a store in a test must not change what it promises, as long as it does nothing."""
    ports = memory_ports(OnlyTargets(), clock=clock)
    queue = ShakyQueue(inner=ports.queue, seed=0, double=0, delay=0, drop=0, lose_lock=0, reorder=False)
    ports = Steps(inner=FaultyPorts(inner=replace(ports, queue=queue)).ports).ports
    yield Stores(
        runs=ports.runs,
        gates=ports.gates,
        queue=ports.queue,
        blobs=ports.blobs,
        computes=ports.computes,
        webhooks=ports.webhooks,
        schedules=ports.schedules,
        marks=ports.marks,
        subscriptions=ports.subscriptions,
        deliveries=ports.deliveries,
        secrets=ports.secrets,
    )


@contextmanager
def embedded(folder: Path, clock: ManualClock) -> Iterator[Stores]:
    with EmbeddedStores.open(folder / "root", clock) as stores:
        yield Stores(
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
            secrets=stores.secrets,
        )


class Azure:
    """The adapters for Azure, each made when a test asks for it: most need only one of the stand-ins."""

    def __init__(self, stores: AzureStores, folder: Path, close: ExitStack) -> None:
        self._stores = stores
        self._folder = folder
        self._close = close

    @cached_property
    def secrets(self) -> Secrets:
        client = self._close.enter_context(vault(self._folder)).client()
        return VaultSecrets(self._close.enter_context(client), self._stores.clock)

    @cached_property
    def queue(self) -> Queue:
        """On the broker; its connections are the tests' in common."""
        return shared_queue(self._stores.clock)

    def __getattr__(self, port: str) -> object:
        try:
            return getattr(self._stores, port)
        except UnsupportedError as missing:
            pytest.skip(str(missing))


@contextmanager
def azure(folder: Path, clock: ManualClock) -> Iterator[Stores]:
    """An account of its own in Azurite."""
    settings = AzureSettings(storage_connection=azurite().account().connection)
    with AzureStores(settings, clock) as stores, ExitStack() as close:
        stores.make()
        stores.clients.blobs.create_container("my-data2")  # somebody's own
        yield cast("Stores", Azure(stores, folder, close))


ADAPTERS: dict[str, Callable[[Path, ManualClock], AbstractContextManager[Stores]]] = {
    "memory": memory,
    "embedded": embedded,
    "wrapped": wrapped,
    "azure": azure,
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=sorted(ADAPTERS))
def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Stores]:
    with ADAPTERS[request.param](tmp_path, clock) as adapters:
        yield adapters


@pytest.fixture
def runs(stores: Stores) -> RunStore:
    return stores.runs


@pytest.fixture
def gates(stores: Stores) -> Gates:
    return stores.gates


@pytest.fixture
def queue(stores: Stores) -> Queue:
    return stores.queue


@pytest.fixture
def blobs(stores: Stores) -> BlobStore:
    return stores.blobs


@pytest.fixture
def computes(stores: Stores) -> ComputeStore:
    return stores.computes


@pytest.fixture
def webhooks(stores: Stores) -> WebhookStore:
    return stores.webhooks


@pytest.fixture
def schedules(stores: Stores) -> ScheduleStore:
    return stores.schedules


@pytest.fixture
def marks(stores: Stores) -> MarkStore:
    return stores.marks


@pytest.fixture
def secrets(stores: Stores) -> Secrets:
    return stores.secrets


@pytest.fixture
def subscriptions(stores: Stores) -> SubscriptionStore:
    return stores.subscriptions


@pytest.fixture
def deliveries(stores: Stores) -> DeliveryStore:
    return stores.deliveries
