"""The file system that forgets, on its own: what it keeps, and what it loses."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.powerloss import trace
from tests.powerloss.disk import Disk

UNSYNCED = "open({0!r}, 'w').write('x')"
FILE = "f = open({0!r}, 'w'); f.write('x'); f.flush(); os.fsync(f.fileno())"
FOLDER = "os.fsync(os.open(os.path.dirname({0!r}), os.O_RDONLY))"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (UNSYNCED, {}),
        (FILE, {}),
        (f"{UNSYNCED}; {FOLDER}", {"/a": b""}),
        (f"{FILE}; {FOLDER}", {"/a": b"x"}),
        (f"{FILE}; {FOLDER}; f.write('y'); f.flush()", {"/a": b"x"}),
        (f"{FILE}; {FOLDER}; os.rename({{0!r}}, {{0!r}} + 'b')", {"/a": b"x"}),
        (f"{FILE}; os.rename({{0!r}}, {{0!r}} + 'b'); {FOLDER}", {"/ab": b"x"}),
        (f"{FILE}; {FOLDER}; os.unlink({{0!r}})", {"/a": b"x"}),
    ],
)
def test_only_what_was_synced_is_left(tmp_path: Path, code: str, expected: dict[str, bytes]) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    root = tmp_path / "root"
    root.mkdir()
    disk = Disk(root)
    program = "import os; " + code.format(str(root / "a"))
    trace.record([sys.executable, "-c", program], tmp_path / "trace", tmp_path)
    for call in trace.read(tmp_path / "trace"):
        disk.apply(call)
    left = disk.cut(tmp_path / "left")
    assert {f"/{path.relative_to(left)}": path.read_bytes() for path in left.rglob("*")} == expected
