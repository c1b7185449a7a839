"""Message queues in memory, with Service Bus' peek-lock semantics."""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition

from runyard.errors import LockLostError
from runyard.ports.clock import Clock
from runyard.ports.queue import DEAD_LETTERS, MAX_DELIVERIES, Message
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


class MemoryQueue:
    """A :class:`~runyard.ports.queue.Queue`. On a :class:`ManualClock` nothing waits: what is not due is not there."""

    def __init__(self, clock: Clock, *, first: int = 1) -> None:
        """Make one; ``first`` is the sequence number of the first message."""
        self._clock = clock
        self._changed = Condition()
        self._entries: dict[int, _Entry] = {}
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
        ident = check_message(name, body, message_id)
        at = self._clock.now() + max(delay, 0.0)
        self._add(_Entry(queue=name, id=ident, body=body, enqueued=at, visible=at, properties=dict(properties or {})))
        return ident

    def wake(self, name: str, body: bytes) -> None:
        """Send a message that may be merged with an equal one nobody has received yet."""
        ident = check_message(name, body, None)
        now = self._clock.now()
        with self._changed:
            if any(entry.wake and entry.queue == name and entry.body == body for entry in self._entries.values()):
                return
            self._add(_Entry(queue=name, id=ident, body=body, enqueued=now, visible=now, wake=True))

    def wait(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Wait until one of these queues has something to receive; see the port."""
        deadline = time.monotonic() + (0.0 if isinstance(self._clock, ManualClock) else seconds)
        with self._changed:
            while True:
                left = deadline - time.monotonic()
                now = self._clock.now()
                there = {entry.queue for entry in self._entries.values() if entry.visible <= now}
                found = [name for name in names if name in there]
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
            del self._entries[message.sequence]

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
                self._bury(entry)
            else:
                entry.lock, entry.visible = "", entry.enqueued
            self._changed.notify_all()

    def dead_letter(self, message: Message, *, reason: str, description: str) -> None:
        """Move a message to the dead-letter queue; one that is there already stays and is not received again."""
        with self._changed:
            self._bury(self._held(message), (reason, description))
            self._changed.notify_all()

    def peek(self, name: str, *, most: int = 100) -> Sequence[Message]:
        """Look at messages without locking them (scheduled ones too), oldest first."""
        with self._changed:
            found = [(seq, entry) for seq, entry in self._entries.items() if entry.queue == name]
            return [_message(seq, entry, locked=False) for seq, entry in found[:most]]

    def counts(self) -> Mapping[str, int]:
        """How many messages each queue holds (scheduled and locked ones too)."""
        with self._changed:
            return Counter(entry.queue for entry in self._entries.values())

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """Send dead letters back to the queue they came from; those in somebody's hands are left alone."""
        now = self._clock.now()
        with self._changed:
            ready = [
                entry
                for entry in self._entries.values()
                if entry.queue == DEAD_LETTERS
                and entry.source
                and source in {None, entry.source}
                and (not entry.lock or entry.visible <= now)
            ][:most]
            for entry in ready:
                entry.queue, entry.source, entry.reason, entry.description = entry.source, "", "", ""
                entry.deliveries, entry.lock, entry.enqueued, entry.visible = 0, "", now, now
            self._changed.notify_all()
            return len(ready)

    def _add(self, entry: _Entry) -> None:
        with self._changed:
            self._sent += 1
            self._entries[self._sent] = entry
            self._changed.notify_all()

    def _lock(self, name: str, most: int, lock: float) -> list[Message]:
        now = self._clock.now()
        token = secrets.token_hex(8)
        due = sorted(
            (entry.visible, seq) for seq, entry in self._entries.items() if entry.queue == name and entry.visible <= now
        )
        taken: list[int] = []
        for _, seq in due:
            entry = self._entries[seq]
            if entry.deliveries >= MAX_DELIVERIES:
                self._bury(entry)
            elif len(taken) < most:
                taken.append(seq)
                entry.deliveries += 1
                entry.lock, entry.visible, entry.wake = token, now + lock, False
        return [_message(seq, self._entries[seq], locked=True) for seq in sorted(taken)]

    def _held(self, message: Message) -> _Entry:
        entry = self._entries.get(message.sequence)
        now = self._clock.now()
        if entry is None or not message.lock_token or entry.lock != message.lock_token or entry.visible <= now:
            raise lock_lost(message)
        return entry

    def _bury(self, entry: _Entry, why: tuple[str, str] | None = None) -> None:
        entry.lock, entry.wake = "", False
        if entry.queue == DEAD_LETTERS:
            entry.visible = math.inf
            if why is not None:
                entry.reason, entry.description = why
            return
        entry.source, entry.queue, entry.deliveries = entry.queue, DEAD_LETTERS, 0
        entry.enqueued = entry.visible = self._clock.now()
        entry.reason, entry.description = why or (TOO_MANY_DELIVERIES, TOO_MANY_DESCRIPTION)


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
