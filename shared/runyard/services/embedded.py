"""The adapters for one machine, wired: SQLite and folders under a root."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runyard.computes import ensure_default
from runyard.ports import Clock, Ports, TargetContext
from runyard.services.house import Services, teller
from runyard.stores.clock import SystemClock
from runyard.stores.courier import HttpCourier
from runyard.stores.embedded import EmbeddedStores
from runyard.targets.registry import Registry

HALF_WRITTEN: Final = 3600.0
"""Seconds without a change after which a half-written file has no writer any more."""


def open_embedded(root: Path, *, clock: Clock | None = None) -> Services:
    """Open a root folder (made, or upgraded, when needed) with the adapters for one machine.

    Raises:
        ConfigError: if the root was made by a newer version, or is not a folder that we may write to.
    """
    clock = clock or SystemClock()
    stores = EmbeddedStores.open(root, clock)
    targets = Registry(
        TargetContext(blobs=stores.blobs, secrets=stores.secrets, clock=clock, tell=teller(stores.queue), root=root)
    )
    ports = Ports(
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
        clock=clock,
        targets=targets,
    )
    services = Services(
        ports=ports,
        root=root,
        _tidy=lambda: stores.blobs.sweep(clock.now() - HALF_WRITTEN),
        _closers=[stores.close, targets.close],
    )
    try:
        ensure_default(ports, targets.default_compute())
    except BaseException:
        services.close()
        raise
    return services
