"""Adapters in memory: no files, no threads, the time from a clock. Public as :mod:`runyard.testing`."""

from runyard.stores.memory.blobs import MemoryBlobStore
from runyard.stores.memory.clock import ManualClock
from runyard.stores.memory.documents import MemoryComputeStore, MemoryMarkStore, MemorySecrets, MemoryWebhookStore
from runyard.stores.memory.gates import MemoryGates
from runyard.stores.memory.notify import MemoryCourier, MemoryDeliveryStore, MemorySubscriptionStore
from runyard.stores.memory.queue import MemoryQueue
from runyard.stores.memory.runs import MemoryRunStore
from runyard.stores.memory.schedules import MemoryScheduleStore

__all__ = [
    "ManualClock",
    "MemoryBlobStore",
    "MemoryComputeStore",
    "MemoryCourier",
    "MemoryDeliveryStore",
    "MemoryGates",
    "MemoryMarkStore",
    "MemoryQueue",
    "MemoryRunStore",
    "MemoryScheduleStore",
    "MemorySecrets",
    "MemorySubscriptionStore",
    "MemoryWebhookStore",
]
