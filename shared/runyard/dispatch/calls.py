"""Calls of targets. A kind may come from elsewhere: whatever it raises becomes an error that can be written on a run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from runyard.errors import RunyardError, TargetError
from runyard.ports import Compute, Observation, Plan, Ports, Unreachable
from runyard.runs.model import Attempt, Handle, Run

FAILURES: Final = (Exception, SystemExit)
"""What a kind may raise without ending more than its call: a library that it uses may think that it is a command."""

log = logging.getLogger(__name__)


def as_ours(error: object, what: str) -> RunyardError:
    """The error itself if it is ours; else one that names the call and the type, and no more: its text may hold secrets."""
    if isinstance(error, RunyardError):
        return error
    shown = error if isinstance(error, BaseException) else None
    log.error("%s failed: %s", what, type(error).__name__, extra={"action": "target failed"}, exc_info=shown)
    return RunyardError(f"{what} failed with {type(error).__name__}; the host's log says where")


def submit_many(ports: Ports, compute: Compute, plans: Sequence[Plan]) -> Sequence[Handle | RunyardError]:
    """Submit; whatever is raised for all is the answer for each."""
    what = f"handing a job to {compute.name}"
    try:
        results = ports.targets.get(compute.kind).submit_many(plans)
        if len(results) != len(plans):
            return [RunyardError(f"{what} gave {len(results)} answers to {len(plans)} jobs")] * len(plans)
    except FAILURES as error:
        return [as_ours(error, what)] * len(plans)
    return [each if isinstance(each, Handle) else as_ours(each, what) for each in results]


def void(ports: Ports, compute: Compute, attempt: Attempt, reason: str) -> bool | RunyardError:
    """Keep an attempt from starting: whether it is void now, or the error if that is not known."""
    try:
        return ports.targets.get(compute.kind).void(attempt, reason)
    except FAILURES as error:
        return as_ours(error, f"keeping {attempt.run_id} from starting on {compute.name}")


def poll(ports: Ports, compute: Compute, handles: Sequence[Handle]) -> Sequence[Observation]:
    """Observe; a poll that fails has seen nothing, which is no evidence of anything."""
    try:
        seen = ports.targets.get(compute.kind).poll(handles)
        if len(seen) == len(handles):
            return seen
        detail = f"{len(seen)} answers to {len(handles)} questions"
    except FAILURES as error:
        detail = as_ours(error, f"observing {compute.name}").message
    return [Unreachable(handle=handle, detail=detail) for handle in handles]


def clean_up(ports: Ports, run: Run, handle: Handle | None) -> str:
    """Remove what an attempt left on its compute; returns why that could not be, or an empty text. Repeatable."""
    if handle is None:
        return ""
    try:
        ports.targets.get(handle.kind).cleanup(handle)
    except FAILURES as error:
        said = as_ours(error, f"cleaning up after {handle}").message
        log.warning("cleanup of %s: %s", run.id, said, extra={"action": "cleanup", **run.log_context()})
        return said
    return ""


def cancel(ports: Ports, run: Run) -> str:
    """Ask for a job's end; returns why that could not be asked, or an empty text. Repeatable."""
    if run.handle is None:
        return ""
    try:
        ports.targets.get(run.handle.kind).cancel(run.handle)
    except FAILURES as error:
        said = as_ours(error, f"canceling {run.handle}").message
        log.warning("cancel of %s: %s", run.id, said, extra={"action": "cancel", **run.log_context()})
        return said
    return ""


def is_definite(error: RunyardError) -> bool:
    """Whether the error is the compute's own answer that it did not take the job (see ``ComputeTarget.submit``)."""
    return isinstance(error, TargetError) and error.error_class in {"throttled", "capacity", "quota"}
