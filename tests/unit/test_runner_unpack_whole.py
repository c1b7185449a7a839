"""Unpacking is whole or not at all, on the runner's oldest Python too."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.runner import unpack as module
from runyard.runner.problems import Problem, Stopped
from runyard.runner.unpack import unpack
from runyard.runner.ziplinks import check_links
from runyard.runner.ziptable import LIMITS, Limits, read_table
from tests.interpreters import oldest_interpreter
from tests.unit.zipreaders import by_unpacking
from tests.unit.zips import FILE, Tail, a, build, link

HERE = Path(__file__).parents[2]


def attempt(tmp_path: Path, data: bytes, stopped: Callable[[], bool] | None = None, limits: Limits = LIMITS) -> Path:
    (tmp_path / "s.zip").write_bytes(data)
    folder = tmp_path / "work"
    folder.mkdir()
    unpack(str(tmp_path / "s.zip"), "", str(folder), stopped, limits)
    return folder


NOISE = random.Random(0).randbytes(3 << 20)
GOOD = [a("d/e/good", b"1"), a("run.sh", NOISE, mode=FILE | 0o111), link("d/l", b"e/good")]


def test_what_fails_at_its_last_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="'bad' in the snapshot is damaged"):
        attempt(tmp_path, build([*GOOD, a("bad", b"123", crc=1)]))
    assert [] == list((tmp_path / "work").iterdir())


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        attempt(tmp_path, build(GOOD), lambda: next(asked))
    assert [] == list((tmp_path / "work").iterdir())


def test_what_breaks_by_our_own_fault_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(os, "symlink", fail)
    with pytest.raises(MemoryError):
        attempt(tmp_path, build(GOOD))
    assert [] == list((tmp_path / "work").iterdir())


def test_a_snapshot_that_changes_while_it_is_unpacked_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    path.write_bytes(build(GOOD))
    (tmp_path / "work").mkdir()
    etag = module.file_etag(path.stat())

    def touched() -> bool:
        os.utime(path, ns=(1, 1))
        return False

    with pytest.raises(Problem, match=r"s\.zip changed since the run was accepted"):
        unpack(str(path), etag, str(tmp_path / "work"), touched)
    assert [] == list((tmp_path / "work").iterdir())


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a disk of its own needs the right to mount")
    try:
        (tmp_path / "s.zip").write_bytes(build(GOOD))
        with pytest.raises(Problem, match="make room on the disk") as caught:
            unpack(str(tmp_path / "s.zip"), "", str(mount))
        assert "quota" == caught.value.error_class
        assert [] == list(mount.iterdir())
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_many_files_are_unpacked_without_keeping_their_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [a(f"d{n % 7}/{n:05}-{'n' * 60}", str(n).encode()) for n in range(2500)]
    monkeypatch.setattr("runyard.runner.ziptable.PIECE", 200_000)
    for backwards in (False, True):
        folder = attempt(tmp_path, build(items, backwards=backwards))
        assert 2500 == sum(path.is_file() for path in folder.rglob("*"))
        assert b"2499" == (folder / f"d0/02499-{'n' * 60}").read_bytes()
        shutil.rmtree(folder)


def test_modes_are_the_users_but_for_what_is_dangerous(tmp_path: Path) -> None:
    items = [a(f"{mode:o}", mode=stat.S_IFREG | mode) for mode in (0, 0o600, 0o6755, 0o1777, 0o777)]
    folder = attempt(tmp_path, build([*items, a("dos", mode=0o7777, system=0)]))
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    mask = os.umask(0)
    os.umask(mask)
    runnable, usual = 0o755 & ~mask, 0o644 & ~mask
    assert {"0": usual, "600": usual, "6755": runnable, "1777": runnable, "777": runnable, "dos": usual} == found


def test_folders_count_as_entries(tmp_path: Path) -> None:
    limits = LIMITS._replace(entries=10)
    with pytest.raises(Problem, match="the snapshot has more than 10 files and folders"):
        attempt(tmp_path, build([a("/".join("123456789") + f"/{n}") for n in range(2)]), limits=limits)
    assert [] == list((tmp_path / "work").iterdir())


def test_links_inside_are_made_whatever_they_lead_through(tmp_path: Path) -> None:
    items = [
        a("data/x", b"content"),
        link("one", b"two"),
        link("two", b"./data/../three//"),
        link("three", b"data"),
        link("sub/self", b"."),
        link("sub/top", b".."),
        link("sub/through", b"top/one/x"),
        link("dangling", b"not/there/yet"),
    ]
    folder = attempt(tmp_path, build(items))
    assert b"content" == (folder / "one/x").read_bytes() == (folder / "sub/through").read_bytes()
    assert b"content" == (folder / "sub/self/self/through").read_bytes()
    assert not (folder / "dangling").exists()
    assert (folder / "dangling").is_symlink()


def test_links_are_followed_once() -> None:
    chain = [(f"{n}", f"{n + 1}/x".encode()) for n in range(38)]
    check_links([*reversed(chain), *((f"d{n}", b"0") for n in range(5000))])


def test_a_link_whose_path_grows_without_end_is_refused() -> None:
    parts = b"/".join([b"p" * 200] * 19)
    with pytest.raises(Problem, match="leads out of it"):
        check_links([("a", parts), ("b", b"a/" + parts)])


def test_the_table_says_what_a_snapshot_holds() -> None:
    data = build([*GOOD, a("d/", b"")], Tail(comment=b"c"))
    table = read_table(lambda offset, length: data[offset : offset + length], len(data))
    assert (3, 2 * len(b"e") + len(NOISE) + 5) == (table.files, table.packed)
    assert ["d/e/good", "run.sh", "d/l", "d"] == [entry.name for entry in table.entries()]
    assert ["d/l"] == [entry.name for entry in table.links]


def test_an_empty_snapshot_is_refused_by_the_runner_too() -> None:
    assert "the snapshot holds no files" == by_unpacking(build([a("d/", b"")])).refusal


OLD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from runyard.runner.unpack import unpack
unpack(sys.argv[2], "", sys.argv[3])
"""


def test_an_old_python_under_a_plain_locale_unpacks_every_name(tmp_path: Path) -> None:
    python = oldest_interpreter()
    if python is None:
        pytest.skip("there is no older Python here")
    name = "d\u00e4/\u65e5\u672c.txt"
    (tmp_path / "s.zip").write_bytes(build([a(name, flags=0x800), link("l", name.encode()), *GOOD]))
    (tmp_path / "work").mkdir()
    (tmp_path / "bare" / "runyard").mkdir(parents=True)
    (tmp_path / "bare/runyard/__init__.py").touch()
    (tmp_path / "bare/runyard/runner").symlink_to(HERE / "shared/runyard/runner")
    command = [python, "-B", "-c", OLD, *(str(tmp_path / name) for name in ("bare", "s.zip", "work"))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin"})
    assert "" == done.stderr
    assert b"content" == (tmp_path / "work" / name).read_bytes() == (tmp_path / "work" / "l").read_bytes()
