"""Parts of blobs in folders: what is durable, what a full disk leaves, and what is swept."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from runyard.errors import ConfigError, NotFoundError, StorageFullError
from runyard.stores.embedded import FolderBlobs
from runyard.stores.embedded.files import TEMPORARY
from runyard.stores.embedded.parts import KEPT, PARTS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def blobs(root: Path) -> FolderBlobs:
    return FolderBlobs(root)


def folders(root: Path, container: str = "uploads") -> list[Path]:
    return sorted((root / container).glob(f"{TEMPORARY}*"))


def age(folder: Path, seconds: float) -> None:
    then = folder.stat().st_mtime - seconds
    os.utime(folder, (then, then))


def test_parts_survive_the_process_and_are_for_their_owner_only(blobs: FolderBlobs, root: Path) -> None:
    blobs.stage("uploads", "a", 0, b"one")
    blobs.stage("uploads", "a", 1, b"two")
    (folder,) = folders(root)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    other = FolderBlobs(root)
    assert other.staged("uploads", "a") == {0: 3, 1: 3}
    assert other.commit("uploads", "a", 2).size == 6
    assert folders(root) == []


@pytest.mark.parametrize(("container", "durable"), [("uploads", True), ("snapshots", True), ("runs", False)])
def test_parts_are_as_durable_as_their_container(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch, container: str, durable: bool
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    blobs.stage(container, "a", 0, b"x")
    assert len(synced) == (2 if durable else 0)  # the part, and the folder that names it
    blobs.commit(container, "a", 1)
    assert len(synced) == (4 if durable else 0)


def test_a_half_written_part_does_not_count(blobs: FolderBlobs, root: Path) -> None:
    blobs.stage("uploads", "a", 0, b"one")
    (folder,) = folders(root)
    (folder / f"{TEMPORARY}half").write_bytes(b"tw")
    assert blobs.staged("uploads", "a") == {0: 3}
    blobs.commit("uploads", "a", 1)
    assert folders(root) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_parts_that_are_there(
    blobs: FolderBlobs, root: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    blobs.stage("uploads", "a", 0, b"one")

    def full(*_: Any) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageFullError, match="no room"):
            blobs.stage("uploads", "a", 1, b"two")
        with pytest.raises(StorageFullError, match="no room"):
            blobs.commit("uploads", "a", 1)
    assert blobs.staged("uploads", "a") == {0: 3}
    assert blobs.head("uploads", "a") is None
    assert [path.name for path in (root / "uploads").rglob("*") if path.is_file()] == ["00000"]
    assert blobs.commit("uploads", "a", 1).size == 3


def test_parts_that_wait_too_long_go_when_another_upload_begins(blobs: FolderBlobs, root: Path) -> None:
    blobs.stage("uploads", "old", 0, b"x")
    blobs.stage("uploads", "recent", 0, b"x")
    blobs.stage("runs", "elsewhere", 0, b"x")
    old, recent = (blobs._parts("uploads", name)._folder for name in ("old", "recent"))
    age(old, KEPT + 60)
    age(recent, KEPT - 60)
    blobs.stage("uploads", "recent", 1, b"y")  # goes on: nothing begins
    assert old.exists()
    blobs.stage("uploads", "new", 0, b"x")
    assert blobs.staged("uploads", "old") == {}
    assert blobs.staged("uploads", "recent") == {0: 1, 1: 1}
    assert blobs.staged("runs", "elsewhere") == {0: 1}


def test_a_new_part_makes_the_upload_young_again(blobs: FolderBlobs, root: Path) -> None:
    blobs.stage("uploads", "slow", 0, b"x")
    (folder,) = folders(root)
    age(folder, KEPT + 60)
    blobs.stage("uploads", "slow", 1, b"x")
    blobs.stage("uploads", "new", 0, b"x")
    assert blobs.staged("uploads", "slow") == {0: 1, 1: 1}


def test_a_host_that_starts_sweeps_old_parts_and_those_half_removed(blobs: FolderBlobs, root: Path) -> None:
    for name in ("old", "new"):
        blobs.stage("uploads", name, 0, b"x")
    old = blobs._parts("uploads", "old")._folder
    now = old.stat().st_mtime + 1
    age(old, KEPT + 60)
    removed = root / "uploads" / f"{TEMPORARY}0123"
    removed.mkdir()
    (removed / "00000").write_bytes(b"x")
    age(removed, 60)
    assert blobs.sweep(before=now - 30) == 2
    assert (blobs.staged("uploads", "old"), blobs.staged("uploads", "new")) == ({}, {0: 1})
    assert not removed.exists()
    assert blobs.sweep(before=now - 30) == 0
    assert len(list((root / "uploads").glob(f"{PARTS}*"))) == 1


def test_parts_that_are_dropped_while_one_is_written_begin_anew(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.stage("uploads", "a", 0, b"one")
    real = Path.rename
    dropped: list[Path] = []

    def rename(self: Path, target: Path) -> Path:
        if not dropped and target.name == "00001":
            dropped.append(self)
            blobs.drop("uploads", "a")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    blobs.stage("uploads", "a", 1, b"two")
    assert dropped
    assert blobs.staged("uploads", "a") == {1: 3}


def test_parts_that_are_dropped_while_they_are_joined_are_told(
    blobs: FolderBlobs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(2):
        blobs.stage("uploads", "a", index, b"x")
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        blobs.drop("uploads", "a")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(NotFoundError, match="dropped meanwhile"):
        blobs.commit("uploads", "a", 2)
    assert [path for path in (root / "uploads").rglob("*") if path.is_file()] == []


def test_parts_of_names_that_are_not_utf8_can_be_kept(blobs: FolderBlobs) -> None:
    name = os.fsdecode(b"caf\xe9.zip")
    blobs.stage("uploads", name, 0, b"x")
    assert blobs.commit("uploads", name, 1).name == name


def test_a_container_that_is_no_folder_is_told(blobs: FolderBlobs, root: Path) -> None:
    (root / "uploads").write_text("in the way")
    with pytest.raises(ConfigError, match="a blob is where a folder is needed"):
        blobs.stage("uploads", "a", 0, b"x")
    assert blobs.staged("uploads", "a") == {}
