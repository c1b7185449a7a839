"""Blobs in folders: links, other writers, full disks and what is left behind."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import NoReturn

import pytest

from runyard.errors import ConfigError, NotFoundError, SnapshotError, StorageFullError
from runyard.stores.embedded import FolderBlobs, etag_of
from runyard.stores.embedded.files import TEMPORARY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "runs").mkdir(parents=True)
    return root


@pytest.fixture
def blobs(root: Path) -> FolderBlobs:
    return FolderBlobs(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_a_file_that_was_dropped_is_a_blob(blobs: FolderBlobs, root: Path) -> None:
    (root / "runs" / "x").write_bytes(b"abc")
    status = (root / "runs" / "x").stat()
    info = blobs.head("runs", "x")
    assert info is not None
    assert (info.etag, info.size, info.modified) == (etag_of(status), 3, status.st_mtime)
    assert info.etag == f"{status.st_ino:x}-{status.st_mtime_ns:x}-3"


@pytest.mark.parametrize("container", ["secrets", "local", "envs"])
def test_the_roots_own_folders_are_no_containers(blobs: FolderBlobs, container: str) -> None:
    with pytest.raises(ConfigError, match="holds no blobs"):
        blobs.put(container, "a", b"")
    with pytest.raises(ConfigError, match="holds no blobs"):
        blobs.list(container)


def test_a_link_to_a_file_outside_is_neither_read_nor_listed(blobs: FolderBlobs, root: Path, outside: Path) -> None:
    (root / "runs" / "link").symlink_to(outside / "secret")
    for read in (blobs.head, blobs.open, blobs.stream):
        with pytest.raises(ConfigError, match="leads out"):
            read("runs", "link")
    with pytest.raises(ConfigError, match="link"):
        blobs.append("runs", "link", b"x")
    assert list(blobs.list("runs")) == []
    assert (outside / "secret").read_text() == "secret"


def test_a_link_to_a_folder_outside_lets_nothing_in_or_out(blobs: FolderBlobs, root: Path, outside: Path) -> None:
    (root / "runs" / "d").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out"):
        blobs.open("runs", "d/secret")
    for write in (blobs.put, blobs.append):
        with pytest.raises(ConfigError, match="leads out"):
            write("runs", "d/new/x", b"")
    with pytest.raises(ConfigError, match="leads out"):
        blobs.delete("runs", "d/secret")
    assert list(blobs.list("runs")) == []
    assert files(outside) == ["secret"]
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_a_dangling_link_creates_nothing_outside(blobs: FolderBlobs, root: Path, outside: Path) -> None:
    (root / "runs" / "link").symlink_to(outside / "new")
    with pytest.raises(ConfigError, match="link"):
        blobs.append("runs", "link", b"x")
    assert blobs.head("runs", "link") is None
    assert list(blobs.list("runs")) == []
    blobs.put("runs", "link", b"x")  # replaces the link itself
    assert files(outside) == ["secret"]


def test_a_link_inside_the_container_is_followed(blobs: FolderBlobs, root: Path) -> None:
    blobs.put("runs", "d/real", b"x")
    (root / "runs" / "link").symlink_to("d/real")
    (root / "runs" / "loop").symlink_to("loop")
    assert b"".join(blobs.stream("runs", "link")) == b"x"
    assert [info.name for info in blobs.list("runs")] == ["d/real", "link"]
    with pytest.raises(ConfigError, match="cannot be followed"):
        blobs.head("runs", "loop")


def test_a_container_may_itself_be_a_link(blobs: FolderBlobs, root: Path, outside: Path) -> None:
    (root / "data").symlink_to(outside)
    assert b"".join(blobs.stream("data", "secret")) == b"secret"
    blobs.put("data", "a/b", b"")
    assert [info.name for info in blobs.list("data")] == ["a/b", "secret"]


def test_what_is_no_regular_file_is_no_blob_and_hangs_nothing(blobs: FolderBlobs, root: Path) -> None:
    os.mkfifo(root / "runs" / "pipe")
    (root / "runs" / "folder").mkdir()
    for name in ("pipe", "folder"):
        assert blobs.head("runs", name) is None
        with pytest.raises(NotFoundError):
            blobs.open("runs", name)
    assert list(blobs.list("runs")) == []


def test_a_blob_where_a_folder_is_needed_is_said_so(blobs: FolderBlobs, root: Path) -> None:
    blobs.put("runs", "a", b"")
    blobs.put("runs", "d/x", b"")
    for name in ("a/b", "a/b/c", "d"):
        with pytest.raises(ConfigError, match="folder"):
            blobs.put("runs", name, b"")
        with pytest.raises(ConfigError, match="folder"):
            blobs.append("runs", name, b"")
    assert files(root / "runs") == ["a", "d/x"]


def test_a_reader_notices_a_change_in_place_even_of_the_same_size(blobs: FolderBlobs, root: Path) -> None:
    blobs.put("runs", "a", b"one")
    reader = blobs.open("runs", "a")
    assert reader.read(0, 3) == b"one"
    (root / "runs" / "a").write_bytes(b"two")
    os.utime(root / "runs" / "a", (1, 1))
    with pytest.raises(SnapshotError, match="changed"):
        reader.read(0, 3)
    reader.close()
    reader.close()


def test_a_reader_keeps_the_file_it_opened_when_another_takes_its_name(blobs: FolderBlobs) -> None:
    blobs.put("runs", "a", b"one")
    reader = blobs.open("runs", "a")
    blobs.put("runs", "a", b"two")
    assert reader.read(0, 3) == b"one"
    reader.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_behind(
    blobs: FolderBlobs, root: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    blobs.put("runs", "a", b"old")
    blobs.append("runs", "log", b"old")
    real = os.write

    def write(descriptor: int, data: memoryview) -> int:
        if len(data) <= 2:
            raise OSError(code, os.strerror(code))
        return real(descriptor, data[:2])

    monkeypatch.setattr(os, "write", write)
    for data in (b"newer", io.BytesIO(b"newer")):
        with pytest.raises(StorageFullError, match="no room"):
            blobs.put("runs", "a", data)
    with pytest.raises(StorageFullError, match="no room"):
        blobs.append("runs", "log", b"newer")
    monkeypatch.undo()
    assert files(root / "runs") == ["a", "log"]
    assert b"".join(blobs.stream("runs", "a")) == b"".join(blobs.stream("runs", "log")) == b"old"


def test_a_source_that_breaks_leaves_nothing_behind(blobs: FolderBlobs, root: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> NoReturn:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.put("runs", "a", Broken())
    assert files(root / "runs") == []


def test_files_still_being_written_are_not_blobs(blobs: FolderBlobs, root: Path) -> None:
    (root / "runs" / f"{TEMPORARY}1").write_bytes(b"half")
    assert list(blobs.list("runs")) == []
    with pytest.raises(ConfigError, match="still being written"):
        blobs.head("runs", f"{TEMPORARY}1")


def test_what_a_killed_writer_left_is_swept_by_age(blobs: FolderBlobs, root: Path) -> None:
    for name, modified in ((f"{TEMPORARY}old", 100), (f"{TEMPORARY}new", 200), ("blob", 100)):
        (root / "runs" / name).write_bytes(b"")
        os.utime(root / "runs" / name, (modified, modified))
    assert blobs.sweep(before=150) == 1
    assert files(root / "runs") == [f"{TEMPORARY}new", "blob"]


def test_folders_that_become_empty_go_except_where_people_drop_files(blobs: FolderBlobs, root: Path) -> None:
    for container in ("runs", "snapshots"):
        blobs.put(container, "a/b/one", b"")
        blobs.put(container, "a/two", b"")
        blobs.delete(container, "a/b/one")
        assert (root / container / "a").exists()
        blobs.delete(container, "a/two")
    assert not (root / "runs" / "a").exists()
    assert (root / "runs").exists()
    assert (root / "snapshots" / "a" / "b").exists()


def test_a_folder_that_vanishes_while_its_blob_is_written_is_made_again(blobs: FolderBlobs, root: Path) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            (root / "runs" / "a").rmdir() if (root / "runs" / "a").exists() else None
            return super().read(size)

    assert blobs.put("runs", "a/b", Slow(b"x")).size == 1
    assert files(root / "runs") == ["a/b"]


def test_a_name_that_is_not_utf8_can_be_listed_and_read(blobs: FolderBlobs, root: Path) -> None:
    (root / "runs" / os.fsdecode(b"caf\xe9.zip")).write_bytes(b"x")
    (info,) = blobs.list("runs")
    assert b"".join(blobs.stream("runs", info.name)) == b"x"
    assert blobs.delete("runs", info.name)


def test_a_folder_that_may_not_be_read_does_not_hide_the_rest(blobs: FolderBlobs, root: Path) -> None:
    blobs.put("runs", "a/x", b"")
    blobs.put("runs", "b", b"")
    (root / "runs" / "a").chmod(0)
    try:
        assert [info.name for info in blobs.list("runs")][-1] == "b"
    finally:
        (root / "runs" / "a").chmod(0o700)
