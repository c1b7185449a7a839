"""The stand-in for Service Bus, as the real client sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver, ServiceBusSender, exceptions

from runyard.testing import ManualClock
from tests.standins.broker import Bench, broker
from tests.standins.broker.entities import QueueSettings
from tests.standins.broker.rules import RefusedError

LOOK = 0.02


class Line:
    """A queue with one sender and one receiver."""

    def __init__(self, bench: Bench, client: ServiceBusClient) -> None:
        self.bench = bench
        self.client = client
        self.sender: ServiceBusSender = client.get_queue_sender("q")
        self.receiver: ServiceBusReceiver = client.get_queue_receiver("q", socket_timeout=LOOK)
        self.receiver.__enter__()

    def send(self, body: bytes = b"x", **given: object) -> None:
        self.sender.send_messages(ServiceBusMessage(body, **given))  # type: ignore[arg-type]

    def bodies(self, most: int = 10) -> list[bytes]:
        return [b"".join(each.body) for each in self.receiver.receive_messages(most, max_wait_time=LOOK)]


@pytest.fixture(scope="module")
def opened() -> Iterator[Line]:
    queues = {
        "q": QueueSettings(forward_dead_letters_to="letters"),
        "letters": QueueSettings(),
        "other": QueueSettings(),
    }
    bench = broker().namespace(queues)
    with ServiceBusClient.from_connection_string(bench.connection, retry_total=0) as client:
        yield Line(bench, client)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def line(opened: Line, clock: ManualClock) -> Line:
    opened.bench.clear(clock.now)
    opened.receiver.__enter__()  # after some refusals the client closes it
    while opened.receiver.receive_messages(100, max_wait_time=LOOK):
        pass
    return opened


def test_a_message_keeps_its_types_on_the_way(line: Line) -> None:
    given = {"text": "ü", "whole": 1, "broken": 1.5, "yes": True}
    line.send(b"\x00\xff", message_id="m", subject="s", correlation_id="c", application_properties=given)
    (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
    assert (b"".join(found.body), found.message_id, found.subject, found.correlation_id) == (b"\x00\xff", "m", "s", "c")
    assert found.application_properties == {b"text": "ü".encode(), b"whole": 1, b"broken": 1.5, b"yes": True}
    line.receiver.complete_message(found)


def test_a_batch_is_taken_apart_and_all_or_none_of_it_is_there(line: Line) -> None:
    line.sender.send_messages([ServiceBusMessage(b"%d" % number) for number in range(3)])
    assert line.bench.counts() == {"q": 3}
    bad = ServiceBusMessage(b"bad", application_properties={"big": "x" * 40_000})
    with pytest.raises(exceptions.ServiceBusError, match="out-of-range"):
        line.sender.send_messages([ServiceBusMessage(b"good"), bad])
    assert line.bench.counts() == {"q": 3}


def test_a_scheduled_message_is_peeked_before_and_received_after_its_time(line: Line, clock: ManualClock) -> None:
    line.sender.schedule_messages(ServiceBusMessage(b"late"), datetime.fromtimestamp(clock.now() + 30, UTC))
    assert line.bodies() == []
    (peeked,) = line.receiver.peek_messages(10, sequence_number=1)
    assert peeked.state.name == "SCHEDULED"
    clock.advance(30)
    (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
    assert found.sequence_number != peeked.sequence_number


def test_a_scheduled_message_can_be_cancelled_once(line: Line, clock: ManualClock) -> None:
    at = datetime.fromtimestamp(clock.now() + 30, UTC)
    (number,) = line.sender.schedule_messages(ServiceBusMessage(b"late"), at)
    line.sender.cancel_scheduled_messages(number)
    assert line.bench.counts() == {}
    with pytest.raises(exceptions.MessageNotFoundError):
        line.sender.cancel_scheduled_messages(number)


def test_a_renewed_lock_lasts_longer(line: Line, clock: ManualClock) -> None:
    line.send()
    (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
    clock.advance(50)
    line.receiver.renew_message_lock(found)
    clock.advance(50)
    line.receiver.complete_message(found)
    assert line.bench.counts() == {}


def test_a_lock_that_expired_is_lost(line: Line, clock: ManualClock) -> None:
    line.send()
    (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
    assert found.locked_until_utc is not None
    assert timedelta(seconds=55) < found.locked_until_utc - datetime.now(UTC) < timedelta(seconds=61)
    clock.advance(60)
    with pytest.raises(exceptions.MessageLockLostError):
        line.receiver.complete_message(found)
    assert line.bodies() == [b"x"]


def test_a_dead_letter_is_forwarded_with_where_it_comes_from_and_why(line: Line) -> None:
    line.send()
    (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
    line.receiver.dead_letter_message(found, reason="why", error_description="more")
    assert line.bench.counts() == {"letters": 1}
    with line.client.get_queue_receiver("letters", socket_timeout=LOOK) as letters:
        (letter,) = letters.receive_messages(1, max_wait_time=1)
        assert (letter.dead_letter_source, letter.dead_letter_reason) == ("q", "why")
        assert letter.dead_letter_error_description == "more"
        letters.dead_letter_message(letter, reason="again")
    assert line.bench.counts() == {"letters/$deadletterqueue": 1}
    with line.client.get_queue_receiver("letters", sub_queue="deadletter", socket_timeout=LOOK) as buried:
        (again,) = buried.receive_messages(1, max_wait_time=1)
        assert (again.dead_letter_source, again.dead_letter_reason) == ("q", "again")


def test_the_tenth_failed_delivery_makes_a_dead_letter(line: Line) -> None:
    line.send()
    for count in range(10):
        (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
        assert found.delivery_count == count
        line.receiver.abandon_message(found)
    assert line.bench.counts() == {"letters": 1}


def test_a_deferred_message_is_refused_and_not_lost(line: Line) -> None:
    line.send()
    (found,) = line.receiver.receive_messages(1, max_wait_time=LOOK)
    with pytest.raises(exceptions.ServiceBusError, match="puts no message aside"):
        line.receiver.defer_message(found)
    assert line.bench.counts() == {"q": 1}


def test_a_link_that_is_closed_gives_its_messages_back(line: Line) -> None:
    line.client.get_queue_sender("other").send_messages(ServiceBusMessage(b"x"))
    with line.client.get_queue_receiver("other", socket_timeout=LOOK) as first:
        assert len(first.receive_messages(1, max_wait_time=1)) == 1
    with line.client.get_queue_receiver("other", socket_timeout=LOOK) as second:
        (again,) = second.receive_messages(1, max_wait_time=1)
        assert again.delivery_count == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"message_id": "x" * 128, "application_properties": {f"k{n}": "x" * 30_000 for n in range(3)}}, "properties"),
        ({"application_properties": {"k": "x" * 32_769}}, "32768"),
        ({"body": b"x" * 262_144}, "size"),
    ],
    ids=["all properties", "one property", "the message"],
)
def test_what_is_too_large_is_refused(line: Line, given: dict[str, object], message: str) -> None:
    with pytest.raises(exceptions.ServiceBusError, match=message):
        line.send(**({"body": b"x"} | given))  # type: ignore[arg-type]
    assert line.bench.counts() == {}


@pytest.mark.parametrize("name", ["", "-q", "q/", "a b", "x" * 261, "ü"])
def test_a_queue_with_a_bad_name_cannot_be_made(line: Line, name: str) -> None:
    with pytest.raises(RefusedError, match="no name of a queue"):
        line.bench.queue(name)


@pytest.mark.parametrize("lock", [4.9, 300.1])
def test_a_lock_has_its_bounds(line: Line, lock: float) -> None:
    with pytest.raises(RefusedError, match="5 to 300"):
        line.bench.queue("timed", QueueSettings(lock=lock))


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.get_queue_sender("nope").send_messages(ServiceBusMessage(b"")),
        lambda client: client.get_queue_receiver("nope").peek_messages(1),
    ],
    ids=["sent to", "looked at"],
)
def test_a_queue_that_nobody_made_is_not_found(line: Line, use: Callable[[ServiceBusClient], object]) -> None:
    with pytest.raises(exceptions.MessagingEntityNotFoundError, match="nope"):
        use(line.client)


def test_a_wrong_key_is_refused(line: Line) -> None:
    wrong = line.bench.connection.replace("SharedAccessKey=", "SharedAccessKey=0")
    with (
        ServiceBusClient.from_connection_string(wrong, retry_total=0) as client,
        pytest.raises(exceptions.ServiceBusAuthenticationError),
    ):
        client.get_queue_sender("q").send_messages(ServiceBusMessage(b""))


def test_namespaces_do_not_see_each_other(line: Line) -> None:
    other = broker().namespace(["q"])
    line.send()
    assert (line.bench.counts(), other.counts()) == ({"q": 1}, {})


def test_a_full_queue_takes_nothing_more(line: Line) -> None:
    line.bench.queue("small", QueueSettings(max_bytes=1000))
    with line.client.get_queue_sender("small") as sender:
        sender.send_messages(ServiceBusMessage(b"x" * 600))
        with pytest.raises(exceptions.ServiceBusQuotaExceededError):
            sender.send_messages(ServiceBusMessage(b"x" * 600))


def test_it_starts_at_once() -> None:
    began = time.monotonic()
    broker().namespace(["q"])
    assert time.monotonic() - began < 1
