"""Senders and receivers of Service Bus, one of each for a queue, opened once and used by all threads of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from runyard.stores.azure.bus_edge import translated
from runyard.stores.azure.lane import LOOK, Lane

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver, ServiceBusSender

    from runyard.stores.azure.clients import Sent

BUS_RETRIES: Final[Mapping[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.1, "retry_backoff_max": 1.0}
"""Three tries within a second; what still fails is raised, and messages and timers try again later."""
TRY_SECONDS: Final = 15.0
"""For one try of opening, sending or looking."""
SETTLE_SECONDS: Final = 10.0
"""How long the answer to a settlement is waited for."""
DEAD_LETTER_QUEUE: Final = "/$deadletterqueue"
"""What follows a queue's name in that of its dead-letter sub-queue.
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues#path-to-the-dead-letter-queue"""


class Sender:
    """A queue as it is sent to."""

    def __init__(self, name: str, make: Callable[[], ServiceBusSender]) -> None:
        self.name = name
        self._make = make
        self._turn = threading.Lock()
        self._sdk: ServiceBusSender | None = None

    def send(self, message: ServiceBusMessage) -> None:
        """Send a message; after a torn connection, which leaves open whether it arrived, once more."""
        with self._turn, translated(f"sending to the queue {self.name}"):
            if self._sdk is None:
                self._sdk = self._make()
            self._sdk.send_messages(message)

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            sender, self._sdk = self._sdk, None
            if sender is not None:
                sender.close()


class Bus:
    """The senders and receivers of a namespace."""

    def __init__(self, connect: Callable[[], ServiceBusClient], *, sent: Sent | None = None) -> None:
        """Nothing is connected to yet.

        Args:
            connect: Makes a client; nothing is opened by it.
            sent: Told of each operation, for counting.
        """
        self.heard = threading.Condition()
        """Notified when a lane has looked."""
        self.look = LOOK
        """Seconds that a look for messages waits for the service."""
        self._connect = connect
        self._sent = sent
        self._lock = threading.Lock()
        self._client: ServiceBusClient | None = None
        self._senders: dict[str, Sender] = {}
        self._lanes: dict[str, Lane] = {}

    def sender(self, name: str) -> Sender:
        """The one sender of a queue."""
        with self._lock:
            if name not in self._senders:
                self._senders[name] = Sender(name, lambda: self._opened().get_queue_sender(name))
            return self._senders[name]

    def lane(self, name: str) -> Lane:
        """The one receiver of a queue, or of ``NAME/$deadletterqueue``."""
        with self._lock:
            if name not in self._lanes:
                self._lanes[name] = Lane(name, lambda: self._receiver(name), self._tell, self.look)
            return self._lanes[name]

    def used(self) -> Sequence[str]:
        """The queues that this process has used."""
        with self._lock:
            return sorted(name for name in {*self._senders, *self._lanes} if not name.endswith(DEAD_LETTER_QUEUE))

    def forget(self, name: str) -> None:
        """Close what was opened for a queue that is not there."""
        with self._lock:
            both = [self._senders.pop(name, None), self._lanes.pop(name, None)]
        for each in both:
            if each is not None:
                each.close()

    def count(self, operation: str, name: str) -> None:
        """Tell of an operation."""
        if self._sent is not None:
            self._sent("servicebus", operation, name)

    def close(self) -> None:
        """Close every connection; each takes up to a second, so all at once."""
        with self._lock:
            both = [*self._senders.values(), *self._lanes.values()]
            self._senders, self._lanes, client, self._client = {}, {}, self._client, None
        if both:
            with ThreadPoolExecutor(len(both)) as pool:
                list(pool.map(lambda each: each.close(), both))
        if client is not None:
            client.close()

    def _opened(self) -> ServiceBusClient:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _receiver(self, name: str) -> ServiceBusReceiver:
        queue, mark, _ = name.partition(DEAD_LETTER_QUEUE)
        return self._opened().get_queue_receiver(
            queue, sub_queue="deadletter" if mark else None, socket_timeout=LOOK, timeout=SETTLE_SECONDS
        )

    def _tell(self) -> None:
        with self.heard:
            self.heard.notify_all()
