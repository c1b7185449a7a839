"""A run as everybody outside sees it: in a listing of the API, and in the event that tells of its ending.

Field names are those of the SDK's ``get_details()``. Times are ISO 8601 in UTC with ``Z``; sizes are bytes.
"""

from __future__ import annotations

from typing import TypedDict

from runyard.events.times import iso, iso_or_none
from runyard.runs.model import Run


class RunFault(TypedDict):
    """Why a run did not complete."""

    code: str
    errorClass: str
    message: str


class RunSource(TypedDict):
    """What asked for a run."""

    kind: str
    name: str
    eventId: str


class SnapshotShape(TypedDict):
    """Which bytes a run is made of."""

    container: str
    name: str
    etag: str
    size: int
    sha256: str | None


class MetricShape(TypedDict):
    """The figures of a numeric metric."""

    last: float
    min: float
    max: float
    count: int


class RunSummary(TypedDict):
    """A run in a listing."""

    runId: str
    experiment: str
    displayName: str
    status: str
    reason: str
    target: str
    compute: str
    createdTimeUtc: str
    startTimeUtc: str | None
    endTimeUtc: str | None
    error: RunFault | None
    exitCode: int | None
    attempt: int
    priority: int
    source: RunSource
    snapshot: SnapshotShape | None
    tags: dict[str, str]
    properties: dict[str, str]
    metrics: dict[str, MetricShape]
    logBytes: int | None
    logComplete: bool | None


def summary(run: Run) -> RunSummary:
    """A run in a listing."""
    error, snapshot = run.error, run.snapshot
    return {
        "runId": run.id,
        "experiment": run.experiment,
        "displayName": run.display_name,
        "status": run.status,
        "reason": run.reason,
        "target": run.target or str(run.request.get("target") or ""),
        "compute": run.compute,
        "createdTimeUtc": iso(run.created),
        "startTimeUtc": iso_or_none(run.started),
        "endTimeUtc": iso_or_none(run.ended),
        "error": {"code": error.code, "errorClass": error.error_class, "message": error.message} if error else None,
        "exitCode": run.exit_code,
        "attempt": run.attempt,
        "priority": run.priority,
        "source": {"kind": run.origin.source, "name": run.origin.name, "eventId": run.origin.event_id},
        "snapshot": {
            "container": snapshot.container,
            "name": snapshot.name,
            "etag": snapshot.etag,
            "size": snapshot.size,
            "sha256": snapshot.sha256,
        }
        if snapshot
        else None,
        "tags": run.tags,
        "properties": run.properties,
        "metrics": {
            name: {"last": each.last, "min": each.min, "max": each.max, "count": each.count}
            for name, each in run.metrics.items()
        },
        "logBytes": run.log_bytes,
        "logComplete": run.log_complete,
    }
