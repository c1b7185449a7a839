"""An attempt that waits for a runner far away: a house with a run on a compute whose plan holds the runner's record."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runyard.api.app import create_app
from runyard.attempts import issue
from runyard.ports import BlobStore, Job, Plan
from runyard.runner.build import build_zipapp
from runyard.runner.remote.token import VARIABLE
from runyard.runner.sealed import MASK
from runyard.runs.identity import remote_name
from runyard.runs.model import Run
from runyard.services import Services
from runyard.targets.local.inherit import inherited
from tests.fakes import FakeTarget, snapshot
from tests.standins.listening import listening
from tests.unit.house import House

SERVICE_TOKEN = "the-token-of-the-service"


@dataclass
class FarTarget(FakeTarget):
    """A kind whose runner asks for its job."""

    interpreter: str = sys.executable

    def plan(self, job: Job) -> Plan:
        spec = job.run.spec
        assert spec is not None
        record: dict[str, Any] = {
            "name": remote_name(job.run.id, job.attempt),
            "run": job.run.id,
            "attempt": job.attempt,
            "experiment": job.run.experiment,
            "compute": job.compute.name,
            "script": spec.script,
            "arguments": list(spec.arguments),
            "interpreter": self.interpreter,
            "environment_variables": {**spec.environment_variables, **dict.fromkeys(spec.secrets, MASK)},
            "grace": 2.0,
        }
        if job.run.secret:
            record["secret"] = job.run.secret
        if spec.secrets:
            record["secrets"] = dict(spec.secrets)
        return replace(super().plan(job), request={"job": record})


@dataclass
class Far:
    """A house with one run on its compute."""

    house: House = field(default_factory=lambda: House(target=FarTarget()))
    services: Services = field(init=False)
    run: Run = field(init=False)

    def __post_init__(self) -> None:
        self.services = Services(ports=self.house.ports, root=None, token=SERVICE_TOKEN)

    def begin(self, files: Mapping[str, str | bytes] | None = None, config: str | None = None) -> Run:
        """Bring a snapshot as far as its compute."""
        self.house.drop("exp/a.zip", snapshot(files, config=config))
        self.house.settle()
        self.run = self.house.runs()[0]
        return self.run

    @property
    def blobs(self) -> BlobStore:
        return self.house.ports.blobs

    def token(self, attempt: int = 1, **more: float) -> str:
        return issue(self.services.keyring, self.run.id, attempt, **more)

    def text(self, name: str, container: str = "runs") -> str:
        """What a blob of the attempt holds."""
        path = f"{self.run.id}/1/{name}" if container == "runs" else name
        return b"".join(self.blobs.stream(container, path)).decode()

    def end(self, code: int = 0) -> None:
        assert self.run.handle is not None
        self.house.target.end(self.run.handle.id, code)
        self.house.clock.advance(60)
        self.house.settle()

    @contextmanager
    def listening(self, **options: Any) -> Iterator[str]:
        with listening(create_app(lambda: self.services), **options) as address:
            yield address


def start_runner(
    folder: Path, address: str, token: str, interpreter: str = sys.executable, arguments: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """The runner as a process of its own, its token in a variable."""
    program = folder / "runner.pyz"
    if not program.exists():
        build_zipapp(str(program))
    root = folder / f"root-{len(list(folder.iterdir()))}"
    root.mkdir()
    return subprocess.Popen(
        [interpreter, str(program), "remote", "--root", str(root), "--service", address, *arguments],
        env={**inherited(), VARIABLE: token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
