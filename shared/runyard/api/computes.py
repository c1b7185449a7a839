"""Routes of computes and their aliases."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runyard.api.answers import answer
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
    options: dict[str, Any] | None = None


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
    put(ports, name, change.kind, change.limit, change.paused, change.options)
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
        "options": options,
        "aliases": list(view.aliases),
        "waiting": view.waiting,
        "taken": view.taken,
    }
