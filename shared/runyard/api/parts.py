"""``/api/uploads``: a snapshot that comes in parts, any of which may be sent again, in any order, by anybody, at any time.

An upload is known by its content: the SHA-256 and the size that were announced. So whoever begins one that another, or the
same client before it was killed, has begun already, goes on with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runyard.api.answers import answer
from runyard.api.context import PortsDep
from runyard.api.guard import MAX_SNAPSHOT, PART_SIZE
from runyard.api.uploads import UPLOADS, keeping, reference
from runyard.errors import ConflictError, EventError, SnapshotError
from runyard.ports import Ports

router = APIRouter(prefix="/api/uploads")

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SMALLEST: Final = 22
"""Bytes of a zip without entries."""
_TAIL: Final = 66 * 1024
"""Bytes in which the end of every zip begins."""

Size = Annotated[int, Query(description="Bytes of the whole snapshot, as announced.")]


class Announced(BaseModel):
    """A snapshot that a client has."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    sha256: str = Field(max_length=64)
    size: int


@router.post("")
def begin_upload(ports: PortsDep, announced: Announced) -> Response:
    """Announce a snapshot: 201 with its name if it is here already, else 200 with the parts that are missing."""
    sha256, size = announced.sha256.lower(), announced.size
    parts = _count(sha256, size)
    if _is_here(ports, sha256, size):
        return answer({"complete": True, "reference": reference(sha256)}, 201)
    return answer(
        {
            "complete": False,
            "partSize": PART_SIZE,
            "parts": parts,
            "missing": _missing(ports.blobs.staged(UPLOADS, _name(sha256)), size),
        }
    )


@router.put("/{sha256}/{index}")
async def take_part(request: Request, ports: PortsDep, sha256: str, index: int, size: Size) -> Response:
    """Keep a part: the bytes from ``index`` times ``partSize`` on. 204; one that was sent before is replaced."""
    parts = _count(sha256, size)
    if not 0 <= index < parts:
        raise EventError(f"{index} is not a part of a snapshot of {size:,} bytes; its parts are 0 to {parts - 1}")
    expected = _part_size(index, size)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and announced != str(expected):
        raise _wrong_size(index, announced[:20], expected)
    data = await request.body()
    if len(data) != expected:
        raise _wrong_size(index, str(len(data)), expected)

    def keep() -> None:
        if not _is_here(ports, sha256, size):
            with keeping():
                ports.blobs.stage(UPLOADS, _name(sha256), index, data)

    await run_in_threadpool(keep)
    return Response(status_code=204)


@router.post("/{sha256}/complete")
def complete_upload(ports: PortsDep, sha256: str, size: Size) -> Response:
    """Make the snapshot of its parts: 201 with its name; repeatable.

    409 with the parts that are missing, if some are; 400 and nothing is kept if they are not what was announced, or no zip.
    """
    parts = _count(sha256, size)
    if _is_here(ports, sha256, size):
        ports.blobs.drop(UPLOADS, _name(sha256))
        return answer(reference(sha256), 201)
    missing = _missing(ports.blobs.staged(UPLOADS, _name(sha256)), size)
    if missing:
        some = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        raise ConflictError(f"of {parts} parts these are missing: {some}; send them, then complete the upload again")
    with keeping():
        ports.blobs.commit(UPLOADS, _name(sha256), parts, sha256=sha256, create_only=True)
    _check_zip(ports, sha256)
    return answer(reference(sha256), 201)


def _count(sha256: str, size: int) -> int:
    """How many parts an upload has.

    Raises:
        EventError: if it is none.
        SnapshotError: if it is too large.
    """
    if not _SHA256.fullmatch(sha256):
        raise EventError("sha256 is the SHA-256 of the snapshot: 64 lower-case hexadecimal digits")
    if size > MAX_SNAPSHOT:
        raise SnapshotError(
            f"the snapshot has {size / 1e6:,.1f} MB; at most {MAX_SNAPSHOT / 1e6:,.1f} are allowed; leave out what the run "
            "does not need"
        )
    if size < _SMALLEST:
        raise EventError(f"a zip has at least {_SMALLEST} bytes; send the size of the snapshot")
    return -(-size // PART_SIZE)


def _name(sha256: str) -> str:
    return f"{sha256}.zip"


def _part_size(index: int, size: int) -> int:
    return min(PART_SIZE, size - index * PART_SIZE)


def _missing(staged: Mapping[int, int], size: int) -> list[int]:
    """The parts that are not there, or are not as long as they must be."""
    return [index for index in range(-(-size // PART_SIZE)) if staged.get(index) != _part_size(index, size)]


def _is_here(ports: Ports, sha256: str, size: int) -> bool:
    """Whether the snapshot is kept.

    Raises:
        EventError: if it is, with another size than was announced.
    """
    info = ports.blobs.head(UPLOADS, _name(sha256))
    if info is not None and info.size != size:
        raise EventError(f"the snapshot of this SHA-256 has {info.size:,} bytes, not {size:,}; announce what it is")
    return info is not None


def _check_zip(ports: Ports, sha256: str) -> None:
    reader = ports.blobs.open(UPLOADS, _name(sha256))
    try:
        tail = reader.read(max(0, reader.info.size - _TAIL), _TAIL)
    finally:
        reader.close()
    if b"PK\x05\x06" not in tail:
        ports.blobs.delete(UPLOADS, _name(sha256))
        raise SnapshotError("the snapshot is not a zip file")


def _wrong_size(index: int, found: str, expected: int) -> EventError:
    return EventError(f"part {index} of this snapshot has {expected:,} bytes, and {found} came")
