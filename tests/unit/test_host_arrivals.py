from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from runyard.host.arrivals import QUIET, Arrivals, is_snapshot_name, walk
from runyard.host.whole import ends_whole, open_for_writing
from runyard.ports.blobs import BlobInfo
from runyard.testing import ManualClock
from tests.host_helpers import zip_bytes


class Bench:
    """A folder on a clock that is turned by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock()
        self.reported: list[BlobInfo] = []
        self.known: set[str] = set()
        self.arrivals = Arrivals(root, emit=self.reported.append, known=self._is_known, clock=self.clock)

    def _is_known(self, container: str, name: str, etag: str, modified: float) -> bool:
        assert (container, bool(etag), modified > 0) == ("snapshots", True, True)
        return name in self.known

    def write(self, name: str, data: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def names(self) -> list[str]:
        return [each.name for each in self.reported]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "snapshots").mkdir()
    return Bench(tmp_path / "snapshots")


WHOLE = zip_bytes()


def test_a_whole_zip_is_reported_when_it_is_closed(bench: Bench) -> None:
    path = bench.write("exp/a.zip", WHOLE)
    bench.arrivals.closed("exp/a.zip")

    status = path.stat()
    assert bench.reported == [
        BlobInfo(
            container="snapshots",
            name="exp/a.zip",
            etag=f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}",
            size=len(WHOLE),
            modified=status.st_mtime,
        )
    ]


def test_the_same_version_is_reported_once_and_a_new_one_again(bench: Bench) -> None:
    path = bench.write("a.zip", WHOLE)
    bench.arrivals.closed("a.zip")
    bench.arrivals.closed("a.zip")
    bench.arrivals.found("a.zip", starting=False)
    assert len(bench.reported) == 1

    os.utime(path, ns=(1, 1))
    bench.arrivals.closed("a.zip")
    assert len(bench.reported) == 2


def test_a_truncated_zip_waits_for_a_further_close(bench: Bench) -> None:
    bench.write("a.zip", WHOLE[:-5])
    bench.arrivals.closed("a.zip")
    bench.clock.advance(QUIET - 0.5)
    bench.arrivals.settle()
    assert bench.names() == []

    bench.write("a.zip", WHOLE)
    bench.arrivals.closed("a.zip")
    assert bench.names() == ["a.zip"]
    assert bench.arrivals.next_due() is None


def test_a_truncated_zip_is_reported_after_a_quiet_time(bench: Bench) -> None:
    bench.write("a.zip", WHOLE[:-5])
    bench.arrivals.closed("a.zip")
    assert bench.arrivals.next_due() == bench.clock.now() + QUIET

    bench.clock.advance(QUIET)
    bench.arrivals.settle()
    assert bench.names() == ["a.zip"]


def test_every_further_close_begins_the_quiet_time_anew(bench: Bench) -> None:
    for size in (5, 10, 20, 40):
        bench.write("a.zip", WHOLE[:size])
        bench.arrivals.closed("a.zip")
        bench.clock.advance(QUIET - 0.1)
        bench.arrivals.settle()

    assert bench.names() == []


@pytest.mark.parametrize("starting", [True, False])
def test_a_file_that_is_still_open_for_writing_is_left_for_its_close(bench: Bench, starting: bool) -> None:
    with (bench.root / "a.zip").open("wb") as file:
        file.write(WHOLE)
        file.flush()
        bench.arrivals.found("a.zip", starting=starting)
        bench.clock.advance(60)
        bench.arrivals.settle()
        assert bench.names() == []

    bench.arrivals.closed("a.zip")
    assert bench.names() == ["a.zip"]


def test_a_writer_that_opens_again_in_the_quiet_time_is_waited_for(bench: Bench) -> None:
    path = bench.write("a.zip", WHOLE[:10])
    bench.arrivals.closed("a.zip")
    with path.open("ab") as file:
        bench.clock.advance(60)
        bench.arrivals.settle()
        assert bench.names() == []
        file.write(WHOLE[10:])

    bench.arrivals.closed("a.zip")
    assert bench.names() == ["a.zip"]


def test_at_the_start_what_is_known_is_not_reported(bench: Bench) -> None:
    for name in ("known.zip", "new.zip"):
        bench.write(name, WHOLE)
    bench.known = {"known.zip"}
    for name in ("known.zip", "new.zip"):
        bench.arrivals.found(name, starting=True)
    bench.known = set()
    for name in ("known.zip", "new.zip"):
        bench.arrivals.found(name, starting=False)

    assert bench.names() == ["new.zip"]


def test_at_the_start_a_file_without_an_end_waits(bench: Bench) -> None:
    bench.write("a.zip", WHOLE[:-1])
    bench.arrivals.found("a.zip", starting=True)
    assert bench.names() == []

    bench.clock.advance(QUIET)
    bench.arrivals.settle()
    assert bench.names() == ["a.zip"]


def test_polling_reports_what_two_scans_saw_alike(bench: Bench) -> None:
    for size in (10, 20, len(WHOLE)):
        bench.write("a.zip", WHOLE[:size])
        bench.arrivals.found("a.zip", starting=False, watched=False)
        bench.clock.advance(1)
        bench.arrivals.settle(watched=False)
    assert bench.names() == []

    bench.arrivals.found("a.zip", starting=False, watched=False)
    bench.arrivals.found("a.zip", starting=False, watched=False)
    assert bench.names() == ["a.zip"]


def test_polling_reports_a_truncated_zip_after_a_quiet_time(bench: Bench) -> None:
    bench.write("a.zip", WHOLE[:-1])
    for _ in range(4):
        bench.arrivals.found("a.zip", starting=False, watched=False)
        bench.arrivals.settle(watched=False)
        bench.clock.advance(1)

    assert bench.names() == ["a.zip"]


def test_a_hard_link_counts_and_a_file_just_created_does_not(bench: Bench) -> None:
    path = bench.write("../elsewhere/a.zip", WHOLE)
    os.link(path, bench.root / "linked.zip")
    bench.write("fresh.zip", WHOLE)
    for name in ("linked.zip", "fresh.zip", "gone.zip"):
        bench.arrivals.created(name)

    assert bench.names() == ["linked.zip"]


def test_what_cannot_be_read_is_said_once_and_the_others_go_on(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def refuse(path: object, *args: object) -> int:
        if str(path).endswith("locked.zip"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr("runyard.host.arrivals.os.open", refuse)
    os.mkfifo(bench.root / "pipe.zip")
    (bench.root / "link.zip").symlink_to("/etc/hostname")
    bench.write("locked.zip", WHOLE)
    bench.write("good.zip", WHOLE)
    with caplog.at_level(logging.INFO, "runyard"):
        for name in (
            "pipe.zip",
            "link.zip",
            "locked.zip",
            "gone.zip",
            os.fsdecode(b"\xff.zip"),
            "good.zip",
            "locked.zip",
        ):
            bench.arrivals.closed(name)

    assert bench.names() == ["good.zip"]
    assert caplog.messages == [
        "snapshots/pipe.zip is not a plain file; put a zip there to have it run",
        "snapshots/link.zip cannot be read (Too many levels of symbolic links); make it a readable file to have it run",
        "snapshots/locked.zip cannot be read (Permission denied); make it a readable file to have it run",
        "snapshots/'\\udcff.zip' has a name that is not UTF-8; rename it to have it run",
    ]


def test_a_name_that_is_no_text_is_told_of_once_however_often_it_is_scanned(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    name = os.fsdecode(b"\xff.zip")
    with caplog.at_level(logging.INFO, "runyard"):
        for _ in range(3):
            bench.arrivals.closed(name)
            bench.arrivals.forget_missing({name})
    assert ["snapshots/'\\udcff.zip' has a name that is not UTF-8; rename it to have it run"] == caplog.messages


def test_a_file_deleted_and_dropped_again_is_a_new_one(bench: Bench) -> None:
    bench.write("a.zip", WHOLE)
    bench.arrivals.closed("a.zip")
    bench.arrivals.forget_missing(set())
    bench.arrivals.found("a.zip", starting=False)

    assert bench.names() == ["a.zip", "a.zip"]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("a.zip", True),
        ("A.ZIP", True),
        ("a b.v2.zip", True),
        (".a.zip", False),
        ("~a.zip", False),
        ("a.zip~", False),
        ("a.zip.part", False),
        ("a.part.zip", False),
        ("a.tmp.zip", False),
        ("a.tar", False),
        (".zip", False),
        ("zip", False),
    ],
)
def test_names_that_count(name: str, counts: bool) -> None:
    assert is_snapshot_name(name) is counts


def test_a_walk_leaves_out_links_and_hidden_folders(bench: Bench) -> None:
    for name in ("exp/sub/deep/a.zip", "b.zip", ".hidden/c.zip", "exp/d.txt", "../outside/e.zip"):
        bench.write(name, WHOLE)
    (bench.root / "linked").symlink_to(bench.root.parent / "outside")
    (bench.root / "loop").symlink_to(bench.root)
    (bench.root / "file-link.zip").symlink_to(bench.root / "b.zip")
    entered: list[str] = []

    def enter(folder: str) -> bool:
        entered.append(folder)
        return folder != "exp/sub/deep"

    names = list(walk(bench.root, "", enter, bench.arrivals.tell))

    assert names == ["b.zip"]
    assert sorted(entered) == ["", "exp", "exp/sub", "exp/sub/deep"]


def test_a_walk_survives_what_vanishes(bench: Bench) -> None:
    assert list(walk(bench.root, "gone", lambda _: True, bench.arrivals.tell)) == []


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (WHOLE, True),
        (zip_bytes(comment=b"a comment"), True),
        (zip_bytes(comment=b"PK\x05\x06" * 100), True),
        (zip_bytes(comment=b"x" * 65535), True),
        (WHOLE[:-1], False),
        (WHOLE + b"x", False),
        (WHOLE[:30], False),
        (b"", False),
        (b"PK\x05\x06" + bytes(18), True),
        (b"PK\x05\x06" + b"\x01" * 16 + b"\0\0", False),
        (b"x" * 200_000, False),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),  # a zip holds the time: no name for a test
)
def test_the_tail_tells_whether_a_zip_is_whole(tmp_path: Path, data: bytes, whole: bool) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert ends_whole(fd, len(data)) is whole
    finally:
        os.close(fd)


def test_whether_a_file_is_open_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"x")
    fd = os.open(path, os.O_RDONLY)
    try:
        assert open_for_writing(fd) is False
        with path.open("ab"):
            assert open_for_writing(fd) is True
        assert open_for_writing(fd) is False
    finally:
        os.close(fd)
