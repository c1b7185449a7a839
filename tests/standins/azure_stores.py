"""The stores of Azure over tables in memory: the real adapters of everything that is kept in tables."""

from __future__ import annotations

from typing import cast

from runyard.ports import BlobStore, Clock, Ports, Queue, Secrets, Targets
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.azure.table import Table
from runyard.testing import MemoryCourier
from tests.standins.tables import MemoryTables


class TabledStores(AzureStores):
    """:class:`AzureStores` whose tables are in memory."""

    def __init__(self, tables: MemoryTables, clock: Clock) -> None:
        super().__init__(AzureSettings(), clock)
        self._memory = tables

    def table(self, name: str) -> Table:
        return cast("Table", self._memory.table(name))


def tabled_ports(
    stores: AzureStores,
    targets: Targets,
    *,
    queue: Queue,
    blobs: BlobStore,
    secrets: Secrets,
    courier: MemoryCourier | None = None,
) -> Ports:
    """All ports: what Azure keeps in tables from ``stores``, the rest as given."""
    return Ports(
        runs=stores.runs,
        gates=stores.gates,
        queue=queue,
        blobs=blobs,
        computes=stores.computes,
        webhooks=stores.webhooks,
        schedules=stores.schedules,
        marks=stores.marks,
        subscriptions=stores.subscriptions,
        deliveries=stores.deliveries,
        courier=courier or MemoryCourier(),
        secrets=secrets,
        clock=stores.clock,
        targets=targets,
    )
