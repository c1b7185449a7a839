"""The drop container: its start mark, and looking through it for snapshots that no run was made of."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from runyard.api.answers import answer, iso, iso_or_none
from runyard.api.context import PortsDep
from runyard.api.shapes import DropsShape, SweptShape
from runyard.errors import EventError
from runyard.ports import Ports
from runyard.reconcile import DROP_CONTAINER, sweep_page

router = APIRouter(prefix="/api/sweep")


class Asked(BaseModel):
    """What to take: what came since the start mark, since a time, or everything."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )

    since: str | None = Field(None, max_length=60)
    all: bool = False
    dry_run: bool = False
    after: str | None = Field(None, max_length=1024)


@router.get("")
def show_mark(ports: PortsDep) -> Response:
    """Since when the drop container is watched, and how many snapshots raised no event."""
    return answer(drops_shape(ports))


@router.post("")
def look_through(ports: PortsDep, asked: Asked) -> Response:
    """Take the snapshots of one page that have no run; ``next`` in the answer is the ``after`` of the next page."""
    if asked.all and asked.since is not None:
        raise EventError("give `since` or `all`, not both")
    since = 0.0 if asked.all else _time(asked.since)
    found = sweep_page(ports, since=since, after=asked.after, dry_run=asked.dry_run)
    shown: SweptShape = {
        "looked": found.looked,
        "taken": found.taken,
        "older": found.older,
        "names": found.names,
        "next": found.next,
        "dryRun": asked.dry_run,
    }
    return answer(shown)


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise EventError(f"{text!r} is not a time; write one like 2026-11-24T12:00:00Z") from None


def drops_shape(ports: Ports) -> DropsShape:
    """The start mark and what the sweep found since."""
    mark = ports.marks.get(DROP_CONTAINER)
    return {
        "container": DROP_CONTAINER,
        "sinceTimeUtc": None if mark is None else iso(mark.since),
        "missed": 0 if mark is None else mark.missed,
        "missedTimeUtc": None if mark is None else iso_or_none(mark.missed_at),
    }
