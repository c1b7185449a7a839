"""Routes of the service itself: health, version, doctor, retention, schemas."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from runyard.api.answers import answer
from runyard.api.context import PortsDep, ServicesDep
from runyard.api.shapes import CheckShape, PruneShape
from runyard.errors import ConfigError
from runyard.events.endings_schema import endings_schema
from runyard.events.schema import submission_schema
from runyard.reconcile import prune

router = APIRouter(prefix="/api")


class Retention(BaseModel):
    """What may go. Ages are seconds since the ending of a run, or since a snapshot's last change."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )

    runs_older_than: float | None = Field(None, ge=0)
    logs_older_than: float | None = Field(None, ge=0)
    snapshots_older_than: float | None = Field(None, ge=0)
    keep: int | None = Field(None, ge=0)
    dry_run: bool = False


@router.get("/health")
async def show_health() -> Response:
    """Answers as long as the service does."""
    return answer({"status": "ok"})


@router.get("/version")
async def show_version() -> Response:
    """Which version this is."""
    return answer({"name": "runyard", "version": own_version()})


@router.get("/doctor")
def examine(services: ServicesDep) -> Response:
    """What a run needs here, and how to mend what is missing."""
    checks: list[CheckShape] = [
        {"name": check.name, "ok": check.ok, "detail": check.detail, "fix": "" if check.ok else check.fix}
        for check in services.doctor()
    ]
    return answer({"ok": all(check["ok"] for check in checks), "checks": checks})


@router.post("/prune")
def remove_old(ports: PortsDep, retention: Retention) -> Response:
    """Remove what is old enough; ``dryRun`` only counts."""
    ages = (retention.runs_older_than, retention.logs_older_than, retention.snapshots_older_than)
    if ages == (None, None, None):
        raise ConfigError("nothing was named to remove: give runsOlderThan, logsOlderThan or snapshotsOlderThan")
    report = prune(
        ports,
        runs_older_than=retention.runs_older_than,
        logs_older_than=retention.logs_older_than,
        snapshots_older_than=retention.snapshots_older_than,
        keep=retention.keep,
        dry_run=retention.dry_run,
    )
    shown: PruneShape = {
        "runs": report.runs,
        "logs": report.logs,
        "snapshots": report.snapshots,
        "tombstones": report.tombstones,
        "bytes": report.bytes,
        "dryRun": retention.dry_run,
    }
    return answer(shown)


@router.get("/schemas/submission.json")
def show_schema() -> Response:
    """The JSON schema of a submission."""
    return answer(_schema())


@router.get("/schemas/run-ended.json")
def show_ending_schema() -> Response:
    """The JSON schema of the data of an ending's event."""
    return answer(_ending_schema())


@cache
def _ending_schema() -> dict[str, Any]:
    return endings_schema()


@cache
def _schema() -> dict[str, Any]:
    return submission_schema()


@cache
def own_version() -> str:
    """The version of this package."""
    try:
        return version("runyard")
    except PackageNotFoundError:
        return "0+unknown"
