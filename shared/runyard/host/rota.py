"""Serves the host's functions: one thread at a time leads and does all the work, another stands by to take the lead over.

Python runs one thread at a time, and a call that only touches the stores takes a fraction of a millisecond; a dozen
threads doing such calls spend more on taking turns than on their work. So the leader receives messages and handles them
one after the other, events and timers between them. A call that takes longer, because it waits for a remote compute,
does not hold up the others: after :data:`PATIENCE` the relief takes the lead over, and a new thread stands by.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from runyard.errors import LockLostError
from runyard.host.app import HostJson, Served
from runyard.host.bindings import queue_message
from runyard.host.calls import describe, invoke, report_failure
from runyard.ports.queue import Message, Queue

BATCH: Final = 16
"""Messages that are received or completed in one go."""
CALLS: Final = 8
"""Events and timers that may run at a time."""
PATIENCE: Final = 0.02
"""Seconds that a call may hold up the others."""
WAIT: Final = 0.5
"""Seconds that one wait for messages lasts."""
GLANCE: Final = 0.002
"""Seconds between looks at the queues while there is something at hand."""
LINGER: Final = 0.05
"""Seconds that a handled message may wait for others to be completed with. A crash meanwhile delivers it again."""
PAUSE: Final = 1.0
"""Seconds between tries when the queues fail."""
_CALM: Final = 10
"""Looks of the relief without a call running after which it sleeps until it is woken."""

log = logging.getLogger("runyard.host")

Call = Callable[[], None]


class _Lane:
    """What waits for one function, and what of it runs. Events and timers have one lane, without a function."""

    __slots__ = ("limit", "queue", "running", "served", "waiting")

    def __init__(self, served: Served | None, limit: int) -> None:
        self.served = served
        self.queue: str = served.settings["queueName"] if served else ""
        self.limit = limit
        self.waiting: deque[Message | Call] = deque()
        self.running: list[Message | Call] = []

    @property
    def ready(self) -> bool:
        """Whether something waits that may run."""
        return bool(self.waiting) and len(self.running) < self.limit

    @property
    def room(self) -> int:
        """How many messages may be received now: none before those at hand have begun, nor more than may run."""
        return 0 if self.waiting else min(self.limit - len(self.running), BATCH)


class Rota:
    """Serves queue functions with at most ``limits.concurrency`` calls of each at a time, and calls of the host's own."""

    def __init__(self, functions: Sequence[Served], queue: Queue, limits: HostJson) -> None:
        """Make a rota; :meth:`start` does the work.

        Args:
            functions: The queue functions.
            queue: Where their messages are.
            limits: How many calls of each may run at a time, and how long a message is locked.
        """
        self._queue = queue
        self._lock = limits.lock
        self._own = _Lane(None, CALLS)
        self._queues = [_Lane(served, limits.concurrency) for served in functions]
        self._lanes = deque([self._own, *self._queues])
        self._look_at = 0.0
        self._done: list[tuple[_Lane, Message]] = []
        """Handled by the leader, and not completed yet."""
        self._changed = threading.Condition(threading.Lock())
        self._stopping = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._turn = 0
        """Grows whenever the lead changes hands."""
        self._began = -math.inf
        """When the leader began its call, 0 while it has none. At first the lead is free, as if a call never ended."""
        self._relieved = False
        """Whether a relief stands by."""
        self._asleep = False
        """Whether it must be woken, since nothing has run for a while."""

    def start(self) -> None:
        """Begin to serve."""
        with self._changed:
            self._add_thread()

    def run(self, call: Call) -> None:
        """Have ``call`` run soon. What it raises is only logged."""
        with self._changed:
            self._own.waiting.append(call)
        self._queue.interrupt()

    def ask_stop(self) -> None:
        """Begin nothing more; calls in flight go on."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        self._queue.interrupt()

    def stop(self, deadline: float) -> None:
        """Wait for the calls in flight until ``deadline`` (``time.monotonic``), then give their messages back."""
        self.ask_stop()
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            running = [(lane, item) for lane in self._lanes for item in lane.running]
            left = [(lane, item) for lane in self._lanes for item in lane.waiting] + running
            for lane in self._lanes:
                lane.waiting.clear()
        self._complete(self._done)
        for lane, item in running:
            name = lane.served.name if lane.served else "the host"
            what = f"message {item.id}" if isinstance(item, Message) else "an event or a timer"
            log.warning(
                "%s: still busy with %s at the stop; it comes again", name, what, extra={"action": "host.stopping"}
            )
        for lane, item in left:
            if isinstance(item, Message):
                self._abandon(lane, item)

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"rota-{self._turn + 1}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _serve(self) -> None:
        """A thread's life: it stands by, leads until the lead is taken over, and goes if another stands by already.

        So there are at most two threads more than there may be calls at a time.
        """
        while turn := self._stand_by():
            while self._turn == turn and not self._stopping.is_set():
                try:
                    self._look()
                    self._run_next(turn)
                except Exception as error:
                    log.error("the queues failed: %s", describe(error), extra={"action": "queue.failed"})  # noqa: TRY400
                    log.debug("the queues failed: the traceback", exc_info=error)
                    self._stopping.wait(PAUSE)
        with self._changed:
            self._threads.discard(threading.current_thread())

    def _stand_by(self) -> int:
        """Wait until the lead is to be taken over; the number of the turn, or 0 if this thread may go."""
        calm = 0
        with self._changed:
            if self._relieved:
                return 0
            self._relieved = True
            while not self._stopping.is_set():
                held = time.monotonic() - self._began if self._began else 0.0
                if held > PATIENCE:
                    self._relieved = False
                    self._turn += 1
                    self._began = 0.0
                    self._add_thread()
                    return self._turn
                calm = 0 if self._began else calm + 1
                self._asleep = calm > _CALM
                self._changed.wait(None if self._asleep else PATIENCE)
        return 0

    def _look(self) -> None:
        """Receive for functions with nothing at hand; with nothing to do, wait. What is handled is completed in batches."""
        seconds = LINGER if self._done else WAIT
        if any(lane.ready for lane in self._lanes):
            if time.monotonic() < self._look_at:
                return
            seconds = 0.0
        lanes = [lane for lane in self._queues if lane.room > 0]
        there = self._queue.wait([lane.queue for lane in lanes], seconds)
        for lane in lanes if there else ():
            if lane.queue in there:
                lane.waiting.extend(self._queue.receive(lane.queue, most=lane.room, lock=self._lock))
        self._look_at = time.monotonic() + GLANCE
        if len(self._done) >= BATCH or (seconds and not there):
            done, self._done = self._done, []
            self._complete(done)

    def _pick(self) -> tuple[_Lane, Message | Call] | None:
        """What to run next: the lanes take turns."""
        with self._changed:
            for _ in range(0 if self._stopping.is_set() else len(self._lanes)):
                lane = self._lanes[0]
                self._lanes.rotate(-1)
                if lane.ready:
                    item = lane.waiting.popleft()
                    lane.running.append(item)
                    self._began = time.monotonic()
                    if self._asleep:
                        self._asleep = False
                        self._changed.notify()
                    return lane, item
        return None

    def _run_next(self, turn: int) -> None:
        if (picked := self._pick()) is None:
            return
        lane, item = picked
        handled = None
        try:
            handled = self._handle(lane, item)
        finally:
            with self._changed:
                lane.running.remove(item)
                leads = self._turn == turn and not self._stopping.is_set()
                if leads:
                    self._began = 0.0
        if handled is not None and leads:
            self._done.append((lane, handled))
        elif handled is not None:
            self._complete([(lane, handled)])

    def _handle(self, lane: _Lane, item: Message | Call) -> Message | None:
        """Make a call; returns the message that is to be completed."""
        if not isinstance(item, Message):
            try:
                item()
            except Exception:
                log.exception("an event or a timer failed", extra={"action": "function.failed"})
            return None
        assert lane.served is not None
        try:
            invoke(lane.served, queue_message(item))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of a call: recorded, and redelivered
            report_failure(lane.served, f"message {item.id} (delivery {item.delivery_count}) failed", error)
            self._abandon(lane, item)
            return None
        return item

    def _complete(self, done: Sequence[tuple[_Lane, Message]]) -> None:
        """Complete messages that were handled. Should that fail they come again, as after a crash."""
        lost = self._queue.complete_many([message for _, message in done]) if done else ()
        for lane, message in done:
            if message in lost:
                _tell_lost(lane, message)

    def _abandon(self, lane: _Lane, message: Message) -> None:
        try:
            self._queue.abandon(message)
        except LockLostError:
            _tell_lost(lane, message)


def _tell_lost(lane: _Lane, message: Message) -> None:
    name = lane.served.name if lane.served else ""
    log.info("%s: the lock of message %s was lost; it comes again", name, message.id, extra={"action": "lock.lost"})
