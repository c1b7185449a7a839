"""All stores of one machine under one root folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runyard.errors import ConfigError
from runyard.ports.clock import Clock
from runyard.stores.clock import SystemClock
from runyard.stores.embedded.blobs import FolderBlobs
from runyard.stores.embedded.database import Database
from runyard.stores.embedded.documents import EmbeddedComputeStore, EmbeddedMarkStore, EmbeddedWebhookStore
from runyard.stores.embedded.files import no_room, time_of
from runyard.stores.embedded.gates import EmbeddedGates
from runyard.stores.embedded.notify import EmbeddedDeliveryStore, EmbeddedSubscriptionStore
from runyard.stores.embedded.queue import EmbeddedQueue
from runyard.stores.embedded.runs import EmbeddedRunStore
from runyard.stores.embedded.schedules import EmbeddedScheduleStore
from runyard.stores.embedded.secrets import FolderSecrets

DATABASE = "runyard.db"
DROPS = "snapshots"
"""The drop container. Its start mark is set when the root is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStores:
    """The stores of one root; any thread may use them, and a command beside a running host."""

    root: Path
    clock: Clock
    runs: EmbeddedRunStore
    gates: EmbeddedGates
    queue: EmbeddedQueue
    blobs: FolderBlobs
    computes: EmbeddedComputeStore
    webhooks: EmbeddedWebhookStore
    schedules: EmbeddedScheduleStore
    marks: EmbeddedMarkStore
    subscriptions: EmbeddedSubscriptionStore
    deliveries: EmbeddedDeliveryStore
    secrets: FolderSecrets
    database: Database

    @classmethod
    def open(cls, root: Path, clock: Clock | None = None) -> Self:
        """Open the root; create it (0700, with ``snapshots/``) or upgrade it as needed.

        Raises:
            ConfigError: if the folder cannot be used, or a newer Runyard wrote it.
            StorageFullError: if there is no room.
        """
        clock = clock or SystemClock()
        try:
            with no_room(root):
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
                root = root.resolve()
                if root.stat().st_mode & 0o077:
                    root.chmod(0o700)
                (root / DROPS).mkdir(exist_ok=True)
                secrets = FolderSecrets(root / "secrets")
        except OSError as error:
            raise ConfigError(f"{root} cannot be used as the root: {error.strerror}; choose another folder") from error
        database = Database(root / DATABASE)
        marks = EmbeddedMarkStore(database)
        if marks.get(DROPS) is None:
            marks.begin(DROPS, time_of(root / DROPS, clock))
        return cls(
            root=root,
            clock=clock,
            runs=EmbeddedRunStore(database),
            gates=EmbeddedGates(database),
            queue=EmbeddedQueue(database, clock),
            blobs=FolderBlobs(root),
            computes=EmbeddedComputeStore(database),
            webhooks=EmbeddedWebhookStore(database),
            schedules=EmbeddedScheduleStore(database),
            marks=marks,
            subscriptions=EmbeddedSubscriptionStore(database),
            deliveries=EmbeddedDeliveryStore(database),
            secrets=secrets,
            database=database,
        )

    def close(self) -> None:
        """Finish the writes at hand and close the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
