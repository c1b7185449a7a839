from __future__ import annotations

import logging
import queue as std_queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import azure.functions as func
import pytest

from runyard.errors import LockLostError
from runyard.host.app import QUEUE, HostJson
from runyard.host.queues import QueuePump
from runyard.ports.queue import DEAD_LETTERS, MAX_DELIVERIES, Message
from runyard.stores.embedded.clock import SystemClock
from runyard.testing import MemoryQueue
from tests.host_helpers import PATIENCE, eventually, served


@contextmanager
def pumping(
    queue: MemoryQueue, handle: Callable[[Any], None], *, concurrency: int = 4, grace: float = 5.0
) -> Iterator[QueuePump]:
    pump = QueuePump(served(handle, QUEUE, queueName="work"), queue, HostJson(concurrency=concurrency))
    pump.start()
    try:
        yield pump
    finally:
        pump.stop(time.monotonic() + grace)


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(SystemClock())


def test_a_handled_message_is_completed(queue: MemoryQueue) -> None:
    seen: std_queue.Queue[func.ServiceBusMessage] = std_queue.Queue()
    with pumping(queue, seen.put):
        queue.send("work", b"one", message_id="m-1")
        message = seen.get(timeout=PATIENCE)
        eventually(lambda: not queue.counts().get("work"))

    assert (message.message_id, message.get_body()) == ("m-1", b"one")


def test_a_message_whose_handler_raises_comes_again(queue: MemoryQueue, caplog: pytest.LogCaptureFixture) -> None:
    counts: list[int | None] = []

    def handle(message: func.ServiceBusMessage) -> None:
        counts.append(message.delivery_count)
        if len(counts) < 3:
            raise ValueError("not yet")

    with caplog.at_level(logging.INFO, "runyard"), pumping(queue, handle):
        queue.send("work", b"x", message_id="m-1")
        eventually(lambda: len(counts) == 3 and not queue.counts().get("work"))

    assert counts == [1, 2, 3]
    assert caplog.messages == [
        "f: message m-1 (delivery 1) failed: ValueError: not yet",
        "f: message m-1 (delivery 2) failed: ValueError: not yet",
    ]


def test_the_traceback_is_for_those_who_debug(queue: MemoryQueue, caplog: pytest.LogCaptureFixture) -> None:
    def handle(message: func.ServiceBusMessage) -> None:
        raise ValueError("why")

    with caplog.at_level(logging.DEBUG, "runyard"), pumping(queue, handle):
        queue.send("work", b"x")
        eventually(lambda: any(record.exc_info for record in caplog.records))


def test_a_message_that_always_fails_ends_among_the_dead_letters(queue: MemoryQueue) -> None:
    calls: list[int] = []

    def handle(message: func.ServiceBusMessage) -> None:
        calls.append(1)
        raise SystemExit(3)

    with pumping(queue, handle):
        queue.send("work", b"x")
        eventually(lambda: queue.counts().get(DEAD_LETTERS))

    assert len(calls) == MAX_DELIVERIES


def test_no_more_calls_at_a_time_than_allowed(queue: MemoryQueue) -> None:
    lock, gate = threading.Lock(), threading.Event()
    running, most = 0, 0

    def handle(message: func.ServiceBusMessage) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(PATIENCE)
        with lock:
            running -= 1

    for number in range(10):
        queue.send("work", b"%d" % number)
    with pumping(queue, handle, concurrency=3):
        eventually(lambda: running == 3)
        assert len(queue.peek("work")) == 10
        gate.set()
        eventually(lambda: not queue.counts().get("work"))

    assert most == 3


def test_a_slow_call_does_not_hold_up_the_next_message(queue: MemoryQueue) -> None:
    gate = threading.Event()
    done: std_queue.Queue[bytes] = std_queue.Queue()

    def handle(message: func.ServiceBusMessage) -> None:
        if message.get_body() == b"slow":
            gate.wait(PATIENCE)
        done.put(message.get_body())

    with pumping(queue, handle, concurrency=2):
        queue.send("work", b"slow")
        queue.send("work", b"quick")
        assert done.get(timeout=PATIENCE) == b"quick"
        gate.set()
        assert done.get(timeout=PATIENCE) == b"slow"


def test_one_call_at_a_time_keeps_going(queue: MemoryQueue) -> None:
    seen: list[bytes] = []
    with pumping(queue, lambda message: seen.append(message.get_body()), concurrency=1):
        for number in range(50):
            queue.send("work", b"%d" % number)
        eventually(lambda: len(seen) == 50 and not queue.counts().get("work"))


def test_a_stop_lets_calls_in_flight_finish(queue: MemoryQueue) -> None:
    entered, gate = threading.Event(), threading.Event()

    def handle(message: func.ServiceBusMessage) -> None:
        entered.set()
        gate.wait(PATIENCE)

    with pumping(queue, handle) as pump:
        queue.send("work", b"x")
        assert entered.wait(PATIENCE)
        pump.ask_stop()
        queue.send("work", b"later")
        gate.set()

    left = queue.receive("work", most=10, lock=60)
    assert [message.body for message in left] == [b"later"]


def test_a_stop_gives_back_what_does_not_finish(queue: MemoryQueue, caplog: pytest.LogCaptureFixture) -> None:
    entered, gate, ended = threading.Event(), threading.Event(), threading.Event()

    def handle(message: func.ServiceBusMessage) -> None:
        entered.set()
        gate.wait(PATIENCE)
        ended.set()

    with caplog.at_level(logging.INFO, "runyard"):
        with pumping(queue, handle, grace=0.0):
            queue.send("work", b"x", message_id="m-1")
            assert entered.wait(PATIENCE)
        again = queue.receive("work", most=1, lock=60)
        gate.set()
        eventually(lambda: "f: the lock of message m-1 was lost; it comes again" in caplog.messages)

    assert [(message.id, message.delivery_count) for message in again] == [("m-1", 2)]
    assert ended.is_set()


class _FailingQueue(MemoryQueue):
    """Fails the first receive, and loses every lock at completion."""

    failures = 1

    def receive(self, name: str, *, most: int, lock: float, wait: float = 0.0) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError("disk on fire")
        return super().receive(name, most=most, lock=lock, wait=wait)

    def complete(self, message: Message) -> None:
        super().complete(message)
        raise LockLostError


def test_a_queue_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.host.queues.PAUSE", 0.001)
    queue = _FailingQueue(SystemClock())
    seen: std_queue.Queue[object] = std_queue.Queue()
    with caplog.at_level(logging.INFO, "runyard"), pumping(queue, seen.put):
        queue.send("work", b"1", message_id="m-1")
        queue.send("work", b"2", message_id="m-2")
        seen.get(timeout=PATIENCE)
        seen.get(timeout=PATIENCE)
        eventually(lambda: len(caplog.messages) == 3)

    assert caplog.messages[0] == "f: queue work failed: OSError: disk on fire"
    assert "f: the lock of message m-1 was lost; it comes again" in caplog.messages
    assert caplog.records[-1].levelno == logging.INFO
