"""Drop folders that others write to: network mounts, mounts that go and come, files of another user, very many files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.host import folder as watching_module
from runyard.host.arrivals import REMEMBERED, Arrivals
from runyard.ports.blobs import BlobInfo
from runyard.stores.embedded import mounts
from runyard.stores.embedded.etag import etag_of
from runyard.stores.embedded.mounts import Devices, is_shared, shared_under
from runyard.testing import ManualClock
from tests.host_helpers import eventually, zip_bytes
from tests.unit.test_host_folder import watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts are read as Linux tells them")
WHOLE = zip_bytes()
TABLE = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /mnt/team rw shared:5 - nfs4 server:/team rw
31 22 0:27 / /mnt/my\040share rw - cifs //server/share rw
32 22 0:28 / /home/me/remote rw - fuse.sshfs me@host: rw
33 22 8:17 / /media/disk rw - fuseblk /dev/sdb1 rw
34 30 8:18 / /mnt/team/local rw - ext4 /dev/sdc1 rw
broken line
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/mnt/team/drops", ["nfs4 at /mnt/team"]),
        ("/mnt/team", ["nfs4 at /mnt/team"]),
        ("/mnt/teamwork", []),
        ("/mnt/my share/a", ["cifs at /mnt/my share"]),
        ("/mnt/team/local/a", []),
        ("/media/disk/a", []),
        ("/home/me", ["fuse.sshfs at /home/me/remote"]),
        ("/var", []),
    ],
)
def test_what_is_shared_is_told_by_the_table_of_mounts(table: Path, folder: str, expected: list[str]) -> None:
    assert expected == list(shared_under(Path(folder), table))


def test_without_a_table_nothing_is_shared(tmp_path: Path) -> None:
    assert [] == list(shared_under(tmp_path, tmp_path / "none"))


@pytest.mark.parametrize(
    ("kind", "shared"), [("nfs", True), ("9p", True), ("fuse.rclone", True), ("ext4", False), ("fuseblk", False)]
)
def test_kinds(kind: str, shared: bool) -> None:
    assert shared == is_shared(kind)


def test_a_mount_that_numbers_its_files_anew_has_etags_without_inodes(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write_text(TABLE)
    devices = Devices(table)
    monkeypatch.setattr("runyard.stores.embedded.mounts.select.poll", _Quiet)
    keeps = {
        number: devices.keep_inodes(os.makedev(*number)) for number in ((254, 0), (0, 26), (0, 27), (0, 28), (0, 99))
    }
    assert {(254, 0): True, (0, 26): True, (0, 27): False, (0, 28): False, (0, 99): True} == keeps
    devices.close()
    status = (tmp_path / "mountinfo").stat()
    monkeypatch.setattr("runyard.stores.embedded.etag._DEVICES", _Passing())
    assert f"0-{status.st_mtime_ns:x}-{status.st_size:x}" == etag_of(status)


class _Quiet:
    """A table that never changes; the one of the test is a plain file, which cannot be waited for."""

    def register(self, *_: object) -> None: ...

    def poll(self, _: int) -> list[object]:
        return []


class _Passing:
    def keep_inodes(self, _: int) -> bool:
        return False


class Bench:
    """A shared folder that is scanned by hand."""

    def __init__(self, root: Path, since: float = 0.0) -> None:
        self.root = root
        self.known: set[tuple[str, str]] = set()
        self.taken: list[str] = []
        self.asked = 0
        self.arrivals = Arrivals(root, emit=self._take, known=self._is_known, clock=ManualClock(), since=since)
        self.arrivals.most = None

    def _take(self, blob: BlobInfo) -> None:
        self.known.add((blob.name, blob.etag))
        self.taken.append(blob.name)

    def _is_known(self, container: str, name: str, etag: str, modified: float) -> bool:
        assert (container, modified > 0) == ("snapshots", True)
        self.asked += 1
        return (name, etag) in self.known

    def scan(self, *, starting: bool = False) -> list[str]:
        """Scan once; what was taken by it."""
        before = len(self.taken)
        self.arrivals.scan("", lambda _: True, starting=starting, watched=False)
        return sorted(self.taken[before:])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "snapshots").mkdir()
    made = Bench(tmp_path / "snapshots")
    assert [] == made.scan(starting=True)
    return made


def test_a_file_counts_once_two_scans_saw_the_same(bench: Bench) -> None:
    (bench.root / "a.zip").write_bytes(WHOLE)
    assert [] == bench.scan()
    with (bench.root / "a.zip").open("ab") as file:
        file.write(WHOLE)
    assert [] == bench.scan()
    assert ["a.zip"] == bench.scan()
    assert [] == bench.scan()


@pytest.mark.parametrize("skew", [-40 * 86_400, 40 * 86_400])
def test_the_clock_of_a_server_does_not_matter(tmp_path: Path, skew: float) -> None:
    (tmp_path / "snapshots").mkdir()
    bench = Bench(tmp_path / "snapshots", since=4e9 if skew < 0 else 0.0)  # by our clock, all of the server's is past
    bench.scan(starting=True)
    path = bench.root / "a.zip"
    path.write_bytes(WHOLE)
    now = path.stat().st_mtime
    os.utime(path, (now + skew, now + skew))
    assert [[], ["a.zip"], []] == [bench.scan(), bench.scan(), bench.scan()]


def test_a_scan_of_what_is_known_opens_nothing_and_asks_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (bench.root / f"{number}.zip").write_bytes(WHOLE)
    bench.scan()
    assert 50 == len(bench.scan())
    asked, opened = bench.asked, 0
    plain = os.open

    def counted(*args: object, **named: object) -> int:
        nonlocal opened
        opened += 1
        return plain(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("runyard.host.arrivals.os.open", counted)
    assert [] == bench.scan()
    assert (0, asked) == (opened, bench.asked)


def test_a_mount_that_goes_and_comes_starts_nothing_twice_and_loses_nothing(bench: Bench) -> None:
    for name in ("a", "b"):
        (bench.root / f"{name}.zip").write_bytes(WHOLE)
    bench.scan()
    assert ["a.zip", "b.zip"] == bench.scan()
    away = bench.root.rename(bench.root.parent / "away")
    assert [] == bench.scan()  # the folder is not there at all
    bench.root.mkdir()
    assert [] == bench.scan()  # what the mount was over is
    (away / "c.zip").write_bytes(WHOLE)
    bench.root.rmdir()
    away.rename(bench.root)
    assert [[], ["c.zip"], []] == [bench.scan(), bench.scan(), bench.scan()]


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_read_for_a_while_starts_nothing_anew_and_is_told_once(
    bench: Bench, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (bench.root / "exp").mkdir()
    (bench.root / "exp" / "a.zip").write_bytes(WHOLE)
    bench.scan()
    assert ["exp/a.zip"] == bench.scan()
    bench.known.clear()  # only its memory keeps it from starting the file again
    plain = os.scandir

    def broken(path: Path) -> object:
        if path.name == "exp":
            raise OSError(number, os.strerror(number))
        return plain(path)

    monkeypatch.setattr("runyard.host.arrivals.os.scandir", broken)
    assert [[], [], []] == [bench.scan(), bench.scan(), bench.scan()]
    monkeypatch.undo()
    assert [[], []] == [bench.scan(), bench.scan()]
    assert 1 == sum(os.strerror(number) in record.message for record in caplog.records)


def test_a_file_that_fails_to_be_read_is_told_once_and_taken_when_it_can_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (bench.root / "a.zip").write_bytes(WHOLE)

    def stale(*_: object, **__: object) -> int:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("runyard.host.arrivals.os.open", stale)
    assert [[], [], []] == [bench.scan(), bench.scan(), bench.scan()]
    monkeypatch.undo()
    assert [[], ["a.zip"]] == [bench.scan(), bench.scan()]
    assert 1 == len([record for record in caplog.records if "a.zip" in record.message])


def test_what_is_remembered_is_bounded_where_the_system_tells_of_every_close(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    bench = Bench(tmp_path / "snapshots")
    bench.arrivals.most = REMEMBERED
    for number in range(3 * REMEMBERED):
        bench.arrivals._remember(f"{number}.zip", "etag")
    assert REMEMBERED == len(bench.arrivals._reported)
    (bench.root / "a.zip").write_bytes(WHOLE)
    bench.arrivals.closed("a.zip")
    bench.arrivals.closed("a.zip")
    assert ["a.zip"] == bench.taken
    bench.arrivals.forget("a.zip")
    assert REMEMBERED - 1 == len(bench.arrivals._reported)


def test_a_folder_that_is_shared_is_scanned_as_well_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching_module, "shared_under", lambda _: ("nfs4 at /mnt/team",))
    monkeypatch.setattr(watching_module, "POLL", 0.01)
    monkeypatch.setattr(
        "runyard.host.inotify.TreeWatch.handle", lambda _: None
    )  # nobody tells of what the others write
    caplog.set_level("INFO", "runyard.host")
    root = tmp_path / "root" / "snapshots"
    with watching(root) as watched:
        (root / "exp").mkdir()
        (root / "exp" / "a.zip").write_bytes(WHOLE)
        assert "exp/a.zip" == watched.next()
    assert "others may write to it unnoticed (nfs4 at /mnt/team)" in caplog.text


@contextmanager
def mounted(kind: str, place: Path, *source: str) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", kind, *(source or ("none",)), str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()[:100]}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_real_mount_that_comes_while_the_folder_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "SHARED", frozenset({"tmpfs"}))
    monkeypatch.setattr(watching_module, "POLL", 0.01)
    root = tmp_path / "root" / "snapshots"
    with watching(root) as watched:
        (root / "a.zip").write_bytes(WHOLE)
        assert "a.zip" == watched.next()
        with mounted("tmpfs", root):
            eventually(lambda: watched.watch._scans)
            (root / "b.zip").write_bytes(WHOLE)
            assert "b.zip" == watched.next()
        eventually(lambda: not watched.watch._scans)
        watched.known = {"a.zip"}
        (root / "c.zip").write_bytes(WHOLE)
        assert "c.zip" in {watched.next(), "c.zip"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take another user's place")
def test_a_file_of_another_user_is_taken_once_it_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        take_theirs(Path(folder) / "snapshots")


def take_theirs(root: Path) -> None:
    script = f"""
import sys, queue, os
sys.path[:0] = {[str(Path(mounts.__file__).parents[3]), str(Path(__file__).parents[2])]!r}
from pathlib import Path
from runyard.host.folder import FolderWatch
from runyard.stores.clock import SystemClock
os.setgid(65534); os.setuid(65534)
seen = queue.Queue()
watch = FolderWatch(Path({str(root)!r}), emit=seen.put, known=lambda *_: False, clock=SystemClock())
watch.start()
watch.wait_ready(20)
print("ready", flush=True)
print(seen.get(timeout=20).name, flush=True)
print(seen.get(timeout=20).name, flush=True)
watch.stop()
"""
    root.mkdir()
    (root / "exp").mkdir(mode=0o700)
    (root / "exp" / "folder.zip").write_bytes(WHOLE)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert "ready" == other.stdout.readline().strip()
        path = root / "theirs.zip"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, WHOLE)
        os.close(descriptor)
        path.chmod(0o644)
        assert "theirs.zip" == other.stdout.readline().strip()
        (root / "exp").chmod(0o755)
        assert "exp/folder.zip" == other.stdout.readline().strip()
    assert 0 == other.returncode
