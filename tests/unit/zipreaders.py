"""Both readers of a snapshot over the same bytes: the control plane's by ranges, the runner's by unpacking."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runyard.errors import SnapshotError
from runyard.runner.problems import Problem
from runyard.runner.unpack import unpack
from runyard.snapshot.archive import Archive, open_archive
from tests.unit.zips import Ranges, Sparse

NAME = "x.zip"
SHM = Path("/dev/shm")
"""Small files need no disk."""


@dataclass
class Seen:
    """What a reader made of a zip: its files and links with their content, or why it refused."""

    files: dict[str, bytes] = field(default_factory=dict)
    refusal: str = ""


def opened(data: bytes | Sparse, keep: Callable[[str], bool] | None = None) -> tuple[Archive, Ranges]:
    ranges = Ranges(data)
    return open_archive(ranges, len(data), name=NAME, keep=keep), ranges


def refusal(data: bytes) -> str:
    """Why the control plane refuses a zip or one of its files; nothing if it does not."""
    return by_ranges(data).refusal


def by_ranges(data: bytes, limit: int = 1 << 30) -> Seen:
    """What the control plane reads."""
    try:
        archive, _ = opened(data)
        files = {}
        for name, entry in archive.entries.items():
            files[name] = b"-> link" if entry.is_link else archive.read(entry, limit)
    except SnapshotError as error:
        refused = error.message
    else:
        return Seen(files)
    check_sentence(refused)
    assert refused.startswith(f"{NAME}: ")
    return Seen(refusal=refused)


def check_sentence(message: str) -> None:
    assert message.isprintable()
    assert len(message) < 600


def by_unpacking(data: bytes) -> Seen:
    """What the runner unpacks; nothing outside the folder, and nothing in it after a refusal."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as around:
        path, folder = Path(around, "s.zip"), Path(around, "outer", "work")
        path.write_bytes(data)
        folder.mkdir(parents=True)
        try:
            unpack(str(path), "", str(folder))
        except Problem as problem:
            refused = problem.message
        else:
            refused = ""
        assert {path.name for path in Path(around).iterdir()} == {"outer", "s.zip"}
        assert [path.name for path in Path(around, "outer").iterdir()] == ["work"]
        if not refused:
            return Seen(_content(folder))
        check_sentence(refused)
        assert list(folder.iterdir()) == [], "left half unpacked"
        return Seen(refusal=refused)


def _content(folder: Path) -> dict[str, bytes]:
    files = {}
    inside = folder.resolve()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            assert path.resolve().is_relative_to(inside)
            files[name] = b"-> link"
        elif path.is_file():
            files[name] = path.read_bytes()
    return files


def agree(data: bytes) -> None:
    """If both readers take a zip, they see the same files. What one refuses, the other may take: it looked at less."""
    ranges, unpacked = by_ranges(data), by_unpacking(data)
    if not ranges.refusal and not unpacked.refusal:
        assert ranges == unpacked
    if not unpacked.refusal:
        assert not ranges.refusal, "the runner takes more than the control plane"
