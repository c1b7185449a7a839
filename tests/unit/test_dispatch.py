"""From the waiting list to a compute: limits, order, cancels, refusals."""

from __future__ import annotations

import pytest

from runyard.accept.acceptor import blob_identity
from runyard.dispatch import dispatch, request_cancel
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import (
    CapacityError,
    NotFoundError,
    ThrottledError,
    TransientError,
    UnsupportedError,
)
from runyard.ports import Waiting
from runyard.runs import identity
from runyard.runs.states import State
from tests.fakes import snapshot
from tests.unit.house import House, started, state

FAKE = dispatch_queue("fake")


def test_the_limit_holds_and_a_freed_slot_goes_to_the_oldest() -> None:
    house = House(limit=2)
    ids = started(house, 4)
    assert ids[:2] == [job.split("/")[0] for job in house.target.submitted]
    house.target.end(f"{ids[1]}/1")
    house.clock.advance(2)
    house.settle()
    assert ids[:3] == [job.split("/")[0] for job in house.target.submitted]


def test_a_higher_priority_goes_first() -> None:
    house = House(limit=1)
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    for priority in (0, 0, 5):
        house.send(
            {
                "experiment": "exp",
                "snapshot": "uploads/a.zip",
                "priority": priority,
                "id": f"p{priority}-{house.clock.now()}",
            }
        )
        house.clock.advance(1)
    house.deliver(SUBMISSIONS)
    house.settle()
    first = house.ports.runs.get(house.target.submitted[0].split("/")[0])
    assert first is not None
    assert 5 == first.priority


def test_a_compute_that_refuses_as_written_fails_the_run_and_frees_the_slot() -> None:
    house = House(limit=1)
    house.target.plan_error = UnsupportedError("this kind has no GPUs")
    ids = started(house, 2)
    assert [State.FAILED, State.FAILED] == [state(house, i) for i in ids]
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert 0 == gate.taken


@pytest.mark.parametrize(
    ("error", "delay", "attempt"),
    [
        (ThrottledError("slow down", 7.0), 7.0, 1),
        (CapacityError("no room"), 60.0, 1),
        (TransientError("reset"), 2.0, 2),
    ],
)
def test_a_passing_refusal_is_tried_again_after_its_delay_and_an_unclear_one_voids_its_attempt(
    error: TransientError, delay: float, attempt: int
) -> None:
    house = House()
    house.target.refusals = [error]
    (run_id,) = started(house)
    assert State.QUEUED is state(house, run_id)
    assert f"{error.message}; tried again in" in house.only().reason
    house.clock.advance(delay - 1.5)
    house.settle()
    assert [] == house.target.submitted
    house.clock.advance(1.5)
    house.settle()
    assert [f"{run_id}/{attempt}"] == house.target.submitted
    assert {f"{run_id}/1"} - {f"{run_id}/{attempt}"} == house.target.voided


def test_a_compute_that_keeps_refusing_fails_the_run_after_ten_tries() -> None:
    house = House()
    house.target.refusals = [TransientError("reset") for _ in range(11)]
    (run_id,) = started(house)
    for _ in range(20):
        house.clock.advance(300)
        house.settle()
    assert State.FAILED is state(house, run_id)
    assert [] == house.target.submitted


def test_a_waiting_run_is_canceled_at_once() -> None:
    house = House(limit=1)
    ids = started(house, 2)
    run = request_cancel(house.ports, ids[1], who="test")
    assert State.CANCELED is run.state
    assert house.ports.gates.position("local", ids[1]) is None
    assert State.CANCELED is request_cancel(house.ports, ids[1], who="test").state
    with pytest.raises(NotFoundError):
        request_cancel(house.ports, "nobody", who="test")


def test_a_cancel_between_slot_and_claim_wins() -> None:
    house = House()
    house.drop()
    house.deliver(SUBMISSIONS)
    run_id = house.only().id
    house.ports.gates.take("local", at=house.clock.now())
    request_cancel(house.ports, run_id, who="test")
    house.ports.gates.put_back("local", Waiting(run_id=run_id, priority=0, enqueued=0.0))
    house.settle()
    assert State.CANCELED is state(house, run_id)
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert (0, 0) == (gate.taken, gate.waiting)


def test_a_full_compute_is_not_woken_by_those_who_come_to_wait() -> None:
    house = House(limit=1)
    started(house)
    house.drop("exp/next.zip")
    house.deliver(SUBMISSIONS)
    assert FAKE not in house.ports.queue.counts()


def test_a_freed_slot_wakes_the_dispatcher_only_if_somebody_waits() -> None:
    house = House(limit=1)
    first, second = started(house, 2)
    house.target.end(f"{first}/1")
    house.clock.advance(2)
    house.deliver(WATCH)
    assert house.ports.queue.counts()[FAKE] == 1
    house.settle()
    house.target.end(f"{second}/1")
    house.clock.advance(30)
    house.deliver(WATCH)
    assert state(house, second) is State.COMPLETED
    assert FAKE not in house.ports.queue.counts()


def test_a_run_whose_row_comes_while_its_slot_is_given_back_is_dispatched(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(limit=1)
    event = house.drop()
    ident = identity.run_id("exp", event.modified, blob_identity(event))
    house.ports.gates.wait("local", Waiting(run_id=ident, priority=0, enqueued=1.0))
    give_back = house.ports.gates.put_back

    def late(compute: str, entry: Waiting, *, taken: float | None = None) -> bool:
        house.deliver(SUBMISSIONS)  # sees the slot held, and wakes nobody
        assert FAKE not in house.ports.queue.counts()
        return give_back(compute, entry, taken=taken)

    monkeypatch.setattr(house.ports.gates, "put_back", late)
    dispatch(house.ports, b'{"compute": "local"}')
    house.settle()
    assert [f"{ident}/1"] == house.target.submitted
