"""What lay in a folder before it was watched first, and what came since: who takes which."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from runyard.cli import outcome
from runyard.host.arrivals import Arrivals, walk
from runyard.ports.blobs import BlobInfo
from runyard.reconcile import sweep, sweep_page
from runyard.services import open_embedded
from runyard.services.checks import run_checks
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import ManualClock, MemoryMarkStore
from tests.fakes import snapshot
from tests.host_helpers import zip_bytes
from tests.served import Served, client_over
from tests.unit.house import House
from tests.unit.test_cli_commands import Invoke, cli, project, served

__all__ = ["cli", "project", "served"]  # fixtures

DAY = 86_400.0


def put(house: House, *names: str) -> None:
    for name in names:
        house.ports.blobs.put("snapshots", f"exp/{name}.zip", snapshot())


@pytest.fixture
def house() -> House:
    """Two zips from before the mark, one from after it that raised no event."""
    return with_old(House())


def unwatched(house: House) -> House:
    """The same, with a drop container that nobody has watched yet."""
    object.__setattr__(house.ports, "marks", MemoryMarkStore())
    return house


def with_old(house: House) -> House:
    unwatched(house)
    put(house, "old-1", "old-2")
    house.clock.advance(DAY)
    house.ports.marks.begin("snapshots", house.clock.now())
    put(house, "new")
    house.clock.advance(60)
    return house


def names(house: House) -> list[str]:
    house.settle()
    return sorted(run.origin.name.removeprefix("snapshots/exp/") for run in house.runs())


def test_the_sweep_takes_what_came_since_the_mark_and_counts_it(house: House) -> None:
    assert 1 == sweep(house.ports)
    assert ["new.zip"] == names(house)
    assert 0 == sweep(house.ports)
    mark = house.ports.marks.get("snapshots")
    assert mark is not None
    assert (1, house.clock.now()) == (mark.missed, mark.missed_at)


def test_an_operator_sees_and_then_takes_what_is_older(house: House) -> None:
    would = sweep_page(house.ports, since=0.0, dry_run=True)
    assert (3, 3, 0) == (would.looked, would.taken, would.older)
    assert [] == names(house)
    by_mark = sweep_page(house.ports, dry_run=True)
    assert (1, 2, ["exp/new.zip"]) == (by_mark.taken, by_mark.older, by_mark.names)
    assert 3 == sweep_page(house.ports, since=0.0).taken
    assert ["new.zip", "old-1.zip", "old-2.zip"] == names(house)
    assert {"asked"} == {run.origin.event_id for run in house.runs()}
    assert 0 == sweep_page(house.ports, since=0.0).taken


def test_what_an_operator_asks_for_is_no_miss(house: House) -> None:
    sweep_page(house.ports, since=0.0)
    names(house)
    assert 0 == sweep(house.ports)
    mark = house.ports.marks.get("snapshots")
    assert mark is not None
    assert 0 == mark.missed


def test_what_is_older_than_the_tombstones_is_taken_when_asked_for(house: House) -> None:
    house.clock.advance(400 * DAY)
    assert 0 == sweep(house.ports)
    assert 3 == sweep_page(house.ports, since=0.0).taken


def test_pages_follow_each_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sweep_page.__globals__, "PAGE", 2)
    first = sweep_page(house.ports, since=0.0, dry_run=True)
    second = sweep_page(house.ports, since=0.0, after=first.next, dry_run=True)
    assert (2, 1, None) == (first.taken, second.taken, second.next)
    assert 1 == sweep(house.ports)


def test_a_container_without_a_mark_gets_it_by_the_first_sweep() -> None:
    house = unwatched(House())
    put(house, "old")
    house.clock.advance(60)
    assert 0 == sweep(house.ports)
    put(house, "new")
    house.clock.advance(60)
    assert 1 == sweep(house.ports)


def test_the_mark_is_set_when_the_root_is_made_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "snapshots"
    folder.mkdir(parents=True)
    (folder / "before.zip").write_bytes(zip_bytes())
    os.utime(folder / "before.zip", (1, 1))
    mark_now(folder)  # the file system counts time in steps of some milliseconds
    with EmbeddedStores.open(tmp_path / "root") as stores:
        mark = stores.marks.get("snapshots")
    assert mark is not None
    (folder / "after.zip").write_bytes(zip_bytes())
    with EmbeddedStores.open(tmp_path / "root") as stores:
        assert mark == stores.marks.get("snapshots")
        came = {info.name: info.came >= mark.since for info in stores.blobs.list("snapshots")}
    assert {"before.zip": False, "after.zip": True} == came


def test_a_root_that_was_watched_before_there_were_marks_takes_all_that_lies_in_it(tmp_path: Path) -> None:
    open_embedded(tmp_path / "root").close()
    with sqlite3.connect(tmp_path / "root" / "runyard.db") as db:
        db.execute("DELETE FROM documents WHERE kind = 'mark'")
        for table in ("outbox", "deliveries"):  # what later versions brought
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 5")
    db.close()
    with EmbeddedStores.open(tmp_path / "root") as stores:
        mark = stores.marks.get("snapshots")
    assert mark is not None
    assert 0.0 == mark.since


class Started:
    """A start scan of a folder, by a mark of now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.since = 0.0
        self.known: set[str] = set()
        self.taken: list[str] = []

    def scan(self) -> Arrivals:
        arrivals = Arrivals(
            self.folder,
            emit=lambda blob: self.taken.append(blob.name),
            known=lambda _container, name, _etag, _modified: name in self.known,
            clock=ManualClock(),
            since=self.since,
        )
        for name in sorted(walk(self.folder, "", lambda _: True, arrivals.tell)):
            arrivals.found(name, starting=True)
        return arrivals


def mark_now(folder: Path) -> float:
    """A time of the file system that is later than that of anything there."""
    probe = folder.parent / "probe"
    newest = max([path.stat().st_ctime_ns for path in folder.iterdir()], default=0)
    newest = max(newest, folder.parent.stat().st_ctime_ns)
    while True:
        probe.unlink(missing_ok=True)
        probe.write_bytes(b"")
        if probe.stat().st_mtime_ns > newest:
            return probe.stat().st_mtime


def test_the_start_scan_leaves_what_lay_there_and_counts_it(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for name in ("a", "b", "known"):
        (folder / f"{name}.zip").write_bytes(zip_bytes())
    start = Started(folder)
    start.since, start.known = mark_now(folder), {"known.zip"}
    (folder / "late.zip").write_bytes(zip_bytes())
    arrivals = start.scan()
    assert (["late.zip"], 2) == (start.taken, arrivals.left)
    os.utime(folder / "a.zip")
    arrivals.closed("a.zip")  # an event asks, whatever the age
    arrivals.found("b.zip", starting=False)
    assert ["late.zip", "a.zip"] == start.taken


@pytest.mark.parametrize("how", ["moved", "copied with its times"])
def test_a_file_that_is_older_than_the_mark_and_came_after_it_is_taken(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    source = tmp_path / "year-old.zip"
    source.write_bytes(zip_bytes())
    os.utime(source, (1_700_000_000, 1_700_000_000))
    start = Started(folder)
    start.since = mark_now(folder)
    if how == "moved":
        source.rename(folder / "old.zip")
    else:
        shutil.copy2(source, folder / "old.zip")
    start.scan()
    assert ["old.zip"] == start.taken


def test_came_is_the_later_of_both_times() -> None:
    info = BlobInfo(container="snapshots", name="a", etag="e", size=1, modified=5.0, changed=9.0)
    assert 9.0 == info.came
    assert info == BlobInfo(container="snapshots", name="a", etag="e", size=1, modified=5.0)
    assert 5.0 == BlobInfo(container="snapshots", name="a", etag="e", size=1, modified=5.0).came


def test_doctor_tells_how_many_raised_no_event(house: House) -> None:
    sweep(house.ports)
    names(house)
    (check,) = [check for check in run_checks(house.ports, None) if check.name == "drops"]
    assert check.ok
    assert "1 snapshots raised no event" in check.detail
    assert "of the newest 1 that were dropped, 1 (100.0%)" in check.detail


def test_over_http_and_in_the_client(served: Served) -> None:
    with_old(served.house)
    shown = served.http.get("/api/sweep").json()
    assert (0, None, "snapshots") == (shown["missed"], shown["missedTimeUtc"], shown["container"])
    for body in ({"since": "yesterday"}, {"since": "2026-01-01", "all": True}, {"more": 1}):
        assert 4 == served.http.post("/api/sweep", json=body).status_code // 100, body
    with client_over(served) as client:
        (page,) = client.sweep(everything=True, dry_run=True)
        assert (3, True) == (page["taken"], page["dryRun"])
        assert shown == client.drops()


def test_at_the_command_line(cli: Invoke, served: Served) -> None:
    with_old(served.house)
    result = cli("sweep", "--dry-run")
    assert "would start 1 zip of 3 looked at" in result.stdout
    assert "2 zips without a run came before the folder was watched first" in result.stderr
    found: Any = json.loads(cli("sweep", "--all", "--dry-run", "--json").stdout)
    assert (3, 3, ["exp/new.zip", "exp/old-1.zip", "exp/old-2.zip"]) == (
        found["looked"],
        found["taken"],
        found["names"],
    )
    assert [] == names(served.house)
    started = cli("sweep", "--since", "2001-09-08")
    assert "started 3 zips" in started.stdout
    assert "starts  exp/old-1.zip" in started.stdout
    assert "runyard up" in started.stderr
    assert ["new.zip", "old-1.zip", "old-2.zip"] == names(served.house)
    assert "started 0 zips" in cli("sweep", "--since", "7d").stdout
    cli("sweep", "--since", "often", code=outcome.USAGE)
    cli("sweep", "--since", "7d", "--all", code=outcome.USAGE)
