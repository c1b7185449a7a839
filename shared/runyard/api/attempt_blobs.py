"""``/api/attempts/blobs``: the bytes of an attempt, where the store gives no links.

It speaks the few verbs of Blob Storage's REST protocol that a runner uses, so that runners know one protocol
(https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api): ``GET`` and ``HEAD``; ``PUT`` of a whole blob, with
``If-None-Match: *`` for one that must not be there; ``comp=appendblock`` with ``x-ms-blob-condition-appendpos``; ``comp=block``
and ``comp=blocklist``. A block's id is its index in eight digits, in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from runyard.api.attempts import StandingDep
from runyard.api.context import PortsDep
from runyard.api.faults import fault
from runyard.api.guard import is_head
from runyard.attempts import Grant, Standing, grant, use_of
from runyard.errors import ConfigError, ConflictError, NotFoundError, SnapshotError
from runyard.ports import BlobReader, LinkUse, Ports

router = APIRouter(prefix="/api/attempts/blobs")

_PIECE: Final = 1 << 20
_RANGE: Final = re.compile(r"bytes=(\d{1,18})-")
_BLOCK: Final = re.compile(rb"<Latest>([A-Za-z0-9+/=]{1,88})</Latest>")
_LOCKS: Final = tuple(Lock() for _ in range(64))
"""Between looking at a blob's end and adding to it: a request that was sent again may meet the first one still at work. A store
without links is of one process."""


@router.get("/{name:path}")
def read_blob(request: Request, ports: PortsDep, held: StandingDep, name: str) -> Response:
    """The bytes, from ``Range: bytes=N-`` on; 412 if ``If-Match`` is not its ETag."""
    use = use_of(name)
    if use == "replace":
        raise ConfigError("what an attempt may replace it may not read")
    found = _served(ports, held, name, use)
    wanted = request.headers.get("if-match", "").strip('"') or found.etag or None
    try:
        reader = ports.blobs.open(found.container, found.blob, etag=wanted)
    except NotFoundError:
        return fault(404, "BlobNotFound", f"{name!r} is not there")
    except SnapshotError as error:
        return fault(412, "ConditionNotMet", error.message)
    size = reader.info.size
    span = _RANGE.fullmatch(request.headers.get("range", ""))
    first = int(span[1]) if span else 0
    headers = {"ETag": f'"{reader.info.etag}"', "Content-Length": str(size - first)}
    if span and first >= size:
        reader.close()
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    if span:
        headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    status = 206 if span else 200
    if is_head(request.scope):
        reader.close()
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(reader, first), status, headers, media_type="application/octet-stream")


@router.put("/{name:path}")
async def write_blob(
    request: Request,
    ports: PortsDep,
    held: StandingDep,
    name: str,
    comp: Annotated[str, Query(max_length=20)] = "",
    blockid: Annotated[str, Query(max_length=88)] = "",
) -> Response:
    """Write the bytes. 201; 409 if it must not be there and is; 412 if it does not end where the bytes are to be added."""
    found = _served(ports, held, name, use_of(name))
    must_be_new = request.headers.get("if-none-match") == "*"
    position = request.headers.get("x-ms-blob-condition-appendpos", "")
    is_appended = request.headers.get("x-ms-blob-type", "") == "AppendBlob"
    data = await request.body()
    if comp == "appendblock":
        return await run_in_threadpool(_append, ports, _for(found, "append"), data, position)
    if comp == "block":
        _for(found, "replace")
        await run_in_threadpool(ports.blobs.stage, found.container, found.blob, _index(blockid), data)
        return Response(status_code=201)
    if comp == "blocklist":
        _for(found, "replace")
        return await run_in_threadpool(_commit, ports, found, data)
    if comp:
        raise ConfigError("comp is 'appendblock', 'block' or 'blocklist', or left out")
    if is_appended:
        return await run_in_threadpool(_begin, ports, _for(found, "append"))
    if found.use == "create" and not must_be_new:
        raise ConfigError(f"{name!r} can only be created: send If-None-Match: *")
    return await run_in_threadpool(_put, ports, _for(found, "create", "replace"), data, create_only=must_be_new)


def _served(ports: Ports, held: Standing, name: str, use: LinkUse) -> Grant:
    """The blob, if the service is to serve it itself.

    Raises:
        ConfigError: if the store has links for it.
    """
    found = grant(held, name, use)
    if ports.blobs.link(found.container, found.blob, seconds=1.0, use=use) is not None:
        raise ConfigError("blobs are used by their links here; POST /api/attempts/links gives them")
    return found


def _for(found: Grant, *uses: str) -> Grant:
    if found.use not in uses:
        raise ConfigError(f"{found.name!r} is for {found.use!r}, and not for this")
    return found


def _put(ports: Ports, found: Grant, data: bytes, *, create_only: bool) -> Response:
    try:
        info = ports.blobs.put(found.container, found.blob, data, create_only=create_only)
    except ConflictError:
        return fault(409, "BlobAlreadyExists", f"{found.name!r} is there already")
    return Response(status_code=201, headers={"ETag": f'"{info.etag}"'})


def _begin(ports: Ports, found: Grant) -> Response:
    """Make what is appended to; one that is there stays."""
    return _put(ports, found, b"", create_only=True)


def _append(ports: Ports, found: Grant, data: bytes, position: str) -> Response:
    def add() -> Response:
        info = ports.blobs.head(found.container, found.blob)
        if info is None:
            return fault(404, "BlobNotFound", f"{found.name!r} is not there; make it first")
        if position != str(info.size):
            return fault(412, "AppendPositionConditionNotMet", f"{found.name!r} has {info.size} bytes")
        ports.blobs.append(found.container, found.blob, data)
        return Response(status_code=201, headers={"x-ms-blob-append-offset": position})

    return _locked(found, add)


def _commit(ports: Ports, found: Grant, data: bytes) -> Response:
    """Make the blob of its blocks. Sent again after a lost reply, it finds no blocks, and a blob of that size."""
    listed = [_index(ident.decode()) for ident in _BLOCK.findall(data)]
    if not listed or listed != list(range(len(listed))):
        raise ConfigError("the list of blocks names the blocks 0, 1, 2 … as <Latest>")
    try:
        ports.blobs.commit(found.container, found.blob, len(listed))
    except NotFoundError:
        return fault(400, "InvalidBlockList", f"blocks of {found.name!r} are missing; send it anew")
    return Response(status_code=201)


def _locked(found: Grant, call: Callable[[], Response]) -> Response:
    with _LOCKS[hash(found.blob) % len(_LOCKS)]:
        return call()


def _index(blockid: str) -> int:
    try:
        text = base64.b64decode(blockid, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not re.fullmatch(r"\d{8}", text):
        raise ConfigError("a block's id is its index in eight digits, in base64")
    return int(text)


def _pieces(reader: BlobReader, offset: int) -> Iterator[bytes]:
    try:
        while offset < reader.info.size and (piece := reader.read(offset, _PIECE)):
            yield piece
            offset += len(piece)
    finally:
        reader.close()
