"""Message queues in SQLite, with Service Bus' peek-lock semantics.

One column, ``visible``, says when a message may be received: its scheduled time, or the end of its lock.

Wakes are in memory: they carry no news, one process receives them, and a host that takes over a root looks at every
compute anyway (``runyard.reconcile.recover``). In a burst of short runs they are half of all messages.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec

from runyard.ports.clock import Clock
from runyard.ports.queue import COUNTED, DEAD_LETTERS, MAX_DELIVERIES, Message
from runyard.stores.embedded.bell import Bell
from runyard.stores.embedded.database import Database
from runyard.stores.memory.queue import MemoryQueue
from runyard.stores.messages import TOO_MANY_DELIVERIES, TOO_MANY_DESCRIPTION, check_message, lock_lost

LOOK_SECONDS: Final = 0.5
"""How long a waiting receiver may miss what another process sent."""
_FIRST_WAKE: Final = -(1 << 62)
"""The first sequence number of a wake: all of them are negative, unlike those of messages in the table."""
_PARKED: Final = 1e15
"""``visible`` of a dead letter that was delivered too often: it stays to be seen and redriven, but is not received."""
_decode_properties: Final = msgspec.json.Decoder(dict[str, str]).decode

_COLUMNS: Final = "seq, id, body, enqueued, deliveries, reason, description, source, properties"
_SEND: Final = "INSERT INTO messages (queue, id, body, properties, enqueued, visible) VALUES (?, ?, ?, ?, ?, ?)"
_PEEK: Final = f"SELECT {_COLUMNS} FROM messages WHERE queue = ? ORDER BY seq LIMIT ?"  # noqa: S608
_NEXT: Final = "(SELECT visible FROM messages WHERE queue = ? ORDER BY visible LIMIT 1)"
_DUE: Final = f"SELECT {_COLUMNS} FROM messages WHERE queue = ? AND visible <= ? ORDER BY visible, seq LIMIT ?"  # noqa: S608
_BACKLOG: Final = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE queue = ? LIMIT ?)"
_NAMES: Final = (  # one step for each queue, not for each message
    "WITH RECURSIVE names (name) AS (SELECT min(queue) FROM messages UNION ALL"
    " SELECT (SELECT min(queue) FROM messages WHERE queue > name) FROM names WHERE name IS NOT NULL)"
    " SELECT name FROM names WHERE name IS NOT NULL"
)
_LOCK: Final = "UPDATE messages SET visible = ?, lock = ?, deliveries = deliveries + 1 WHERE seq = ?"
_COMPLETE: Final = "DELETE FROM messages WHERE seq = ? AND lock = ? AND visible > ?"
_HELD: Final = "SELECT deliveries FROM messages WHERE seq = ? AND lock = ? AND visible > ?"
_UNLOCK: Final = "UPDATE messages SET visible = enqueued, lock = NULL WHERE seq = ?"
_BURY: Final = (
    "UPDATE messages SET queue = ?, source = ?, reason = ?, description = ?, enqueued = ?, visible = ?,"
    " deliveries = 0, lock = NULL WHERE seq = ?"
)
_PARK: Final = (
    "UPDATE messages SET reason = coalesce(?, reason), description = coalesce(?, description), visible = ?,"
    " lock = NULL WHERE seq = ?"
)
_REDRIVE: Final = (
    "UPDATE messages SET queue = source, source = '', reason = '', description = '', enqueued = ?1, visible = ?1,"
    " deliveries = 0, lock = NULL WHERE seq IN (SELECT seq FROM messages WHERE queue = ?2 AND source <> ''"
    " AND (?3 IS NULL OR source = ?3) AND (lock IS NULL OR visible <= ?1) ORDER BY seq LIMIT ?4)"
)


class EmbeddedQueue:
    """A :class:`~runyard.ports.queue.Queue` in ``runyard.db``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._wakes = MemoryQueue(clock, first=_FIRST_WAKE)
        self._bell = Bell()

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
        """Put a message on the queue; see the port."""
        ident = check_message(name, body, message_id, properties)
        encoded = msgspec.json.encode(properties) if properties else None
        at = self._clock.now() + max(delay, 0.0)
        self._database.write(
            lambda db: db.execute(_SEND, (name, ident, body, encoded, at, at)).rowcount, durable=durable
        )
        self._bell.ring()
        return ident

    def wake(self, name: str, body: bytes) -> None:
        """Send a message that may be merged with an equal one nobody has received yet."""
        self._wakes.wake(name, body)
        self._bell.ring()

    def wait(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Wait until one of these queues has something to receive; see the port. It costs one read, and no thread."""
        deadline = time.monotonic() + seconds
        while True:
            heard = self._bell.rings
            there, due = self._look(names)
            left = deadline - time.monotonic()
            if there or left <= 0.0 or not self._bell.wait(heard, min(left, due)):
                return there

    def interrupt(self) -> None:
        """Have the wait under way return now; without one, the next."""
        self._bell.interrupt()

    def receive(self, name: str, *, most: int, lock: float) -> Sequence[Message]:
        """Lock up to ``most`` messages. One that was delivered too often is buried on the way."""
        if self._wakes.wait((name,), 0.0) and (wakes := self._wakes.receive(name, most=most, lock=lock)):
            return wakes
        token = secrets.token_hex(8)

        def work(db: sqlite3.Connection) -> tuple[list[Any], float]:
            while True:
                now = self._clock.now()
                rows = db.execute(_DUE, (name, now, most)).fetchall()
                fresh = [row for row in rows if row[4] < MAX_DELIVERIES]
                for row in fresh:
                    db.execute(_LOCK, (now + lock, token, row[0]))
                if len(fresh) == len(rows):
                    return rows, now + lock
                for row in rows:
                    if row[4] >= MAX_DELIVERIES:
                        _bury(db, row[0], name, now)
                if fresh:
                    return fresh, now + lock

        rows, until = self._database.write(work)
        rows.sort(key=itemgetter(0))
        return [_message(name, row, lock=(token, until)) for row in rows]

    def complete(self, message: Message) -> None:
        """Remove a message; see the port."""
        if self.complete_many([message]):
            raise lock_lost(message)

    def complete_many(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Remove several messages in one transaction; returns those whose lock was lost."""
        lost = self._wakes.complete_many([message for message in messages if message.sequence < 0])
        stored = [message for message in messages if message.sequence > 0]
        if not stored:
            return lost
        now = self._clock.now()
        keys = [(message.sequence, message.lock_token, now) for message in stored]
        gone = self._database.write(lambda db: [db.execute(_COMPLETE, key).rowcount for key in keys])
        return [*lost, *(message for message, count in zip(stored, gone, strict=True) if not count)]

    def abandon(self, message: Message) -> None:
        """Give a message back for immediate redelivery; see the port."""

        def give_back(db: sqlite3.Connection, deliveries: int) -> None:
            if deliveries >= MAX_DELIVERIES:
                _bury(db, message.sequence, message.queue, self._clock.now())
            else:
                db.execute(_UNLOCK, (message.sequence,))

        if message.sequence < 0:
            self._wakes.abandon(message)
        else:
            self._change_held(message, give_back)
        self._bell.ring()
        self._bell.ring()

    def dead_letter(self, message: Message, *, reason: str, description: str) -> None:
        """Move a message to the dead-letter queue; one that is there already stays and is not received again."""

        def bury(db: sqlite3.Connection, _: int) -> None:
            _bury(db, message.sequence, message.queue, self._clock.now(), (reason, description))

        if message.sequence < 0:
            self._wakes.dead_letter(message, reason=reason, description=description)
        else:
            self._change_held(message, bury)
        self._bell.ring()

    def peek(self, name: str, *, most: int = 100) -> Sequence[Message]:
        """Look at messages without locking them (scheduled ones too), oldest first."""
        rows = self._database.read(_PEEK, (name, most))
        wakes = self._wakes.peek(name, most=most)
        return [*wakes, *(_message(name, row) for row in rows)][:most]

    def counts(self) -> Mapping[str, int]:
        """How many messages each queue holds (scheduled and locked ones too); see the port."""
        names = {*(row[0] for row in self._database.read(_NAMES)), *self._wakes.counts()}
        counts = {name: self.backlog(name, COUNTED) for name in sorted(names)}
        return {name: count for name, count in counts.items() if count}

    def backlog(self, name: str, most: int) -> int:
        """How many messages the queue holds, at most ``most``; see the port."""
        wakes = self._wakes.backlog(name, most)
        ((stored,),) = self._database.look(_BACKLOG, (name, most - wakes))
        return wakes + int(stored)

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """Send dead letters back to the queue they came from; those in somebody's hands are left alone."""
        count = self._wakes.redrive(source=source, most=most)
        args = (self._clock.now(), DEAD_LETTERS, source, most - count)
        count += self._database.write(lambda db: db.execute(_REDRIVE, args).rowcount)
        self._bell.ring()
        return count

    def release_locks(self) -> int:
        """Free every lock at once: for a host that took over the root of one that is gone. Returns how many."""
        freed = self._database.write(
            lambda db: db.execute("UPDATE messages SET visible = enqueued, lock = NULL WHERE lock IS NOT NULL").rowcount
        )
        self._bell.ring()
        return freed

    def _look(self, names: Sequence[str]) -> tuple[list[str], float]:
        """Which queues have something to receive, and else for how many seconds one may look away."""
        if not names:
            return [], LOOK_SECONDS
        sql = f"SELECT {', '.join([_NEXT] * len(names))}"
        (row,) = self._database.look(sql, names)
        now = self._clock.now()
        next_at = min((at for at in row if at is not None), default=math.inf)
        woken = self._wakes.wait(names, 0.0)
        there = [name for name, at in zip(names, row, strict=True) if (at is not None and at <= now) or name in woken]
        return there, min(LOOK_SECONDS, next_at - now)

    def _change_held(self, message: Message, change: Callable[[sqlite3.Connection, int], None]) -> None:
        """Do something to a message whose lock is still the caller's; ``change`` gets its delivery count."""

        def work(db: sqlite3.Connection) -> None:
            row = db.execute(_HELD, (message.sequence, message.lock_token, self._clock.now())).fetchone()
            if row is None:
                raise lock_lost(message)
            change(db, row[0])

        self._database.write(work)


def _bury(db: sqlite3.Connection, sequence: int, queue: str, now: float, why: tuple[str, str] | None = None) -> None:
    """Forward a message to the dead letters, without ``why`` for its deliveries; a dead letter stays and is parked."""
    if queue == DEAD_LETTERS:
        db.execute(_PARK, (*(why or (None, None)), _PARKED, sequence))
    else:
        reason = why or (TOO_MANY_DELIVERIES, TOO_MANY_DESCRIPTION)
        db.execute(_BURY, (DEAD_LETTERS, queue, *reason, now, now, sequence))


def _message(queue: str, row: tuple[Any, ...], lock: tuple[str, float] | None = None) -> Message:
    """The message in a row: as received, when a lock was just put on it, or as it lies there."""
    sequence, ident, body, enqueued, deliveries, reason, description, source, properties = row
    token, until = lock or ("", 0.0)
    return Message(
        queue=queue,
        id=ident,
        body=body,
        sequence=sequence,
        enqueued=enqueued,
        delivery_count=deliveries if lock is None else deliveries + 1,
        lock_token=token,
        locked_until=until,
        dead_letter_reason=reason,
        dead_letter_description=description,
        dead_letter_source=source,
        properties=_decode_properties(properties) if properties else {},
    )
