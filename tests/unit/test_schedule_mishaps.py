"""Schedules in virtual time: one run for each time, whatever happens to hosts, floods, disks and snapshots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runyard.accept import doors
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError, ConflictError, NotFoundError, StorageFullError
from runyard.reconcile import alarms, prune
from runyard.runs.model import Run
from runyard.schedule import Definition, add, fire_due, pause, remove
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import Crash, Fault, FaultyPorts, ManualClock, Moment, Steps
from tests.crash.worlds import EmbeddedWorld
from tests.fakes import snapshot
from tests.unit.schedule_yard import DAY, HOUR, MADRID, TICK, Yard, at


class Flood:
    """Too many submissions wait."""

    def __init__(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doors, "BACKLOG", 3)
        self.ids = [yard.ports.queue.send(SUBMISSIONS, b"{}") for _ in range(3)]
        self.yard = yard

    def over(self) -> None:
        while found := self.yard.ports.queue.receive(SUBMISSIONS, most=100, lock=60):
            for message in found:
                self.yard.ports.queue.complete(message)


@pytest.mark.parametrize("catch_up", ["last", "all", "none"])
def test_a_flood_loses_no_time_whatever_the_rule_for_missed_ones(
    catch_up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Yard()
    for number in range(5):
        yard.add(f"s{number}", catch_up=catch_up)
    yard.live(2 * HOUR - 30)
    flood = Flood(yard, monkeypatch)
    yard.live(HOUR)
    assert [] == yard.fired()
    assert "submissions wait to be accepted" in yard.now("s4").last_error
    assert 0 == yard.now("s4").failures
    flood.over()
    monkeypatch.undo()
    yard.live(60)
    assert ["11-24 08:00"] * 5 == yard.fired()
    assert ("", None) == (yard.now("s4").last_error, yard.now("s4").held)
    yard.live(DAY)
    assert 10 == len(yard.fired())


def test_a_full_disk_loses_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    yard = Yard()
    yard.add(catch_up="none")
    yard.live(2 * HOUR - 30)
    faulty = FaultyPorts(
        inner=yard.ports,
        only=frozenset({"runs.create"}),
        plan={1: Fault.REFUSED, 2: Fault.REFUSED},
        error=lambda _: StorageFullError("there is no room"),
    )
    for _ in range(40):
        yard.house.clock.advance(TICK)
        fire_due(faulty.ports)
    assert 3 == faulty.count
    assert ["11-24 08:00"] == yard.fired()


def test_a_snapshot_that_was_removed_makes_a_failed_run_and_the_schedule_goes_on() -> None:
    yard = Yard()
    yard.add()
    yard.ports.blobs.delete("uploads", "a.zip")
    yard.live(3 * DAY, step=HOUR)
    assert [("_rejected", "Failed")] * 3 == [(run.experiment, run.status) for run in yard.house.runs()]
    assert "there is no snapshot uploads/a.zip; upload it, or check the name" == yard.house.runs()[0].reason
    assert 3 == yard.now().failures
    (alarm,) = [alarm for alarm in alarms(yard.ports) if "schedule" in alarm.name]
    assert "3 times in a row" in alarm.detail
    yard.ports.blobs.put("uploads", "a.zip", snapshot())
    yard.live(DAY, step=HOUR)
    assert ("exp", "") == (yard.house.runs()[0].experiment, yard.now().last_error)
    assert [] == [alarm for alarm in alarms(yard.ports) if "schedule" in alarm.name]


def test_runs_that_fail_again_and_again_raise_an_alarm() -> None:
    yard = Yard()
    yard.add(every=3600.0, name="hourly")
    for _ in range(4):
        yard.live(HOUR, step=HOUR)
        yard.end(code=1)
    (alarm,) = alarms(yard.ports)
    assert ("schedule hourly keeps failing", 3) == (alarm.name, yard.now("hourly").failures)


def test_a_schedule_that_nobody_serves_raises_an_alarm() -> None:
    yard = Yard()
    yard.add()
    yard.sleep(2 * HOUR + 60)
    assert [] == list(alarms(yard.ports))
    yard.sleep(600)
    (alarm,) = alarms(yard.ports)
    assert "schedules overdue" == alarm.name
    assert "1 schedule" in alarm.detail


def test_prune_keeps_what_schedules_and_webhooks_refer_to() -> None:
    from runyard.ports import Webhook

    yard = Yard()
    for name in ("hook.zip", "old.zip", "paused.zip"):
        yard.ports.blobs.put("uploads", name, snapshot())
    yard.add()
    yard.add("held", paused=True, submission={"snapshot": {"container": "uploads", "name": "paused.zip"}})
    hook: dict[str, object] = {"experiment": "exp", "snapshot": "uploads/hook.zip"}
    yard.ports.webhooks.put(Webhook(name="h", kind="github", submission=hook))
    yard.sleep(DAY)
    assert 1 == prune(yard.ports, snapshots_older_than=60).snapshots
    assert ["a.zip", "hook.zip", "paused.zip"] == [info.name for info in yard.ports.blobs.list("uploads")]
    remove(yard.ports, "nightly")
    assert 1 == prune(yard.ports, snapshots_older_than=60).snapshots


def test_of_a_thousand_schedules_only_those_that_are_due_are_read_and_written() -> None:
    yard = Yard()
    for number in range(1000):
        yard.add(f"s{number:03}", cron=f"{number % 60} {7 + number % 10} * * *", catch_up="all")
    steps = Steps(inner=yard.ports)
    yard.house.clock.advance(HOUR)  # 07:00
    due = len(yard.ports.schedules.due(yard.house.clock.now(), limit=5000))
    assert due == fire_due(steps.ports)
    assert (due, due) == (steps.seen.count("schedules.put"), steps.seen.count("runs.create"))
    assert 0 < due < 40
    before = steps.count
    assert 0 == fire_due(steps.ports)
    assert before == steps.count
    yard.live(DAY, step=HOUR)
    assert 1000 + due == len({run.identity for run in yard.ports.runs.list(_all()).runs}) + due


def _all() -> Any:
    from runyard.ports import Query

    return Query(limit=1000)


def test_two_hosts_at_once_make_one_run() -> None:
    yard = Yard()
    yard.add()
    yard.sleep(2 * HOUR + 1)
    other: list[int] = []

    def meanwhile(step: Any) -> None:
        if not other and step.operation == "schedules.put":
            other.append(0)
            other[0] = fire_due(yard.ports)  # the second host sees the row as it was, and moves it first

    made = fire_due(Steps(inner=yard.ports, hook=meanwhile).ports)
    assert (1, [0]) == (made, other)
    assert ["11-24 08:00"] == yard.fired()
    assert at("2026-11-25T08:00Z") == yard.now().next_at


def test_one_that_is_removed_or_replaced_while_it_fires_is_not_brought_back() -> None:
    for change in ("removed", "replaced", "paused"):
        yard = Yard()
        old = yard.add()
        yard.sleep(2 * HOUR + 1)

        def meanwhile(step: Any, yard: Yard = yard, change: str = change) -> None:
            if (step.operation, step.moment) != ("schedules.put", Moment.BEFORE):
                return
            if change == "paused":
                pause(yard.ports, "nightly")
                return
            yard.ports.schedules.remove("nightly")
            if change == "replaced":
                yard.add()

        fire_due(Steps(inner=yard.ports, hook=meanwhile).ports)
        left = yard.ports.schedules.get("nightly")
        assert (left is None) == (change == "removed")
        if left is not None:
            assert (change == "paused", change == "replaced") == (left.paused, left.uid != old.uid)
            assert at("2026-11-25T08:00Z") == left.next_at


@pytest.mark.parametrize("catch_up", ["last", "all"])
@pytest.mark.parametrize("kind", ["memory", "embedded"])
def test_killed_before_and_after_every_write_each_time_has_its_one_run(
    kind: str, catch_up: str, tmp_path: Path
) -> None:
    roots = iter(range(1000))

    def live(crash_at: tuple[int, Moment] | None) -> int:
        """Three days; a host is killed once, and the next comes an hour later."""
        yard = Yard()
        world: EmbeddedWorld | None = None
        if kind == "embedded":
            world = EmbeddedWorld(yard.house.clock, yard.house.target, tmp_path / str(next(roots)))  # type: ignore[arg-type]
            yard.house.ports = world.open()
            yard.ports.blobs.put("uploads", "a.zip", snapshot())
        yard.add(catch_up=catch_up, overlap="skip" if catch_up == "last" else "allow")
        steps = Steps(inner=yard.ports, crash_at=crash_at)
        for _ in range(3 * 24):
            yard.house.clock.advance(HOUR)
            try:
                fire_due(steps.ports)
            except Crash:
                if world is not None:
                    yard.house.ports = world.open()
                steps = Steps(inner=yard.ports, seen=steps.seen)
            yard_runs = yard.house.runs()
            assert len({run.origin.event_id for run in yard_runs}) == len(yard_runs)
        expected = ["11-24 08:00"] if catch_up == "last" else ["11-24 08:00", "11-25 08:00", "11-26 08:00"]
        assert expected == yard.fired(), (crash_at, steps.report() if hasattr(steps, "report") else "")
        assert at("2026-11-27T08:00Z") == yard.now().next_at
        if world is not None:
            world.close()
        return len(steps.seen)

    for number in range(1, live(None) + 1):
        for moment in Moment:
            live((number, moment))


def test_who_died_after_the_run_and_before_the_row_leaves_nothing_for_the_next_rule_to_double() -> None:
    yard = Yard()
    yard.add(every=600.0, overlap="skip")
    yard.sleep(600)
    with pytest.raises(Crash):
        fire_due(Steps(inner=yard.ports, crash_at=(3, Moment.BEFORE)).ports)  # runs.create, queue.send, here
    assert ["06:10"] == [each[6:] for each in yard.fired()]
    yard.sleep(600)
    fire_due(yard.ports)  # its run goes on, and so the second time is left out
    assert ["06:10"] == [each[6:] for each in yard.fired()]
    assert ["the run before it had not ended"] == [note.why for note in yard.now().skipped]


def test_secrets_of_a_schedule_are_apart_from_its_row_and_reach_its_runs() -> None:
    yard = Yard()
    canary = "canary-6f2a91"
    yard.add(submission={"environmentVariables": {"DB_PASSWORD": canary, "DAY": "{/date}"}})
    assert canary not in str(yard.now())
    yard.live(2 * HOUR)
    assert "exp" == yard.house.only().experiment
    assert canary not in str(yard.house.only())
    (kept,) = [name for name in yard.ports.secrets.names() if name.startswith("schedule-")]
    assert canary in str(yard.ports.secrets.get(kept))
    definition = Definition(
        name="nightly", submission={"experiment": "exp", "snapshot": "uploads/a.zip"}, cron="@daily"
    )
    add(yard.ports, definition, replacing=True)
    assert kept not in yard.ports.secrets.names()


def test_a_deleted_run_of_a_time_is_not_made_again() -> None:
    yard = Yard()
    yard.add()
    before = yard.now()
    yard.live(2 * HOUR)
    yard.end()
    (run,) = yard.house.runs()
    yard.ports.runs.delete(run.id, at=yard.house.clock.now())
    yard.ports.schedules.remove("nightly")
    yard.ports.schedules.put(replace(before, version=""))  # restored from a backup
    yard.live(HOUR)
    assert [] == yard.fired()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({"name": "a b"}, ConfigError, "not a schedule's name"),
        ({"cron": "0 0 30 2 *"}, ConfigError, "none of its months"),
        ({"cron": "0 8 * * *", "every": 60.0}, ConfigError, "cron and every were given"),
        ({"zone": "Mars/Base"}, ConfigError, "no time zone"),
        ({"at": "2026-11-24T05:00"}, ConfigError, "is over already"),
        ({"catch_up": "some"}, ConfigError, "last or all or none"),
        ({"overlap": "kill"}, ConfigError, "allow or skip"),
        ({"grace": float("nan")}, ConfigError, "grace is a number"),
        ({"submission": {"snapshot": "uploads/none.zip"}}, NotFoundError, "there is no snapshot"),
        ({"submission": {"snapshot": "secrets/none.zip"}}, ConfigError, "registered containers"),
        ({"submission": {"target": "mars"}}, ConfigError, "mars"),
        ({"submission": {"target": "{/name}"}}, ConfigError, "pointers may stand"),
        ({"submission": {"arguments": ["{/nothing}"]}}, ConfigError, "nothing at /nothing"),
        ({"submission": {"experiment": "a/b"}}, ConfigError, "experiment"),
    ],
)
def test_what_could_never_run_is_refused_when_it_is_defined(said: Any, error: type[Exception], words: str) -> None:
    yard = Yard()
    with pytest.raises(error, match=words):
        yard.add(**said)
    assert [] == list(yard.ports.schedules.list())


def test_a_name_is_taken_once_and_given_away_on_request() -> None:
    yard = Yard()
    first = yard.add()
    with pytest.raises(ConflictError, match="--replace"):
        yard.add()
    definition = Definition(name="nightly", submission=first.submission, cron="0 9 * * *")
    second = add(yard.ports, definition, replacing=True)
    assert first.uid != second.uid
    yard.live(4 * HOUR)
    assert ["11-24 09:00"] == yard.fired()


def test_a_schedule_survives_a_restart_of_its_root(tmp_path: Path) -> None:
    clock = ManualClock(start=at("2026-11-24T06:00Z"))
    yard = Yard()
    first = yard.add(zone=MADRID, submission={"tags": {"a": "{/date}"}})
    with EmbeddedStores.open(tmp_path / "root", clock) as stores:
        stored = stores.schedules.put(replace(first, version=""))
    with EmbeddedStores.open(tmp_path / "root", clock) as stores:
        assert stored == stores.schedules.get("nightly")
        assert [stored] == list(stores.schedules.due(at("2026-11-24T08:00Z")))


def test_runs_of_a_schedule_are_only_its_own() -> None:
    yard = Yard()
    yard.add("a")
    yard.add("b")
    yard.live(2 * HOUR)
    runs: list[Run] = yard.house.runs()
    assert {"a", "b"} == {run.origin.name for run in runs}
    assert 2 == len({run.identity for run in runs})
