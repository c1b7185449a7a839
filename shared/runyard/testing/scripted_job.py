"""One job of a scripted target: where it is at a time, from what its behaviour says and what was done to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from runyard.ports import Absent, Ended, Observation, Running
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.testing.behaviour import Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One time that a script ran, for the ledger."""

    run_id: str
    attempt: int
    compute: str
    started: float
    ended: float | None
    """``None`` while it runs."""


class _Cut(NamedTuple):
    """What ends a job before its script ends by itself."""

    at: float
    outcome: str
    error: str
    error_class: str


@dataclass(slots=True, kw_only=True)
class ScriptedJob:
    """A job that a submission made. All its times follow from when it arrived."""

    run_id: str
    attempt: int
    handle: Handle
    behaviour: Behaviour
    submitted: float
    arrives: float
    voided: tuple[float, str] | None = None
    """When its start register was created as ``void``, and why: only ever before it began."""
    cancel_at: float = math.inf
    """When a cancel request takes effect on its processes."""
    submissions: int = 1

    @property
    def begins(self) -> float:
        """When the runner creates the start register, if nothing is before it."""
        return self.arrives + self.behaviour.starting + self.behaviour.provisioning

    def has_begun(self, now: float) -> bool:
        """Whether the runner created the start register as ``started``."""
        return self.begins <= now and self.voided is None and self._cut().at > self.begins

    def is_over(self, now: float) -> bool:
        """Whether its processes are gone, or never will be there."""
        return self._ends() <= now

    def execution(self, now: float) -> Execution | None:
        """The run of its script, if it ran or runs."""
        starts = self.begins + self.behaviour.preparing
        if not self.has_begun(now) or starts > now or self._cut().at <= starts:
            return None
        ends = self._ends()
        return Execution(
            run_id=self.run_id,
            attempt=self.attempt,
            compute=self.handle.compute,
            started=starts,
            ended=ends if ends <= now else None,
        )

    def look(self, now: float) -> Observation:
        """What the platform and the job's files say of it."""
        if self._ends() <= now:
            return self._ending(now)
        if self.voided is not None:
            return Ended(handle=self.handle, exit_code=None, outcome="void", error=self.voided[1])
        if now < self.arrives:
            return Absent(handle=self.handle, detail="there is no job of this name")
        phase = self._phase(now)
        started = self.begins + self.behaviour.preparing if phase is State.RUNNING else None
        old = self.behaviour.resize_error
        detail = "the pool's resize of another day failed: AllocationTimedout" if old is not None and old < 0 else ""
        return Running(handle=self.handle, phase=phase, started=started, detail=detail if started is None else "")

    def _phase(self, now: float) -> State:
        if now < self.arrives + self.behaviour.starting:
            return State.STARTING
        if now < self.begins:
            return State.PROVISIONING
        return State.PREPARING if now < self.begins + self.behaviour.preparing else State.RUNNING

    def _ends(self) -> float:
        if self.voided is not None:
            return self.begins  # it arrives, loses the register and exits
        return min(self._cut().at, self.begins + self.behaviour.preparing + self.behaviour.duration)

    def _cut(self) -> _Cut:
        """The first thing that ends it from outside."""
        lives, resize = self.behaviour.preempted_after, self.behaviour.resize_error
        cuts = [_Cut(self.cancel_at, "canceled", "it was canceled", "user")]
        if lives is not None:
            cuts.append(_Cut(self.arrives + lives, "preempted", "the platform took the machine back", "preempted"))
        if resize is not None and resize >= 0 and self.submitted + resize < self.begins:
            said = "the pool could not be resized: AllocationTimedout"
            cuts.append(_Cut(self.submitted + resize, "failed", said, "capacity"))
        return min(cuts)

    def _ending(self, now: float) -> Ended:
        ends, cut = self._ends(), self._cut()
        if self.voided is not None:
            return Ended(handle=self.handle, exit_code=None, outcome="void", error=self.voided[1])
        ran = self.execution(now)
        by_itself = cut.at > ends
        kept = self.behaviour.log if self.behaviour.log_cut is None else self.behaviour.log[: self.behaviour.log_cut]
        code = self.behaviour.exit_code if by_itself else None
        return Ended(
            handle=self.handle,
            exit_code=code,
            outcome="exited" if by_itself else cut.outcome,
            error="" if by_itself else cut.error,
            error_class=("user" if code else "") if by_itself else cut.error_class,
            started=None if ran is None else ran.started,
            ended=ends,
            log_bytes=len(kept) if ran is not None else 0,
            log_complete=len(kept) == len(self.behaviour.log),
            collected=now >= ends + (self.behaviour.finalizing if ran is not None else 0.0),
        )


@dataclass(slots=True)
class Memory:
    """What a scripted target remembers of an attempt, whether it has a job or not."""

    behaviour: Behaviour
    job: ScriptedJob | None = None
    void: tuple[float, str] | None = None
    """The start register, if nobody but the control plane wrote it."""
    calls: dict[str, int] = field(default_factory=dict)
    """How often each method was called for it."""
    first: float = math.nan
    """When it was first submitted."""
    last: Observation | None = None
    """The observation that is repeated."""
    repeats: int = 0
    """How many more times."""

    def count(self, method: str) -> int:
        """Count a call; 1 for the first."""
        self.calls[method] = self.calls.get(method, 0) + 1
        return self.calls[method]
