"""In-memory adapters for tests: of Runyard, and of whatever is built on it.

They keep every promise of the ports (the contract suite runs over them), need no files and no cloud, and take the
time from a clock that a test turns by hand::

    clock = ManualClock()
    ports = memory_ports(targets=my_targets, clock=clock)
    ports.queue.send("submissions", b"{}", delay=60)
    clock.advance(60)
"""

from __future__ import annotations

from runyard.ports.bundle import Ports
from runyard.ports.clock import Clock
from runyard.ports.target import Targets
from runyard.stores.memory import (
    ManualClock,
    MemoryBlobStore,
    MemoryComputeStore,
    MemoryGates,
    MemoryQueue,
    MemoryRunStore,
    MemorySecrets,
    MemoryWebhookStore,
)

__all__ = [
    "ManualClock",
    "MemoryBlobStore",
    "MemoryComputeStore",
    "MemoryGates",
    "MemoryQueue",
    "MemoryRunStore",
    "MemorySecrets",
    "MemoryWebhookStore",
    "memory_ports",
]


def memory_ports(targets: Targets, *, clock: Clock | None = None) -> Ports:
    """All ports in memory over the given targets; without ``clock``, on a :class:`ManualClock`."""
    clock = clock or ManualClock()
    return Ports(
        runs=MemoryRunStore(),
        gates=MemoryGates(),
        queue=MemoryQueue(clock),
        blobs=MemoryBlobStore(clock),
        computes=MemoryComputeStore(),
        webhooks=MemoryWebhookStore(),
        secrets=MemorySecrets(),
        clock=clock,
        targets=targets,
    )
