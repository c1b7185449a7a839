"""Doubles that the tests of several parts share."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from runyard.errors import RunyardError, UnsupportedError
from runyard.ports import (
    Absent,
    Capabilities,
    Compute,
    ComputeTarget,
    Ended,
    Job,
    LogChunk,
    Observation,
    Plan,
    Running,
    Unreachable,
)
from runyard.runs.identity import remote_name
from runyard.runs.model import Attempt, Handle
from runyard.runs.states import State


def _absent(handle: Handle) -> Observation:
    return Absent(handle=handle)


@dataclass
class FakeTarget:
    """A compute that does what a test says: jobs are running until the test ends them."""

    kind: str = "fake"
    known_beforehand: bool = True
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            gpu=False, docker=False, multi_node=False, spot=False, live_logs=True, pushes_endings=False
        )
    )
    submitted: list[str] = field(default_factory=list)
    seen: dict[str, Callable[[Handle], Observation]] = field(default_factory=dict)
    canceled: list[str] = field(default_factory=list)
    started: set[str] = field(default_factory=set)
    """Jobs whose start register says ``started``."""
    voided: set[str] = field(default_factory=set)
    """Jobs whose start register says ``void``."""
    cleaned: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    forget_error: RunyardError | None = None
    polls: int = 0
    refusals: list[RunyardError] = field(default_factory=list)
    """Errors for the next submissions, first to last."""
    plan_error: RunyardError | None = None

    def check(self, compute: Compute) -> Compute:
        return compute

    def plan(self, job: Job) -> Plan:
        if self.plan_error is not None:
            raise self.plan_error
        handle = Handle(kind=self.kind, compute=job.compute.name, id=f"{job.run.id}/{job.attempt}")
        return Plan(
            kind=self.kind,
            compute=job.compute.name,
            run_id=job.run.id,
            attempt=job.attempt,
            name=remote_name(job.run.id, job.attempt),
            request={"script": job.run.spec.script if job.run.spec else "", "slot": job.slot},
            handle=handle if self.known_beforehand else None,
        )

    def prepare(self, plan: Plan) -> None:
        del plan

    def submit(self, plan: Plan) -> Handle:
        if self.refusals:
            raise self.refusals.pop(0)
        handle = Handle(kind=self.kind, compute=plan.compute, id=f"{plan.run_id}/{plan.attempt}")
        self.submitted.append(handle.id)
        if handle.id in self.voided:
            self.seen[handle.id] = lambda h: Ended(
                handle=h, exit_code=None, outcome="void", error="its start was voided"
            )
            return handle
        self.started.add(handle.id)
        self.seen.setdefault(handle.id, lambda h: Running(handle=h, phase=State.RUNNING, started=1_000_000_010.0))
        return handle

    def submit_many(self, plans: Sequence[Plan]) -> Sequence[Handle | Exception]:
        results: list[Handle | Exception] = []
        for plan in plans:
            try:
                results.append(self.submit(plan))
            except RunyardError as error:
                results.append(error)
        return results

    def poll(self, handles: Sequence[Handle]) -> Sequence[Observation]:
        self.polls += 1
        return [(self.seen.get(handle.id) or _absent)(handle) for handle in handles]

    def cancel(self, handle: Handle, *, grace: float = 10.0) -> None:
        del grace
        self.canceled.append(handle.id)

    def void(self, attempt: Attempt, reason: str) -> bool:
        del reason
        job = f"{attempt.run_id}/{attempt.number}"
        if job in self.started:
            return False
        self.voided.add(job)
        return True

    def forget(self, attempt: Attempt) -> None:
        if self.forget_error is not None:
            raise self.forget_error
        self.forgotten.append(f"{attempt.run_id}/{attempt.number}")
        self.voided.discard(f"{attempt.run_id}/{attempt.number}")

    def logs(self, handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        data = f"log of {handle.id}\n".encode()[offset : offset + limit]
        return LogChunk(data=data, next_offset=offset + len(data), complete=True)

    def cleanup(self, handle: Handle) -> None:
        self.cleaned.append(handle.id)

    def close(self) -> None:
        pass

    def end(
        self, job: str, code: int | None = 0, outcome: str = "exited", error: str = "", started: float | None = 1e9
    ) -> None:
        """Let a job have ended."""
        self.seen[job] = lambda h: Ended(
            handle=h, exit_code=code, outcome=outcome, error=error, started=started, ended=1_000_000_020.0, log_bytes=3
        )

    def fall_silent(self, job: str) -> None:
        self.seen[job] = lambda h: Unreachable(handle=h, detail="no route")


@dataclass
class FakeTargets:
    """A registry with the given targets."""

    targets: Mapping[str, ComputeTarget]

    def get(self, kind: str) -> ComputeTarget:
        try:
            return self.targets[kind]
        except KeyError:
            raise UnsupportedError(f"no kind {kind!r}; there are {', '.join(self.targets)}") from None

    def kinds(self) -> Sequence[str]:
        return sorted(self.targets)


def runconfig(**changes: object) -> str:
    """A run configuration that can run here, as JSON (which the format allows)."""
    document: dict[str, object] = {
        "script": "train.py",
        "arguments": [],
        "target": "local",
        "framework": "Python",
        "environment": {"python": {"userManagedDependencies": True, "interpreterPath": "python"}},
    }
    document.update(changes)
    return json.dumps(document)


def snapshot(files: Mapping[str, str | bytes] | None = None, *, config: str | None = None) -> bytes:
    """A zip with a script and a run configuration."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (files or {"train.py": "print('hello')\n"}).items():
            archive.writestr(name, data)
        if config != "":
            archive.writestr("aml_config/local.runconfig", config or runconfig())
    return buffer.getvalue()


def sleep_by(monkeypatch: pytest.MonkeyPatch, module: str, sleep: Callable[[float], object]) -> None:
    """Have one module's ``time.sleep`` be another: not the one of threads that some library runs beside."""
    monkeypatch.setattr(f"{module}.time", SimpleNamespace(**{**vars(time), "sleep": sleep}))
