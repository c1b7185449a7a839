"""What accepting a snapshot asks of the blob store: a few requests and a few kilobytes, whatever the snapshot's size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from runyard.accept import accept
from runyard.accept.resolve import Asked, resolve
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import NotFoundError, SnapshotError
from runyard.ports import BlobInfo
from runyard.ports.blobs import BlobReader
from runyard.runner.zipend import TAIL
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.testing import ManualClock, MemoryBlobStore
from tests.fakes import runconfig
from tests.unit.house import House
from tests.unit.zips import Sparse, Tail, a, build, large

MB = 1_000_000
CONFIG = runconfig().encode()
ENVIRONMENT = b"dependencies:\n- python=3.11\n"


@dataclass
class Cost:
    """Requests as a storage service counts them, and the bytes that came with them."""

    heads: int = 0
    opens: int = 0
    reads: int = 0
    bytes: int = 0

    @property
    def requests(self) -> int:
        return self.heads + self.opens + self.reads


class CountingBlobs(MemoryBlobStore):
    """A store with one snapshot of any size in it, which counts what is asked of it."""

    def __init__(self, snapshot: bytes | Sparse) -> None:
        super().__init__(ManualClock())
        self.snapshot = snapshot
        self.cost = Cost()
        self.info = BlobInfo(container="uploads", name="a.zip", etag="1", size=len(snapshot), modified=1.0)

    def head(self, container: str, name: str) -> BlobInfo | None:
        self.cost.heads += 1
        return self.info if (container, name) == ("uploads", "a.zip") else super().head(container, name)

    def open(self, container: str, name: str, *, etag: str | None = None) -> BlobReader:
        self.cost.opens += 1
        if (container, name) != ("uploads", "a.zip"):
            raise NotFoundError(f"there is no blob {container}/{name}")
        assert etag in {None, "1"}
        return Reader(self)


class Reader:
    """Reads ranges of the snapshot."""

    def __init__(self, store: CountingBlobs) -> None:
        self.info = store.info
        self._store = store

    def read(self, offset: int, length: int) -> bytes:
        self._store.cost.reads += 1
        self._store.cost.bytes += length
        return self._store.snapshot[offset : offset + length]

    def close(self) -> None:
        """Nothing to let go of."""


def house(snapshot: bytes | Sparse) -> tuple[House, Cost]:
    made = House()
    blobs = CountingBlobs(snapshot)
    made.ports = replace(made.ports, blobs=blobs)
    return made, blobs.cost


def accepted(snapshot: bytes | Sparse) -> tuple[Run, Cost]:
    """What becomes of a submission of a snapshot, and what that took."""
    made, cost = house(snapshot)
    made.send({"schema": 1, "experiment": "exp", "snapshot": "uploads/a.zip"})
    (message,) = made.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    return accept(made.ports, message.body, message_id=message.id, enqueued=message.enqueued), cost


def snapshot(count: int, total: int, tail: Tail | None = None) -> Sparse:
    files = {
        b"aml_config/local.runconfig": CONFIG,
        b"aml_config/environment.yml": ENVIRONMENT,
        b"train.py": b"print(1)",
    }
    names = [(f"data/part-{number:06}.csv".encode(), total // count) for number in range(count - 3)]
    return large(names, files, tail or Tail())


SNAPSHOTS: dict[str, Callable[[], Sparse]] = {
    "1 MB of 100 files": lambda: snapshot(100, MB),
    "1 MB of 10,000 files": lambda: snapshot(10_000, MB),
    "1 GB of 10,000 files": lambda: snapshot(10_000, 1000 * MB),
    "1 GB with the longest comment": lambda: snapshot(10_000, 1000 * MB, Tail(comment=b"c" * 65_535)),
    "3 GB of one file": lambda: large([(b"x", 3000 * MB)], {b"aml_config/local.runconfig": CONFIG}, Tail()),
}


@pytest.mark.parametrize("make", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_a_snapshot_of_any_size_is_accepted_for_its_tail_directory_and_run_configuration(
    make: Callable[[], Sparse],
) -> None:
    data = make()
    run, cost = accepted(data)
    assert (State.QUEUED, "") == (run.state, "" if run.error is None else run.error.message)
    assert run.spec is not None
    assert "aml_config/local.runconfig in the snapshot" == run.spec.runconfig
    directory = len(data.pieces[-1][1])
    assert cost.requests <= 8
    assert cost.reads <= 3
    assert cost.bytes <= 1.1 * (TAIL + directory + len(CONFIG))


def test_a_small_snapshot_is_read_once() -> None:
    _, cost = accepted(build([a("aml_config/local.runconfig", CONFIG, method=8), a("train.py")]))
    assert 1 == cost.reads


def test_what_is_named_by_the_run_configuration_costs_one_read_more() -> None:
    data = snapshot(10_000, 1000 * MB)
    made, cost = house(data)
    resolve(made.ports, Asked(container="uploads", name="a.zip", runconfig="local"))
    first = cost.reads
    assert first <= 3
    named = {"environment": "aml_config/environment.yml", "script": "train.py", "target": "local"}
    made, cost = house(data)
    found = resolve(made.ports, Asked(container="uploads", name="a.zip", runconfig=named))
    assert found.spec.environment is not None  # the file was read, and lists no packages
    assert cost.reads <= first + 1


REFUSED: dict[str, tuple[Callable[[], bytes | Sparse], str]] = {
    "no zip": (lambda: Sparse([(0, b"hello"), (1000 * MB, b"x")]), "is no zip"),
    "cut off": (lambda: build([a("x", bytes(3 * MB))])[:-9], "is truncated"),
    "encrypted": (lambda: build([a("secret", bytes(MB), flags=1), a("aml_config/l.runconfig", CONFIG)]), "encrypted"),
    "leading out": (lambda: build([a("../x", bytes(MB)), a("aml_config/l.runconfig", CONFIG)]), "leads out of it"),
    "a bomb": (
        lambda: build([a("bomb", method=8, packed_data=bytes(400_000), size=400_000_000)]),
        "would unpack to 1000 times its size",
    ),
    "too many": (lambda: snapshot(300_000, 1000 * MB, Tail(zip64=True)), "has 300000 entries; at most 200000"),
    "no run configuration": (lambda: build([a("x", bytes(MB))]), "no run configuration"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_snapshot_that_cannot_run_is_refused_for_as_little(make: Callable[[], bytes | Sparse], sentence: str) -> None:
    run, cost = accepted(make())
    assert State.FAILED is run.state
    assert run.error is not None
    assert sentence in run.error.message
    assert run.error.message.startswith("a.zip: ") or "run configuration" in run.error.message
    assert cost.requests <= 8
    assert cost.bytes <= 200_000


def test_a_snapshot_that_is_not_there_is_said() -> None:
    made, _ = house(b"")
    with pytest.raises(SnapshotError, match=r"uploads/b\.zip is not there"):
        resolve(made.ports, Asked(container="uploads", name="b.zip"))
