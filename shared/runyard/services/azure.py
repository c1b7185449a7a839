"""The adapters for Azure, wired: Tables, Blob Storage, Service Bus and Key Vault."""

from __future__ import annotations

from runyard.ports import Clock, Identities, Ports, TargetContext
from runyard.services.entry import Entry
from runyard.services.house import Services, teller
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.clock import SystemClock
from runyard.stores.courier import HttpCourier
from runyard.targets.registry import Registry, cloud_paths


def open_azure(settings: AzureSettings, clock: Clock | None = None, *, make: bool = False) -> Services:
    """Open the stores in Azure; nothing is connected to before it is used, unless ``make`` asks for tables and containers.

    There is no compute of kind ``local``, and none is made: scripts do not run inside the Functions app.

    Raises:
        UnsupportedError: if the extra ``azure`` is not installed.
    """
    clock = clock or SystemClock()
    kinds = cloud_paths()
    stores = AzureStores(settings, clock, kinds=sorted(kinds))
    if make:
        stores.make()
    identities = _identities(settings)
    targets = Registry(
        TargetContext(blobs=stores.blobs, secrets=stores.secrets, clock=clock, tell=teller(stores.queue)), kinds
    )
    return Services(
        ports=_ports(stores, targets, identities),
        root=None,
        entry=Entry(stores.secrets, stores.blobs, identities),
        hosted=True,
        _closers=[stores.close, targets.close],
    )


def _ports(stores: AzureStores, targets: Registry, identities: Identities | None) -> Ports:
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
        courier=HttpCourier(),
        secrets=stores.secrets,
        clock=stores.clock,
        targets=targets,
        identities=identities,
    )


def _identities(settings: AzureSettings) -> Identities | None:
    if settings.entra is None:
        return None
    from runyard.stores.azure.entra import EntraTokens  # noqa: PLC0415 - off unless the settings name a directory

    return EntraTokens(settings.entra)
