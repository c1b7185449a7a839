"""Schedules over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from runyard.api.answers import answer, iso, iso_or_none
from runyard.api.context import CallerDep, PortsDep
from runyard.api.details import details
from runyard.api.event_shapes import ScheduleShape, TimeShape
from runyard.api.uploads import MAX_KEY
from runyard.errors import EventError
from runyard.events.timing import local
from runyard.ports import Ports, Schedule
from runyard.runconfig.redact import redacted
from runyard.schedule import Definition, add, existing, pause, remove, resume, run_now, upcoming
from runyard.schedule.definitions import timing_of

router = APIRouter(prefix="/api/schedules")

SHOWN: Final = 5
"""Times to come that are shown with a schedule."""
MOST: Final = 1000

_FORM: Final = ConfigDict(
    extra="forbid", hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
)
Text = Annotated[str, Field(max_length=1000)]


class Times(BaseModel):
    """When: one of ``cron``, ``every`` and ``at``."""

    model_config = _FORM

    cron: Text | None = None
    every: float | None = None
    at: Text | None = None
    zone: Text = "UTC"


class ScheduleDefinition(Times):
    """A new schedule."""

    name: Text
    submission: dict[str, Any]
    catch_up: Literal["last", "all", "none"] = "last"
    grace: float | None = Field(None, ge=0)
    overlap: Literal["allow", "skip"] = "allow"
    paused: bool = False
    replace: bool = False


class Preview(Times):
    """Times to look at before they are a schedule."""

    count: int = Field(10, ge=1, le=MOST)


@router.get("")
def list_schedules(ports: PortsDep) -> Response:
    """Every schedule."""
    return answer({"schedules": [_shape(ports, schedule, 1) for schedule in ports.schedules.list()]})


@router.post("")
def add_schedule(ports: PortsDep, asked: ScheduleDefinition) -> Response:
    """Define a schedule."""
    definition = Definition(
        name=asked.name,
        submission=asked.submission,
        cron=asked.cron,
        every=asked.every,
        at=asked.at,
        zone=asked.zone,
        catch_up=asked.catch_up,
        grace=asked.grace,
        overlap=asked.overlap,
        paused=asked.paused,
    )
    schedule = add(ports, definition, replacing=asked.replace)
    return answer(_shape(ports, schedule), 201, {"Location": f"/api/schedules/{schedule.name}"})


@router.post("/preview")
def preview(ports: PortsDep, asked: Preview) -> Response:
    """The times that a definition would have."""
    now = ports.clock.now()
    timing = timing_of(now, cron=asked.cron, every=asked.every, at=asked.at, zone=asked.zone)
    times = upcoming(timing, now, asked.count)
    return answer({"timing": timing.told(), "times": [time_shape(time, timing.zone) for time in times]})


@router.get("/{name}")
def show_schedule(ports: PortsDep, name: str) -> Response:
    """A schedule and its next times."""
    return answer(_shape(ports, existing(ports, name)))


@router.get("/{name}/next")
def next_times(ports: PortsDep, name: str, n: Annotated[int, Query(ge=1, le=MOST)] = 10) -> Response:
    """The next times of a schedule; of a paused one, those it would have."""
    schedule = existing(ports, name)
    return answer({"name": name, "paused": schedule.paused, "times": _times(ports, schedule, n)})


@router.delete("/{name}")
def remove_schedule(ports: PortsDep, name: str) -> Response:
    """Remove a schedule; its runs stay."""
    remove(ports, name)
    return Response(status_code=204)


@router.post("/{name}/pause")
def pause_schedule(ports: PortsDep, name: str) -> Response:
    """Let it make no more runs."""
    return _changed(ports, pause, name)


@router.post("/{name}/resume")
def resume_schedule(ports: PortsDep, name: str) -> Response:
    """Let it go on with its next time."""
    return _changed(ports, resume, name)


@router.post("/{name}/run")
def run_schedule(request: Request, ports: PortsDep, caller: CallerDep, name: str) -> Response:
    """Make a run of it now: 202; 200 if the ``Idempotency-Key`` found one that exists."""
    key = request.headers.get("idempotency-key") or None
    if key is not None and len(key) > MAX_KEY:
        raise EventError(f"the Idempotency-Key has {len(key)} characters; at most {MAX_KEY} are allowed")
    run, created = run_now(ports, existing(ports, name), who=caller, key=key)
    return answer(details(ports, run), 202 if created else 200, {"Location": f"/api/runs/{run.id}"})


def _changed(ports: Ports, act: Callable[[Ports, str], Schedule], name: str) -> Response:
    return answer(_shape(ports, act(ports, name)))


def _times(ports: Ports, schedule: Schedule, count: int) -> list[TimeShape]:
    now, first = ports.clock.now(), None if schedule.paused else schedule.due
    zone = schedule.timing.zone
    return [time_shape(time, zone) for time in upcoming(schedule.timing, now, count, first)]


def time_shape(time: float, zone: str) -> TimeShape:
    """A time to come, as the API tells it."""
    return {"timeUtc": iso(time), "local": local(time, zone).isoformat(timespec="seconds"), "zone": zone}


def _shape(ports: Ports, schedule: Schedule, shown: int = SHOWN) -> ScheduleShape:
    submission = redacted(dict(schedule.submission))
    assert isinstance(submission, dict)
    timing = schedule.timing
    return {
        "name": schedule.name,
        "timing": timing.told(),
        "cron": timing.cron or None,
        "every": timing.every or None,
        "at": iso_or_none(timing.at),
        "zone": timing.zone,
        "submission": submission,
        "catchUp": schedule.catch_up,
        "grace": schedule.grace,
        "overlap": schedule.overlap,
        "paused": schedule.paused,
        "createdTimeUtc": iso(schedule.created),
        "next": _times(ports, schedule, shown),
        "lastTimeUtc": iso_or_none(schedule.last_at),
        "lastRunId": schedule.last_run or None,
        "lastError": schedule.last_error,
        "failures": schedule.failures,
        "skipped": [
            {
                "firstTimeUtc": iso(note.first),
                "lastTimeUtc": iso(note.last),
                "count": note.count,
                "why": note.why,
            }
            for note in schedule.skipped
        ],
    }
