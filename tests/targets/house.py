"""A root with the kind ``local`` on it, real processes and all; leaves nothing behind."""

from __future__ import annotations

import io
import itertools
import os
import select
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from runyard.ports import Compute, Ended, Job, Observation, Plan, Running, TargetContext
from runyard.runner import process
from runyard.runs.model import Handle, JobSpec, Origin, Run, SnapshotRef
from runyard.runs.states import State
from runyard.stores.embedded import FolderBlobs, SystemClock
from runyard.stores.memory import MemorySecrets
from runyard.targets.local.target import LocalTarget
from tests.processes import living

PATIENCE = 20.0
COMPUTE = Compute(name="local", kind="local", limit=2)
_numbers = itertools.count(1)


class House:
    """What a test does with the target of a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "snapshots").mkdir(parents=True, exist_ok=True)
        self.told = threading.Event()
        self.tells: list[str] = []
        self.runs: list[str] = []
        self.secrets = MemorySecrets()
        self.target = self.new_target()

    def new_target(self) -> LocalTarget:
        """Another host on the same root."""
        return LocalTarget(
            TargetContext(
                blobs=FolderBlobs(self.root),
                secrets=self.secrets,
                clock=SystemClock(),
                tell=self._tell,
                root=self.root,
            )
        )

    def _tell(self, compute: str) -> None:
        self.tells.append(compute)
        self.told.set()

    def plan(
        self,
        source: str | Mapping[str, str | bytes],
        *,
        compute: Compute = COMPUTE,
        attempt: int = 1,
        slot: int = 0,
        **spec: Any,
    ) -> Plan:
        """The plan of a new run of a script (or of several files)."""
        number = next(_numbers)
        files = {"train.py": source} if isinstance(source, str) else source
        path = self.root / "snapshots" / f"{number}.zip"
        path.write_bytes(make_zip(files))
        status = path.stat()
        snapshot = SnapshotRef(
            container="snapshots",
            name=path.name,
            etag=f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}",
            size=status.st_size,
        )
        run = make_run(f"exp_{int(time.time())}_{os.getpid():x}{number:04x}", snapshot, **spec)
        self.runs.append(run.id)
        return self.target.plan(Job(run=run, compute=compute, attempt=attempt, slot=slot))

    def start(self, source: str | Mapping[str, str | bytes], **changes: Any) -> Handle:
        """Plan and submit."""
        return self.target.submit(self.plan(source, **changes))

    def run(self, source: str | Mapping[str, str | bytes], **changes: Any) -> Ended:
        """Plan, submit and wait for the end."""
        return self.ended(self.start(source, **changes))

    def poll(self, handle: Handle) -> Observation:
        return self.target.poll([handle])[0]

    def ended(self, handle: Handle, patience: float = PATIENCE) -> Ended:
        """Wait for the end, by what the target tells."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.told.clear()
            seen = self.poll(handle)
            if isinstance(seen, Ended):
                return seen
            self.told.wait(0.5)
        raise AssertionError(f"not ended in time: {seen}")

    def running(self, handle: Handle, *, printed: bytes = b"") -> Running:
        """Wait until the script runs, and has printed something."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            seen = self.poll(handle)
            if isinstance(seen, Running) and seen.phase is State.RUNNING and printed in self.log(handle):
                return seen
            assert not isinstance(seen, Ended), (seen, self.log(handle))
            time.sleep(0.01)
        raise AssertionError(f"not running in time: {seen}, {self.log(handle)!r}")

    def log(self, handle: Handle) -> bytes:
        return self.target.logs(handle, 0, 1 << 30).data

    def folder(self, handle: Handle) -> Path:
        return self.root / "runs" / handle.id

    def supervisor(self) -> int:
        """The supervisor's process id."""
        return int((self.root / "local" / "supervisor.lock").read_text())

    def keeper(self) -> int:
        """The process id of the supervisor's keeper."""
        found = process.read_stat(self.supervisor())
        assert found is not None
        return found.parent

    def complaints(self) -> str:
        path = self.root / "local" / "supervisor.log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End the supervisor and whatever is left; nothing may be."""
        self.target.close()
        end_all(self.root)
        left = [pid for run in self.runs for pid in living(run)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert "Traceback" not in self.complaints(), self.complaints()


@contextmanager
def opened(root: Path) -> Iterator[House]:
    house = House(root)
    try:
        yield house
    finally:
        house.close()


def make_run(run_id: str, snapshot: SnapshotRef, **spec: Any) -> Run:
    run = Run(
        id=run_id,
        experiment="exp",
        identity="0" * 64,
        origin=Origin(source="api"),
        reason="test",
        since=0.0,
        created=0.0,
        snapshot=snapshot,
        spec=JobSpec(script="train.py"),
    )
    return replace(run, spec=JobSpec(**{"script": "train.py", "interpreter": sys.executable, **spec}))


def make_zip(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def runners(root: Path) -> list[int]:
    """The keepers and supervisors of a root, zombies not counted."""
    found = []
    for pid in process.every_pid():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(root) in words and (b"keep" in words or b"serve" in words):
            found.append(pid)
    return found


def end_all(root: Path) -> None:
    """Kill the keepers and supervisors of a root; a supervisor whose keeper is killed would become one."""
    while left := runners(root):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in left:
            end(pid)


def end(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process and wait until it is gone."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(watch, number)
        wait_readable(watch)
    except ProcessLookupError:
        pass
    finally:
        os.close(watch)


def wait_readable(descriptor: int) -> None:
    readable, _, _ = select.select([descriptor], [], [], PATIENCE)
    assert readable, "a process did not end in time"
