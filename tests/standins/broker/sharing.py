"""The Azure queue that the tests of a process share: opening its connections takes half a second each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runyard.ports.clock import Clock
from runyard.ports.queue import DEAD_LETTERS
from runyard.stores.azure.lane import LOOK
from tests.standins.broker.running import Bench, broker

if TYPE_CHECKING:
    from runyard.stores.azure.bus import Bus
    from runyard.stores.azure.queue import AzureQueue

PATIENT = 0.2
"""Seconds that a look waits: the broker is a thread of this process, and others compete for its processor."""
_shared: list[tuple[Bench, Bus]] = []


def shared_queue(clock: Clock) -> AzureQueue:
    """An empty Azure queue on that clock; its queues exist once they are named. The one given out before is void."""
    from runyard.stores.azure.clients import Clients
    from runyard.stores.azure.queue import AzureQueue
    from runyard.stores.azure.settings import AzureSettings
    from tests.standins.broker.entities import QueueSettings

    if not _shared:
        bench = broker().namespace(on_demand=QueueSettings(forward_dead_letters_to=DEAD_LETTERS))
        bus = Clients(AzureSettings(bus_connection=bench.connection)).bus
        bus.look = PATIENT
        _shared.append((bench, bus))
    bench, bus = _shared[0]
    for name in bench.clear(clock.now):
        _forget(bus, name)
    return AzureQueue(bus, clock)


def _forget(bus: Bus, name: str) -> None:
    """Take what was on its way to the receiver, of messages that are no more."""
    lane = bus.lane(name)
    with lane._use("clearing") as receiver:
        while receiver.receive_messages(500, max_wait_time=LOOK):
            pass
        lane._held.clear()
        lane._come.clear()
