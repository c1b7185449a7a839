"""What it costs to open a snapshot of any size: requests, bytes, memory and time."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.errors import SnapshotError
from runyard.runconfig.locate import choose, keeper
from runyard.runner.zipend import TAIL
from tests.unit.zipreaders import opened
from tests.unit.zips import Item, Ranges, Sparse, Tail, a, build, extra, large

RUNCONFIG = b"script: train.py\ntarget: local\n" * 20
FILES = {b"aml_config/local.runconfig": RUNCONFIG, b"train.py": b"print(1)\n"}
MB = 1_000_000


def snapshot(count: int, total: int, tail: Tail | None = None, *, name: str = "data/part-{:06}.csv") -> Sparse:
    """A snapshot of ``count`` files and ``total`` bytes."""
    size = total // count
    return large([(name.format(number).encode(), size) for number in range(count - 2)], FILES, tail or Tail())


def directory(data: Sparse) -> int:
    """Bytes of the directory and what follows it."""
    return len(data.pieces[-1][1])


def read(source: bytes | Sparse) -> Ranges:
    """What accepting does: open, choose, read."""
    archive, ranges = opened(source, keeper())
    assert archive.read(archive.entries[choose(archive.names)], 1 << 20) == RUNCONFIG
    return ranges


SNAPSHOTS: dict[str, Callable[[], Sparse]] = {
    "1 MB of 50 files": lambda: snapshot(50, MB),
    "1 MB of 10,000 files": lambda: snapshot(10_000, MB),
    "1 GB of 10,000 files": lambda: snapshot(10_000, 1000 * MB),
    "1 GB of 10 files": lambda: snapshot(10, 1000 * MB),
    "1 GB with a long comment": lambda: snapshot(10_000, 1000 * MB, Tail(comment=b"c" * 65_535)),
    "1 GB of zip64": lambda: snapshot(10_000, 1000 * MB, Tail(zip64=True)),
    "1 GB of zip64 with data of its own": lambda: snapshot(10_000, 1000 * MB, Tail(zip64=True, zip64_data=bytes(9000))),
    "3 GB of 70,000 files": lambda: snapshot(70_000, 3000 * MB, Tail(zip64=True)),
    "200,000 files": lambda: snapshot(199_990, 200 * MB, Tail(zip64=True)),
    "200,000 files with long names": lambda: snapshot(
        199_990, 200 * MB, Tail(zip64=True), name="data/" + "n" * 60 + "-{:06}.csv"
    ),
}


@pytest.mark.parametrize("make", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_opening_costs_the_tail_the_directory_and_the_run_configuration(make: Callable[[], Sparse]) -> None:
    data = make()
    begin = time.process_time()
    ranges = read(data)
    seconds = time.process_time() - begin
    assert len(ranges.calls) <= 8
    assert ranges.bytes <= 1.1 * (min(TAIL, len(data)) + directory(data) + len(RUNCONFIG))
    assert seconds < 3  # half a second on an idle machine; sixteen times that would be a loop in a loop


@pytest.mark.parametrize(
    "name",
    [
        "1 MB of 50 files",
        "1 GB of 10,000 files",
        pytest.param("3 GB of 70,000 files", marks=pytest.mark.slow),
        pytest.param("200,000 files with long names", marks=pytest.mark.slow),
    ],
)
def test_opening_takes_little_memory(name: str) -> None:
    assert peak(SNAPSHOTS[name](), read) <= 16 * MB


def peak(data: bytes | Sparse, use: Callable[[bytes | Sparse], object]) -> int:
    """Most bytes that were held at a time."""
    tracemalloc.start()
    try:
        use(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_file_that_was_not_kept_costs_two_reads_more_at_most() -> None:
    archive, ranges = opened(snapshot(199_990, 200 * MB, Tail(zip64=True)), keeper())
    opening = len(ranges.calls)
    entry = archive.find("train.py", "nothing.py")["train.py"]
    assert archive.read(entry, 100) == b"print(1)\n"
    assert len(ranges.calls) <= opening + 2
    assert len(ranges.calls) <= 8


def test_an_entry_with_much_beside_its_name_is_found() -> None:
    """In a directory that is not held, where an entry's length is not known before."""
    items = [a(f"{n}", b"", extra=extra(9, bytes(60_000))) for n in range(300)]
    archive, ranges = opened(build(items), lambda _: False)
    calls = len(ranges.calls)
    assert archive.find("250")["250"].size == 0
    assert len(ranges.calls) == calls + 2


def deep(count: int) -> list[Item]:
    """Entries whose folders are far more than they."""
    return [a("/".join(f"{n:x}{part:x}" for part in range(150)), b"") for n in range(count)]


HOSTILE: dict[str, Callable[[], bytes]] = {
    "100,000 entries of one name": lambda: build([a("x", b"")] * 100_000, Tail(zip64=True)),
    "100,000 files, the last one of them above": lambda: build(
        [*(a(f"{n}", b"") for n in range(100_000)), a("../x")], Tail(zip64=True)
    ),
    "a million folders": lambda: build(deep(7000)),
    "entries of the longest names": lambda: build([a(f"{n:03}/" + "n/" * 98 + "x" * 250, b"") for n in range(40_000)]),
    "100,000 links": lambda: build([a(f"{n}", b"x", mode=0o120777) for n in range(100_000)], Tail(zip64=True)),
    "60,000 fields": lambda: build([a("x", extra=b"up\0\0" * 16_000)] * 200),
    "end records only": lambda: b"PK\5\6" * 30_000,
    "end records that fit": lambda: b"".join(
        b"PK\5\6" + bytes(16) + (22 * left).to_bytes(2, "little") for left in reversed(range(2900))
    ),
    "a directory of nothing": lambda: build([a()], Tail(zip64=True, zip64_length=40 << 20), prefix=bytes(41 << 20)),
    "a bomb": lambda: build([a("bomb", method=8, packed_data=bytes(400_000), size=400 << 20)]),
}
CHILD = """
import resource, sys, time
from tests.unit.zipreaders import by_unpacking, opened
from runyard.errors import SnapshotError
from runyard.runconfig.locate import keeper
data = open(sys.argv[1], "rb").read()
def told():
    try:
        opened(data, keeper())
    except SnapshotError as error:
        return str(error)
for reader in (told, lambda: by_unpacking(data).refusal):
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    refusal = reader()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(grown, time.process_time() - begin, refusal)
"""


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_zip_is_refused_within_a_second_and_64_mb(make: Callable[[], bytes], tmp_path: Path) -> None:
    """In a process of its own, as its memory is that of the whole process."""
    (tmp_path / "x.zip").write_bytes(make())
    here = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "x.zip"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{here}:{here / 'shared'}"},
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        grown, seconds, refusal = line.split(" ", 2)
        assert "the snapshot" in refusal
        assert int(grown) < 64 * 1024
        assert float(seconds) < 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a million folders", "entries of the longest names", "60,000 fields"])
def test_opening_a_hostile_zip_takes_little_memory(name: str) -> None:
    def refuse(data: bytes | Sparse) -> None:
        with pytest.raises(SnapshotError):
            opened(data, keeper())

    assert peak(HOSTILE[name](), refuse) <= 16 * MB
