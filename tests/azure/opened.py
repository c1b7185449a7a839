"""Services of Azure over stores in memory: what is wired there, without the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from runyard.ports import Clock, Ports
from runyard.services import Services, open_azure
from runyard.services import azure as wiring
from runyard.stores.azure.settings import AzureSettings, azure_settings
from runyard.testing import ManualClock, OnlyTargets, memory_ports

SETTINGS: Mapping[str, str] = {
    "Storage__blobServiceUri": "https://yard.blob.core.windows.net",
    "Storage__tableServiceUri": "https://yard.table.core.windows.net",
    "ServiceBus__fullyQualifiedNamespace": "yard.servicebus.windows.net",
    "KeyVault__vaultUri": "https://yard.vault.azure.net",
}
STORES = (
    "runs",
    "gates",
    "queue",
    "blobs",
    "computes",
    "webhooks",
    "schedules",
    "marks",
    "subscriptions",
    "deliveries",
    "secrets",
)


def in_memory(monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None) -> Ports:
    """Have ``open_azure`` find the stores in memory; returns them."""
    ports = memory_ports(OnlyTargets(), clock=clock)

    def stores(settings: AzureSettings, clock: object, *, kinds: Sequence[str]) -> Any:
        return SimpleNamespace(
            **{name: getattr(ports, name) for name in STORES}, clock=clock, close=lambda: None, make=lambda: None
        )

    monkeypatch.setattr(wiring, "AzureStores", stores)
    return ports


def opened(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str] | None = None) -> Services:
    """Services as an app in Azure opens them, with these settings beside the usual ones."""
    clock = ManualClock()
    in_memory(monkeypatch, clock)
    return open_azure(azure_settings({**SETTINGS, **(settings or {})}), clock)


def set_environment(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str] = SETTINGS) -> None:
    """Be an app with these settings."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
