"""Queues with peek-lock, as Service Bus keeps them: no network here."""

from __future__ import annotations

import heapq
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from proton import symbol, timestamp

from tests.standins.broker.rules import (
    FULL,
    LOCK_LOST,
    NO_MESSAGE,
    NOT_FOUND,
    RefusedError,
    check_letter,
    check_message,
    check_queue,
)
from tests.standins.broker.wire import Parts, build, parse

DEAD_LETTER_QUEUE: Final = "/$deadletterqueue"
SCHEDULED: Final = symbol("x-opt-scheduled-enqueue-time")
_SOURCE: Final = symbol("x-opt-deadletter-source")
_STATE: Final = symbol("x-opt-message-state")
_REASON, _DESCRIPTION = "DeadLetterReason", "DeadLetterErrorDescription"
TOO_MANY: Final = "MaxDeliveryCountExceeded"

Time = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How a queue is made."""

    lock: float = 60.0
    """Seconds."""
    max_delivery_count: int = 10
    forward_dead_letters_to: str | None = None
    max_bytes: int = 1 << 30
    """The room that it has; the least that can be bought is 1 GB."""


@dataclass(kw_only=True)
class Stored:
    """A message in a queue."""

    parts: Parts
    sequence: int
    enqueued: float
    size: int
    due: float = 0.0
    """When a scheduled one is enqueued; 0 = it is."""
    failed: int = 0
    """Deliveries that came to nothing."""
    token: uuid.UUID | None = None
    locked_until: float = 0.0
    owner: str = ""
    """The link that holds the lock."""


class Entity:
    """One queue, or its dead-letter sub-queue."""

    def __init__(self, name: str, settings: QueueSettings, namespace: Namespace, parent: Entity | None = None) -> None:
        self.name = name
        self.settings = settings
        self.parent = parent
        """The queue whose dead letters these are."""
        self._namespace = namespace
        self._sequence = 0
        self.messages: dict[int, Stored] = {}
        self._ready: list[int] = []
        self._scheduled: list[tuple[float, int]] = []
        self._locked: dict[uuid.UUID, int] = {}
        self._bytes = 0
        self.delivered = 0
        """How many deliveries there were."""

    def add(self, parts: Parts, size: int, *, due: float = 0.0) -> Stored:
        """Take a message in; ``due`` in the future schedules it."""
        now = self._namespace.now()
        if self._bytes + size > self.settings.max_bytes:
            raise RefusedError(FULL, f"The maximum entity size has been reached or exceeded for Queue: '{self.name}'.")
        scheduled = due if due > now else 0.0
        stored = Stored(parts=parts, sequence=self._next(), enqueued=scheduled or now, size=size, due=scheduled)
        self._keep(stored)
        return stored

    def receive(self, owner: str) -> Stored | None:
        """Lock the message that is there for longest."""
        self.settle_time()
        while self._ready:
            stored = self.messages.get(heapq.heappop(self._ready))
            if stored is None or stored.token is not None or stored.due:
                continue
            self.delivered += 1
            stored.token, stored.owner = uuid.uuid4(), owner
            stored.locked_until = self._namespace.now() + self.settings.lock
            self._locked[stored.token] = stored.sequence
            return stored
        return None

    def held(self, token: uuid.UUID) -> Stored:
        """The message of a lock."""
        self.settle_time()
        sequence = self._locked.get(token)
        if sequence is None:
            raise RefusedError(
                LOCK_LOST,
                "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
            )
        return self.messages[sequence]

    def complete(self, stored: Stored) -> None:
        """Remove a message."""
        self._forget_lock(stored)
        del self.messages[stored.sequence]
        self._bytes -= stored.size

    def abandon(self, stored: Stored, *, counts: bool = True) -> None:
        """Give a message back; a released one (without ``counts``) as if it had never been delivered."""
        self._forget_lock(stored)
        # A dead-letter queue neither counts nor dead-letters:
        # https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues
        if counts and self.parent is None:
            stored.failed += 1
            if stored.failed >= self.settings.max_delivery_count:
                why = f"Message could not be consumed after {self.settings.max_delivery_count} delivery attempts."
                self.dead_letter(stored, TOO_MANY, why)
                return
        heapq.heappush(self._ready, stored.sequence)

    def dead_letter(self, stored: Stored, reason: str, description: str) -> None:
        """Move a message to the dead letters, or to where they are forwarded."""
        check_letter(reason, description)
        told = {name: text for name, text in ((_REASON, reason), (_DESCRIPTION, description)) if text}
        parts = replace(stored.parts, application=stored.parts.application | told)
        target = self.settings.forward_dead_letters_to
        if self.parent is not None:  # it is among the dead letters already
            self.complete(stored)
            self._keep(replace(stored, parts=parts))
            return
        if target is not None:
            parts.annotations = parts.annotations | {_SOURCE: self.name}
        self._namespace.entity(target or self.name + DEAD_LETTER_QUEUE).add(parts, stored.size)
        self.complete(stored)

    def renew(self, token: uuid.UUID) -> float:
        """Renew a lock; until when it lasts."""
        stored = self.held(token)
        stored.locked_until = self._namespace.now() + self.settings.lock
        return stored.locked_until

    def cancel(self, sequence: int) -> None:
        """Cancel a scheduled message."""
        self.settle_time()
        stored = self.messages.get(sequence)
        if stored is None or not stored.due:
            raise RefusedError(NO_MESSAGE, f"there is no scheduled message {sequence}")
        del self.messages[sequence]
        self._bytes -= stored.size

    def peek(self, first: int, most: int) -> Iterator[Stored]:
        """Messages from a sequence number on, whatever state they are in."""
        self.settle_time()
        for sequence in sorted(number for number in self.messages if number >= first)[:most]:
            yield self.messages[sequence]

    def drop_locks(self, owner: str) -> None:
        """The link or the connection that held them is gone."""
        for token in list(self._locked):
            stored = self.messages[self._locked[token]]
            if stored.owner == owner:
                self.abandon(stored)

    def settle_time(self) -> None:
        """Do what the time has come for: enqueue scheduled messages, let locks expire."""
        now = self._namespace.now()
        while self._scheduled and self._scheduled[0][0] <= now:
            _, sequence = heapq.heappop(self._scheduled)
            stored = self.messages.pop(sequence, None)
            if stored is not None and stored.due:
                # An activated message gets a new sequence number:
                # https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing#scheduled-messages
                stored.sequence, stored.due = self._next(), 0.0
                self._bytes -= stored.size
                self._keep(stored)
        for token, sequence in list(self._locked.items()):
            if self.messages[sequence].locked_until <= now:
                self.abandon(self.messages[sequence])
                self._locked.pop(token, None)

    def encoded(self, stored: Stored) -> bytes:
        """The message as it is delivered or peeked."""
        extra: dict[Any, Any] = {
            symbol("x-opt-sequence-number"): stored.sequence,
            symbol("x-opt-enqueued-time"): timestamp(round(stored.enqueued * 1000)),
        }
        if stored.token is not None:
            extra[symbol("x-opt-locked-until")] = timestamp(round(self._namespace.real(stored.locked_until) * 1000))
        if stored.due:
            extra[_STATE] = 2
        return build(stored.parts, delivery_count=stored.failed, annotations=extra)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _keep(self, stored: Stored) -> None:
        self.messages[stored.sequence] = stored
        self._bytes += stored.size
        if stored.due:
            heapq.heappush(self._scheduled, (stored.due, stored.sequence))
        else:
            heapq.heappush(self._ready, stored.sequence)

    def _forget_lock(self, stored: Stored) -> None:
        if stored.token is not None:
            self._locked.pop(stored.token, None)
        stored.token, stored.owner, stored.locked_until = None, "", 0.0


@dataclass
class Namespace:
    """The queues that go by one key."""

    key_name: str
    key: str = field(repr=False)
    clock: Time
    on_demand: QueueSettings | None = None
    """A switch of the stand-in's alone: a queue exists once it is named, made like this. Service Bus has nothing like it."""

    def __post_init__(self) -> None:
        self._entities: dict[str, Entity] = {}

    def now(self) -> float:
        """The namespace's time, which a test may turn."""
        return self.clock()

    def real(self, moment: float) -> float:
        """A moment of its time in the time of the machine, by which a client judges locks."""
        return time.time() + (moment - self.now())

    def make(self, name: str, settings: QueueSettings) -> None:
        """Make a queue, with its dead-letter sub-queue."""
        check_queue(name, settings.lock)
        queue = Entity(name, settings, self)
        self._entities[name.lower()] = queue
        letters = name + DEAD_LETTER_QUEUE
        self._entities[letters.lower()] = Entity(letters, QueueSettings(lock=settings.lock), self, queue)

    def entity(self, name: str) -> Entity:
        """A queue or sub-queue; names are not case-sensitive."""
        found = self._entities.get(name.lower())
        if found is None and self.on_demand is not None:
            owner = name[: -len(DEAD_LETTER_QUEUE)] if name.lower().endswith(DEAD_LETTER_QUEUE) else name
            target = self.on_demand.forward_dead_letters_to
            self.make(owner, replace(self.on_demand, forward_dead_letters_to=None if owner == target else target))
            found = self._entities.get(name.lower())
        if found is None:
            raise RefusedError(NOT_FOUND, f"The messaging entity '{name}' could not be found.")
        return found

    def entities(self) -> list[Entity]:
        """Those that there are."""
        return list(self._entities.values())

    def accept(self, name: str, raw: bytes, *, due: float = 0.0) -> list[Stored]:
        """Take in a message or a batch of them; all or none."""
        whole = parse(raw)
        taken = [(each, parse(each)) for each in whole.batch()] or [(raw, whole)]
        for each, parts in taken:
            check_message(each, parts)
        queue = self.entity(name)
        return [queue.add(parts, len(each), due=due or _due(parts)) for each, parts in taken]

    def clear(self) -> None:
        """Empty every queue."""
        for name, entity in list(self._entities.items()):
            fresh = Entity(entity.name, entity.settings, self, entity.parent)
            fresh._sequence = entity._sequence
            self._entities[name] = fresh


def _due(parts: Parts) -> float:
    at = parts.annotations.get(SCHEDULED)
    return float(at) / 1000 if at is not None else 0.0
