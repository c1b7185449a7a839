"""A host on a root of its own, in this process, with everything real: SQLite, inotify, HTTP, the supervisor, scripts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import httpx

from runyard.host import Host, HostOptions
from runyard.ports import Clock, Ports, Query
from runyard.reconcile import is_known, reconcile
from runyard.reconcile.wake_up import OVERDUE
from runyard.runs.model import Run
from runyard.services import Services, install, open_embedded
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import ShakyQueue
from tests.fakes import runconfig, snapshot

APP = Path(__file__).parents[2] / "function_app.py"
TOKEN = "acceptance-token"
PATIENCE = 30.0
T = TypeVar("T")


class Yard:
    """What a test does with a running host."""

    def __init__(self, root: Path, app: Path = APP, *, shaky: int | None = None) -> None:
        """``shaky``: the seed of a queue that doubles, delays, reorders and drops what it may."""
        self.root = root
        self.app = app
        self.shaky = shaky
        self.lines: list[str] = []
        self.services: Services | None = None
        self.host: Host | None = None

    def up(self) -> None:
        services = self._open()
        services.token = TOKEN
        install(services)
        options = HostOptions(
            app_path=self.app,
            port=0,
            console=self.lines.append,
            known=lambda *blob: is_known(services.ports, *blob),
        )
        services.take_over()
        host = Host(services.ports, self.root, TOKEN, options=options)
        self.services = services
        host.start()
        self.host = host
        assert host.wait_ready(10)

    def _open(self) -> Services:
        if self.shaky is None:
            return open_embedded(self.root)
        opened = EmbeddedStores.open

        def shaken(root: Path, clock: Clock | None = None) -> EmbeddedStores:
            stores = opened(root, clock)
            queue = ShakyQueue(inner=stores.queue, seed=self.shaky or 0, longest=0.5)
            vars(queue)["release_locks"] = stores.queue.release_locks  # what the embedded adapter has beyond its port
            return replace(stores, queue=queue)  # type: ignore[arg-type]

        with mock.patch.object(EmbeddedStores, "open", shaken):
            return open_embedded(self.root)

    def down(self) -> None:
        if self.host is not None:
            self.host.stop()
        if self.services is not None:
            install(None)
            self.services.close()
        self.host = self.services = None

    @property
    def ports(self) -> Ports:
        assert self.services is not None
        return self.services.ports

    def client(self, token: str | None = TOKEN) -> httpx.Client:
        assert self.host is not None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.host.url, headers=headers, timeout=30)

    def drop(
        self, script: str, name: str = "exp/a.zip", *, files: Mapping[str, str] | None = None, **config: object
    ) -> None:
        """Move a whole zip into the drop folder."""
        self.put("snapshots", name, snapshot({"train.py": script, **(files or {})}, config=runconfig(**config)))

    def put(self, container: str, name: str, data: bytes) -> None:
        """Move a whole file into a folder that is a container."""
        path = self.root / container / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.parent / ".part"
        part.write_bytes(data)
        part.rename(path)

    def run(self, script: str, name: str = "exp/a.zip", **config: Any) -> Run:
        """Drop a script and wait for its run's end."""
        before = {run.id for run in self.runs()}
        self.drop(script, name, **config)
        return self.wait(lambda: next((run for run in self.runs() if run.id not in before and run.has_ended), None))

    def runs(self, experiment: str | None = None) -> list[Run]:
        return list(self.ports.runs.list(Query(limit=1000, experiment=experiment)).runs)

    def ended(self, run_id: str) -> Run:
        """The run once it has ended."""

        def look() -> Run | None:
            run = self.ports.runs.get(run_id)
            return run if run is not None and run.has_ended else None

        return self.wait(look)

    def log(self, run: Run) -> bytes:
        return (self.root / "runs" / run.id / str(run.attempt) / "azureml-logs" / "70_driver_log.txt").read_bytes()

    def wait(self, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """Look again and again until there is something."""
        reconciled = time.monotonic()
        deadline = reconciled + seconds + (OVERDUE if self.shaky is not None else 0.0)  # a tick that was dropped
        while (found := look()) is None or found is False:
            if self.shaky is not None and time.monotonic() - reconciled > 0.5:
                reconciled = time.monotonic()
                reconcile(self.ports)  # its timer comes every 30 s
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; runs: {self.runs()}; the host said: {self.lines[-20:]}")
            time.sleep(0.01)
        return found


@contextmanager
def running(root: Path, app: Path = APP, *, shaky: int | None = None) -> Iterator[Yard]:
    """A host for the time of a block."""
    yard = Yard(root, app, shaky=shaky)
    yard.up()
    try:
        yield yard
    finally:
        yard.down()
