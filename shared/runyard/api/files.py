"""The files of a run: a list, and downloads that no browser takes for a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from runyard.api.answers import answer, is_text
from runyard.api.context import PortsDep, existing
from runyard.api.shapes import FileList
from runyard.errors import ConfigError, NotFoundError
from runyard.finalize.ending import RUNS
from runyard.ports import BlobInfo, Ports
from runyard.runs.model import Run

router = APIRouter(prefix="/api/runs")

_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_SANDBOX: Final = "sandbox; default-src 'none'"

Attempt = Annotated[int | None, Query(ge=1)]


@router.get("/{run_id}/files")
def list_files(
    ports: PortsDep,
    run_id: str,
    attempt: Attempt = None,
    after: Annotated[str | None, Query(max_length=1024)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Response:
    """The files of an attempt (the newest one), by name; ``next`` is the ``after`` of the next page.

    Names that are no text (any bytes may name a file) are left out.
    """
    run = existing(ports, run_id)
    number = _attempt(run, attempt)
    start = f"{run.id}/{number}/"
    found = _named(ports, start, start + after if after else None, limit) if number else []
    files: FileList = {
        "runId": run.id,
        "attempt": number,
        "files": [{"name": info.name.removeprefix(start), "size": info.size} for info in found],
        "next": found[-1].name.removeprefix(start) if len(found) == limit else None,
    }
    return answer(files)


@router.get("/{run_id}/files/{name:path}")
def download_file(request: Request, ports: PortsDep, run_id: str, name: str, attempt: Attempt = None) -> Response:
    """A file's bytes, as an attachment; one range of bytes may be asked for."""
    run = existing(ports, run_id)
    blob = f"{run.id}/{_attempt(run, attempt)}/{name}"
    info = ports.blobs.head(RUNS, blob)
    if info is None:
        raise NotFoundError(f"{run.id} has no file {name[:200]!r}; `runyard files {run.id}` lists them")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}",
        "Content-Security-Policy": _SANDBOX,
        "Accept-Ranges": "bytes",
        "ETag": f'"{info.etag}"',
    }
    span = request.headers.get("range")
    first, last = 0, info.size - 1
    if span is not None and (found := _RANGE.fullmatch(span.strip())):
        first = int(found[1])
        last = min(int(found[2]), last) if found[2] else last
        if first > last:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{info.size}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{info.size}"
    headers["Content-Length"] = str(last - first + 1)
    status = 206 if "Content-Range" in headers else 200
    return StreamingResponse(
        _span(ports, blob, first, last - first + 1), status, headers, media_type="application/octet-stream"
    )


def _named(ports: Ports, start: str, after: str | None, limit: int) -> list[BlobInfo]:
    found: list[BlobInfo] = []
    while len(found) < limit:
        page = ports.blobs.list(RUNS, start, after=after, limit=limit)
        found.extend(info for info in page if is_text(info.name))
        if len(page) < limit:
            break
        after = page[-1].name
    return found[:limit]


def _attempt(run: Run, asked: int | None) -> int:
    if asked is not None and asked > run.attempt:
        raise ConfigError(f"{run.id} has {run.attempt} attempts, so there is no attempt {asked}")
    return asked or run.attempt


def _span(ports: Ports, blob: str, offset: int, length: int) -> Iterator[bytes]:
    """Exactly so many bytes: a file that is still written grows meanwhile."""
    left = length
    for piece in ports.blobs.stream(RUNS, blob, offset=offset) if left else ():
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return
