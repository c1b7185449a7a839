"""The watched folder over the real file system; nothing sleeps, everything waits for what is to happen."""

from __future__ import annotations

import os
import queue
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.host.arrivals import Arrivals
from runyard.host.folder import FolderWatch
from runyard.ports.blobs import BlobInfo
from runyard.stores.clock import SystemClock
from tests.host_helpers import PATIENCE, eventually, zip_bytes

if sys.platform == "linux":
    from inotify_simple import Event, flags

    from runyard.host.inotify import TreeWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
WHOLE = zip_bytes()


class Watched:
    """A folder with a watch on it."""

    def __init__(self, root: Path, *, polling: bool = False) -> None:
        self.root = root
        self.reported: queue.Queue[BlobInfo] = queue.Queue()
        self.known: set[str] = set()
        self.watch = FolderWatch(
            root,
            emit=self.reported.put,
            known=lambda container, name, etag, modified: name in self.known,
            clock=SystemClock(),
            polling=polling,
        )

    def next(self) -> str:
        return self.reported.get(timeout=PATIENCE).name

    def nothing_before(self, name: str) -> None:
        """A marker is dropped, and it is the next that is reported."""
        drop(self.root / name)
        assert self.next() == name


@contextmanager
def watching(root: Path, *, polling: bool = False, known: frozenset[str] = frozenset()) -> Iterator[Watched]:
    watched = Watched(root, polling=polling)
    watched.known = set(known)
    watched.watch.start()
    try:
        assert watched.watch.wait_ready(PATIENCE)
        yield watched
    finally:
        watched.watch.stop()


def drop(path: Path, data: bytes = WHOLE) -> None:
    path.write_bytes(data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root" / "snapshots"


def test_a_file_closed_in_the_folder_is_reported(root: Path) -> None:
    with watching(root) as watched:
        drop(root / "a.zip")
        assert watched.next() == "a.zip"


def test_a_slow_writer_is_waited_for(root: Path) -> None:
    with watching(root) as watched:
        with (root / "slow.zip").open("wb") as file:
            for position in range(0, len(WHOLE), 40):
                file.write(WHOLE[position : position + 40])
                file.flush()
                watched.nothing_before(f"marker-{position}.zip")
        assert watched.next() == "slow.zip"


def test_a_file_moved_in_is_reported(root: Path) -> None:
    with watching(root) as watched:
        drop(root.parent / "a.zip")
        (root.parent / "a.zip").rename(root / "moved.zip")
        assert watched.next() == "moved.zip"


def test_a_file_written_under_a_hidden_name_is_reported_when_it_gets_its_own(root: Path) -> None:
    with watching(root) as watched:
        drop(root / ".a.zip.x7Gh")
        drop(root / "a.zip.part")
        watched.nothing_before("marker.zip")
        (root / ".a.zip.x7Gh").rename(root / "a.zip")
        assert watched.next() == "a.zip"


def test_the_first_file_of_a_new_folder_is_never_missed(root: Path) -> None:
    with watching(root) as watched:
        for number in range(20):
            folder = root / f"exp-{number}"
            folder.mkdir()
            drop(folder / "a.zip")
            assert watched.next() == f"exp-{number}/a.zip"
        watched.nothing_before("marker.zip")


def test_a_slow_writer_in_a_new_folder_is_waited_for(root: Path) -> None:
    with watching(root) as watched:
        for number in range(5):
            folder = root / f"exp-{number}"
            folder.mkdir()
            with (folder / "slow.zip").open("wb") as file:
                file.write(WHOLE)
                file.flush()
                watched.nothing_before(f"marker-{number}.zip")
            assert watched.next() == f"exp-{number}/slow.zip"


def test_folders_in_new_folders_are_watched(root: Path) -> None:
    with watching(root) as watched:
        (root / "exp/sub/deep").mkdir(parents=True)
        drop(root / "exp/sub/deep/a.zip")
        assert watched.next() == "exp/sub/deep/a.zip"
        drop(root / "exp/sub/deep/b.zip")
        assert watched.next() == "exp/sub/deep/b.zip"


def test_a_folder_moved_in_is_looked_through(root: Path) -> None:
    with watching(root) as watched:
        (root.parent / "exp/sub").mkdir(parents=True)
        for name in ("a.zip", "sub/b.zip"):
            drop(root.parent / "exp" / name)
        (root.parent / "exp").rename(root / "exp")
        assert {watched.next(), watched.next()} == {"exp/a.zip", "exp/sub/b.zip"}
        drop(root / "exp/sub/c.zip")
        assert watched.next() == "exp/sub/c.zip"


def test_a_folder_moved_away_is_watched_no_more(root: Path) -> None:
    with watching(root) as watched:
        (root / "exp").mkdir()
        drop(root / "exp/a.zip")
        assert watched.next() == "exp/a.zip"
        (root / "exp").rename(root.parent / "away")
        drop(root.parent / "away/b.zip")
        watched.nothing_before("marker.zip")


@pytest.mark.parametrize("polling", [False, True])
def test_what_was_copied_while_nobody_watched_is_reported_once(
    root: Path, polling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runyard.host.folder.POLL", 0.05)
    for number in range(200):
        folder = root / f"exp-{number % 7}" / "sub"
        folder.mkdir(parents=True, exist_ok=True)
        drop(folder / f"{number}.zip")
    with watching(root, polling=polling, known=frozenset({"exp-0/sub/0.zip"})) as watched:
        names = sorted(watched.next() for _ in range(199))
        assert names == sorted(f"exp-{number % 7}/sub/{number}.zip" for number in range(1, 200))
        watched.nothing_before("marker.zip")


def test_the_folder_can_be_deleted_and_made_again(root: Path) -> None:
    with watching(root) as watched:
        for number in range(3):
            (root / "exp").mkdir()
            drop(root / "exp" / f"{number}.zip")
            assert watched.next() == f"exp/{number}.zip"
            shutil.rmtree(root)
            root.mkdir()


def test_the_folder_can_be_moved_away_and_made_again(root: Path) -> None:
    with watching(root) as watched:
        watched.nothing_before("a.zip")
        root.rename(root.parent / "old")
        drop(root.parent / "old" / "b.zip")
        root.mkdir()
        watched.nothing_before("c.zip")


def test_the_folder_may_be_a_link_and_links_in_it_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "outside").mkdir()
    root.parent.mkdir()
    root.symlink_to(tmp_path / "disk")
    with watching(root) as watched:
        (root / "linked").symlink_to(tmp_path / "outside")
        drop(tmp_path / "outside" / "a.zip")
        watched.nothing_before("marker.zip")


def test_after_an_overflow_the_folder_is_scanned_again(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    reported: list[str] = []
    root.mkdir(parents=True)
    arrivals = Arrivals(root, emit=lambda info: reported.append(info.name), known=lambda *_: False, clock=SystemClock())
    tree = TreeWatch(arrivals)
    try:
        tree.scan()
        drop(root / "seen.zip")
        tree.handle()
        (root / "exp").mkdir()
        drop(root / "exp/lost.zip")
        list(tree._inotify.read(timeout=0))  # what the overflow swallowed
        tree._handle(Event(-1, flags.Q_OVERFLOW, 0, ""))
        drop(root / "exp/later.zip")
        tree.handle()
    finally:
        tree.close()

    assert reported == ["seen.zip", "exp/lost.zip", "exp/later.zip"]
    assert "it is scanned again" in caplog.text


def test_without_watches_left_the_folder_is_polled(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runyard.host.inotify.INotify.add_watch", none_left)
    monkeypatch.setattr("runyard.host.folder.POLL", 0.01)
    with watching(root) as watched:
        drop(root / "a.zip")
        assert watched.next() == "a.zip"
    assert "it is scanned every 0.01 s instead" in caplog.text


def test_polling_finds_new_files_and_folders(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.host.folder.POLL", 0.01)
    with watching(root, polling=True) as watched:
        (root / "exp/sub").mkdir(parents=True)
        drop(root / "exp/sub/a.zip")
        assert watched.next() == "exp/sub/a.zip"
        drop(root / ".hidden.zip")
        watched.nothing_before("marker.zip")


def test_watching_goes_on_after_a_failure(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runyard.host.folder.PAUSE", 0.001)
    watched = Watched(root)
    failures = ["once"]

    def emit(info: BlobInfo) -> None:
        if failures:
            raise OSError(failures.pop())
        watched.reported.put(info)

    watched.watch._arrivals._emit = emit
    watched.watch.start()
    try:
        assert watched.watch.wait_ready(PATIENCE)
        drop(root / "a.zip")
        eventually(lambda: not failures)
        drop(root / "b.zip")
        assert {watched.next(), watched.next()} == {"a.zip", "b.zip"}
    finally:
        watched.watch.stop()
    assert "watching snapshots failed" in caplog.text


def test_thousands_of_files_are_all_reported(root: Path) -> None:
    with watching(root) as watched:
        for number in range(3000):
            if number % 500 == 0:
                (root / f"exp-{number // 500}").mkdir()
            fd = os.open(root / f"exp-{number // 500}" / f"{number}.zip", os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, WHOLE)
            os.close(fd)
        assert len({watched.next() for _ in range(3000)}) == 3000
