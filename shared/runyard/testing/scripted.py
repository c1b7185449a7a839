"""A compute in virtual time, with the behaviour that a test scripts for each job."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Final

from runyard.errors import RunyardError, TransientError
from runyard.ports import (
    Absent,
    Capabilities,
    Clock,
    Compute,
    Ended,
    Job,
    LogChunk,
    Observation,
    Plan,
    Unreachable,
)
from runyard.runs.identity import remote_name
from runyard.runs.model import Attempt, Handle
from runyard.testing.behaviour import Behaviour
from runyard.testing.scripted_job import Execution, Memory, ScriptedJob

CAPABILITIES: Final = Capabilities(
    gpu=False, docker=False, multi_node=False, spot=True, live_logs=True, pushes_endings=False
)


@dataclass(kw_only=True)
class ScriptedTarget:
    """A :class:`~runyard.ports.ComputeTarget` whose jobs live by a clock and by what a test scripts for them.

    It keeps the contract: a start register per attempt, which the runner and ``void`` create if it is absent; submitting
    the same plan again finds the same job. And it keeps books: :attr:`executions`, :meth:`most_at_once`, :attr:`calls`.
    """

    clock: Clock
    kind: str = "scripted"
    default: Behaviour = field(default_factory=Behaviour)
    """Of jobs that nothing else is said of."""
    seed: int | None = None
    """If given, jobs that nothing else is said of behave at random: the same attempt always the same."""
    trouble: float = 0.2
    """With a seed: the probability of each trouble (:meth:`Behaviour.random`)."""
    known_beforehand: bool = True
    """Whether the plan holds the handle, or only the answer to ``submit`` does."""
    slow: Callable[[float], object] | None = None
    """Lets time pass while a submission hangs; without it, the clock's ``advance``. It may do anything meanwhile."""
    capabilities: Capabilities = CAPABILITIES
    calls: list[str] = field(default_factory=list, init=False)
    """Every call but plans and polls: ``submit <run id>/<attempt>``."""
    refused_starts: list[str] = field(default_factory=list, init=False)
    """Submissions that found their attempt's start register decided: ``<run id>/<attempt>``."""

    def __post_init__(self) -> None:
        self._lock = RLock()
        self._by_run: dict[tuple[str, int | None], Behaviour] = {}
        self._next: deque[Behaviour] = deque()
        self._memories: dict[tuple[str, int], Memory] = {}
        self._forgotten: list[ScriptedJob] = []
        self._down_until = -math.inf

    # What a test says.

    def behave(self, behaviour: Behaviour, *, run_id: str | None = None, attempt: int | None = None) -> None:
        """Script all jobs that nothing else is said of, or a run's, or one attempt's; before it is first submitted."""
        if run_id is None:
            self.default, self.seed = behaviour, None
        else:
            self._by_run[run_id, attempt] = behaviour

    def next_jobs(self, *behaviours: Behaviour) -> None:
        """Script the attempts that come next, in the order in which they are first prepared, whatever their run is called."""
        self._next.extend(behaviours)

    def be_down(self, seconds: float) -> None:
        """Answer nothing for so long: polls find every job unreachable, all other calls raise a ``TransientError``."""
        self._down_until = self.clock.now() + seconds

    # What a test asks.

    @property
    def executions(self) -> list[Execution]:
        """Every run of a script until now, by its start: the ledger."""
        now = self.clock.now()
        with self._lock:
            found = [ran for job in self._jobs() if (ran := job.execution(now)) is not None]
        return sorted(found, key=lambda ran: (ran.started, ran.run_id, ran.attempt))

    def executions_of(self, run_id: str) -> list[Execution]:
        """Those of one run."""
        return [ran for ran in self.executions if ran.run_id == run_id]

    def running(self, compute: str) -> list[Execution]:
        """Those that go on now on a compute."""
        return [ran for ran in self.executions if ran.compute == compute and ran.ended is None]

    def has_job(self, job: str) -> bool:
        """Whether a submission of ``<run id>/<attempt>`` ever took effect."""
        run_id, _, attempt = job.rpartition("/")
        memory = self._memories.get((run_id, int(attempt)))
        return memory is not None and memory.job is not None

    def most_at_once(self, compute: str, *, since: float = -math.inf) -> int:
        """How many scripts ran at the same time on a compute at most, counted when one started, ``since`` that time."""
        ran = [one for one in self.executions if one.compute == compute]
        return max((_beside(ran, one) for one in ran if one.started >= since), default=0)

    def truth(self, handle: Handle) -> Observation:
        """What a poll would say of a job if nothing came between."""
        run_id, attempt = _split(handle)
        with self._lock:
            found = [job for job in self._jobs() if (job.run_id, job.attempt) == (run_id, attempt)]
        return found[-1].look(self.clock.now()) if found else self._look_without_job(handle)

    def refused_restarts(self, run_id: str) -> int:
        """How many times the platform started an ended job of a run again, and the register refused."""
        now = self.clock.now()
        with self._lock:
            jobs = [job for job in self._jobs() if job.run_id == run_id]
        return sum(job.behaviour.restarts for job in jobs if job.execution(now) is not None and job.is_over(now))

    # The port.

    def check(self, compute: Compute) -> Compute:
        """Every compute will do."""
        return compute

    def plan(self, job: Job) -> Plan:
        """The request; see the port."""
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
        """Nothing to prepare, but it may be refused."""
        memory = self._called("prepare", plan.run_id, plan.attempt)
        _refuse(memory.behaviour.submitting.prepare_refusals, memory.count("prepare"))

    def submit(self, plan: Plan) -> Handle:
        """Take a job as its behaviour says; see the port."""
        memory = self._called("submit", plan.run_id, plan.attempt)
        script, number = memory.behaviour.submitting, memory.count("submit")
        _refuse(script.refusals, number)
        taken = number - len(script.refusals)
        self._pass(script.hangs)
        handle = Handle(kind=self.kind, compute=plan.compute, id=f"{plan.run_id}/{plan.attempt}")
        if taken > script.vanishes:
            self._take(memory, plan, handle, late=script.frozen if taken == script.vanishes + 1 else 0.0)
        self._pass(script.answers_late)
        if taken <= script.lost_replies:
            raise TransientError(f"the answer to the submission of {plan.name} was lost")
        return handle

    def submit_many(self, plans: Sequence[Plan]) -> Sequence[Handle | Exception]:
        """One after the other."""
        answers: list[Handle | Exception] = []
        for plan in plans:
            try:
                answers.append(self.submit(plan))
            except RunyardError as error:
                answers.append(error)
        return answers

    def void(self, attempt: Attempt, reason: str) -> bool:
        """Create the start register, if it is absent; see the port."""
        memory = self._called("void", attempt.run_id, attempt.number)
        script, number = memory.behaviour.cancelling, memory.count("void")
        if number <= script.void_raises:
            raise TransientError(f"the start register of {attempt.name} was not reached")
        won = self._void(memory, reason)
        if number <= script.void_raises + script.void_lost_replies:
            raise TransientError(f"the answer of the start register of {attempt.name} was lost")
        return won

    def poll(self, handles: Sequence[Handle]) -> Sequence[Observation]:
        """Observe jobs as their behaviours say; see the port."""
        memories = [self._memory(*_split(handle)) for handle in handles]
        numbers = [memory.count("poll") for memory in memories]
        for memory, number in zip(memories, numbers, strict=True):
            if number in memory.behaviour.polling.raises:
                raise TransientError("503: the service is unavailable")
        return [self._seen(h, m, n) for h, m, n in zip(handles, memories, numbers, strict=True)]

    def cancel(self, handle: Handle, *, grace: float = 10.0) -> None:
        """End a job, or keep it from starting, as its behaviour says; see the port."""
        memory = self._called("cancel", *_split(handle))
        script, number = memory.behaviour.cancelling, memory.count("cancel")
        if number <= script.raises:
            raise TransientError(f"the request to cancel {handle} was not taken")
        if number <= script.raises + script.lost or self._void(memory, "canceled before it started"):
            return
        job, now = memory.job, self.clock.now()
        if job is not None and not job.is_over(now):
            job.cancel_at = min(job.cancel_at, now + script.ignored_for + min(script.takes, grace))

    def logs(self, handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        """The scripted log, whole once the script has started; cut where its behaviour says, once it has ended."""
        memory, now = self._memory(*_split(handle)), self.clock.now()
        job = memory.job
        over = job is not None and job.is_over(now)
        there = memory.behaviour.log if job is not None and job.execution(now) is not None else b""
        kept = there[: memory.behaviour.log_cut] if over else there
        data = kept[offset : offset + limit]
        after = offset + len(data)
        return LogChunk(data=data, next_offset=after, complete=over and after >= len(kept))

    def cleanup(self, handle: Handle) -> None:
        """Remove what an attempt left. Its register and its result stay until it is forgotten."""
        memory = self._called("cleanup", *_split(handle))
        if memory.count("cleanup") <= memory.behaviour.cleanup_raises:
            raise TransientError(f"{handle} could not be removed")

    def forget(self, attempt: Attempt) -> None:
        """Remove an attempt's start register. A submission that comes later than this would start its script."""
        memory = self._called("forget", attempt.run_id, attempt.number)
        with self._lock:
            memory.void = None
            if memory.job is not None and memory.job.arrives <= self.clock.now():
                self._forgotten.append(memory.job)
                memory.job = None
            elif memory.job is not None:
                memory.job.voided = None

    def close(self) -> None:
        """Nothing to let go of."""

    # Inside.

    def _jobs(self) -> Iterator[ScriptedJob]:
        yield from self._forgotten
        yield from (memory.job for memory in self._memories.values() if memory.job is not None)

    def _called(self, method: str, run_id: str, attempt: int) -> Memory:
        self.calls.append(f"{method} {run_id}/{attempt}")
        if self.clock.now() < self._down_until:
            raise TransientError(f"{self.kind} does not answer")
        return self._memory(run_id, attempt)

    def _memory(self, run_id: str, attempt: int) -> Memory:
        with self._lock:
            memory = self._memories.get((run_id, attempt))
            if memory is None:
                memory = self._memories[run_id, attempt] = Memory(self._behaviour(run_id, attempt))
            return memory

    def _behaviour(self, run_id: str, attempt: int) -> Behaviour:
        known = self._by_run.get((run_id, attempt)) or self._by_run.get((run_id, None))
        if known is not None:
            return known
        if self._next:
            return self._next.popleft()
        if self.seed is None:
            return self.default
        chance = random.Random(f"{self.seed}/{run_id}/{attempt}")  # noqa: S311  # a test repeats it
        return Behaviour.random(chance, trouble=self.trouble)

    def _take(self, memory: Memory, plan: Plan, handle: Handle, *, late: float) -> None:
        """Make the job, or find the one that is there."""
        now = self.clock.now()
        with self._lock:
            if math.isnan(memory.first):
                memory.first = now
            if memory.job is None:
                memory.job = ScriptedJob(
                    run_id=plan.run_id,
                    attempt=plan.attempt,
                    handle=handle,
                    behaviour=memory.behaviour,
                    submitted=memory.first,
                    arrives=now + late,
                    voided=memory.void,
                )
            else:
                memory.job.submissions += 1
                memory.job.arrives = min(memory.job.arrives, now + late)
            if memory.job.voided is not None or (memory.job.has_begun(now) and memory.job.submissions > 1):
                self.refused_starts.append(f"{plan.run_id}/{plan.attempt}")

    def _void(self, memory: Memory, reason: str) -> bool:
        now = self.clock.now()
        with self._lock:
            job = memory.job
            if job is not None and job.has_begun(now):
                return False
            if memory.void is None:
                memory.void = (now, reason)
            # One that was over before it began (preempted, without capacity) keeps the ending it had.
            if job is not None and job.voided is None and not job.is_over(now):
                job.voided = memory.void
            return True

    def _seen(self, handle: Handle, memory: Memory, number: int) -> Observation:
        now, script = self.clock.now(), memory.behaviour.polling
        away = [since for since, until in script.unreachable if since <= now - memory.first < until]
        if now < self._down_until or away or number in script.blips:
            return Unreachable(handle=handle, detail="connection timed out")
        if memory.repeats > 0 and memory.last is not None:
            memory.repeats -= 1
            return memory.last
        memory.last, memory.repeats = self._look(handle, memory, number), script.repeats
        return memory.last

    def _look(self, handle: Handle, memory: Memory, number: int) -> Observation:
        now = self.clock.now()
        run_id, attempt = _split(handle)
        before = self._memories.get((run_id, attempt - 1))
        if number <= memory.behaviour.polling.stale and before is not None and before.job is not None:
            return before.job.look(now)
        return memory.job.look(now) if memory.job is not None else self._look_without_job(handle)

    def _look_without_job(self, handle: Handle) -> Observation:
        memory = self._memories.get(_split(handle))
        if memory is not None and memory.void is not None:
            return Ended(handle=handle, exit_code=None, outcome="void", error=memory.void[1])
        return Absent(handle=handle, detail="there is no job of this name")

    def _pass(self, seconds: float) -> None:
        if not seconds:
            return
        slow = self.slow or getattr(self.clock, "advance", None)
        if slow is None:
            raise ValueError("this clock cannot be turned, so say with slow= how time passes while a submission hangs")
        slow(seconds)


def _split(handle: Handle) -> tuple[str, int]:
    run_id, _, attempt = handle.id.rpartition("/")
    return run_id, int(attempt)


def _refuse(refusals: Sequence[RunyardError], number: int) -> None:
    if number <= len(refusals):
        raise refusals[number - 1]


def _beside(ran: Sequence[Execution], new: Execution) -> int:
    """How many run when one starts, itself among them."""
    at = new.started
    return 1 + sum(one is not new and one.started <= at and (one.ended is None or one.ended > at) for one in ran)
