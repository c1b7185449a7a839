"""What survives a kill, for each adapter: a world opens the ports anew for each program that lives in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runyard.ports import Ports
from runyard.reconcile import recover
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import ManualClock, MemoryCourier, OnlyTargets, ScriptedTarget, memory_ports


@dataclass
class MemoryWorld:
    """Stores that all programs share, as in a cloud: nobody takes over, so only time and the reconciler help."""

    clock: ManualClock
    target: ScriptedTarget
    _ports: Ports | None = None

    def open(self) -> Ports:
        if self._ports is None:
            self._ports = memory_ports(OnlyTargets(self.target), clock=self.clock)
        return self._ports

    def take_over(self, ports: Ports) -> None:
        """Nobody does."""

    def close(self) -> None:
        self._ports = None


@dataclass
class EmbeddedWorld:
    """A root on disk: each program opens it anew, has lost what was in memory, and takes over as a host does."""

    clock: ManualClock
    target: ScriptedTarget
    folder: Path
    courier: MemoryCourier = field(default_factory=MemoryCourier, init=False)
    _stores: EmbeddedStores | None = field(default=None, init=False)

    def open(self) -> Ports:
        self.close()
        stores = self._stores = EmbeddedStores.open(self.folder, self.clock)
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
            courier=self.courier,
            secrets=stores.secrets,
            clock=self.clock,
            targets=OnlyTargets(self.target),
        )

    def take_over(self, ports: Ports) -> None:
        assert self._stores is not None
        self._stores.queue.release_locks()
        recover(ports)

    def close(self) -> None:
        if self._stores is not None:
            self._stores.close()
            self._stores = None


class World(Protocol):
    """What survives a kill."""

    def open(self) -> Ports:
        """The ports of a program that begins."""
        ...

    def take_over(self, ports: Ports) -> None:
        """What a program does first whose predecessor was killed."""
        ...

    def close(self) -> None:
        """The end of the world."""
        ...


MakeWorld = Callable[[ManualClock, ScriptedTarget], World]
