"""A message that meets a store that does not answer comes again later, and is not burnt within seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from runyard.accept import accept
from runyard.dispatch.patience import DESCRIPTION, ENQUEUED, SINCE, SOURCE, TRIES, patiently, tolerantly
from runyard.dispatch.wakes import SUBMISSIONS, WATCH
from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    RunyardError,
    StorageFullError,
    ThrottledError,
    TransientError,
)
from runyard.ports import Message, Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury
from runyard.runs.states import State
from runyard.testing import Fault, FaultyPorts
from tests.fakes import snapshot
from tests.unit.house import House

DAY = 24 * 3600.0


def failing(error: Exception) -> Callable[[], object]:
    def handle() -> object:
        raise error

    return handle


def received(house: House, queue: str) -> Message:
    (message,) = house.ports.queue.receive(queue, most=10, lock=60.0)
    return message


def handle_once(house: House, queue: str, error: Exception) -> None:
    """Receive the one message that is due, fail at it as a trigger would, and complete it."""
    message = received(house, queue)
    given = replace(message, enqueued=float(message.properties.get(ENQUEUED, message.enqueued)))
    patiently(house.ports, given, failing(error))
    house.ports.queue.complete(message)


def test_a_copy_comes_later_with_the_same_id_and_body() -> None:
    house = House()
    ident = house.ports.queue.send(WATCH, b"body", properties={"traceparent": "00-1"})
    handle_once(house, WATCH, TransientError("the table is down"))
    assert [] == house.ports.queue.receive(WATCH, most=1, lock=1.0)
    house.clock.advance(2.0)
    again = received(house, WATCH)
    assert (ident, b"body", "00-1", "1") == (
        again.id,
        again.body,
        again.properties["traceparent"],
        again.properties[TRIES],
    )


def test_the_waits_double_up_to_five_minutes_and_end_after_ten_tries() -> None:
    house = House()
    house.ports.queue.send(WATCH, b"{}")
    waits = []
    while house.ports.queue.counts().get(WATCH):
        began = house.clock.now()
        while not house.ports.queue.wait([WATCH], 0.0) or not house.ports.queue.backlog(WATCH, 1):
            house.clock.advance(1.0)
        waits.append(house.clock.now() - began)
        handle_once(house, WATCH, TransientError("down"))
    assert [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] == waits
    letter = received(house, DEAD_LETTERS)
    assert (WATCH, True) == (letter.properties[SOURCE], letter.properties[DESCRIPTION].startswith("down"))


def test_retry_after_counts_and_is_never_no_time_at_all() -> None:
    for said, waits in ((30.0, 30.0), (0.0, 2.0)):
        house = House()
        house.ports.queue.send(WATCH, b"{}")
        handle_once(house, WATCH, ThrottledError("busy", retry_after=said))
        house.clock.advance(waits - 0.5)
        assert [] == house.ports.queue.receive(WATCH, most=1, lock=1.0)
        house.clock.advance(0.5)
        received(house, WATCH)


@pytest.mark.parametrize("error", [TransientError, ConflictError, AuthError, StorageFullError, ThrottledError])
def test_a_submission_has_a_day_whatever_the_reason(error: type[RunyardError]) -> None:
    house = House()
    began = house.clock.now()
    sent = house.ports.queue.send(SUBMISSIONS, b"{}")
    while not house.ports.queue.counts().get(DEAD_LETTERS):
        while not (due := house.ports.queue.receive(SUBMISSIONS, most=1, lock=60.0)):
            house.clock.advance(100.0)
        (message,) = due
        assert sent == message.id
        patiently(house.ports, replace(message, enqueued=began), failing(error("the store is down")))
        house.ports.queue.complete(message)
    assert DAY <= house.clock.now() - began < DAY + 400


def test_a_submission_that_nobody_could_handle_ends_as_a_run_that_says_why() -> None:
    house = House()
    house.ports.queue.send(SUBMISSIONS, b'{"experiment": "exp", "snapshot": "snapshots/exp/a.zip"}')
    message = received(house, SUBMISSIONS)
    old = replace(message, properties={SINCE: str(house.clock.now() - DAY - 1), TRIES: "99"})
    patiently(house.ports, old, failing(TransientError("reading the table runs: the server is down")))
    house.ports.queue.complete(message)
    letter = received(house, DEAD_LETTERS)
    bury(
        house.ports,
        replace(letter, dead_letter_source=SUBMISSIONS, dead_letter_description=letter.properties[DESCRIPTION]),
    )
    (run,) = house.ports.runs.list(Query()).runs
    assert State.FAILED is run.state
    assert "reading the table runs: the server is down" in run.reason


def test_the_copy_of_a_submission_makes_the_run_that_the_first_began() -> None:
    """The first delivery wrote the row and then met a queue that was down: no second run comes of its copy."""
    house = House()
    house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
    house.send({"experiment": "exp", "snapshot": "snapshots/exp/a.zip"})
    message = received(house, SUBMISSIONS)
    faulty = FaultyPorts(inner=house.ports, plan={1: Fault.REFUSED}, only=frozenset({"queue.wake"}))

    def first() -> object:
        return accept(faulty.ports, message.body, message_id=message.id, enqueued=message.enqueued)

    patiently(house.ports, message, first)
    house.ports.queue.complete(message)
    house.clock.advance(90.0)
    copy = received(house, SUBMISSIONS)
    accept(house.ports, copy.body, message_id=copy.id, enqueued=float(copy.properties[ENQUEUED]))
    (run,) = house.ports.runs.list(Query()).runs
    assert State.QUEUED is run.state
    assert run.id.split("_")[1] == str(int(message.enqueued))


def test_the_message_is_given_back_if_the_copy_cannot_be_sent() -> None:
    house = House()
    house.ports.queue.send(WATCH, b"{}")
    message = received(house, WATCH)
    faulty = FaultyPorts(inner=house.ports, plan={1: Fault.REFUSED}, only=frozenset({"queue.send"}))
    with pytest.raises(TransientError):
        patiently(faulty.ports, message, failing(ThrottledError("busy")))


@pytest.mark.parametrize("error", [ConfigError("not a message"), ValueError("a bug")])
def test_what_no_later_try_mends_is_raised(error: Exception) -> None:
    house = House()
    house.ports.queue.send(WATCH, b"{}")
    with pytest.raises(type(error)):
        patiently(house.ports, received(house, WATCH), failing(error))
    assert 1 == house.ports.queue.counts()[WATCH]


def test_a_dead_letter_keeps_where_it_came_from_through_its_copies() -> None:
    house = House()
    house.ports.queue.send(DEAD_LETTERS, b"{}")
    letter = replace(
        received(house, DEAD_LETTERS),
        dead_letter_source=SUBMISSIONS,
        dead_letter_reason="R",
        dead_letter_description="D",
    )
    patiently(house.ports, letter, failing(TransientError("down")))
    house.ports.queue.complete(letter)
    house.clock.advance(2.0)
    properties = received(house, DEAD_LETTERS).properties
    assert (SUBMISSIONS, "D") == (properties[SOURCE], properties[DESCRIPTION])


def test_after_a_day_a_dead_letter_is_given_back_and_not_sent_in_a_circle() -> None:
    house = House()
    house.ports.queue.send(DEAD_LETTERS, b"{}")
    letter = replace(received(house, DEAD_LETTERS), properties={SINCE: str(house.clock.now() - DAY - 1)})
    with pytest.raises(TransientError):
        patiently(house.ports, letter, failing(TransientError("down")))
    assert 1 == house.ports.queue.counts()[DEAD_LETTERS]


def test_properties_that_are_not_ours_count_for_nothing() -> None:
    house = House()
    house.ports.queue.send(WATCH, b"{}", properties={TRIES: "-3", SINCE: "nan", ENQUEUED: "inf"})
    message = received(house, WATCH)
    patiently(house.ports, message, failing(TransientError("down")))
    house.ports.queue.complete(message)
    house.clock.advance(2.0)
    again = received(house, WATCH)
    assert ("1", str(house.clock.now() - 2.0)) == (again.properties[TRIES], again.properties[SINCE])


def test_a_timer_goes_on_and_says_why_it_did_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tolerantly("sweep", failing(ThrottledError("the container is busy")))
    assert ["sweep: left out this time: the container is busy"] == [record.message for record in caplog.records]
    with pytest.raises(ValueError, match="a bug"):
        tolerantly("sweep", failing(ValueError("a bug")))
