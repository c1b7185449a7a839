"""Whole blobs: a small one in one request, a large one in blocks that are sent side by side."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobServiceClient

from runyard.errors import ConflictError, TransientError
from runyard.ports.blobs import BlobInfo
from runyard.runs.identity import plain_etag
from runyard.stores.azure.blob_calls import (
    OPERATION,
    Place,
    absent,
    at,
    client_of,
    new_operation,
    only,
    our_own,
    properties_of,
    written,
)
from runyard.stores.azure.edge import code_of

BLOCK: Final = 4 << 20
"""Bytes of a block, and of a blob that goes in one request. 50,000 of them are 195 GiB.

https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs#about-block-blobs
"""
SIDE_BY_SIDE: Final = 4
"""Blocks on their way at a time, so that a put holds at most (this + 1) blocks in memory."""
TAKEN: Final = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet", "UnauthorizedBlobOverwrite"})


def put(service: BlobServiceClient, where: Place, data: bytes | BinaryIO, *, create_only: bool = False,
        etag: str | None = None) -> BlobInfo:  # fmt: skip
    """Write a whole blob; with ``etag``, over this version of it alone.

    Raises:
        ConflictError: if ``create_only`` and it exists, or it is no longer the version ``etag``.
        TransientError: if another large write of the same blob was completed meanwhile.
    """
    operation = new_operation()
    options: dict[str, Any] = absent() if create_only else only(etag) if etag is not None else {}
    pieces = _pieces(data)
    first = next(pieces, b"")
    second = next(pieces, None)
    try:
        with at(where, "writing"):
            if second is None:
                answer = _whole(service, where, first, operation, options)
                return written(where, answer, len(first))
            return _in_blocks(service, where, _chained(first, second, pieces), operation, options)
    except ConflictError as error:
        own = our_own(service, where, operation)
        if own is not None:
            return own
        if code_of(error.__cause__ or error) in TAKEN:
            raise ConflictError(
                f"{where} exists already" if create_only else f"{where} was changed by another"
            ) from error
        raise


def _whole(
    service: BlobServiceClient, where: Place, data: bytes, operation: dict[str, str], options: dict[str, Any]
) -> Any:
    blob = client_of(service, where)
    try:
        return blob.upload_blob(data, length=len(data), overwrite=True, metadata=operation, **options)
    except HttpResponseError as error:
        if code_of(error) != "InvalidBlobType":
            raise
        _make_way(service, where)
        return blob.upload_blob(data, length=len(data), overwrite=True, metadata=operation, **options)


def _in_blocks(service: BlobServiceClient, where: Place, pieces: Iterator[bytes], operation: dict[str, str],
               options: dict[str, Any]) -> BlobInfo:  # fmt: skip
    blob = client_of(service, where)
    size = 0
    blocks: list[BlobBlock] = []
    on_the_way: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for piece in pieces:
            name = f"{operation[OPERATION][:24]}{len(blocks):08d}"  # of this write alone; all ids of a blob have one length
            send = blob.stage_block
            if not blocks:
                _first_block(service, where, name, piece)
            else:
                on_the_way.append(pool.submit(send, name, piece, length=len(piece)))
            blocks.append(BlobBlock(name))
            size += len(piece)
            if len(on_the_way) >= SIDE_BY_SIDE:
                on_the_way.popleft().result()
        while on_the_way:
            on_the_way.popleft().result()
    try:
        return written(where, blob.commit_block_list(blocks, metadata=operation, **options), size)
    except HttpResponseError as error:
        if code_of(error) != "InvalidBlockList":
            raise
        return _overtaken(service, where, operation, create_only=options == absent())


def _first_block(service: BlobServiceClient, where: Place, name: str, piece: bytes) -> None:
    blob = client_of(service, where)
    try:
        blob.stage_block(name, piece, length=len(piece))
    except HttpResponseError as error:
        if code_of(error) != "InvalidBlobType":
            raise
        _make_way(service, where)
        blob.stage_block(name, piece, length=len(piece))


def _make_way(service: BlobServiceClient, where: Place) -> None:
    """Delete an append blob: a blob keeps its kind as long as it is there. For a moment nobody sees a blob."""
    found = properties_of(service, where)
    if found is not None:
        client_of(service, where).delete_blob(**only(plain_etag(found.etag or "")))


def _overtaken(service: BlobServiceClient, where: Place, operation: dict[str, str], *, create_only: bool) -> BlobInfo:
    """Our blocks are gone: they became the blob (the answer was lost), or another write that was completed dropped them."""
    own = our_own(service, where, operation)
    if own is not None:
        return own
    if create_only and properties_of(service, where) is not None:
        raise ConflictError(f"{where} exists already")
    raise TransientError(f"{where} was written by another at the same time; write it again")


def _pieces(data: bytes | BinaryIO) -> Iterator[bytes]:
    stream = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    while piece := _full(stream):
        yield piece


def _full(stream: BinaryIO) -> bytes:
    """A whole block, or what is left: a pipe gives less at a time."""
    piece = stream.read(BLOCK)
    while piece and len(piece) < BLOCK and (more := stream.read(BLOCK - len(piece))):
        piece += more
    return piece


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest
