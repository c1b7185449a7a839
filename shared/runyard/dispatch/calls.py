"""Calls of targets. A kind may come from elsewhere: whatever it raises becomes an error that can be written on a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from runyard.errors import RunyardError, TargetError
from runyard.ports import Compute, Job, Observation, Plan, Ports, Unreachable
from runyard.runs.model import Attempt, Handle, Run

T = TypeVar("T")
FAILURES: Final = (Exception, SystemExit)
"""What a kind may raise without ending more than its call: a library that it uses may think that it is a command."""

log = logging.getLogger(__name__)


def _guarded(what: str, call: Callable[[], T]) -> T | RunyardError:
    """The border to the kinds: what a call gives, or its error."""
    try:
        return call()
    except FAILURES as error:  # the border to the kinds: the caller writes it on the run
        return as_ours(error, what)


def as_ours(error: object, what: str) -> RunyardError:
    """The error itself if it is ours; else one that names the call and the type, and no more: its text may hold secrets."""
    if isinstance(error, RunyardError):
        return error
    shown = error if isinstance(error, BaseException) else None
    log.error("%s failed: %s", what, type(error).__name__, extra={"action": "target failed"}, exc_info=shown)
    return RunyardError(f"{what} failed with {type(error).__name__}; the host's log says where")


def plan(ports: Ports, job: Job) -> Plan | RunyardError:
    """Make the request and bring about what it needs."""

    def call() -> Plan:
        target = ports.targets.get(job.compute.kind)
        made = target.plan(job)
        target.prepare(made)
        return made

    return _guarded(f"preparing {job.run.id} for {job.compute.name}", call)


def submit_many(ports: Ports, compute: Compute, plans: Sequence[Plan]) -> Sequence[Handle | RunyardError]:
    """Submit; whatever is raised for all is the answer for each."""
    what = f"handing a job to {compute.name}"
    results = _guarded(what, lambda: ports.targets.get(compute.kind).submit_many(plans))
    if isinstance(results, RunyardError):
        return [results] * len(plans)
    if len(results) != len(plans):
        return [RunyardError(f"{what} gave {len(results)} answers to {len(plans)} jobs")] * len(plans)
    return [each if isinstance(each, Handle) else as_ours(each, what) for each in results]


def void(ports: Ports, compute: Compute, attempt: Attempt, reason: str) -> bool | RunyardError:
    """Keep an attempt from starting: whether it is void now, or the error if that is not known."""
    what = f"keeping {attempt.run_id} from starting on {compute.name}"
    return _guarded(what, lambda: ports.targets.get(compute.kind).void(attempt, reason))


def poll(ports: Ports, compute: Compute, handles: Sequence[Handle]) -> Sequence[Observation]:
    """Observe; a poll that fails has seen nothing, which is no evidence of anything."""
    seen = _guarded(f"observing {compute.name}", lambda: ports.targets.get(compute.kind).poll(handles))
    if isinstance(seen, RunyardError):
        return [Unreachable(handle=handle, detail=seen.message) for handle in handles]
    if len(seen) != len(handles):
        detail = f"{len(seen)} answers to {len(handles)} questions"
        return [Unreachable(handle=handle, detail=detail) for handle in handles]
    return seen


def clean_up(ports: Ports, run: Run, handle: Handle | None) -> str:
    """Remove what an attempt left on its compute; returns why that could not be, or an empty text. Repeatable."""
    if handle is None:
        return ""
    failed = _guarded(f"cleaning up after {handle}", lambda: ports.targets.get(handle.kind).cleanup(handle))
    return _told(run, "cleanup", failed)


def cancel(ports: Ports, run: Run) -> str:
    """Ask for a job's end; returns why that could not be asked, or an empty text. Repeatable."""
    handle = run.handle
    if handle is None:
        return ""
    failed = _guarded(f"canceling {handle}", lambda: ports.targets.get(handle.kind).cancel(handle))
    return _told(run, "cancel", failed)


def _told(run: Run, action: str, failed: RunyardError | None) -> str:
    if failed is None:
        return ""
    log.warning("%s of %s: %s", action, run.id, failed.message, extra={"action": action, **run.log_context()})
    return failed.message


def is_definite(error: RunyardError) -> bool:
    """Whether the error is the compute's own answer that it did not take the job (see ``ComputeTarget.submit``)."""
    return isinstance(error, TargetError) and error.error_class in {"throttled", "capacity", "quota"}
