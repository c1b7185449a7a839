"""The driver log by offset: exact bytes, and a long poll that holds no thread while it waits."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from runyard.api.context import PortsDep, existing
from runyard.errors import NotFoundError
from runyard.finalize.ending import RUNS
from runyard.ports import LogChunk, Ports
from runyard.runs.model import Run
from runyard.runs.states import ON_COMPUTE

router = APIRouter(prefix="/api/runs")

DRIVER_LOG: Final = "azureml-logs/70_driver_log.txt"
MAX_PIECE: Final = 4 << 20
MAX_OFFSET: Final = 1 << 62
"""Room is left above it: systems refuse to read across 2**63."""
MAX_WAIT: Final = 20.0
"""Seconds that a request waits for news at most (in Azure a response must come within 230)."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5


@router.get("/{run_id}/logs")
async def read_logs(
    request: Request,
    ports: PortsDep,
    run_id: str,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PIECE)] = 1 << 20,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT)] = 0.0,
    attempt: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """The bytes from ``offset`` on; ``X-Next-Offset`` is where to go on, ``X-Log-Complete`` whether nothing will follow.

    Offsets count within one attempt: ``X-Log-Attempt`` is the one that was read, ``X-Run-Attempt`` the newest one.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    pause = _FIRST_PAUSE
    while True:
        run = await run_in_threadpool(existing, ports, run_id)
        number = attempt or run.attempt
        piece = await run_in_threadpool(read_log, ports, run, number, offset, limit)
        if piece.data or piece.complete or loop.time() + pause > deadline or await request.is_disconnected():
            break
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    headers = {
        "X-Next-Offset": str(piece.next_offset),
        "X-Log-Complete": "true" if piece.complete else "false",
        "X-Log-Attempt": str(number),
        "X-Run-Attempt": str(run.attempt),
        "X-Run-Status": run.status,
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(piece.data, headers=headers, media_type="application/octet-stream")


def read_log(ports: Ports, run: Run, attempt: int, offset: int, limit: int) -> LogChunk:
    """A piece of an attempt's driver log: from the compute while the attempt is there, else from storage.

    Raises:
        NotFoundError: if there is no such attempt, or its log was removed.
        TargetError: if the compute does not answer.
    """
    if attempt > run.attempt:
        raise NotFoundError(f"{run.id} has {run.attempt} attempts, so there is no attempt {attempt}")
    if attempt == 0:
        return LogChunk(data=b"", next_offset=offset, complete=run.has_ended)
    newest = attempt == run.attempt
    if newest and run.state in ON_COMPUTE:
        if run.handle is None:
            return LogChunk(data=b"", next_offset=offset, complete=False)
        return ports.targets.get(run.kind).logs(run.handle, offset, limit)
    return _stored_log(ports, run, attempt, offset, limit)


def _stored_log(ports: Ports, run: Run, attempt: int, offset: int, limit: int) -> LogChunk:
    name = f"{run.id}/{attempt}/{DRIVER_LOG}"
    info = ports.blobs.head(RUNS, name)
    if info is None:
        if attempt == run.attempt and run.log_bytes:
            raise NotFoundError(f"the log of {run.id} was removed; `runyard events {run.id}` tells what happened")
        return LogChunk(data=b"", next_offset=offset, complete=True)
    reader = ports.blobs.open(RUNS, name)
    try:
        data = reader.read(offset, limit)
    finally:
        reader.close()
    return LogChunk(data=data, next_offset=offset + len(data), complete=offset + len(data) >= info.size)
