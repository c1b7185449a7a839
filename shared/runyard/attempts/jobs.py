"""The job, as the runner of an attempt is given it: its record, and the secrets that the record shows masked.

A kind whose runner holds an attempt token puts the runner's record into its plan, as ``request["job"]``. The plan is pure, so it is
made again here: the record is in no blob, and its secrets are put together only when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from runyard.attempts.standing import AttemptOverError, Standing
from runyard.errors import UnsupportedError
from runyard.ports import Job, Ports, secrets_for

JOB: Final = "job"
"""The key of the record in a plan's request."""
_OURS: Final = frozenset({"secret", "secrets"})
"""Where this service keeps the secrets: nothing to a runner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDocument:
    """What the runner reads (:mod:`runyard.runner.job`)."""

    record: dict[str, Any]
    secrets: dict[str, Any] = field(repr=False)
    """By JSON pointers into the record."""


def job_document(ports: Ports, standing: Standing) -> JobDocument:
    """The job of an attempt.

    Raises:
        AttemptOverError: if the attempt may not start any more.
        ConfigError: if its secrets or its compute are gone.
        UnsupportedError: if its kind hands its jobs over in another way.
    """
    if not standing.may_start:
        raise AttemptOverError
    run, number = standing.run, standing.claim.attempt
    attempt = next((each for each in ports.runs.attempts(run.id) if each.number == number), None)
    compute = ports.computes.get(attempt.compute) if attempt is not None else None
    if attempt is None or compute is None:
        raise UnsupportedError(f"the compute of {run.id} is not there any more; submit the run with another target")
    plan = ports.targets.get(compute.kind).plan(Job(run=run, compute=compute, attempt=number, slot=attempt.slot))
    record = plan.request.get(JOB)
    if not isinstance(record, dict):
        raise UnsupportedError(f"kind {compute.kind!r} hands its jobs over itself, and to no runner that asks for them")
    secrets = secrets_for(ports.secrets, record, run.id)
    shown = {key: value for key, value in record.items() if key not in _OURS}
    return JobDocument(record={**shown, "concealed": sorted(secrets)} if secrets else shown, secrets=secrets)
