"""Queues on a Service Bus that fails: nothing is lost, and what is raised is ours."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from runyard.errors import (
    AuthError,
    LockLostError,
    NotFoundError,
    RunyardError,
    StorageFullError,
    ThrottledError,
)
from runyard.ports.queue import DEAD_LETTERS
from runyard.stores.azure.clients import Clients
from runyard.stores.azure.queue import AzureQueue
from runyard.stores.azure.settings import AzureSettings
from runyard.testing import ManualClock
from tests.standins.broker import Bench, broker, faults, leaks_sockets
from tests.standins.broker.entities import QueueSettings

pytestmark = leaks_sockets
DEADLINE = 20.0


class Line:
    """A queue of its own, and its namespace."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.sent: list[tuple[str, str, str]] = []
        settings = AzureSettings(bus_connection=bench.connection)
        self.clients = Clients(settings, sent=lambda *what: self.sent.append(what))
        self.queue = AzureQueue(self.clients.bus, ManualClock(time.time()))


@pytest.fixture(scope="module")
def opened() -> Iterator[Line]:
    forwarded = QueueSettings(forward_dead_letters_to=DEAD_LETTERS)
    queues = dict.fromkeys(("q", "p"), forwarded) | {DEAD_LETTERS: QueueSettings()}
    line = Line(broker().namespace(queues))
    yield line
    line.clients.close()
    gc.collect()


@pytest.fixture
def line(opened: Line) -> Iterator[Line]:
    drain(opened)
    opened.bench.clear()
    opened.queue._counted.clear()
    opened.sent.clear()
    yield opened
    opened.bench.clear()
    gc.collect()


def drain(line: Line) -> None:
    line.bench.faults.clear()
    for name in ("q", "p"):
        while messages := line.queue.receive(name, most=100, lock=60):
            line.queue.complete_many(messages)


def taken(line: Line, name: str = "q") -> list[bytes]:
    """Receive and complete until the queue is empty, over whatever goes wrong."""
    bodies = []
    until = time.monotonic() + DEADLINE
    while line.bench.counts().get(name):
        assert time.monotonic() < until, line.bench.counts()
        try:
            messages = line.queue.receive(name, most=10, lock=60)
            bodies += [each.body for each in messages]
            line.queue.complete_many(messages)
        except RunyardError:
            continue
    return bodies


@pytest.mark.parametrize(
    ("fault", "error"),
    [(faults.BUSY, ThrottledError), (faults.FULL, StorageFullError)],
    ids=["busy", "full"],
)
def test_a_send_that_is_refused_says_why_in_our_words(line: Line, fault: str, error: type[RunyardError]) -> None:
    line.bench.faults.order(fault, "q", times=3)
    with pytest.raises(error, match="sending to the queue q"):
        line.queue.send("q", b"x")
    assert line.bench.counts() == {}
    line.bench.faults.clear()
    line.queue.send("q", b"x")
    assert taken(line) == [b"x"]


@pytest.mark.parametrize("fault", [faults.TEAR_BEFORE, faults.TEAR_AFTER, faults.DETACH, faults.DUPLICATE, faults.SLOW])
def test_a_send_that_goes_wrong_once_arrives_all_the_same(line: Line, fault: str) -> None:
    line.bench.faults.order(fault, "q")
    line.queue.send("q", b"x")
    assert line.bench.faults.happened == {fault: 1}
    assert set(taken(line)) == {b"x"}


@pytest.mark.parametrize("fault", [faults.LOSE_LOCK, faults.TEAR_BEFORE])
def test_a_message_whose_settlement_fails_comes_again(line: Line, fault: str) -> None:
    line.queue.send("q", b"x")
    (message,) = line.queue.receive("q", most=1, lock=60)
    line.bench.faults.order(fault, "q")
    with pytest.raises(LockLostError, match=message.id):
        line.queue.complete(message)
    assert taken(line) == [b"x"]


def test_a_message_completed_before_the_connection_broke_is_gone(line: Line) -> None:
    line.queue.send("q", b"x")
    (message,) = line.queue.receive("q", most=1, lock=60)
    line.bench.faults.order(faults.TEAR_AFTER, "q")
    with pytest.raises(LockLostError):
        line.queue.complete(message)
    assert line.bench.counts() == {}


def test_a_completed_message_may_come_again(line: Line) -> None:
    line.queue.send("q", b"x")
    line.bench.faults.order(faults.REDELIVER, "q")
    assert taken(line) == [b"x", b"x"]


def test_of_many_messages_none_is_lost_whatever_goes_wrong(line: Line) -> None:
    chances = (faults.LOSE_LOCK, faults.REDELIVER, faults.DUPLICATE, faults.BUSY, faults.FULL, faults.SLOW)
    line.bench.faults.pause = 0.01
    line.bench.faults.rates.update(dict.fromkeys(chances, 0.05) | {faults.TEAR_BEFORE: 0.01, faults.TEAR_AFTER: 0.01})
    arrived = set()
    for number in range(60):
        try:
            line.queue.send("q", b"%d" % number)
            arrived.add(b"%d" % number)
        except RunyardError:
            continue
    assert len(arrived) > 50
    got = set(taken(line))
    assert arrived - got <= {letter.body for letter in line.queue.peek(DEAD_LETTERS)}
    assert line.bench.faults.happened


def test_a_queue_that_is_not_there_is_named(line: Line) -> None:
    with pytest.raises(NotFoundError, match="nope"):
        line.queue.send("nope", b"x")
    with pytest.raises(NotFoundError, match="nope"):
        line.queue.peek("nope")


def test_a_wait_for_a_queue_that_is_not_there_fails(line: Line) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        line.queue.wait(["gone"], DEADLINE)


def test_a_wrong_key_is_an_error_of_ours_without_the_key(line: Line) -> None:
    connection = line.bench.connection.replace("SharedAccessKey=", "SharedAccessKey=canary")
    clients = Clients(AzureSettings(bus_connection=connection))
    try:
        with pytest.raises(AuthError) as caught:
            AzureQueue(clients.bus, ManualClock()).send("q", b"x")
    finally:
        clients.close()
    assert "canary" not in caught.value.message


def test_a_wait_ends_as_a_message_comes(line: Line) -> None:
    line.queue.wait(["q", "p"], 0.05)
    timer = threading.Timer(0.2, line.queue.send, ("p", b"x"))
    timer.start()
    assert list(line.queue.wait(["q", "p"], DEADLINE)) == ["p"]
    timer.join()
    assert taken(line, "p") == [b"x"]


@pytest.mark.parametrize("fault", [None, faults.TEAR_BEFORE], ids=["well", "torn"])
def test_what_came_and_was_not_received_is_given_back_at_the_end(line: Line, fault: str | None) -> None:
    line.queue.send("p", b"x")
    clients = Clients(AzureSettings(bus_connection=line.bench.connection))
    waiting = AzureQueue(clients.bus, ManualClock())
    assert list(waiting.wait(["p"], DEADLINE)) == ["p"]
    assert list(line.queue.receive("p", most=1, lock=60)) == []
    if fault is not None:
        line.bench.faults.order(fault, "p")
    clients.close()
    assert taken(line, "p") == [b"x"]


def test_who_only_looks_holds_no_message(line: Line) -> None:
    line.queue.send("q", b"x")
    assert list(line.queue.wait(["q"], 0.0)) == ["q"]
    (peeked,) = line.queue.peek("q")
    assert peeked.delivery_count == 0
    assert taken(line) == [b"x"]


def test_operations_are_counted(line: Line) -> None:
    line.queue.send("q", b"x")
    line.queue.complete_many(line.queue.receive("q", most=1, lock=60))
    line.queue.backlog("q", 1)
    assert line.sent == [("servicebus", what, "q") for what in ("SEND", "RECEIVE", "COMPLETE", "PEEK")]


def test_a_door_counts_a_queue_seldom_and_knows_what_it_sent_itself(line: Line) -> None:
    for number in range(3):
        assert line.queue.backlog("q", 10_000) == number
        line.queue.send("q", b"x")
    assert [what for _, what, _ in line.sent].count("PEEK") == 1


def test_redrive_sends_before_it_removes(line: Line) -> None:
    line.queue.send("q", b"x", message_id="mine")
    (message,) = line.queue.receive("q", most=1, lock=60)
    line.queue.dead_letter(message, reason="r", description="d" * 5000)
    line.bench.faults.order(faults.TEAR_BEFORE, DEAD_LETTERS)
    line.queue.redrive()
    assert line.bench.counts()["q"] == 1
    assert line.bench.counts()[DEAD_LETTERS] == 1  # sent, and not removed: it comes twice, and is not lost
    (again,) = line.queue.peek("q")
    assert again.id == "mine"


def test_a_queue_that_somebody_named_in_vain_is_forgotten_and_counts_go_on(line: Line) -> None:
    """Else one look at a queue that is not there would end the reconciler's timer for good."""
    line.queue.send("q", b"x")
    with pytest.raises(NotFoundError):
        line.queue.peek("nowhere")
    with pytest.raises(NotFoundError):
        line.queue.send("nowhere", b"x")
    assert "nowhere" in line.clients.bus.used()
    assert {"q": 1} == line.queue.counts()
    assert "nowhere" not in line.clients.bus.used()


def test_a_queue_of_the_service_that_is_not_there_is_told(line: Line) -> None:
    queue = AzureQueue(line.clients.bus, ManualClock(), queues=("q", "missing"))
    with pytest.raises(NotFoundError, match="missing"):
        queue.counts()
