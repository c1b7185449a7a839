"""A scripted target with plans for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from runyard.ports import Compute, Ended, Job, Observation, Plan, Running
from runyard.runs.model import Attempt, Handle, JobSpec, Origin, Run
from runyard.runs.states import State
from runyard.testing import (
    Behaviour,
    Cancelling,
    ManualClock,
    Polling,
    ScriptedTarget,
    Submitting,
)


@dataclass
class Yard:
    """A scripted target and its clock."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(start=0.0))
    target: ScriptedTarget = field(init=False)

    def __post_init__(self) -> None:
        self.target = ScriptedTarget(clock=self.clock)

    def plan(self, run: str = "r", number: int = 1) -> Plan:
        row = Run(
            id=run,
            experiment="e",
            identity=run,
            origin=Origin(source="api"),
            reason="asked for",
            since=0.0,
            created=0.0,
            spec=JobSpec(script="train.py"),
        )
        compute = Compute(name="c", kind="scripted", limit=2)
        return self.target.plan(Job(run=row, compute=compute, attempt=number, slot=0))

    def submit(self, run: str = "r", number: int = 1) -> Handle:
        return self.target.submit(self.plan(run, number))

    def look(self, handle: Handle) -> Observation:
        (seen,) = self.target.poll([handle])
        return seen

    def ended(self, handle: Handle) -> Ended:
        seen = self.look(handle)
        assert isinstance(seen, Ended), seen
        return seen

    def phase(self, handle: Handle) -> State:
        seen = self.look(handle)
        assert isinstance(seen, Running), seen
        return seen.phase


def attempt(run: str = "r", number: int = 1) -> Attempt:
    return Attempt(run_id=run, number=number, compute="c", name=f"{run}-{number}", slot=0, claimed=0.0)


def script(yard: Yard, **changes: object) -> None:
    yard.target.behave(Behaviour(**changes))  # type: ignore[arg-type]


def submitting(yard: Yard, **changes: object) -> None:
    script(yard, submitting=Submitting(**changes))  # type: ignore[arg-type]


def polling(yard: Yard, **changes: object) -> None:
    script(yard, polling=Polling(**changes))  # type: ignore[arg-type]


def cancelling(yard: Yard, **changes: object) -> None:
    script(yard, cancelling=Cancelling(**changes))  # type: ignore[arg-type]
