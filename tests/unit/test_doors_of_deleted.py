"""A key whose run was deleted: one clear error, and nothing is sent or written."""

from __future__ import annotations

import pytest

from runyard.accept import accept, submit
from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.errors import ConflictError
from runyard.events.submission import Submission
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import prune, reconcile, redrive
from runyard.runs.identity import REJECTED
from runyard.runs.model import Origin
from runyard.runs.states import State
from tests.fakes import snapshot
from tests.served import serving
from tests.unit.house import House, started
from tests.unit.test_accept import signed, took, webhook_house

ME = Origin(source="api", name="me")
ASKED = {"experiment": "exp", "snapshot": "uploads/a.zip"}


def finished(house: House) -> None:
    house.settle()
    house.target.end(f"{house.only().id}/1")
    house.clock.advance(5)
    house.settle()
    assert house.only().has_ended


@pytest.mark.parametrize(("key", "more"), [("k", {}), (None, {"id": "k"})])
def test_a_key_whose_run_was_deleted_is_refused_with_the_way_out(key: str | None, more: dict[str, str]) -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({**ASKED, **more})
    submit(house.ports, asked, origin=ME, key=key)
    finished(house)
    house.clock.advance(100)
    assert 1 == prune(house.ports, runs_older_than=1).runs
    with pytest.raises(ConflictError, match="was deleted"):
        submit(house.ports, asked, origin=ME, key=key)
    assert ([], 0) == (house.runs(), house.ports.queue.counts().get(SUBMISSIONS, 0))


def bury_one(house: House) -> None:
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    house.ports.queue.dead_letter(message, reason="MaxDeliveryCountExceeded", description="the handler raised")
    house.settle()


@pytest.mark.parametrize("door", ["queue", "blob"])
def test_a_dead_letter_whose_run_was_accepted_after_all_ends_nothing_and_rejects_nothing(door: str) -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    if door == "queue":
        house.send({**ASKED, "id": "event-1"})
    else:
        house.drop()
    (copy,) = house.ports.queue.peek(SUBMISSIONS)
    accept(house.ports, copy.body, message_id=copy.id, enqueued=copy.enqueued)
    run = house.only()
    house.ports.gates.leave("local", run.id)  # whoever accepted it died before its entry was written again
    bury_one(house)
    assert run.id == house.only().id
    assert [f"{run.id}/1"] == house.target.submitted


def test_a_dead_letter_that_is_buried_twice_and_redriven_after_its_run_ended_changes_nothing() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    submit(house.ports, Submission.of(ASKED), origin=ME)
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    house.ports.queue.dead_letter(message, reason="MaxDeliveryCountExceeded", description="the handler raised")
    (letter,) = house.ports.queue.receive(DEAD_LETTERS, most=1, lock=60)
    house.ports.queue.abandon(letter)
    house.settle()
    failed = house.only()
    assert State.FAILED is failed.state
    assert 1 == redrive(house.ports)
    house.settle()
    assert failed == house.only()
    assert 0 == house.ports.queue.counts().get(BURIED, 0)


def test_a_dead_letter_of_watch_or_dispatch_ends_nothing_and_all_moves_on() -> None:
    house = House()
    (run_id,) = started(house)
    house.clock.advance(2)
    for queue in ("watch", "dispatch-fake"):
        house.ports.queue.wake(queue, b'{"compute": "local"}')
        for message in house.ports.queue.receive(queue, most=10, lock=60):
            house.ports.queue.dead_letter(message, reason="r", description="d")
    house.target.end(f"{run_id}/1")
    house.settle()
    house.clock.advance(40)
    reconcile(house.ports)
    house.clock.advance(2)
    house.settle()
    assert State.COMPLETED is house.only().state


def test_a_letter_that_came_from_nowhere_is_redriven_to_where_it_is_answered() -> None:
    house = House()
    house.ports.queue.send(DEAD_LETTERS, b"what is this?")
    house.settle()
    assert 1 == redrive(house.ports)
    house.settle()
    assert REJECTED == house.only().experiment


def test_redrive_finds_the_letters_of_a_source_behind_many_of_others() -> None:
    house = House()
    for number in range(150):
        house.ports.queue.send(BURIED, b"%d" % number, properties={"source": "watch"})
    house.ports.queue.send(BURIED, b"x", properties={"source": SUBMISSIONS})
    assert 1 == redrive(house.ports, source=SUBMISSIONS)
    assert {BURIED: 150, SUBMISSIONS: 1} == dict(house.ports.queue.counts())


def test_a_delivery_whose_run_was_deleted_is_refused_too() -> None:
    house = webhook_house()
    body = b'{"client_payload": {"alpha": 0.25}}'
    took(house, "retrain", signed(body), body)
    finished(house)
    house.clock.advance(100)
    assert 1 == prune(house.ports, runs_older_than=1).runs
    with pytest.raises(ConflictError, match="was deleted"):
        took(house, "retrain", signed(body), body)
    assert [] == house.runs()


def test_the_api_answers_409_to_a_key_whose_run_was_deleted() -> None:
    with serving() as served:
        asked = served.submit("exp", key="k")
        served.settle()
        served.house.target.end(f"{asked.json()['runId']}/1")
        served.settle(100)
        assert 1 == prune(served.house.ports, runs_older_than=1).runs
        answer = served.submit("exp", key="k")
    assert 409 == answer.status_code
    assert "another key" in answer.text
