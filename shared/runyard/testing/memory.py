"""All ports in memory, in one value."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.errors import UnsupportedError
from runyard.ports import Clock, ComputeTarget, Ports, Targets
from runyard.stores.memory import (
    ManualClock,
    MemoryBlobStore,
    MemoryComputeStore,
    MemoryCourier,
    MemoryDeliveryStore,
    MemoryGates,
    MemoryMarkStore,
    MemoryQueue,
    MemoryRunStore,
    MemoryScheduleStore,
    MemorySecrets,
    MemorySubscriptionStore,
    MemoryWebhookStore,
)


class OnlyTargets:
    """A registry (:class:`~runyard.ports.Targets`) with the given targets and no other."""

    def __init__(self, *targets: ComputeTarget) -> None:
        self._targets = {target.kind: target for target in targets}

    def get(self, kind: str) -> ComputeTarget:
        """The target of a kind; see the port."""
        try:
            return self._targets[kind]
        except KeyError:
            there = ", ".join(self.kinds()) or "none"
            raise UnsupportedError(f"there is no kind {kind!r} here; there are: {there}") from None

    def kinds(self) -> Sequence[str]:
        """The names of all kinds at hand, sorted."""
        return sorted(self._targets)


def memory_ports(targets: Targets, *, clock: Clock | None = None) -> Ports:
    """All ports in memory over the given targets; without ``clock``, on a :class:`ManualClock`.

    The drop container is watched from now on, as that of a root is from when it is made.
    """
    clock = clock or ManualClock()
    subscriptions = MemorySubscriptionStore()
    marks = MemoryMarkStore()
    marks.begin("snapshots", clock.now())
    return Ports(
        runs=MemoryRunStore(listened=subscriptions.any),
        gates=MemoryGates(),
        queue=MemoryQueue(clock),
        blobs=MemoryBlobStore(clock),
        computes=MemoryComputeStore(),
        webhooks=MemoryWebhookStore(),
        subscriptions=subscriptions,
        deliveries=MemoryDeliveryStore(),
        courier=MemoryCourier(),
        schedules=MemoryScheduleStore(),
        marks=marks,
        secrets=MemorySecrets(clock.now),
        clock=clock,
        targets=targets,
    )
