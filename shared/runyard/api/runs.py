"""Routes of runs: list, show, history, attempts, metrics, cancel, resubmit."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runyard.accept import resubmit
from runyard.api.answers import answer
from runyard.api.context import CallerDep, PortsDep, ServicesDep, existing
from runyard.api.details import attempt_shape, details, event_shape, summary, why_shape
from runyard.api.listing import Found, matching, sorted_by, statuses
from runyard.api.shapes import MetricValues, RunPage
from runyard.dispatch import request_cancel
from runyard.errors import ConfigError
from runyard.finalize.ending import RUNS
from runyard.ports import Ports
from runyard.ports import Query as RunQuery
from runyard.reconcile import why
from runyard.runs.metrics import Metrics, collect
from runyard.runs.model import Run

router = APIRouter(prefix="/api/runs")

MAX_METRICS: Final = 64 << 20
"""Bytes of ``metrics.jsonl`` that are read for an answer."""

Name = Annotated[str | None, Query(max_length=256)]


@router.get("")
def list_runs(  # noqa: PLR0913, PLR0917 - each is a query parameter
    ports: PortsDep,
    status: Annotated[list[str] | None, Query(max_length=20)] = None,
    experiment: Name = None,
    target: Name = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[str | None, Query(max_length=1000)] = None,
    sort: Name = None,
    goal: Name = None,
    match: Name = None,
) -> Response:
    """A page of runs: newest first, the best by a metric (``sort``, ``goal``), or those whose id begins or ends so."""
    query = RunQuery(statuses=statuses(status or []), experiment=experiment, target=target, limit=limit, after=after)
    if sort is not None and (after is not None or match is not None):
        raise ConfigError("a listing sorted by a metric has one page; leave out after and match, and raise the limit")
    if sort is not None:
        found = sorted_by(ports, query, sort, goal, limit)
    elif match is not None:
        found = matching(ports, query, match, limit)
    else:
        page = ports.runs.list(query)
        found = Found(runs=page.runs, next=page.next)
    shown: RunPage = {
        "runs": [summary(run) for run in found.runs],
        "next": found.next,
        "truncated": found.truncated,
        "goal": found.goal,
    }
    return answer(shown)


@router.get("/{run_id}")
def show_run(ports: PortsDep, run_id: str) -> Response:
    """A run in full."""
    return answer(details(ports, existing(ports, run_id)))


@router.get("/{run_id}/history")
def show_history(ports: PortsDep, run_id: str, after: Annotated[int, Query(ge=0)] = 0) -> Response:
    """The events of the run, oldest first; only those with a number above ``after``."""
    existing(ports, run_id)
    events = [event_shape(event) for event in ports.runs.history(run_id) if event.seq > after]
    return answer({"runId": run_id, "events": events})


@router.get("/{run_id}/attempts")
def show_attempts(ports: PortsDep, run_id: str) -> Response:
    """Every attempt of the run, oldest first."""
    existing(ports, run_id)
    return answer({"runId": run_id, "attempts": [attempt_shape(each) for each in ports.runs.attempts(run_id)]})


@router.get("/{run_id}/metrics")
def show_metrics(ports: PortsDep, run_id: str) -> Response:
    """Everything the newest attempt logged, in the SDK's shapes."""
    run = existing(ports, run_id)
    metrics = _read_metrics(ports, run)
    values: MetricValues = {
        "runId": run.id,
        "metrics": _as_json(metrics.values),
        "params": metrics.params,
        "problems": metrics.problems,
    }
    return answer(values)


@router.get("/{run_id}/why")
def explain_run(services: ServicesDep, run_id: str) -> Response:
    """Why the run is where it is: what it waits for, what happens next and when, what can be done about it."""
    run = existing(services.ports, run_id)
    return answer(why_shape(why(services.ports, run, served=services.hosted)))


class Cancellation(BaseModel):
    """How a run shall end."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    force: bool = False


@router.post("/{run_id}/cancel")
def cancel_run(ports: PortsDep, caller: CallerDep, run_id: str, how: Cancellation | None = None) -> Response:
    """Ask for the run's end; repeatable. 202 while it has not ended.

    ``{"force": true}`` ends the record at once, without evidence: the script may go on.
    """
    run = request_cancel(ports, run_id, who=caller, force=how is not None and how.force)
    return answer(details(ports, run), 200 if run.has_ended else 202)


class Resubmission(BaseModel):
    """What is other than in the earlier run."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    target: str | None = Field(None, max_length=256)
    arguments: list[str] | None = Field(None, max_length=1000)


@router.post("/{run_id}/resubmit")
def resubmit_run(ports: PortsDep, caller: CallerDep, run_id: str, changes: Resubmission | None = None) -> Response:
    """Ask for a new run with what an earlier one was asked with."""
    changes = changes or Resubmission(target=None, arguments=None)
    run = resubmit(ports, run_id, who=caller, target=changes.target, arguments=changes.arguments)
    return answer(details(ports, run), 202, {"Location": f"/api/runs/{run.id}"})


def _read_metrics(ports: Ports, run: Run) -> Metrics:
    name = f"{run.id}/{run.attempt}/metrics.jsonl"
    info = ports.blobs.head(RUNS, name) if run.attempt else None
    if info is None:
        return Metrics()
    reader = ports.blobs.open(RUNS, name)
    try:
        metrics = collect(reader.read(0, min(info.size, MAX_METRICS)).split(b"\n"))
    finally:
        reader.close()
    if info.size > MAX_METRICS:
        metrics.problems.append(f"only the first {MAX_METRICS >> 20} MiB of metrics.jsonl are shown; download the file")
    return metrics


def _as_json(value: Any) -> Any:
    """JSON has no NaN and no infinities: they become texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    return value
