"""The port of queues on Service Bus."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

from runyard.errors import LockLostError, NotFoundError, TargetError, TransientError
from runyard.ports.clock import Clock
from runyard.ports.queue import COUNTED, DEAD_LETTERS, Message
from runyard.stores.azure.bus import Bus
from runyard.stores.azure.lane import Lane
from runyard.stores.azure.letters import MAX_REASON, OF_DEAD_LETTERS, message_of, properties_of, source_of
from runyard.stores.messages import check_message, lock_lost

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage, ServiceBusReceiver

    Settle = Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], None]

PEEKED: Final = 250
"""Messages of one peek: the service gives no more. https://learn.microsoft.com/azure/service-bus-messaging/message-browsing"""
GATHER: Final = 0.5
"""Seconds that a wait which has found something gives the other queues for their first look."""
GLANCE: Final = 0.05
"""Seconds that the queues are listened to after a look that did not wait."""
RECENT: Final = 2.0
"""Seconds that a count of a long queue is good for."""
LONG: Final = 1000
"""Asked whether a queue is longer than this, nobody minds what others sent to it in the last :data:`RECENT` seconds."""


class AzureQueue:
    """A :class:`~runyard.ports.queue.Queue`. How long a message is locked is the queue's own setting in Service Bus."""

    def __init__(self, bus: Bus, clock: Clock, *, queues: Sequence[str] = ()) -> None:
        """Nothing is connected to yet.

        Args:
            bus: The connections.
            clock: The time.
            queues: The queues that :meth:`counts` counts, beside those that this process uses.
        """
        self._bus = bus
        self._clock = clock
        self._queues = queues
        self._interrupted = False
        self._counted: dict[str, tuple[float, int]] = {}
        """When a queue was last counted, and how many messages it had, with those sent from here since."""

    def send(
        self,
        name: str,
        body: bytes,
        *,
        delay: float = 0.0,
        message_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        durable: bool = False,  # noqa: ARG002 - the service keeps what it has taken
    ) -> str:
        """Put a message on the queue; see the port."""
        ident = check_message(name, body, message_id, properties)
        self._send(name, body, ident, properties, delay)
        return ident

    def wake(self, name: str, body: bytes) -> None:
        """Send a message. Nothing is merged: whether an equal one was received, only the service knows."""
        self.send(name, body)

    def wait(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Wait until one of these queues has something to receive; see the port."""
        if seconds <= 0.0:
            self._interrupted = False
            return [name for name in names if self._glance(self._bus.lane(name))]
        deadline = time.monotonic() + seconds
        lanes = [self._bus.lane(name) for name in names]
        before = [lane.want(deadline) for lane in lanes]
        try:
            return self._wait(lanes, before, deadline)
        finally:
            for lane in lanes:
                lane.want(0.0)

    def interrupt(self) -> None:
        """Have the wait under way return now; without one, the next."""
        with self._bus.heard:
            self._interrupted = True
            self._bus.heard.notify_all()

    def receive(self, name: str, *, most: int, lock: float) -> Sequence[Message]:  # noqa: ARG002 - the queue's own setting
        """Lock up to ``most`` messages; see the port."""
        found = self._bus.lane(name).receive(most)
        self._bus.count("RECEIVE", name)
        return [message_of(name, each, self._clock) for each in found]

    def complete(self, message: Message) -> None:
        """Remove a message; see the port."""
        self._settle("COMPLETE", message, lambda receiver, held: receiver.complete_message(held))

    def complete_many(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Remove several messages; returns those whose lock was lost, or that could not be removed and so come again."""
        lost = []
        for message in messages:
            try:
                self.complete(message)
            except (LockLostError, TargetError):
                lost.append(message)
        return lost

    def abandon(self, message: Message) -> None:
        """Give a message back for immediate redelivery; see the port."""
        self._settle("ABANDON", message, lambda receiver, held: receiver.abandon_message(held))

    def dead_letter(self, message: Message, *, reason: str, description: str) -> None:
        """Move a message to the dead-letter queue; one that is there already stays and is not received again."""

        def settle(receiver: ServiceBusReceiver, held: ServiceBusReceivedMessage) -> None:
            receiver.dead_letter_message(held, reason[:MAX_REASON], description[:MAX_REASON])

        self._settle("DEADLETTER", message, settle)

    def peek(self, name: str, *, most: int = 100) -> Sequence[Message]:
        """Look at messages without locking them (scheduled ones too), oldest first."""
        found = [message_of(name, each, self._clock) for lane in self._kept(name) for each in self._peek(lane, most)]
        return found[:most]

    def counts(self) -> Mapping[str, int]:
        """How many messages each queue holds (scheduled and locked ones too); see the port.

        Raises:
            NotFoundError: if a queue of this service is not there. Others that somebody named in vain are forgotten.
        """
        found = {name: self._count(name, COUNTED) for name in self._queues}
        for name in {*self._bus.used()} - {*found}:
            try:
                found[name] = self._count(name, COUNTED)
            except NotFoundError:
                self._bus.forget(name)
        return {name: found[name] for name in sorted(found) if found[name]}

    def backlog(self, name: str, most: int) -> int:
        """How many messages the queue holds, at most ``most``; see the port.

        It costs one peek while the queue is short; of a long one the last count counts for a moment.
        """
        at, count = self._counted.get(name, (-math.inf, 0))
        if most < LONG or time.monotonic() - at > RECENT:
            count = self._count(name, most)
            self._counted[name] = (time.monotonic(), count)
        return min(count, most)

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """Send dead letters back to the queue they came from; those in somebody's hands are left alone.

        Each is sent before it is removed: after a crash between the two it is there twice, and never lost.
        """
        sent = 0
        for lane in self._kept(DEAD_LETTERS):
            sent += self._redrive(lane, source, most - sent)
        return sent

    def _send(self, name: str, body: bytes, ident: str, properties: Mapping[str, str] | None, delay: float) -> None:
        from azure.servicebus import ServiceBusMessage  # noqa: PLC0415 - 0.2 s, and not for who does not send

        message = ServiceBusMessage(body, message_id=ident, application_properties=_own(properties) or None)
        if delay > 0.0:
            at = math.ceil((self._clock.now() + delay) * 1000) / 1000
            message.scheduled_enqueue_time_utc = datetime.fromtimestamp(at, UTC)
        self._bus.sender(name).send(message)
        self._bus.count("SEND", name)
        if name in self._counted:
            at, count = self._counted[name]
            self._counted[name] = (at, count + 1)

    def _wait(self, lanes: Sequence[Lane], before: Sequence[int], deadline: float) -> Sequence[str]:
        found_at = math.inf
        with self._bus.heard:
            while True:
                now = time.monotonic()
                there = [lane.name for lane in lanes if lane.has_come]
                found_at = min(found_at, now) if there else math.inf
                all_looked = all(lane.looks > looks for lane, looks in zip(lanes, before, strict=True))
                if self._interrupted or now >= deadline or (there and (all_looked or now >= found_at + GATHER)):
                    self._interrupted = False
                    return there
                failed = [lane.failure for lane, looks in zip(lanes, before, strict=True) if lane.looks > looks]
                for failure in failed if not there else ():
                    if failure is not None:
                        raise failure
                self._bus.heard.wait(min(deadline, found_at + GATHER) - now)

    def _glance(self, lane: Lane) -> bool:
        """Whether something is there now: of a queue that nobody here waits for, whether it has anything but scheduled messages."""
        if lane.has_come:
            return True
        if lane.is_watched:
            lane.want(time.monotonic() + GLANCE)
            return False
        from azure.servicebus import ServiceBusMessageState  # noqa: PLC0415

        return any(each.state != ServiceBusMessageState.SCHEDULED for each in self._peek(lane, PEEKED))

    def _settle(self, operation: str, message: Message, how: Settle) -> None:
        lane = self._bus.lane(message.queue)
        try:
            settled = bool(message.lock_token) and lane.settle(message.lock_token, how)
        except (LockLostError, TransientError) as error:  # a lock ends with its connection
            raise lock_lost(message) from error
        if not settled:
            raise lock_lost(message)
        self._bus.count(operation, message.queue)
        if operation == "COMPLETE" and message.queue in self._counted:
            at, count = self._counted[message.queue]
            self._counted[message.queue] = (at, max(0, count - 1))

    def _kept(self, name: str) -> Sequence[Lane]:
        """Where the messages of a queue are: those of the dead letters that nobody could handle are in its sub-queue."""
        names = (OF_DEAD_LETTERS, name) if name == DEAD_LETTERS else (name,)
        return [self._bus.lane(each) for each in names]

    def _peek(self, lane: Lane, most: int) -> Sequence[ServiceBusReceivedMessage]:
        found: list[ServiceBusReceivedMessage] = []
        first = 1
        while len(found) < most:
            self._bus.count("PEEK", lane.name)
            page = lane.peek(first, min(PEEKED, most - len(found)))
            if not page:
                break
            found += page
            first = (page[-1].sequence_number or 0) + 1
        return found

    def _count(self, name: str, most: int) -> int:
        count = 0
        for lane in self._kept(name):
            count += len(self._peek(lane, most - count))
        return count

    def _redrive(self, lane: Lane, source: str | None, most: int) -> int:
        """Of one queue. Letters that stay are given back at the end only: sooner, they would come again at once."""
        wanted = partial(_is_wanted, source)
        if not any(wanted(each) for each in self._peek(lane, COUNTED)):
            return 0  # nothing is received in vain: that counts as a delivery
        sent, kept = 0, []
        try:
            while sent < most and (letters := lane.receive(min(100, most - sent))):
                for letter in letters:
                    if not wanted(letter):
                        kept.append(letter)
                        continue
                    body = message_of(lane.name, letter, self._clock).body
                    self._send(source_of(letter), body, str(letter.message_id), properties_of(letter), 0.0)
                    sent += 1
                    if not self._finish(lane, letter, lambda receiver, held: receiver.complete_message(held)):
                        return sent  # the next time it is sent again, and so are those that were received with it
        finally:
            for letter in kept:
                self._finish(lane, letter, lambda receiver, held: receiver.abandon_message(held))
        return sent

    def _finish(self, lane: Lane, letter: ServiceBusReceivedMessage, how: Settle) -> bool:
        """Settle a letter; ``False`` if its lock was lost: it comes again, as after a crash."""
        try:
            return lane.settle(str(letter.lock_token), how)
        except (LockLostError, TransientError):
            return False


def _own(properties: Mapping[str, str] | None) -> dict[str | bytes, int | float | bytes | bool | str | UUID]:
    return dict((properties or {}).items())


def _is_wanted(source: str | None, letter: ServiceBusReceivedMessage) -> bool:
    found = source_of(letter)
    return bool(found) and source in {None, found}
