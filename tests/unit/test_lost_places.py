"""A run that waits has an entry or a slot, and one on a compute has its slot, whoever stands still or dies in between."""

from __future__ import annotations

import pytest

from runyard.accept import accept
from runyard.computes import put, remove
from runyard.dispatch import dispatch
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import ConfigError
from runyard.ports import Ports, Waiting
from runyard.reconcile import reconcile, recover
from runyard.runs.states import State
from runyard.testing import Behaviour, Moment, Submitting, no_capacity, unavailable
from runyard.watch import watch
from tests.fakes import runconfig, snapshot
from tests.unit.freezer import Frozen
from tests.unit.scripted_house import ScriptedHouse

LOCAL = b'{"compute":"local"}'
OTHER = b'{"compute":"other"}'
FAKE = dispatch_queue("fake")


def wakes_gone(house: ScriptedHouse) -> None:
    """Nothing but the reconciler moves anything on."""
    for name in (FAKE, WATCH):
        for message in house.ports.queue.receive(name, most=100, lock=1.0):
            house.ports.queue.complete(message)


def accepted(house: ScriptedHouse, *behaviours: Behaviour, **config: object) -> str:
    house.script.next_jobs(*behaviours)
    house.drop(data=snapshot(config=runconfig(**config)))
    house.deliver(SUBMISSIONS)
    wakes_gone(house)
    return house.only().id


def holds(house: ScriptedHouse, compute: str) -> list[str]:
    return [slot.run_id for slot in house.ports.gates.slots(compute)]


@pytest.mark.parametrize("moment", list(Moment))
def test_a_run_that_moves_to_a_fallback_is_not_lost_when_its_entry_is_looked_at_too_soon(moment: Moment) -> None:
    house = ScriptedHouse(others=("other",))
    run_id = accepted(
        house,
        Behaviour(submitting=Submitting(refusals=(no_capacity(),))),
        Behaviour(duration=5),
        runyard={"fallback": ["other"]},
    )
    mover = Frozen(house.ports, lambda ports: dispatch(ports, LOCAL), moment, "gates.wait")
    dispatch(house.ports, OTHER)  # finds a run that is on another compute
    mover.thaw()
    house.pass_time(400)
    assert State.COMPLETED is house.run(run_id).state
    assert [] == house.gates()


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize(
    "write", ["prepare", "submit_many", "runs.transition", "gates.block", "gates.wait", "gates.release"]
)
def test_a_run_whose_mover_dies_is_not_lost(moment: Moment, write: str) -> None:
    house = ScriptedHouse(others=("other",))
    full = Behaviour(submitting=Submitting(refusals=(no_capacity(),)))
    run_id = accepted(house, full, Behaviour(duration=5), runyard={"fallback": ["other"]})
    operation = write if "." in write else f"target.{write}"
    mover = Frozen(
        house.ports,
        lambda ports: dispatch(ports, LOCAL),
        moment,
        operation,
        nth=2 if write == "runs.transition" else 1,
    )
    dispatch(house.ports, OTHER)
    mover.die()
    house.pass_time(800)
    assert State.COMPLETED is house.run(run_id).state
    assert [] == house.gates()


def test_a_host_that_takes_over_while_a_run_moves_puts_it_on_the_list_of_its_new_compute() -> None:
    house = ScriptedHouse(others=("other",))
    full = Behaviour(submitting=Submitting(refusals=(no_capacity(),)))
    run_id = accepted(house, full, Behaviour(duration=5), runyard={"fallback": ["other"]})
    Frozen(house.ports, lambda ports: dispatch(ports, LOCAL), Moment.AFTER, "runs.transition", nth=2).die()
    recover(house.ports)
    assert [("other", 0, 1)] == house.gates()
    house.settle()
    house.pass_time(60)
    assert State.COMPLETED is house.run(run_id).state


def test_a_dispatcher_that_freezes_before_it_puts_a_refused_run_back_takes_nobodys_slot() -> None:
    house = ScriptedHouse(limit=1)
    run_id = accepted(house, Behaviour(duration=1000, submitting=Submitting(prepare_refusals=(unavailable(),))))
    one = Frozen(house.ports, lambda ports: dispatch(ports, LOCAL), Moment.AFTER, "runs.transition")
    house.clock.advance(200)
    watch(house.ports, LOCAL)  # gives the slot back
    dispatch(house.ports, LOCAL)
    house.pass_time(10, step=5)
    assert (State.RUNNING, [run_id]) == (house.run(run_id).state, holds(house, "local"))
    one.thaw()
    assert [run_id] == holds(house, "local")


def test_a_watcher_that_freezes_before_it_puts_a_run_back_takes_nobodys_slot() -> None:
    house = ScriptedHouse(limit=1)
    run_id = house.start(Behaviour(duration=5, exit_code=1), Behaviour(duration=1000), runyard={"retries": 1})
    house.clock.advance(10)
    one = Frozen(house.ports, lambda ports: watch(ports, LOCAL), Moment.AFTER, "runs.transition")
    house.clock.advance(200)
    watch(house.ports, LOCAL)
    dispatch(house.ports, LOCAL)
    house.pass_time(10, step=5)
    assert (State.RUNNING, [run_id]) == (house.run(run_id).state, holds(house, "local"))
    one.thaw()
    assert [run_id] == holds(house, "local")


def test_a_mover_that_freezes_before_its_last_step_takes_no_slot_of_a_run_that_came_back() -> None:
    house = ScriptedHouse(limit=1, others=("other",))
    full = Behaviour(submitting=Submitting(refusals=(no_capacity(),)))
    run_id = accepted(house, full, full, Behaviour(duration=1000), runyard={"fallback": ["other"]})
    one = Frozen(house.ports, lambda ports: dispatch(ports, LOCAL), Moment.BEFORE, "gates.release")
    watch(house.ports, LOCAL)
    dispatch(house.ports, OTHER)
    assert ("local", State.QUEUED) == (house.run(run_id).compute, house.run(run_id).state)
    house.clock.advance(200)
    dispatch(house.ports, LOCAL)
    assert [run_id] == holds(house, "local")
    one.thaw()
    assert [run_id] == holds(house, "local")
    house.pass_time(2000)
    assert State.COMPLETED is house.run(run_id).state


def test_a_watcher_that_freezes_before_it_frees_the_slot_of_a_moved_run_takes_no_slot_of_one_that_came_back() -> None:
    house = ScriptedHouse(limit=1, others=("other",))
    full = Behaviour(submitting=Submitting(refusals=(no_capacity(),)))
    run_id = accepted(house, full, full, Behaviour(duration=1000), runyard={"fallback": ["other"]})
    one = Frozen(house.ports, lambda ports: dispatch(ports, LOCAL), Moment.BEFORE, "gates.release")
    late = Frozen(house.ports, lambda ports: watch(ports, LOCAL), Moment.BEFORE, "gates.release")
    one.thaw()
    dispatch(house.ports, OTHER)
    house.clock.advance(200)
    dispatch(house.ports, LOCAL)
    late.thaw()
    assert [run_id] == holds(house, "local")


def test_an_entry_that_is_written_again_as_an_orphan_is_removed_stays() -> None:
    house = ScriptedHouse()
    house.script.next_jobs(Behaviour(duration=5))
    house.drop()
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=1e9)

    def work(ports: Ports) -> None:
        accept(ports, message.body, message_id=message.id, enqueued=message.enqueued)

    acceptor = Frozen(house.ports, work, Moment.BEFORE, "runs.create")
    house.clock.advance(700)
    remover = Frozen(house.ports, reconcile, Moment.BEFORE, "gates.leave")
    acceptor.thaw()
    wakes_gone(house)
    remover.thaw()
    house.pass_time(200)
    assert State.COMPLETED is house.only().state


def test_a_run_that_waits_nowhere_all_the_same_gets_its_place_again() -> None:
    house = ScriptedHouse()
    run_id = accepted(house, Behaviour(duration=5))
    assert house.ports.gates.leave("local", run_id)
    house.pass_time(50)
    assert State.QUEUED is house.run(run_id).state  # accept may be between two writes
    house.pass_time(90)
    assert State.COMPLETED is house.run(run_id).state


def test_a_run_that_was_accepted_as_its_compute_was_removed_fails_and_says_so() -> None:
    house = ScriptedHouse(others=("other",))
    house.drop(data=snapshot(config=runconfig(target="other")))
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)

    def work(ports: Ports) -> None:
        accept(ports, message.body, message_id=message.id, enqueued=message.enqueued)

    acceptor = Frozen(house.ports, work, Moment.BEFORE, "gates.wait")
    remove(house.ports, "other")
    acceptor.thaw()
    reconcile(house.ports)
    assert State.FAILED is house.only().state
    assert "other was removed" in house.only().reason
    assert [] == house.gates()


def test_whoever_removes_a_compute_in_use_leaves_it_as_it_was() -> None:
    house = ScriptedHouse(others=("other",))
    house.ports.gates.wait("other", Waiting(run_id="r", priority=0, enqueued=1.0))
    with pytest.raises(ConfigError):
        remove(house.ports, "other")
    gate = house.ports.gates.get("other")
    assert gate is not None
    assert not gate.paused


def test_a_compute_whose_setting_died_half_way_is_set_by_the_reconciler() -> None:
    house = ScriptedHouse()
    Frozen(house.ports, lambda ports: put(ports, "local", limit=7), Moment.AFTER, "computes.put").die()
    reconcile(house.ports)
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert 7 == gate.limit


def test_a_compute_that_is_half_made_has_its_gate_first() -> None:
    house = ScriptedHouse()
    Frozen(house.ports, lambda ports: put(ports, "new", kind="fake"), Moment.BEFORE, "computes.put").die()
    assert house.ports.gates.get("new") is not None
    assert house.ports.computes.get("new") is None
