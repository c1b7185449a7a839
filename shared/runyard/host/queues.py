"""Serves one queue function: receives, calls, completes or abandons.

Threads take turns at leading: the leader receives, hands the lead on, and runs the first message itself, so that a message
on an idle host meets its handler without changing threads, and a slow handler never stands before the next message.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from runyard.errors import LockLostError
from runyard.host.app import HostJson, Served
from runyard.host.bindings import queue_message
from runyard.host.calls import invoke, report_failure
from runyard.host.turnstile import Turnstile
from runyard.ports.queue import Message, Queue

WAIT: Final = 0.25
"""Seconds that one receive waits: the longest that a stop waits for an idle queue."""
PAUSE: Final = 1.0
"""Seconds between tries when the queue itself fails."""

log = logging.getLogger("runyard.host")


class QueuePump:
    """Serves one queue function with at most ``limits.concurrency`` calls at a time."""

    def __init__(self, served: Served, queue: Queue, limits: HostJson, turnstile: Turnstile | None = None) -> None:
        self.queue_name: str = served.settings["queueName"]
        self._served = served
        self._queue = queue
        self._limits = limits
        self._turnstile = turnstile or Turnstile()
        self._lead = threading.Lock()
        self._state = threading.Lock()
        self._stopping = threading.Event()
        self._waiting: deque[Message] = deque()
        self._running: dict[int, Message] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to receive."""
        with self._state:
            for _ in range(min(2, self._limits.concurrency)):
                self._add_thread()

    def ask_stop(self) -> None:
        """Receive no more; calls in flight go on."""
        with self._state:
            self._stopping.set()

    def stop(self, deadline: float) -> None:
        """Wait for the calls in flight until ``deadline`` (``time.monotonic``), then give their messages back."""
        self.ask_stop()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._state:
            left = [*self._running.values(), *self._waiting]
            self._waiting.clear()
        for message in left:
            log.warning("%s: still busy with message %s at the stop; it comes again", self._served.name, message.id)
            self._settle(self._queue.abandon, message)

    def _add_thread(self) -> None:
        name = f"{self._served.name}-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        going = True
        while going:
            try:
                going = self._serve_one()
            except Exception as error:  # noqa: BLE001 - the edge of a thread: said, and tried again
                report_failure(self._served, f"queue {self.queue_name} failed", error)
                self._stopping.wait(PAUSE)

    def _serve_one(self) -> bool:
        with self._lead:
            message = self._next()
        if message is None:
            return False
        try:
            with self._turnstile:
                self._handle(message)
        finally:
            with self._state:
                del self._running[id(message)]
        return True

    def _next(self) -> Message | None:
        """The next message for this thread (the leader), or ``None`` at the stop."""
        while not self._stopping.is_set():
            if not self._waiting:
                free = self._limits.concurrency - len(self._running)
                self._waiting.extend(self._queue.receive(self.queue_name, most=free, lock=self._limits.lock, wait=WAIT))
            with self._state:
                if self._waiting and not self._stopping.is_set():
                    message = self._waiting.popleft()
                    self._running[id(message)] = message
                    if len(self._running) == len(self._threads) < self._limits.concurrency:
                        self._add_thread()
                    return message
        while self._waiting:
            self._settle(self._queue.abandon, self._waiting.popleft())
        return None

    def _handle(self, message: Message) -> None:
        try:
            invoke(self._served, queue_message(message))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of a call: recorded, and redelivered
            report_failure(self._served, f"message {message.id} (delivery {message.delivery_count}) failed", error)
            self._settle(self._queue.abandon, message)
        else:
            self._settle(self._queue.complete, message)

    def _settle(self, how: Callable[[Message], None], message: Message) -> None:
        try:
            how(message)
        except LockLostError:
            log.info("%s: the lock of message %s was lost; it comes again", self._served.name, message.id)
