"""Why a run is where it is: in each state, with what holds it, what comes next and what can be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from runyard.computes import drain, put
from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.ports import Compute, Waiting
from runyard.reconcile import Said, Why, why, why_waiting
from runyard.runs.model import Run, RunError
from runyard.runs.moves import Move, transition
from runyard.runs.states import State
from tests.fakes import runconfig, snapshot
from tests.served import Served, serving
from tests.unit.house import House, started, state


def asked(house: House, run_id: str, *, served: bool = True) -> Why:
    run = house.ports.runs.get(run_id)
    assert run is not None
    return why(house.ports, run, served=served)


def text(said: Iterable[Said]) -> str:
    return " | ".join(each.text for each in said)


def moved(
    house: House, run_id: str, *states: State, reason: str = "as the test says", who: str = "test", **changes: Any
) -> Run:
    """Write a run's way by hand, whatever the use cases make of it."""
    run = house.ports.runs.get(run_id)
    assert run is not None
    moves = [Move(state=state, reason=reason, at=house.clock.now()) for state in states]
    return house.ports.runs.transition(
        transition(run, moves or [Move(state=None, reason=reason, at=house.clock.now())], who=who, **changes)
    )


def queued(count: int = 1, limit: int = 1, **config: object) -> tuple[House, list[str]]:
    """So many runs that wait: the wakes are not delivered."""
    house = House(limit=limit)
    house.ports.computes.put(Compute(name="other", kind="fake", limit=1))
    for number in range(count):
        house.drop(f"exp/{number}.zip", snapshot(config=runconfig(**config)) if config else None)
        house.clock.advance(1)
    house.deliver(SUBMISSIONS)
    return house, [run.id for run in reversed(house.runs())]


def starting(**config: object) -> tuple[House, str]:
    house, (run_id,) = queued(1, 1, **config)
    house.deliver("dispatch-fake")
    return house, run_id


def test_a_run_that_was_not_read_yet_names_its_message_and_what_is_ahead_of_it() -> None:
    with serving() as served:
        other, run_id = (served.submit(name).json()["runId"] for name in ("first", "second"))
        found = asked(served.house, run_id)
        assert "behind 1 other" in text(found.waits)
        assert "after 10 tries that failed it is Failed" in text(found.next)
        assert "the first there" in text(asked(served.house, other).waits)
        served.house.ports.queue.receive(SUBMISSIONS, most=2, lock=60)
        assert "it was taken up once" in text(asked(served.house, run_id).facts)


def test_a_lost_message_is_said_to_be_sent_again() -> None:
    with serving() as served:
        run_id = served.submit().json()["runId"]
        for message in served.house.ports.queue.receive(SUBMISSIONS, most=1, lock=60):
            served.house.ports.queue.complete(message)
        found = asked(served.house, run_id)
        assert "not in the queue" in text(found.waits)
        assert "sends its message again" in found.next[0].text
        assert served.house.clock.now() + 15 * 60 == found.next[-1].at


def test_without_a_host_nothing_is_promised() -> None:
    with serving() as served:
        run_id = served.submit().json()["runId"]
        found = asked(served.house, run_id, served=False)
        assert "no" in found.waits[0].text
        assert () == found.next
        assert "runyard up" in found.advice[0]
        served.settle()
        assert "goes on" in text(asked(served.house, run_id, served=False).facts)


def test_a_waiting_run_knows_its_place_and_who_is_ahead() -> None:
    house, (first, second) = queued(2)
    house.ports.gates.wait("local", Waiting(run_id="urgent", priority=5, enqueued=house.clock.now()))
    assert "place 3 of 3: 2 runs ahead of it, 1 of them with a higher priority" in text(asked(house, second).facts)
    assert "a dispatcher: slots are free" in text(asked(house, first).waits)
    house.ports.gates.take("local", at=house.clock.now(), most=1)
    found = asked(house, second)
    assert "a free slot: all 1 of local are taken" in text(found.waits)
    assert "runyard compute set local --limit 2" in " ".join(found.advice)


def test_below_a_lowered_limit_as_many_must_end_as_are_too_many() -> None:
    house, (*_, last) = queued(4)
    put(house.ports, "local", limit=3)
    house.ports.gates.take("local", at=house.clock.now(), most=3)
    put(house.ports, "local", limit=1)
    found = asked(house, last)
    assert "it starts after 3 of those that run ended" in text(found.next)
    assert "runyard compute set local --limit 4" in " ".join(found.advice)


def test_a_run_far_down_the_list_hears_the_same_as_one_near_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why_waiting, "LOOKED_AT", 1)
    house, (*_, last) = queued(4)
    house.ports.gates.take("local", at=house.clock.now(), most=1)
    found = asked(house, last)
    assert "place 3 of 3: 2 runs ahead of it" in text(found.facts)
    assert "a free slot: all 1 of local are taken" in text(found.waits)
    assert "enough of those that run, or are ahead of it, ended" in text(found.next)


def test_what_holds_a_compute_holds_its_runs() -> None:
    house, (run_id,) = queued()
    put(house.ports, "local", paused=True, paused_reason="new disks")
    assert "local is paused: new disks" in text(asked(house, run_id).waits)
    assert "runyard compute resume local" in " ".join(asked(house, run_id).advice)
    drain(house.ports)
    assert "draining" in text(asked(house, run_id).waits)
    until = house.clock.now() + 90
    house.ports.gates.block("local", until=until, reason="no room in the region")
    held = asked(house, run_id)
    assert Said("local takes nothing: no room in the region", until) in held.waits
    assert "slots are free" not in text(held.waits)


def test_a_refused_run_says_how_often_until_when_and_when_it_is_given_up() -> None:
    house, (run_id,) = queued(runyard={"fallback": ["other"]})
    since = house.clock.now()
    house.ports.gates.leave("local", run_id)
    house.ports.gates.wait("local", Waiting(run_id=run_id, priority=0, enqueued=since, not_before=since + 120))
    moved(
        house,
        run_id,
        reason="no room; tried again in 120 s",
        who="dispatch",
        tries=3,
        refused_since=since,
        not_before=since + 120,
    )
    found = asked(house, run_id)
    assert Said("its own next try", since + 120) in found.waits
    assert Said("refused 3 times in a row, first", since) in found.facts
    assert "no room; tried again" in text(found.facts)
    assert since + 24 * 3600 == found.next[-1].at
    assert "10 passing faults" in found.next[-1].text


def test_a_run_that_waits_for_another_attempt_says_so() -> None:
    house, (run_id,) = queued(runyard={"retries": 2})
    moved(house, run_id, attempt=1, failures=1)
    assert "attempt 1 is over; it waits for another (new attempts after failures: 1 of 2)" in text(
        asked(house, run_id).facts
    )


def test_a_run_without_its_compute_is_sent_elsewhere() -> None:
    house, (run_id,) = queued()
    house.ports.computes.remove("local")
    found = asked(house, run_id)
    assert "does not exist" in text(found.waits)
    assert "--target" in found.advice[0]


def test_a_claim_says_when_it_ends_and_what_then() -> None:
    house, run_id = starting()
    run = house.ports.runs.get(run_id)
    assert run is not None
    found = asked(house, run_id)
    (claim,) = [said for said in found.next if "claim" in said.text]
    assert run.claimed_until == claim.at
    assert str(run.handle) in text(found.facts)


@pytest.mark.parametrize(
    ("state", "minutes", "then"),
    [
        (State.PROVISIONING, 20, "no machine came"),
        (State.PREPARING, 60, "Failed"),
        (State.FINALIZING, 30, "not complete"),
    ],
)
def test_a_bounded_state_says_its_deadline_and_what_follows(state: State, minutes: int, then: str) -> None:
    house, run_id = starting()
    moved(house, run_id, state)
    (said,) = [each for each in asked(house, run_id).next if f"the time for {state} is up" in each.text]
    assert house.clock.now() + minutes * 60 == said.at
    assert then in said.text
    put(house.ports, "local", deadlines={str(state).lower(): 30})
    assert house.clock.now() + 30 in {each.at for each in asked(house, run_id).next}


def test_a_running_script_says_since_when_and_what_ends_it() -> None:
    house, run_id = starting(maxRunDurationSeconds=600, runyard={"retries": 2})
    at = house.clock.now()
    moved(house, run_id, State.RUNNING, started=at)
    found = asked(house, run_id)
    assert at + 600 == next(said.at for said in found.next if "maximum duration" in said.text)
    gate = house.ports.gates.get("local")
    assert gate is not None
    assert Said("its compute is looked at", gate.next_at) in found.next
    assert "new attempts left if its script fails: 2 of 2" in text(found.facts)
    assert "runyard logs -f" in found.advice[0]
    put(house.ports, "local", spot=True)
    assert "taken back: 3 of 3" in text(asked(house, run_id).facts)


def test_an_overdue_look_is_a_fact_and_no_promise() -> None:
    house, run_id = starting()
    moved(house, run_id, State.RUNNING, started=house.clock.now())
    house.clock.advance(100)
    assert "due" in text(asked(house, run_id).facts)
    assert "has no maximum duration" in text(asked(house, run_id).facts)


def test_a_silent_run_says_since_when_and_offers_force() -> None:
    house, run_id = starting(maxRunDurationSeconds=600)
    heard = house.clock.now()
    moved(house, run_id, State.RUNNING, started=heard)
    moved(house, run_id, reason="not heard of: no route", silent_since=heard)
    found = asked(house, run_id)
    assert Said("not heard of since then", heard) in found.facts
    assert Said("NotResponding, if nothing was heard of it by then", heard + 120) in found.next
    house.clock.advance(300)  # whoever looks at its compute is late, and what is next does not lie in the past
    assert Said("NotResponding, if nothing was heard of it by then", house.clock.now()) in asked(house, run_id).next
    moved(house, run_id, State.NOT_RESPONDING, reason="nothing heard")
    found = asked(house, run_id)
    assert Said("not heard of since then", heard) in found.facts
    assert "may still be running" in text(found.facts)
    assert "--force" in " ".join(found.advice)
    assert heard + 600 + 600 == next(said.at for said in found.next if "long over" in said.text)


@pytest.mark.parametrize(
    ("states", "word"),
    [((), "start is refused"), ((State.RUNNING,), "TERM"), ((State.RUNNING, State.FINALIZING), "has ended already")],
)
def test_a_requested_cancel_says_what_has_to_happen_yet(states: tuple[State, ...], word: str) -> None:
    house, run_id = starting()
    moved(house, run_id, *states, reason="cancel requested by cli:ada", cancel_requested=True)
    found = asked(house, run_id)
    assert "CancelRequested" == found.status
    assert word in text(found.next)
    assert Said("cancel requested by cli:ada", house.clock.now()) in found.facts
    assert any("--force" in each for each in found.advice)


def test_a_canceled_but_waiting_run_ends_with_the_next_look() -> None:
    house, (run_id,) = queued()
    moved(house, run_id, reason="cancel requested by cli:ada", cancel_requested=True)
    found = asked(house, run_id)
    assert "nothing of it was started" in text(found.next)
    assert "slots are free" not in text(found.waits)


def test_an_attempt_that_is_given_up_says_why() -> None:
    house, run_id = starting()
    error = RunError(error_class="config", message="it was prepared for too long", code="PreparationTimedOut")
    moved(house, run_id, State.PREPARING, giving_up=error)
    assert "it was prepared for too long" in text(asked(house, run_id).facts)
    assert "ends with that error" in text(asked(house, run_id).next)


@pytest.mark.parametrize(
    ("error_class", "code", "way_out"),
    [
        ("config", "RunconfigError", "mend what the reason names"),
        ("auth", "AuthError", "credential"),
        ("user", "ScriptFailed", "runyard logs"),
        ("user", "MaxDurationExceeded", "maxRunDurationSeconds"),
        ("transient", "Interrupted", "runyard.retries"),
        ("transient", "NotAccepted", "runyard resubmit"),
        ("throttled", "ThrottledError", "--target"),
        ("capacity", "CapacityError", "--target"),
        ("quota", "QuotaError", "ask for more"),
        ("preempted", "Preempted", "runyard.on_preemption"),
        ("internal", "RunyardError", "host's log"),
    ],
)
def test_every_failure_has_a_way_out(error_class: str, code: str, way_out: str) -> None:
    house, run_id = starting(runyard={"retries": 1})
    error = RunError(error_class=error_class, message="it failed", code=code)
    moved(house, run_id, State.FAILED, error=error, exit_code=3)
    found = asked(house, run_id)
    assert way_out in " ".join(found.advice)
    assert "{" not in " ".join(found.advice)
    assert f"error class {error_class}, code {code}" in text(found.facts)
    assert "exited with code 3" in text(found.facts)
    assert "1 of 1 after a failure" in text(found.facts)
    assert () == found.waits + found.next


def test_a_rejected_event_cannot_be_submitted_again() -> None:
    house = House()
    house.send(b"{not json")
    house.settle()
    found = asked(house, house.only().id)
    assert "corrected event" in found.advice[0]
    assert "never got to a compute" in text(found.facts)


def test_a_completed_run_says_where_its_files_are() -> None:
    house = House()
    (run_id,) = started(house)
    house.target.end(f"{run_id}/1")
    house.clock.advance(60)
    house.settle()
    found = asked(house, run_id)
    assert "1 attempt on local (1 exited)" in text(found.facts)
    assert "runyard download" in " ".join(found.advice)


def test_a_canceled_run_says_by_whom() -> None:
    house, (run_id,) = queued()
    request_cancel(house.ports, run_id, who="cli:ada")
    found = asked(house, run_id)
    assert "cancel requested by cli:ada" in text(found.facts)
    assert "nothing of it runs any more" in text(found.facts)


def forced(house: House, run_id: str) -> None:
    """End a run whose script has started."""
    request_cancel(house.ports, run_id, who="cli:ada", force=True)
    assert State.CANCELED is state(house, run_id)


def test_a_run_ended_by_force_says_where_it_may_still_run() -> None:
    house, run_id = starting()
    moved(house, run_id, State.RUNNING, started=house.clock.now())
    forced(house, run_id)
    found = asked(house, run_id)
    assert f"may still be running on local (handle fake://local/{run_id}/1)" in text(found.facts)
    assert "nothing of it runs" not in text(found.facts)
    assert "look on local" in found.advice[0]


def test_the_api_answers_for_a_run_and_refuses_what_is_not_there() -> None:
    with serving() as served:
        run = served.running()
        found = served.http.get(f"/api/runs/{run.id}/why").json()
        assert (found["status"], found["state"], found["served"]) == ("Running", "Running", False)
        assert found["sinceTimeUtc"].endswith("Z")
        assert "its script to end" in [each["text"] for each in found["waitsFor"]]
        served.services.take_over()
        assert served.http.get(f"/api/runs/{run.id}/why").json()["served"]
        assert served.http.get("/api/runs/none/why").status_code == 404
        assert_left_behind(served, run.id)


def assert_left_behind(served: Served, run_id: str) -> None:
    assert served.http.get(f"/api/runs/{run_id}").json()["mayStillRun"] is None
    forced(served.house, run_id)
    left = served.http.get(f"/api/runs/{run_id}").json()["mayStillRun"]
    assert {"compute": "local", "attempt": 1, "handle": f"fake://local/{run_id}/1"} == left
