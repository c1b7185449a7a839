"""Routes of computes and their aliases."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runyard.api.answers import answer, iso_or_none
from runyard.api.context import PortsDep
from runyard.api.shapes import ComputeShape
from runyard.computes import ComputeView, alias, overview, put, remove
from runyard.runconfig.redact import redacted

router = APIRouter(prefix="/api")


class ComputeChange(BaseModel):
    """What a compute shall be; what is left out stays."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: str | None = Field(None, max_length=64)
    limit: int | None = None
    paused: bool | None = None
    pausedReason: str | None = None  # noqa: N815 - the API's spelling
    options: dict[str, Any] | None = None
    spot: bool | None = None
    deadlines: dict[str, float | None] | None = None


class AliasChange(BaseModel):
    """What an alias shall mean."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    compute: str = Field(max_length=64)


@router.get("/computes")
def list_computes(ports: PortsDep) -> Response:
    """Every compute, its aliases and how full it is."""
    return answer({"computes": [_shape(view) for view in overview(ports)]})


@router.put("/computes/{name}")
def set_compute(ports: PortsDep, name: str, change: ComputeChange) -> Response:
    """Create a compute, or change one."""
    put(
        ports,
        name,
        kind=change.kind,
        limit=change.limit,
        paused=change.paused,
        paused_reason=change.pausedReason,
        options=change.options,
        spot=change.spot,
        deadlines=change.deadlines,
    )
    return answer(next(_shape(view) for view in overview(ports) if view.compute.name == name))


@router.delete("/computes/{name}")
def remove_compute(ports: PortsDep, name: str) -> Response:
    """Remove a compute that is not in use."""
    remove(ports, name)
    return Response(status_code=204)


@router.put("/aliases/{name}")
def set_alias(ports: PortsDep, name: str, change: AliasChange) -> Response:
    """Let a name mean a compute."""
    alias(ports, name, change.compute)
    return answer({"alias": name, "compute": change.compute})


@router.delete("/aliases/{name}")
def remove_alias(ports: PortsDep, name: str) -> Response:
    """Remove an alias."""
    alias(ports, name, None)
    return Response(status_code=204)


def _shape(view: ComputeView) -> ComputeShape:
    options = redacted(dict(view.compute.options))
    assert isinstance(options, dict)
    return {
        "name": view.compute.name,
        "kind": view.compute.kind,
        "limit": view.compute.limit,
        "paused": view.compute.paused,
        "pausedReason": view.compute.paused_reason,
        "draining": view.draining,
        "blockedUntilTimeUtc": iso_or_none(view.blocked_until),
        "blockedReason": view.blocked_reason,
        "spot": view.compute.spot,
        "deadlines": dict(view.compute.deadlines),
        "options": options,
        "aliases": list(view.aliases),
        "waiting": view.waiting,
        "taken": view.taken,
        "nextLookTimeUtc": iso_or_none(view.next_look),
    }
