"""A queue at its worst: what Service Bus may do to messages, and wakes lose, done by a seed."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from runyard.errors import LockLostError
from runyard.ports import Message, Queue


@dataclass(kw_only=True)
class ShakyQueue:
    """A :class:`~runyard.ports.Queue` around any other that doubles, delays, reorders and drops messages.

    Dropped are only messages that carry no news: wakes, and what is sent to ``watch`` and ``dispatch-*`` without
    ``durable``. All others are doubled, delayed and reordered, never lost. Rates go from 0 to 1; times are by the clock of
    the queue inside. ``print(queue.report())`` in the message of a failing test tells the seed and what was done.
    """

    inner: Queue
    seed: int
    double: float = 0.1
    """How many messages are sent a second time, now or later, and how many are delivered again after their completion."""
    delay: float = 0.2
    """How many come late."""
    longest: float = 30.0
    """Seconds that they are late, at most."""
    drop: float = 0.1
    """How many of the messages without news are lost."""
    lose_lock: float = 0.05
    """How many completions find their lock lost: the handler did its work, and the message comes again."""
    reorder: bool = True
    """Whether messages that are received together come in any order."""
    remember: int | None = None
    """How much of what was done is kept for the report, the newest; all of it by default. For tests that last."""
    done: Counter[str] = field(default_factory=Counter, init=False)
    """How often it did what: ``doubled``, ``delayed``, ``dropped``, ``redelivered``, ``lock lost``."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # a test repeats it
        self._lock = Lock()
        self._log: deque[str] = deque(maxlen=self.remember)

    @property
    def log(self) -> list[str]:
        """What was done."""
        return list(self._log)

    def calm(self) -> None:
        """Behave from now on; what is delayed still comes late."""
        self.double = self.delay = self.drop = self.lose_lock = 0.0
        self.reorder = False

    def report(self) -> str:
        """The seed and what was done, for the message of a failing test."""
        return "\n".join([f"shaky queue with seed {self.seed}: {dict(self.done)}", *self.log])

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
        """Put a message on the queue, or two, or none; see the port."""

        def once(late: float) -> str:
            return self.inner.send(
                name, body, delay=delay + late, message_id=message_id, properties=properties, durable=durable
            )

        if not durable and is_droppable(name) and self._happens("dropped", self.drop, name):
            return message_id or "dropped"
        ident = once(self._lateness(name))
        if self._happens("doubled", self.double, name):
            once(self._lateness(name))
        return ident

    def wake(self, name: str, body: bytes) -> None:
        """Send a wake, or two, or none; see the port."""
        if self._happens("dropped", self.drop, name):
            return
        late = self._lateness(name)
        if late:
            self.inner.send(name, body, delay=late)
        else:
            self.inner.wake(name, body)
        if self._happens("doubled", self.double, name):
            self.inner.send(name, body, delay=self._lateness(name))

    def wait(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """As the queue inside."""
        return self.inner.wait(names, seconds)

    def interrupt(self) -> None:
        """As the queue inside."""
        self.inner.interrupt()

    def receive(self, name: str, *, most: int, lock: float) -> Sequence[Message]:
        """Lock messages, in any order."""
        messages = list(self.inner.receive(name, most=most, lock=lock))
        if self.reorder:
            with self._lock:
                self._random.shuffle(messages)
        return messages

    def complete(self, message: Message) -> None:
        """Remove a message; or have lost its lock, so that it comes again; or remove it and deliver a copy."""
        if self._happens("lock lost", self.lose_lock, message.queue):
            self.inner.abandon(message)
            raise LockLostError(
                f"the lock of message {message.id} on {message.queue!r} was lost, as the test asked for"
            )
        self.inner.complete(message)
        if not message.dead_letter_source and self._happens("redelivered", self.double, message.queue):
            late = self._lateness(message.queue)
            self.inner.send(
                message.queue, message.body, delay=late, message_id=message.id, properties=message.properties
            )

    def complete_many(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Remove several messages, each as :meth:`complete` does; returns those whose lock was lost."""
        lost = []
        for message in messages:
            try:
                self.complete(message)
            except LockLostError:
                lost.append(message)
        return lost

    def abandon(self, message: Message) -> None:
        """As the queue inside."""
        self.inner.abandon(message)

    def dead_letter(self, message: Message, *, reason: str, description: str) -> None:
        """As the queue inside."""
        self.inner.dead_letter(message, reason=reason, description=description)

    def peek(self, name: str, *, most: int = 100) -> Sequence[Message]:
        """As the queue inside."""
        return self.inner.peek(name, most=most)

    def counts(self) -> Mapping[str, int]:
        """As the queue inside."""
        return self.inner.counts()

    def backlog(self, name: str, most: int) -> int:
        """As the queue inside."""
        return self.inner.backlog(name, most)

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """As the queue inside."""
        return self.inner.redrive(source=source, most=most)

    def _happens(self, what: str, rate: float, queue: str) -> bool:
        with self._lock:
            if self._random.random() >= rate:
                return False
            self.done[what] += 1
            self._log.append(f"{what}: a message of {queue}")
            return True

    def _lateness(self, queue: str) -> float:
        if not self._happens("delayed", self.delay, queue):
            return 0.0
        with self._lock:
            return self._random.uniform(0.0, self.longest)


def is_droppable(queue: str) -> bool:
    """Whether a queue's messages carry no news unless they say so: ``watch`` and ``dispatch-*``."""
    return queue == "watch" or queue.startswith("dispatch-")
