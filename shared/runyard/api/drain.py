"""Routes of the drain: a host that is about to go starts nothing new."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from runyard.api.answers import answer
from runyard.api.context import PortsDep
from runyard.api.shapes import DrainShape
from runyard.computes import Drain, drain, drained, undrain

router = APIRouter(prefix="/api/drain")


@router.get("")
def show_drain(ports: PortsDep) -> Response:
    """How far a drain is, whether or not one is under way."""
    return answer(_shape(drained(ports)))


@router.post("")
def begin_drain(ports: PortsDep) -> Response:
    """Start nothing new, until this is undone or a host starts; repeatable."""
    return answer(_shape(drain(ports)))


@router.delete("")
def end_drain(ports: PortsDep) -> Response:
    """End a drain; does nothing if there is none."""
    undrain(ports)
    return answer(_shape(drained(ports)))


def _shape(found: Drain) -> DrainShape:
    return {
        "draining": found.draining,
        "running": len(found.holding),
        "runs": [{"runId": run.id, "status": run.status, "compute": run.compute} for run in found.runs],
        "waiting": found.waiting,
    }
