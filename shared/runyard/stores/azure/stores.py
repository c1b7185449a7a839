"""All stores of one yard in Azure; each is made on first use, so that a function pays for what it uses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from runyard.errors import ConfigError
from runyard.ports import (
    BlobStore,
    Clock,
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
from runyard.stores.azure import names
from runyard.stores.azure.clients import Clients, Sent
from runyard.stores.azure.edge import translated
from runyard.stores.azure.settings import SECRETS_FOLDER, STORAGE, AzureSettings

if TYPE_CHECKING:
    from runyard.stores.azure.links import Links
    from runyard.stores.azure.table import Table


class AzureStores:
    """The adapters, by the settings."""

    def __init__(
        self, settings: AzureSettings, clock: Clock, *, kinds: Sequence[str] = (), sent: Sent | None = None
    ) -> None:
        """Nothing is connected to yet.

        Args:
            settings: Where the services are.
            clock: The time.
            kinds: The kinds of compute, each of which has a queue.
            sent: Told of each request, for counting.
        """
        self._kinds = kinds
        self.settings = settings
        self.clock = clock
        self.clients = Clients(settings, sent=sent)

    def table(self, name: str) -> Table:
        """A table, by a name of :mod:`runyard.stores.azure.names`."""
        from runyard.stores.azure.table import Table  # noqa: PLC0415

        return Table(self.clients.tables.get_table_client(name))

    def make(self) -> None:
        """Make the tables and containers that are missing: for development; in Azure the templates made them."""
        with translated(f"making the tables where the setting {STORAGE} says"):
            for name in names.TABLES:
                self.clients.tables.create_table_if_not_exists(name)
        with translated(f"making the containers where the setting {STORAGE} says"):
            for name in names.CONTAINERS:
                container = self.clients.blobs.get_container_client(name)
                if not container.exists():
                    container.create_container()

    @cached_property
    def runs(self) -> RunStore:
        """The table of runs."""
        from runyard.stores.azure.runs import AzureRunStore  # noqa: PLC0415

        return AzureRunStore(self.table, self.clock, listened=self.subscriptions.any)

    @cached_property
    def gates(self) -> Gates:
        """The gates of computes."""
        from runyard.stores.azure.gates import AzureGates  # noqa: PLC0415

        return AzureGates(self.table(names.GATES))

    @cached_property
    def queue(self) -> Queue:
        """Service Bus."""
        from runyard.stores.azure.queue import AzureQueue  # noqa: PLC0415

        queues = (*names.QUEUES, *map(names.dispatch_queue, self._kinds))
        return AzureQueue(self.clients.bus, self.clock, queues=queues)

    @cached_property
    def blobs(self) -> BlobStore:
        """Blob Storage."""
        from runyard.stores.azure.blobs import AzureBlobs  # noqa: PLC0415

        return AzureBlobs(self.clients.blobs, self.links)

    @cached_property
    def links(self) -> Links:
        """Signs links to blobs."""
        from runyard.stores.azure.links import Links  # noqa: PLC0415

        return Links(self.clients.blobs, self.clock)

    @cached_property
    def computes(self) -> ComputeStore:
        """Computes and aliases."""
        from runyard.stores.azure.documents import AzureComputeStore  # noqa: PLC0415

        return AzureComputeStore(self.table(names.DOCUMENTS))

    @cached_property
    def webhooks(self) -> WebhookStore:
        """Webhooks."""
        from runyard.stores.azure.documents import AzureWebhookStore  # noqa: PLC0415

        return AzureWebhookStore(self.table(names.DOCUMENTS))

    @cached_property
    def schedules(self) -> ScheduleStore:
        """Schedules."""
        from runyard.stores.azure.schedules import AzureScheduleStore  # noqa: PLC0415

        return AzureScheduleStore(self.table(names.SCHEDULES))

    @cached_property
    def marks(self) -> MarkStore:
        """Start marks."""
        from runyard.stores.azure.documents import AzureMarkStore  # noqa: PLC0415

        return AzureMarkStore(self.table(names.DOCUMENTS))

    @cached_property
    def subscriptions(self) -> SubscriptionStore:
        """Subscriptions."""
        from runyard.stores.azure.documents import AzureSubscriptionStore  # noqa: PLC0415

        return AzureSubscriptionStore(self.table(names.DOCUMENTS))

    @cached_property
    def deliveries(self) -> DeliveryStore:
        """Deliveries."""
        from runyard.stores.azure.deliveries import AzureDeliveryStore  # noqa: PLC0415

        return AzureDeliveryStore(self.table(names.DELIVERIES))

    @cached_property
    def secrets(self) -> Secrets:
        """Key Vault, or a folder for development."""
        if self.settings.secrets_folder is not None:
            from runyard.stores.embedded.secrets import FolderSecrets  # noqa: PLC0415

            try:
                self.settings.secrets_folder.parent.mkdir(parents=True, exist_ok=True)
                return FolderSecrets(self.settings.secrets_folder)
            except OSError as error:
                raise ConfigError(
                    f"the setting {SECRETS_FOLDER} is no folder to write to: {self.settings.secrets_folder}: {error.strerror}"
                ) from error
        from runyard.stores.azure.vault import VaultSecrets  # noqa: PLC0415

        return VaultSecrets(self.clients.vault, self.clock)

    def close(self) -> None:
        """Close every connection; repeatable."""
        self.clients.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
