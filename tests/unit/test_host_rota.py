from __future__ import annotations

import logging
import queue as std_queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import azure.functions as func
import pytest

from runyard.host.app import QUEUE, HostJson
from runyard.host.rota import WAIT, Rota
from runyard.ports.queue import DEAD_LETTERS, MAX_DELIVERIES, Message
from runyard.stores.clock import SystemClock
from runyard.testing import MemoryQueue
from tests.host_helpers import PATIENCE, eventually, served


@contextmanager
def serving(
    queue: MemoryQueue, *handlers: Callable[[Any], None], concurrency: int = 4, grace: float = 5.0
) -> Iterator[Rota]:
    """A rota that serves the queue ``work``, and ``more`` if there is a second handler."""
    functions = [served(call, QUEUE, queueName=name) for call, name in zip(handlers, ("work", "more"), strict=False)]
    rota = Rota(functions, queue, HostJson(concurrency=concurrency))
    rota.start()
    try:
        yield rota
    finally:
        rota.stop(time.monotonic() + grace)


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(SystemClock())


def test_a_handled_message_is_completed(queue: MemoryQueue) -> None:
    seen: std_queue.Queue[func.ServiceBusMessage] = std_queue.Queue()
    with serving(queue, seen.put):
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

    with caplog.at_level(logging.INFO, "runyard"), serving(queue, handle):
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

    with caplog.at_level(logging.DEBUG, "runyard"), serving(queue, handle):
        queue.send("work", b"x")
        eventually(lambda: any(record.exc_info for record in caplog.records))


def test_a_message_that_always_fails_ends_among_the_dead_letters(queue: MemoryQueue) -> None:
    calls: list[int] = []

    def handle(message: func.ServiceBusMessage) -> None:
        calls.append(1)
        raise SystemExit(3)

    with serving(queue, handle):
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
    with serving(queue, handle, concurrency=3):
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

    with serving(queue, handle, concurrency=2):
        queue.send("work", b"slow")
        queue.send("work", b"quick")
        assert done.get(timeout=PATIENCE) == b"quick"
        gate.set()
        assert done.get(timeout=PATIENCE) == b"slow"


def test_one_call_at_a_time_keeps_going(queue: MemoryQueue) -> None:
    seen: list[bytes] = []
    with serving(queue, lambda message: seen.append(message.get_body()), concurrency=1):
        for number in range(50):
            queue.send("work", b"%d" % number)
        eventually(lambda: len(seen) == 50 and not queue.counts().get("work"))


def test_a_stop_lets_calls_in_flight_finish(queue: MemoryQueue) -> None:
    entered, gate = threading.Event(), threading.Event()

    def handle(message: func.ServiceBusMessage) -> None:
        entered.set()
        gate.wait(PATIENCE)

    with serving(queue, handle) as rota:
        queue.send("work", b"x")
        assert entered.wait(PATIENCE)
        rota.ask_stop()
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
        with serving(queue, handle, grace=0.0):
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

    def receive(self, name: str, *, most: int, lock: float) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError("disk on fire")
        return super().receive(name, most=most, lock=lock)

    def complete_many(self, messages: Sequence[Message]) -> Sequence[Message]:
        super().complete_many(messages)
        return messages


def test_a_queue_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.host.rota.PAUSE", 0.001)
    queue = _FailingQueue(SystemClock())
    seen: std_queue.Queue[object] = std_queue.Queue()
    with caplog.at_level(logging.INFO, "runyard"), serving(queue, seen.put):
        queue.send("work", b"1", message_id="m-1")
        queue.send("work", b"2", message_id="m-2")
        seen.get(timeout=PATIENCE)
        seen.get(timeout=PATIENCE)
        eventually(lambda: len(caplog.messages) == 3)

    assert caplog.messages[0] == "the queues failed: OSError: disk on fire"
    assert "f: the lock of message m-1 was lost; it comes again" in caplog.messages
    assert caplog.records[-1].levelno == logging.INFO


def test_the_functions_take_turns(queue: MemoryQueue) -> None:
    seen: list[str] = []
    for number in range(20):
        queue.send("work", b"%d" % number)
    queue.send("more", b"x")
    with serving(queue, lambda _: seen.append("work"), lambda _: seen.append("more")):
        eventually(lambda: len(seen) == 21)

    assert seen.index("more") < 3


def test_quick_calls_are_made_one_after_the_other(queue: MemoryQueue) -> None:
    threads: set[int] = set()
    for number in range(50):
        queue.send("work", b"%d" % number)
    with serving(queue, lambda _: threads.add(threading.get_ident())):
        eventually(lambda: not queue.counts().get("work"))

    assert len(threads) == 1


def test_a_slow_call_does_not_hold_up_other_functions(queue: MemoryQueue) -> None:
    gate, done = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        gate.wait(PATIENCE)

    def quick(_: object) -> None:
        done.set()

    with serving(queue, slow, quick, concurrency=3):
        for _ in range(5):
            queue.send("work", b"x")
        eventually(lambda: sum(message.delivery_count for message in queue.peek("work")) == 3)
        queue.send("more", b"x")
        assert done.wait(PATIENCE)
        gate.set()


def test_threads_that_are_not_needed_any_more_end(queue: MemoryQueue) -> None:
    gate = threading.Event()
    running = threading.Semaphore(0)

    def slow(_: object) -> None:
        running.release()
        gate.wait(PATIENCE)

    def threads() -> int:
        return sum(thread.name.startswith("rota-") for thread in threading.enumerate())

    with serving(queue, slow, concurrency=4):
        for _ in range(4):
            queue.send("work", b"x")
        for _ in range(4):
            assert running.acquire(timeout=PATIENCE)
        assert threads() >= 4
        gate.set()
        eventually(lambda: threads() == 2)


def test_a_call_of_the_host_runs_at_once_on_an_idle_host(queue: MemoryQueue) -> None:
    done = threading.Event()
    with serving(queue, print) as rota:
        for _ in range(3):
            done.clear()
            began = time.monotonic()
            rota.run(done.set)
            assert done.wait(PATIENCE)
            assert time.monotonic() - began < WAIT


def test_a_call_of_the_host_that_fails_is_told_and_ends_nothing(
    queue: MemoryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    def fail() -> None:
        raise ValueError("why")

    with serving(queue, print) as rota:
        rota.run(fail)
        rota.run(done.set)
        assert done.wait(PATIENCE)

    assert "an event or a timer failed" in caplog.messages


def test_a_stop_tells_of_a_call_that_goes_on(queue: MemoryQueue, caplog: pytest.LogCaptureFixture) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        gate.wait(PATIENCE)

    with serving(queue, print, grace=0.0) as rota:
        rota.run(slow)
        assert entered.wait(PATIENCE)

    gate.set()
    assert caplog.messages == ["the host: still busy with an event or a timer at the stop; it comes again"]


def test_an_idle_host_stops_at_once(queue: MemoryQueue) -> None:
    with serving(queue, print):
        time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < WAIT
