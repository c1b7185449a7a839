"""Serves the queue functions, events and timers of the host: one thread at a time leads, others step in when it is held up.

Python runs one thread at a time, and calls that only touch the stores take a fraction of a millisecond each; a dozen
threads doing them spend more on taking turns than on their work. So one thread, the leader, receives and runs the calls
one after the other. A call that takes longer, because it waits for a remote compute, costs the others next to nothing:
after :data:`PATIENCE` the relief, who stands by, takes the lead over.
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
"""Messages of one queue that are received, or completed, at a time."""
CALLS: Final = 8
"""Events and timers that run at a time."""
PATIENCE: Final = 0.02
"""Seconds that a call may hold up the others; also how often the relief looks while the host is busy."""
WAIT: Final = 0.5
"""Seconds between looks at idle queues, whatever the queue tells by itself."""
PAUSE: Final = 1.0
"""Seconds between tries when a queue itself fails."""
_CALM: Final = 10
"""Idle looks after which the relief sleeps until it is called."""

log = logging.getLogger("runyard.host")

Call = Callable[[], None]


class _Lane:
    """What waits for one function, and what of it runs; for events and timers there is one lane without a function."""

    __slots__ = ("limit", "queue", "running", "served", "waiting")

    def __init__(self, served: Served | None, limit: int) -> None:
        self.served = served
        self.queue: str = served.settings["queueName"] if served else ""
        self.limit = limit
        self.waiting: deque[Message | Call] = deque()
        self.running: list[Message | Call] = []

    def room(self) -> int:
        """How many messages more may be received now: those of before have begun, and not too many run."""
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
        self._limits = limits
        self._local = _Lane(None, CALLS)
        self._lanes = [self._local, *(_Lane(served, limits.concurrency) for served in functions)]
        self._most_threads = sum(lane.limit for lane in self._lanes) + 2
        self._state = threading.Lock()
        self._changed = threading.Condition(self._state)
        self._stopping = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._turn = 0
        self._began = -math.inf
        """When the leader began its call; 0 while it has none. At first the lead is free: as after an endless call."""
        self._standing_by = False
        self._asleep = False
        self._done: list[Message] = []

    def start(self) -> None:
        """Begin to serve."""
        with self._state:
            self._add_thread()

    def run(self, call: Call) -> None:
        """Have ``call`` run soon."""
        with self._state:
            self._local.waiting.append(call)
        self._queue.interrupt()

    def ask_stop(self) -> None:
        """Begin nothing more; calls in flight go on."""
        with self._state:
            self._stopping.set()
            self._changed.notify_all()
        self._queue.interrupt()

    def stop(self, deadline: float) -> None:
        """Wait for the calls in flight until ``deadline`` (``time.monotonic``), then give their messages back."""
        self.ask_stop()
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._complete_done()
        with self._state:
            busy = [(lane, item) for lane in self._lanes for item in lane.running]
            unbegun = [item for lane in self._lanes for item in lane.waiting]
            for lane in self._lanes:
                lane.waiting.clear()
        for lane, item in busy:
            name = f"{lane.served.name}: still busy with message" if lane.served else "still busy with an event or a timer"
            log.warning("%s%s at the stop; it comes again", name, f" {item.id}" if isinstance(item, Message) else "")
        for item in (*(item for _, item in busy), *unbegun):
            if isinstance(item, Message):
                self._abandon(item)

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"rota-{self._turn}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _serve(self) -> None:
        """One thread's life: it stands by, takes the lead, and goes once another took it over."""
        turn = self._stand_by()
        while turn and self._serve_next(turn):
            pass
        with self._state:
            self._threads.discard(threading.current_thread())

    def _stand_by(self) -> int:
        """Be the relief until the lead is to be taken over; returns the number of the turn, 0 at the stop."""
        idle = 0
        with self._changed:
            while not self._stopping.is_set():
                began = self._began
                if began and time.monotonic() - began > PATIENCE:
                    self._turn += 1
                    self._began = 0.0
                    if len(self._threads) < self._most_threads:
                        self._add_thread()
                    return self._turn
                idle = 0 if began else idle + 1
                self._asleep = idle > _CALM
                if self._asleep and not self._began:
                    self._changed.wait()
                    idle = 0
                else:
                    self._changed.wait(PATIENCE)
        return 0
