"""Message queues in memory, with Service Bus' peek-lock semantics."""

from __future__ import annotations

import heapq
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition

from runyard.errors import LockLostError
from runyard.ports.clock import Clock
from runyard.ports.queue import COUNTED, DEAD_LETTERS, MAX_DELIVERIES, Message
from runyard.stores.memory.clock import ManualClock
from runyard.stores.messages import TOO_MANY_DELIVERIES, TOO_MANY_DESCRIPTION, check_message, lock_lost

_LOOK_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A message as kept; ``visible`` is its scheduled time, or the end of its lock."""

    queue: str
    id: str
    body: bytes
    enqueued: float
    visible: float
    properties: dict[str, str] = field(default_factory=dict)
    wake: bool = False
    deliveries: int = 0
    lock: str = ""
    reason: str = ""
    description: str = ""
    source: str = ""


class _Lane:
    """One queue: what it holds by sequence number, and what may be received of it by time."""

    __slots__ = ("entries", "locked", "times")

    def __init__(self) -> None:
        self.entries: dict[int, _Entry] = {}
        self.times: list[tuple[float, int]] = []
        """A heap of (visible, sequence number): each entry but those that are locked or parked, once."""
        self.locked: dict[int, _Entry] = {}

    def put(self, sequence: int, entry: _Entry) -> None:
        """Take a message in, or give one back that was locked."""
        self.entries[sequence] = entry
        self.locked.pop(sequence, None)
        if entry.visible < math.inf:
            heapq.heappush(self.times, (entry.visible, sequence))

    def drop(self, sequence: int) -> None:
        """Take a message out that is locked or parked."""
        del self.entries[sequence]
        self.locked.pop(sequence, None)

    def is_due(self, now: float) -> bool:
        """Whether something may be received."""
        self._unlock(now)
        return bool(self.times) and self.times[0][0] <= now

    def pop(self, now: float) -> tuple[int, _Entry] | None:
        """The message that has been due for longest, without its place in time: it is to be locked, buried or parked."""
        if not self.is_due(now):
            return None
        _, sequence = heapq.heappop(self.times)
        return sequence, self.entries[sequence]

    def redrivable(self, now: float, source: str | None) -> list[int]:
        """The dead letters that nobody has in his hands, oldest first."""
        self._unlock(now)
        return sorted(
            sequence
            for sequence, entry in self.entries.items()
            if entry.source and source in {None, entry.source} and sequence not in self.locked
        )

    def remove(self, sequences: Sequence[int]) -> None:
        """Take messages out wherever they are."""
        gone = set(sequences)
        for sequence in sequences:
            self.drop(sequence)
        self.times = [place for place in self.times if place[1] not in gone]
        heapq.heapify(self.times)

    def _unlock(self, now: float) -> None:
        for sequence, entry in [pair for pair in self.locked.items() if pair[1].visible <= now]:
            self.put(sequence, entry)


class MemoryQueue:
    """A :class:`~runyard.ports.queue.Queue`. On a :class:`ManualClock` nothing waits: what is not due is not there."""

    def __init__(self, clock: Clock, *, first: int = 1) -> None:
        """Make one; ``first`` is the sequence number of the first message."""
        self._clock = clock
        self._changed = Condition()
        self._lanes: dict[str, _Lane] = {}
        self._wakes: set[tuple[str, bytes]] = set()
        """The wakes that nobody has received yet."""
        self._sent = first - 1
        self._interrupted = False

    def send(
        self,
        name: str,
        body: bytes,
        *,
        delay: float = 0.0,
        message_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        durable: bool = False,  # noqa: ARG002  # nothing is durable here
    ) -> str:
        """Put a message on the queue; see the port."""
        ident = check_message(name, body, message_id, properties)
        at = self._clock.now() + max(delay, 0.0)
        self._add(_Entry(queue=name, id=ident, body=body, enqueued=at, visible=at, properties=dict(properties or {})))
        return ident

    def wake(self, name: str, body: bytes) -> None:
        """Send a message that may be merged with an equal one nobody has received yet."""
        ident = check_message(name, body, None)
        now = self._clock.now()
        with self._changed:
            if (name, body) in self._wakes:
                return
            self._wakes.add((name, body))
            self._add(_Entry(queue=name, id=ident, body=body, enqueued=now, visible=now, wake=True))

    def wait(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Wait until one of these queues has something to receive; see the port."""
        deadline = time.monotonic() + (0.0 if isinstance(self._clock, ManualClock) else seconds)
        with self._changed:
            while True:
                left = deadline - time.monotonic()
                now = self._clock.now()
                found = [name for name in names if name in self._lanes and self._lanes[name].is_due(now)]
                if found or left <= 0.0 or self._interrupted:
                    self._interrupted = False
                    return found
                self._changed.wait(min(left, _LOOK_SECONDS))

    def interrupt(self) -> None:
        """Have the wait under way return now; without one, the next."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def receive(self, name: str, *, most: int, lock: float) -> Sequence[Message]:
        """Lock up to ``most`` messages; see the port."""
        with self._changed:
            return self._lock(name, most, lock)

    def complete(self, message: Message) -> None:
        """Remove a message; see the port."""
        with self._changed:
            self._held(message)
            self._lanes[message.queue].drop(message.sequence)

    def complete_many(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Remove several messages; returns those whose lock was lost."""
        lost = []
        for message in messages:
            try:
                self.complete(message)
            except LockLostError:
                lost.append(message)
        return lost

    def abandon(self, message: Message) -> None:
        """Give a message back for immediate redelivery; see the port."""
        with self._changed:
            entry = self._held(message)
            if entry.deliveries >= MAX_DELIVERIES:
                self._bury(message.sequence, entry)
            else:
                entry.lock, entry.visible = "", entry.enqueued
                self._lanes[message.queue].put(message.sequence, entry)
            self._changed.notify_all()

    def dead_letter(self, message: Message, *, reason: str, description: str) -> None:
        """Move a message to the dead-letter queue; one that is there already stays and is not received again."""
        with self._changed:
            self._bury(message.sequence, self._held(message), (reason, description))
            self._changed.notify_all()

    def peek(self, name: str, *, most: int = 100) -> Sequence[Message]:
        """Look at messages without locking them (scheduled ones too), oldest first."""
        with self._changed:
            entries = self._lanes[name].entries if name in self._lanes else {}
            return [_message(seq, entries[seq], locked=False) for seq in heapq.nsmallest(most, entries)]

    def counts(self) -> Mapping[str, int]:
        """How many messages each queue holds (scheduled and locked ones too); see the port."""
        with self._changed:
            return {name: count for name in self._lanes if (count := self.backlog(name, COUNTED))}

    def backlog(self, name: str, most: int) -> int:
        """How many messages the queue holds, at most ``most``; see the port."""
        with self._changed:
            return min(len(self._lanes[name].entries), most) if name in self._lanes else 0

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """Send dead letters back to the queue they came from; those in somebody's hands are left alone."""
        now = self._clock.now()
        with self._changed:
            letters = self._lanes.setdefault(DEAD_LETTERS, _Lane())
            ready = [(seq, letters.entries[seq]) for seq in letters.redrivable(now, source)[:most]]
            letters.remove([seq for seq, _ in ready])
            for seq, entry in ready:
                entry.queue, entry.source, entry.reason, entry.description = entry.source, "", "", ""
                entry.deliveries, entry.lock, entry.enqueued, entry.visible = 0, "", now, now
                self._lane(entry.queue).put(seq, entry)
            self._changed.notify_all()
            return len(ready)

    def _lane(self, name: str) -> _Lane:
        return self._lanes.setdefault(name, _Lane())

    def _add(self, entry: _Entry) -> None:
        with self._changed:
            self._sent += 1
            self._lane(entry.queue).put(self._sent, entry)
            self._changed.notify_all()

    def _lock(self, name: str, most: int, lock: float) -> list[Message]:
        now = self._clock.now()
        token = secrets.token_hex(8)
        lane = self._lane(name)
        taken: dict[int, _Entry] = {}
        while len(taken) < most and (due := lane.pop(now)) is not None:
            sequence, entry = due
            if entry.deliveries >= MAX_DELIVERIES:
                self._bury(sequence, entry)
                continue
            taken[sequence] = lane.locked[sequence] = entry
            entry.deliveries += 1
            entry.lock, entry.visible = token, now + lock
            if entry.wake:
                entry.wake = False
                self._wakes.discard((name, entry.body))
        return [_message(sequence, taken[sequence], locked=True) for sequence in sorted(taken)]

    def _held(self, message: Message) -> _Entry:
        lane = self._lanes.get(message.queue)
        entry = None if lane is None else lane.entries.get(message.sequence)
        now = self._clock.now()
        if entry is None or not message.lock_token or entry.lock != message.lock_token or entry.visible <= now:
            raise lock_lost(message)
        return entry

    def _bury(self, sequence: int, entry: _Entry, why: tuple[str, str] | None = None) -> None:
        """Forward a message to the dead letters, without ``why`` for its deliveries; a dead letter stays and is parked."""
        entry.lock = ""
        if entry.queue == DEAD_LETTERS:
            entry.visible = math.inf
            self._lanes[DEAD_LETTERS].put(sequence, entry)
            if why is not None:
                entry.reason, entry.description = why
            return
        self._lanes[entry.queue].drop(sequence)
        entry.source, entry.queue, entry.deliveries = entry.queue, DEAD_LETTERS, 0
        entry.enqueued = entry.visible = self._clock.now()
        entry.reason, entry.description = why or (TOO_MANY_DELIVERIES, TOO_MANY_DESCRIPTION)
        self._lane(DEAD_LETTERS).put(sequence, entry)


def _message(sequence: int, entry: _Entry, *, locked: bool) -> Message:
    return Message(
        queue=entry.queue,
        id=entry.id,
        body=entry.body,
        sequence=sequence,
        enqueued=entry.enqueued,
        delivery_count=entry.deliveries,
        lock_token=entry.lock if locked else "",
        locked_until=entry.visible if locked else 0.0,
        dead_letter_reason=entry.reason,
        dead_letter_description=entry.description,
        dead_letter_source=entry.source,
        properties=dict(entry.properties),
    )
