"""What goes wrong while a snapshot is made is one sentence, and leaves nothing behind."""

from __future__ import annotations

import errno
import io
import os
import re
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runyard.errors import SnapshotError, StorageFullError
from runyard.runner import zipnames, ziptable
from runyard.snapshot import make, tree, writer
from runyard.snapshot.make import make_snapshot
from runyard.snapshot.tree import Source
from runyard.snapshot.weight import heaviest_folders
from runyard.snapshot.writer import PIECE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "train.py").write_text("print(1)\n")
    (folder / "src" / "lib.py").write_text("x = 1\n")
    return folder


def refused(project: Path) -> str:
    """The sentence; nothing is left beside the directory."""
    out = project.parent / "s.zip"
    with pytest.raises(SnapshotError) as caught:
        make_snapshot(project, out)
    assert [path.name for path in project.parent.iterdir() if path.is_file()] == []
    assert "\n" not in caught.value.message
    return caught.value.message


def while_packing(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Change something once everything is listed."""
    real = make._write

    def write(*given: Any) -> Any:
        change()
        return real(*given)

    monkeypatch.setattr(make, "_write", write)


def test_too_large_names_the_ten_largest_files_and_the_heaviest_folders(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "MAX_BYTES", 1_000_000)
    deep = project / "data" / "raw" / "2018"
    deep.mkdir(parents=True)
    for index in range(12):
        (deep / f"big{index:02}").write_bytes(b"x" * (100_000 + 1000 * index))
    said = refused(project)
    named = re.findall(r"data/raw/2018/big(\d\d) \(0\.1 MB\)", said)
    assert named == [f"{index:02}" for index in range(11, 1, -1)]
    assert "makes a snapshot of 1.3 MB, and at most 1.0 MB are allowed" in said
    assert "the heaviest folders are data/raw/2018/ (1.3 MB in 12 files), src/ (0.0 kB in 1 file)" in said
    assert ".amlignore" in said


def test_the_limit_counts_the_zip_and_not_its_files_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_snapshot(project, io.BytesIO())
    monkeypatch.setattr(make, "MAX_BYTES", made.size)
    assert make_snapshot(project, io.BytesIO()) == made
    monkeypatch.setattr(make, "MAX_BYTES", made.size - 1)
    assert "at most" in refused(project)


def test_too_many_files_name_the_fullest_folders(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(5):
        (project / "src" / f"{index}").touch()
    monkeypatch.setattr(make, "MAX_ENTRIES", 7)
    said = refused(project)
    assert "has 8 files and folders, and at most 7 are allowed" in said
    assert "src/ (0.0 kB in 6 files)" in said


def test_too_long_names_in_all_are_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "MAX_NAMES", 100)
    assert "of names" in refused(project)


def test_what_is_made_stays_within_what_is_unpacked() -> None:
    assert make.MAX_ENTRIES <= ziptable.LIMITS.entries
    assert make.MAX_NAMES <= ziptable.MAX_DIRECTORY
    assert tree.MAX_PATH <= zipnames._LONGEST_PATH
    assert tree.MAX_PARTS <= zipnames._DEEPEST


def test_the_heaviest_folder_is_the_deepest_that_holds_nearly_all() -> None:
    sizes = {"a/b/c/x": 90, "a/b/y": 10, "d/e/1": 50, "d/f/2": 50, "top": 1000, "g/h": 1}
    files = [Source(name, name, size, is_folder=False, is_executable=False) for name, size in sizes.items()]
    assert heaviest_folders(files) == (("a/b/", 100, 2), ("d/", 100, 2), ("g/", 1, 1))


def test_nothing_to_pack_is_told(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="is not a directory"):
        make_snapshot(tmp_path / "missing", io.BytesIO())
    (tmp_path / "empty" / "outputs").mkdir(parents=True)
    (tmp_path / "empty" / "outputs" / "a").touch()
    with pytest.raises(SnapshotError, match="holds no files that are not ignored"):
        make_snapshot(tmp_path / "empty", io.BytesIO())


@pytest.mark.parametrize("size", [10, PIECE + 10])
@pytest.mark.parametrize("change", ["grows", "shrinks", "vanishes", "folder", "pipe"])
def test_a_file_that_changes_meanwhile_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, size: int, change: str
) -> None:
    path = project / "src" / "log.txt"
    path.write_bytes(b"x" * size)

    def happen() -> None:
        if change == "grows":
            path.write_bytes(b"x" * (size + 1))
        elif change == "shrinks":
            path.write_bytes(b"x" * (size - 1))
        else:
            path.unlink()
            if change == "folder":
                path.mkdir()
            elif change == "pipe":
                os.mkfifo(path)

    while_packing(monkeypatch, happen)
    said = refused(project)
    assert said.startswith("src/log.txt ")
    what = {"vanishes": "vanished while", "folder": "cannot be read: Is a directory"}.get(change, "changed while")
    assert what in said
    assert ".amlignore" in said


def test_a_large_file_whose_bytes_change_between_its_two_reads_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "big"
    path.write_bytes(b"x" * (PIECE + 1))
    real = writer.ZipWriter._add

    def add(self: Any, name: str, *given: Any) -> None:
        real(self, name, *given)
        if name == "big":
            path.write_bytes(b"y" * (PIECE + 1))

    monkeypatch.setattr(writer.ZipWriter, "_add", add)
    assert "big changed while it was packed" in refused(project)


def test_a_folder_that_vanishes_meanwhile_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scan(path: str) -> Any:
        if path.endswith("/src"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert refused(project).startswith("src vanished while it was packed")


def test_a_folder_that_may_not_be_read_is_named_unless_it_is_ignored(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scan(path: str) -> Any:
        if path.endswith("/src"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert "src cannot be read: Permission denied" in refused(project)
    (project / ".amlignore").write_text("src\n!*.py\n")
    assert make_snapshot(project, io.BytesIO()).files == 2


def test_a_file_that_breaks_while_it_is_read_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_descriptor: int, _most: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("runyard.snapshot.writer.os.read", read)
    assert "src/lib.py cannot be read: Input/output error" in refused(project)


def test_what_is_neither_a_file_nor_a_folder_is_named(project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert "pipe is neither a file nor a folder" in refused(project)
    (project / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(project)  # the name of a socket is short
        try:
            listener.bind("sock")
        finally:
            os.chdir(here)
    assert "sock is neither a file nor a folder" in refused(project)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (os.fsdecode(b"caf\xe9"), "is not a name in UTF-8"),
        ("a\\b", "holds a backslash"),
        ("C:evil", "begins like the name of a drive"),
        ("\x1b[31m\\\x07", "'\\x1b[31m"),
    ],
)
def test_a_name_that_means_something_else_elsewhere_is_told_without_harm(project: Path, name: str, said: str) -> None:
    (project / name).touch()
    found = refused(project)
    assert said in found
    assert found.isprintable()


def test_deep_and_long_paths_end_where_they_could_not_be_unpacked(project: Path) -> None:
    (project / "/".join("d" * tree.MAX_PARTS)).mkdir(parents=True)
    assert make_snapshot(project, io.BytesIO()).files == 2
    (project / "/".join("d" * (tree.MAX_PARTS + 1))).mkdir(parents=True)
    said = refused(project)
    assert "401 bytes and 201 parts" in said
    assert "…" in said


def test_links_that_lead_out_or_nowhere_or_in_circles_are_told(project: Path) -> None:
    for target, said in (
        (project.parent, "leads out of the directory"),
        ("../project-two", "leads out of the directory"),
        ("/etc/hostname", "leads out of the directory"),
        ("nothing", "something that is not there"),
        ("link", "something that is not there"),
        (".", "a link to a folder around itself"),
    ):
        (project / "link").symlink_to(target)
        assert said in refused(project)
        (project / "link").unlink()
    (project / "src" / "up").symlink_to("..")
    assert "src/up is a link to a folder around itself" in refused(project)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(code, os.strerror(code))

    with pytest.raises(StorageFullError, match="no room for the snapshot of"):
        make_snapshot(project, Full())
    monkeypatch.setattr(Path, "replace", lambda *_: Full().write(b""))
    with pytest.raises(StorageFullError):
        make_snapshot(project, project.parent / "s.zip")
    assert [path.name for path in project.parent.iterdir()] == ["project"]


def test_an_interrupted_making_leaves_the_earlier_snapshot(project: Path) -> None:
    out = project.parent / "s.zip"
    make_snapshot(project, out)
    before = out.read_bytes()

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_snapshot(project, out, progress=interrupt)
    assert out.read_bytes() == before
    assert sorted(path.name for path in project.parent.iterdir()) == ["project", "s.zip"]


def test_progress_goes_up_to_the_end_and_is_not_told_of_every_file(project: Path) -> None:
    for index in range(300):
        (project / f"f{index}").write_bytes(b"x" * 10_000)
    told: list[tuple[int, int]] = []
    made = make_snapshot(project, io.BytesIO(), progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (made.bytes, made.bytes)
    assert 5 < len(told) < 20


def test_a_zip_is_appended_where_the_file_stands(project: Path) -> None:
    out = io.BytesIO(b"before")
    out.seek(6)
    made = make_snapshot(project, out)
    alone = io.BytesIO()
    assert make_snapshot(project, alone) == made
    assert out.getvalue() == b"before" + alone.getvalue()
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
