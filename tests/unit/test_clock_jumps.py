"""A clock that is set back, or that jumps while the machine sleeps."""

from __future__ import annotations

from runyard.accept import submit
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.events.submission import Submission
from runyard.reconcile import reconcile
from runyard.runs.model import Origin
from runyard.runs.states import State
from runyard.testing import Behaviour, ManualClock
from tests.fakes import snapshot
from tests.unit.house import House, started, state
from tests.unit.scripted_house import ScriptedHouse

DAY = 86_400.0


def set_clock(clock: ManualClock, by: float) -> None:
    clock._now += by


def test_a_run_is_still_looked_at_when_the_clock_was_set_back() -> None:
    house = House()
    (run_id,) = started(house)
    set_clock(house.clock, -3600)
    house.target.end(f"{run_id}/1")
    house.pass_time(90)
    assert State.COMPLETED is state(house, run_id)


def test_a_run_whose_message_is_in_hand_as_a_host_wakes_up_is_not_given_up() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    run, _ = submit(house.ports, asked, origin=Origin(source="api", name="me"))
    house.clock.advance(DAY)
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=16, lock=60)
    reconcile(house.ports)
    assert State.NOT_STARTED is state(house, run.id)
    house.ports.queue.abandon(message)
    house.settle()
    assert [f"{run.id}/1"] == house.target.submitted


def test_a_machine_that_slept_for_a_day_goes_on_with_all_that_ran_and_waited() -> None:
    house = ScriptedHouse(limit=1)
    first = house.start(Behaviour(duration=DAY + 100))
    second = house.start(Behaviour(duration=5), name="exp/b.zip")
    house.clock.advance(DAY)
    house.pass_time(300)
    assert [State.COMPLETED] * 2 == [house.run(first).state, house.run(second).state]
    assert [1, 1] == [len(house.script.executions_of(run)) for run in (first, second)]
