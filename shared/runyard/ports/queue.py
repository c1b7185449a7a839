"""Message queues with the semantics of Service Bus (peek-lock)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

MAX_BODY: Final = 220 * 1024
"""Bytes of a message's body. Service Bus' standard tier has 256 KiB for it with its header and its properties:
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas"""
MAX_PROPERTIES: Final = 32 * 1024
"""Bytes of a message's properties together, names included; the rest of the 256 KiB is for what the service adds."""
MAX_DELIVERIES: Final = 10
"""Deliveries after which a message is dead-lettered: Service Bus' default."""
DEAD_LETTERS: Final = "deadletters"
"""The one queue to which every other queue's dead letters are forwarded."""
COUNTED: Final = 10_000
"""How far :meth:`Queue.counts` counts each queue, so that a look at a flood does not add to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A received (or peeked) message."""

    queue: str
    id: str
    body: bytes
    sequence: int
    enqueued: float
    delivery_count: int
    """Counted at receive: 1 on the first delivery."""
    lock_token: str = ""
    """Empty on a peeked message."""
    locked_until: float = 0.0
    dead_letter_reason: str = ""
    dead_letter_description: str = ""
    dead_letter_source: str = ""
    """The queue it came from, on a message in the dead-letter queue."""
    properties: Mapping[str, str] = field(default_factory=dict)


class Queue(Protocol):
    """Durable queues by name. A queue exists once it is used. There is no order."""

    def send(
        self,
        name: str,
        body: bytes,
        *,
        delay: float = 0.0,
        message_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> str:
        """Put a message on the queue, to be seen not before ``delay`` seconds from now; returns its id.

        Args:
            name: The queue.
            body: At most :data:`MAX_BODY` bytes.
            delay: A lower bound, in seconds.
            message_id: At most 128 characters; random when not given. Not used for duplicate detection.
            properties: Application properties; at most :data:`MAX_PROPERTIES` bytes.
            durable: Whether it must survive a power cut once this returns (doors), not only a kill.

        Raises:
            ConfigError: if the body is too large, or the properties or the id are.
            StorageFullError: if there is no room.
        """
        ...

    def wake(self, name: str, body: bytes) -> None:
        """Send a message that may be merged with an equal one nobody has received yet. It carries no news.

        It may be lost with the process that would have received it: a host that begins wakes all that may have work.
        """
        ...

    def wait(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Wait up to ``seconds`` until one of these queues may have something to receive.

        Returns:
            Those that may; nobody promises that a receive finds something. Empty when the time is over, or after
            :meth:`interrupt`.
        """
        ...

    def interrupt(self) -> None:
        """Have the :meth:`wait` under way return now; without one, the next."""
        ...

    def receive(self, name: str, *, most: int, lock: float) -> Sequence[Message]:
        """Lock up to ``most`` of the messages that are there for ``lock`` seconds."""
        ...

    def complete(self, message: Message) -> None:
        """Remove a message.

        Raises:
            LockLostError: if its lock expired and it was unlocked or received again.
        """
        ...

    def complete_many(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Remove several messages, of any queues; returns those whose lock was lost, as for :meth:`complete`."""
        ...

    def abandon(self, message: Message) -> None:
        """Give a message back for immediate redelivery; dead-letters it after :data:`MAX_DELIVERIES`.

        Raises:
            LockLostError: as for ``complete``.
        """
        ...

    def dead_letter(self, message: Message, *, reason: str, description: str) -> None:
        """Move a message to :data:`DEAD_LETTERS`.

        A message of that queue, dead-lettered or delivered too often, stays in it: it is peeked, counted and redriven,
        but not received again.

        Raises:
            LockLostError: as for ``complete``.
        """
        ...

    def peek(self, name: str, *, most: int = 100) -> Sequence[Message]:
        """Look at messages without locking them (scheduled ones too), oldest first."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many messages each queue holds (scheduled and locked ones too); at most :data:`COUNTED` of each are counted."""
        ...

    def backlog(self, name: str, most: int) -> int:
        """How many messages the queue holds (scheduled and locked ones too); at most ``most`` are counted.

        Cheap enough for a door to ask before each message: it costs nothing while the queue is short.
        """
        ...

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """Send dead letters back to the queue they came from, with a fresh delivery count; returns how many."""
        ...
