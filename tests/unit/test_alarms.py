"""What an operator should look at, and how the log tells of it."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.computes import drain, undrain
from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.ports import Waiting
from runyard.reconcile import Alarm, AlarmLog, alarms
from runyard.runs.model import Origin, Run
from runyard.runs.moves import Move, birth
from runyard.runs.states import State
from runyard.services import Services, open_embedded
from runyard.services.checks import SILENT
from runyard.testing import ManualClock
from tests.served import serving
from tests.unit.house import House, started
from tests.unit.test_why import moved, queued, starting

HERE = Path(__file__).parents[2]


def named(house: House, supervised: Callable[[], bool] | None = None) -> dict[str, Alarm]:
    return {alarm.name: alarm for alarm in alarms(house.ports, supervised)}


def test_a_house_in_order_raises_no_alarm() -> None:
    house = House()
    started(house)
    assert {} == named(house)


def test_dead_letters_say_whose_how_many_and_how_old() -> None:
    house = House()
    house.ports.queue.send(BURIED, b"x", properties={"source": SUBMISSIONS})
    house.clock.advance(3 * 3600)
    house.ports.queue.send(BURIED, b"x", properties={"source": "watch"})
    alarm = named(house)["dead letters"]
    assert "2 messages of submissions, watch could not be handled, the oldest 3 hours ago" == alarm.detail
    assert "redrive" in alarm.fix


def test_a_watch_that_is_late_or_not_planned_is_an_alarm() -> None:
    house, _run = starting()
    house.clock.advance(60)
    assert {} == named(house)
    house.clock.advance(40)
    assert "not polled for 99 s" in named(house)["watch of local overdue"].detail
    house, (_run,) = queued()
    house.ports.gates.take("local", at=house.clock.now())
    assert {} == named(house)  # its dispatcher arms the watch once it has made its plans
    house.clock.advance(61)
    assert "no poll is planned" in named(house)["watch of local overdue"].detail


def test_work_beside_free_slots_is_an_alarm_unless_something_holds_it() -> None:
    house, _runs = queued(2, limit=3)
    house.clock.advance(59)
    assert {} == named(house)
    house.clock.advance(60)
    assert "2 runs waiting for" in named(house)["dispatch to local overdue"].detail
    house.ports.gates.block("local", until=house.clock.now() + 60, reason="busy")
    assert {} == named(house)


def test_a_draining_house_is_an_alarm_and_its_waiting_runs_are_none() -> None:
    house, _runs = queued()
    house.clock.advance(3600)
    drain(house.ports)
    assert ["draining"] == list(named(house))
    undrain(house.ports)
    assert ["dispatch to local overdue"] == list(named(house))


def test_a_compute_that_refuses_for_long_is_an_alarm() -> None:
    house, (run_id,) = queued()
    house.ports.gates.block("local", until=house.clock.now() + 1800, reason="no room in the region")
    assert "no room in the region" in named(house)["local refuses"].detail
    house, (run_id,) = queued()
    house.clock.advance(3700)
    moved(house, run_id, reason="no cores left", refused_since=house.clock.now() - 3700, tries=9)
    assert "no cores left" in named(house)["local refuses"].detail


def test_silence_and_slow_accepting_are_alarms() -> None:
    with serving() as served:
        house = served.house
        run = served.running()
        waiting = served.submit().json()["runId"]
        moved(house, run.id, State.NOT_RESPONDING, cancel_requested=True)
        assert not {"runs not responding", "runs not accepted"} & set(named(house))
        house.clock.advance(2 * 3600)
        found = named(house)
        assert f"{run.id} for 2 hours" in found["runs not responding"].detail
        assert "--force" in found["runs not responding"].fix
        assert waiting in found["runs not accepted"].detail


def test_a_backlog_of_submissions_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    monkeypatch.setitem(alarms.__globals__, "MANY", 2)
    for _ in range(3):
        house.send(b"{}")
    assert "3 messages wait" in named(house)["submissions pile up"].detail


def test_scripts_that_nobody_looks_after_are_an_alarm(tmp_path: Path) -> None:
    services = open_embedded(tmp_path / "root", clock=ManualClock())
    try:
        run = _running_locally(services)
        assert "1 run on local" in _names(services)["supervisor gone"]
        found = {check.name: check for check in services.doctor()}
        assert not found["supervisor gone"].ok
        services.ports.gates.release("local", run)
        assert "supervisor gone" not in _names(services)
    finally:
        services.close()


def test_a_supervisor_that_hangs_is_told_by_its_heartbeat(tmp_path: Path) -> None:
    services = open_embedded(tmp_path / "root")
    path = tmp_path / "root" / "local" / "supervisor.lock"
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write("4711\n")
            lock.flush()
            path.with_suffix(".sock").touch()
            assert {check.name: check.ok for check in services.doctor()}["supervisor"]
            long_ago = path.stat().st_mtime - 2 * SILENT
            os.utime(path, (long_ago, long_ago))
            (found,) = (check for check in services.doctor() if check.name == "supervisor")
    finally:
        services.close()
    assert not found.ok
    assert "process 4711 has given no sign of life" in found.detail
    assert "kill -CONT 4711" in found.fix


def _names(services: Services) -> dict[str, str]:
    return {alarm.name: alarm.detail for alarm in alarms(services.ports, lambda: False)}


def _running_locally(services: Services) -> str:
    ports, at = services.ports, services.ports.clock.now()
    run = Run(
        id="exp_1_00000000",
        experiment="exp",
        identity="i",
        origin=Origin(source="api"),
        reason="asked for",
        since=at,
        created=at,
        compute="local",
        kind="local",
    )
    moves = [
        Move(state=state, reason="as the test says", at=at) for state in (State.QUEUED, State.STARTING, State.RUNNING)
    ]
    ports.runs.create(birth(run, moves, who="test"))
    ports.gates.wait("local", Waiting(run_id=run.id, priority=0, enqueued=at))
    ports.gates.take("local", at=at)
    return run.id


def alarm(name: str = "it burns") -> Alarm:
    return Alarm(name=name, detail="smoke", fix="put it out")


def test_the_log_tells_of_an_alarm_once_an_hour_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    told = AlarmLog(clock)
    caplog.set_level(logging.INFO, "runyard")
    for _ in range(130):
        told.tell([alarm()])
        clock.advance(30)
    assert ["it burns: smoke; put it out"] * 2 == caplog.messages
    caplog.clear()
    told.tell([])  # it comes and goes
    clock.advance(30)
    told.tell([alarm()])
    assert [] == caplog.messages
    for _ in range(5):
        clock.advance(30)
        told.tell([])
    assert ["it burns: over"] == caplog.messages
    told.tell([alarm()])
    assert "it burns: smoke; put it out" == caplog.messages[-1]
    assert {"alarm", "alarm cleared"} == {record.action for record in caplog.records}  # type: ignore[attr-defined]


def test_services_tell_the_log_of_what_is_amiss(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as served:
        served.house.ports.queue.send(BURIED, b"x")
        served.services.watch_over()
        served.services.watch_over()
    assert 1 == len([text for text in caplog.messages if text.startswith("dead letters")])


def test_every_action_that_the_log_knows_is_documented() -> None:
    page = (HERE / "docs" / "logging.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    sources = [*(HERE / "shared").rglob("*.py"), *(HERE / "functions").rglob("*.py")]
    used = {found for path in sources for found in re.findall(r'"action": "([^"]+)"', path.read_text())}
    assert used <= documented, f"docs/logging.md lacks {sorted(used - documented)}"
