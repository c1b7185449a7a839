"""What is kept of a deleted run, for how long, and that nothing runs again when it is forgotten."""

from __future__ import annotations

import logging

import pytest

from runyard.accept import drop
from runyard.accept.doors import submit
from runyard.dispatch import request_cancel
from runyard.errors import ConflictError, TransientError
from runyard.events.blob import BlobDrop
from runyard.events.submission import Submission
from runyard.ports import BlobInfo
from runyard.reconcile import is_known, prune, sweep
from runyard.reconcile.registers import SETTLED
from runyard.reconcile.tombstones import KEPT, buried_at
from runyard.runs.identity import seconds_of
from runyard.runs.model import Origin
from runyard.runs.states import State
from runyard.testing import Behaviour
from tests.fakes import snapshot
from tests.unit.house import House, started
from tests.unit.scripted_house import ScriptedHouse

DAY = 86_400.0


def ended(house: House, count: int = 1) -> list[str]:
    ids = started(house, count)
    for run_id in ids:
        house.target.end(f"{run_id}/1")
    house.clock.advance(60)
    house.settle()
    assert {State.COMPLETED} == {run.state for run in house.runs()}
    return ids


def blobs(house: House) -> list[BlobInfo]:
    return list(house.ports.blobs.list("snapshots"))


def known(house: House, info: BlobInfo) -> bool:
    return is_known(house.ports, info.container, info.name, info.etag, info.modified)


def test_a_tombstone_is_kept_for_half_a_year_and_then_forgotten() -> None:
    house = House()
    ended(house)
    house.clock.advance(DAY)
    report = prune(house.ports, runs_older_than=10)
    assert (1, 0) == (report.runs, report.tombstones)
    house.clock.advance(KEPT - 1)
    assert 0 == prune(house.ports, runs_older_than=10).tombstones
    house.clock.advance(2)
    assert 0 == prune(house.ports, runs_older_than=10, dry_run=True).tombstones
    assert 1 == prune(house.ports, runs_older_than=10).tombstones


def test_the_key_of_a_deleted_run_is_refused_and_names_the_run_that_was_deleted() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    origin = Origin(source="api", name="me", event_id="")
    first, _created = submit(house.ports, asked, origin=origin, key="night")
    request_cancel(house.ports, first.id, who="me")
    house.settle()
    house.clock.advance(DAY)
    prune(house.ports, runs_older_than=10)
    with pytest.raises(
        ConflictError, match=f"{first.id}, and it was deleted since; it does not run again: use another"
    ):
        submit(house.ports, asked, origin=origin, key="night")
    house.settle()
    assert [] == house.runs()


@pytest.mark.parametrize("after", [DAY, KEPT - 60, KEPT + 60, 3 * KEPT])
def test_the_file_of_a_deleted_run_never_runs_again_by_itself(after: float) -> None:
    house = House()
    ended(house)
    house.clock.advance(DAY)
    prune(house.ports, runs_older_than=10)
    house.clock.advance(after)
    prune(house.ports, runs_older_than=10)
    assert 0 == sweep(house.ports)
    assert known(house, blobs(house)[0])
    house.settle()
    assert [] == house.runs()


def test_a_file_that_says_it_is_of_the_future_keeps_its_tombstone_until_that_is_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(limit=1)
    info = house.ports.blobs.put("snapshots", "exp/odd.zip", snapshot())
    odd = BlobInfo(
        container="snapshots", name=info.name, etag=info.etag, size=info.size, modified=house.clock.now() + 2 * KEPT
    )
    monkeypatch.setattr(house.ports.blobs, "list", lambda *_, after=None, **__: [] if after else [odd])
    reader = house.ports.blobs.open(odd.container, odd.name)
    reader.info = odd
    monkeypatch.setattr(house.ports.blobs, "open", lambda *_, **__: reader)
    drop(
        house.ports,
        BlobDrop(
            container="snapshots", name=odd.name, etag=odd.etag, size=odd.size, modified=odd.modified, event_id="e"
        ),
    )
    house.settle()
    run = house.only()
    assert int(odd.modified) == seconds_of(run.id)
    house.target.end(f"{run.id}/1")
    house.clock.advance(60)
    house.settle()
    monkeypatch.setattr("runyard.reconcile.retention._Removal.blobs", lambda *_: 0)
    prune(house.ports, runs_older_than=10)
    for days in (1.5 * KEPT, KEPT, KEPT):
        house.clock.advance(days)
        prune(house.ports, runs_older_than=10)
        assert 0 == sweep(house.ports)


def test_a_file_that_nobody_knows_is_left_alone_when_it_is_too_old_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.ports.blobs.put("snapshots", "exp/old.zip", snapshot())
    house.clock.advance(KEPT - 60)
    assert not known(house, blobs(house)[0])
    house.clock.advance(120)
    with caplog.at_level(logging.INFO):
        assert known(house, blobs(house)[0])
    assert ["snapshots/exp/old.zip is older than what is kept of deleted runs; touch it to have it run"] == (
        caplog.messages
    )
    assert 0 == sweep(house.ports)


def test_the_start_registers_of_a_deleted_run_go_with_it() -> None:
    house = House()
    ids = ended(house, 2)
    house.clock.advance(SETTLED + 60)
    prune(house.ports, runs_older_than=10, dry_run=True)
    assert [] == house.target.forgotten
    prune(house.ports, runs_older_than=10)
    assert sorted(f"{run_id}/1" for run_id in ids) == sorted(house.target.forgotten)


def test_a_register_stays_for_a_day_in_which_a_late_dispatcher_may_wake() -> None:
    house = House()
    ended(house)
    house.clock.advance(SETTLED - 120)
    assert 1 == prune(house.ports, runs_older_than=10).runs
    assert [] == house.target.forgotten


def test_a_register_that_cannot_be_removed_is_told_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    ended(house, 2)
    house.clock.advance(SETTLED + 60)
    house.target.forget_error = TransientError("the machine does not answer")
    caplog.clear()
    assert 2 == prune(house.ports, runs_older_than=10).runs
    assert [] == house.runs()
    assert ["forget", "forget"] == [record.__dict__["action"] for record in caplog.records]
    assert all("stays on local: the machine does not answer" in message for message in caplog.messages)


def test_a_register_on_a_compute_of_another_kind_is_asked_of_that_kind(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    ended(house)
    house.clock.advance(SETTLED + 60)
    house.ports.targets.targets = {}  # type: ignore[attr-defined]  # its extra is not installed any more
    caplog.clear()
    assert 1 == prune(house.ports, runs_older_than=10).runs
    assert ["forget"] == [record.__dict__["action"] for record in caplog.records]


@pytest.mark.parametrize(
    ("ident", "seconds"), [("exp_1700000000_0a1b2c3d", 1_700_000_000), ("a_b_17_00000000", 17), ("odd", 0), ("", 0)]
)
def test_the_seconds_of_a_run_are_in_its_id(ident: str, seconds: int) -> None:
    assert seconds == seconds_of(ident)


def test_a_run_counts_as_deleted_when_it_is_unless_its_file_is_of_the_future() -> None:
    house = House()
    ended(house)
    run = house.only()
    assert seconds_of(run.id) + 1.0 == buried_at(run, 0.0)
    assert 5e9 == buried_at(run, 5e9)


def test_a_run_that_is_still_to_be_cleaned_up_after_stays() -> None:
    house = ScriptedHouse()
    run_id = house.start(Behaviour(duration=5, cleanup_raises=3))
    house.pass_time(10, step=2)
    assert State.COMPLETED is house.run(run_id).state
    assert 0 == prune(house.ports, runs_older_than=0).runs
    house.pass_time(120)
    assert [] == house.gates()
    assert 1 == prune(house.ports, runs_older_than=0).runs
