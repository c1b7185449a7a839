"""Roots with real hosts, supervisors and scripts, in which processes are killed; nothing is left running."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from runyard.dispatch.wakes import BURIED
from runyard.ports import Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.runs.model import Run
from runyard.runs.states import ENDINGS, check_move
from runyard.stores.embedded import EmbeddedStores

PATIENCE: Final = 90.0
T = TypeVar("T")


class Zygote:
    """Starts hosts quickly; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": "shared"},
        )

    def start(self, root: Path, journal: Path, kill: list[Any] | None = None, victims: tuple[str, ...] = ()) -> int:
        """Start a host; returns its process id."""
        order = {"root": str(root), "journal": str(journal), "kill": kill, "victims": victims}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it; its hosts go on."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


class KillingYard:
    """One root, its programs, and the ledger that its scripts write."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.ledger = folder / "ledger"
        self.journal = folder / "journal"
        self._zygote = zygote
        (self.root / "snapshots" / "exp").mkdir(parents=True)
        self.host = 0
        self.stores: EmbeddedStores | None = None

    def start(self, kill: list[Any] | None = None, victims: tuple[str, ...] = ()) -> None:
        """Start a host, perhaps one that kills."""
        self.host = self._zygote.start(self.root, self.journal, kill, victims)

    def count_calls(self, *kills: tuple[str, str, int, str]) -> None:
        """Have the keeper and the supervisor count what they do, and be killed there. Before the start."""
        (self.folder / "runner-counted").touch()
        for who, name, number, moment in kills:
            (self.folder / f"kill-{who}-{name}-{number}-{moment}").touch()

    def calls(self) -> list[list[Any]]:
        """What they did."""
        return [json.loads(line) for line in (self.folder / "runner-journal").read_text().splitlines()]

    def runner_killed(self) -> bool:
        """Whether the runner came to each point where it is killed."""
        return not list(self.folder.glob("kill-*"))

    def host_lives(self) -> bool:
        """Whether the host is there."""
        return lives(self.host)

    def open(self, *, anew: bool = False) -> EmbeddedStores:
        """The stores, beside the host; ``anew``: before there is one."""
        if self.stores is None:
            self.wait(lambda: anew or (self.root / "runyard.db").exists() or None)
            self.stores = EmbeddedStores.open(self.root)
        return self.stores

    def runs(self) -> list[Run]:
        """All runs."""
        return list(self.open().runs.list(Query(limit=1000)).runs)

    def wait(self, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """Look until there is something."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            assert time.monotonic() < deadline, self.tell()
            time.sleep(0.02)
        return found

    def killed(self) -> bool:
        """Whether the killing host came to its point."""
        return self.journal.with_name("killed").exists()

    def is_quiet(self) -> bool:
        """Whether nothing is held or waits any more, and nothing lies on a queue but what comes by itself."""
        stores = self.open()
        counts = stores.queue.counts()
        return all(not g.taken and not g.waiting for g in stores.gates.list()) and not counts.get("submissions", 0)

    def check(self, run: Run) -> None:
        """A history by the rules, and nothing left over."""
        stores = self.open()
        history = stores.runs.history(run.id)
        assert list(range(1, len(history) + 1)) == [event.seq for event in history], self.tell()
        states = [event.state for event in history]
        changes = [(before, after) for before, after in itertools.pairwise(states) if before is not after]
        for before, after in changes:
            check_move(before, after)
        assert 1 == sum(after in ENDINGS for _, after in changes), self.tell()
        counts = stores.queue.counts()
        assert 0 == counts.get(DEAD_LETTERS, 0) + counts.get(BURIED, 0), self.tell()

    def tell(self) -> str:
        """The story so far."""
        lines = [str(self.folder)]
        if self.stores is not None:
            for run in self.runs():
                lines += [f"{e.seq} {e.state} {e.who}: {e.reason}" for e in self.stores.runs.history(run.id)]
            lines += [*map(str, self.stores.gates.list()), str(dict(self.stores.queue.counts()))]
        for name in ("host.log", "ledger", "root/local/supervisor.log"):
            with suppress(OSError):
                lines.append(f"--- {name}\n{(self.folder / name).read_text()[-3000:]}")
        return "\n".join(lines)

    def close(self) -> None:
        """Kill all that lives on this root."""
        if self.stores is not None:
            self.stores.close()
        deadline = time.monotonic() + 20
        while victims := processes_of(self.root):
            assert time.monotonic() < deadline
            for pid in victims:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if lives(self.host):
                os.kill(self.host, signal.SIGKILL)
            time.sleep(0.01)
        while lives(self.host):
            with suppress(ProcessLookupError):
                os.kill(self.host, signal.SIGKILL)
            time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes() if pid else False
    except OSError:
        return False


def processes_of(root: Path) -> list[int]:
    """Keepers, supervisors and scripts of a root."""
    found = []
    mark = str(root).encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if mark in (entry / "cmdline").read_bytes() or (entry / "cwd").readlink().is_relative_to(root):
                    found.append(int(entry.name))
    return found


@contextmanager
def yard(folder: Path, zygote: Zygote) -> Iterator[KillingYard]:
    """A root for the time of a block."""
    folder.mkdir()
    made = KillingYard(folder, zygote)
    try:
        yield made
    finally:
        made.close()
