"""Adapters for one machine: one SQLite file and folders under one root."""

from runyard.stores.clock import SystemClock
from runyard.stores.embedded.blobs import FolderBlobs
from runyard.stores.embedded.database import Database
from runyard.stores.embedded.documents import EmbeddedComputeStore, EmbeddedWebhookStore
from runyard.stores.embedded.etag import etag_of
from runyard.stores.embedded.gates import EmbeddedGates
from runyard.stores.embedded.notify import EmbeddedDeliveryStore, EmbeddedSubscriptionStore
from runyard.stores.embedded.queue import EmbeddedQueue
from runyard.stores.embedded.runs import EmbeddedRunStore
from runyard.stores.embedded.secrets import FolderSecrets
from runyard.stores.embedded.stores import EmbeddedStores

__all__ = [
    "Database",
    "EmbeddedComputeStore",
    "EmbeddedDeliveryStore",
    "EmbeddedGates",
    "EmbeddedQueue",
    "EmbeddedRunStore",
    "EmbeddedStores",
    "EmbeddedSubscriptionStore",
    "EmbeddedWebhookStore",
    "FolderBlobs",
    "FolderSecrets",
    "SystemClock",
    "etag_of",
]
