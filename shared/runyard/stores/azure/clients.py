"""The SDKs' clients: one connection pool each, re-used for the life of the process; made on first use.

Retries: the SDKs re-send what was refused for a passing reason (429, 500, 502, 503, 504, a broken connection), honouring
Retry-After, a few times within seconds; what still fails is raised as ours, and messages and timers try again later. A re-sent
write may meet its own first sending: every write here is one that can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from runyard.stores.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.data.tables import TableServiceClient
    from azure.keyvault.secrets import SecretClient
    from azure.servicebus import ServiceBusClient
    from azure.storage.blob import BlobServiceClient

    from runyard.stores.azure.bus import Bus

RETRIES: Final[Mapping[str, Any]] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 5,
    "retry_mode": "exponential",
}
"""For Tables; seconds. Four sendings within about 5 s."""
PIECES: Final[Mapping[str, Any]] = {"max_single_get_size": 8 << 20, "max_chunk_get_size": 8 << 20}
"""Bytes of one answer with a blob's content."""
TIMEOUTS: Final[Mapping[str, Any]] = {"connection_timeout": 10, "read_timeout": 30}

Sent = Callable[[str, str, str], None]
"""What is called for each request that is sent: (service, method, path). For counting; it must be quick and raise nothing."""


class Clients:
    """Makes clients by the settings."""

    def __init__(self, settings: AzureSettings, *, sent: Sent | None = None) -> None:
        self.settings = settings
        self._sent = sent

    @cached_property
    def credential(self) -> TokenCredential:
        """The managed identity in Azure; on a developer's machine whoever is signed in."""
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - 0.2 s, not needed with connection strings

        return DefaultAzureCredential(managed_identity_client_id=self.settings.client_id or None)

    @cached_property
    def tables(self) -> TableServiceClient:
        """Tables."""
        from azure.data.tables import TableServiceClient  # noqa: PLC0415

        options = {**RETRIES, **TIMEOUTS, **self._hook("tables")}
        if self.settings.storage_connection:
            return TableServiceClient.from_connection_string(self.settings.storage_connection, **options)
        return TableServiceClient(endpoint=self.settings.table_uri, credential=self.credential, **options)

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """Blob Storage."""
        from azure.storage.blob import BlobServiceClient  # noqa: PLC0415

        from runyard.stores.azure.retries import Patient  # noqa: PLC0415

        options = {"retry_policy": Patient(), **PIECES, **TIMEOUTS, **self._hook("blobs")}
        if self.settings.storage_connection:
            return BlobServiceClient.from_connection_string(self.settings.storage_connection, **options)
        return BlobServiceClient(self.settings.blob_uri, credential=self.credential, **options)

    @cached_property
    def bus(self) -> Bus:
        """Service Bus."""
        from runyard.stores.azure.bus import Bus  # noqa: PLC0415

        return Bus(self._service_bus, sent=self._sent)

    def _service_bus(self) -> ServiceBusClient:
        from azure.servicebus import ServiceBusClient  # noqa: PLC0415

        from runyard.stores.azure.bus import BUS_RETRIES, TRY_SECONDS  # noqa: PLC0415

        if self.settings.bus_connection:
            return ServiceBusClient.from_connection_string(
                self.settings.bus_connection, try_timeout=TRY_SECONDS, **BUS_RETRIES
            )
        return ServiceBusClient(self.settings.namespace, self.credential, try_timeout=TRY_SECONDS, **BUS_RETRIES)

    @cached_property
    def vault(self) -> SecretClient:
        """Key Vault's secrets."""
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415

        options = {**RETRIES, **TIMEOUTS, **self._policies("vault")}
        return SecretClient(self.settings.vault_uri, self.credential, **options)

    def _hook(self, service: str) -> dict[str, Any]:
        """The same for the clients of storage, which take no further policies; their hook comes after the retries, too."""
        if self._sent is None:
            return {}
        from runyard.stores.azure.counting import Counting  # noqa: PLC0415

        return {"raw_request_hook": Counting(service, self._sent).on_request}

    def _policies(self, service: str) -> dict[str, Any]:
        """What counts requests, each sending of a retried one too."""
        if self._sent is None:
            return {}
        from runyard.stores.azure.counting import Counting  # noqa: PLC0415

        return {"per_retry_policies": [Counting(service, self._sent)]}

    def close(self) -> None:
        """Close what was opened."""
        for name in ("tables", "blobs", "bus", "vault", "credential"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
