"""Whole blobs: a small one in one request, a large one in blocks that are sent side by side.

Over an append blob another is written aside and copied: it stays an append blob.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobServiceClient

from runyard.errors import ConfigError, ConflictError, TransientError
from runyard.ports.blobs import BlobInfo
from runyard.stores.azure.blob_aside import written_aside
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
from runyard.stores.azure.blob_copy import copied
from runyard.stores.azure.edge import code_of

BLOCK: Final = 4 << 20
"""Bytes of a block, and of a blob that goes in one request. 50,000 of them are 195 GiB.

https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs#about-block-blobs
"""
SIDE_BY_SIDE: Final = 4
"""Blocks on their way at a time. A put reads at most one further, and has the first two once more, for a log that it may find:
(this + 3) blocks of memory."""
TAKEN: Final = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet", "UnauthorizedBlobOverwrite"})
OTHER_KIND: Final = "InvalidBlobType"
"""Another kind of blob is there: an append blob."""


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
            try:
                if second is None:
                    return written(where, _whole(service, where, first, operation, options), len(first))
                return _in_blocks(service, where, _chained(first, second, pieces), operation, options)
            except _AppendBlobError:
                return _over(service, where, _chained(first, second or b"", pieces), operation, options)
    except ConfigError as error:
        if code_of(error.__cause__ or error) == OTHER_KIND:
            raise _at_the_same_time(where) from error
        raise
    except ConflictError as error:
        own = our_own(service, where, operation)
        if own is not None:
            return own
        if code_of(error.__cause__ or error) in TAKEN:
            raise ConflictError(
                f"{where} exists already" if create_only else f"{where} was changed by another"
            ) from error
        raise


class _AppendBlobError(Exception):
    """What is there is an append blob, and a blob keeps its kind."""


@contextmanager
def _of_our_kind() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if code_of(error) == OTHER_KIND:
            raise _AppendBlobError from error
        raise


def _whole(
    service: BlobServiceClient, where: Place, data: bytes, operation: dict[str, str], options: dict[str, Any]
) -> Any:
    with _of_our_kind():
        return client_of(service, where).upload_blob(
            data, length=len(data), overwrite=True, metadata=operation, **options
        )


def _over(service: BlobServiceClient, where: Place, pieces: Iterator[bytes], operation: dict[str, str],
          options: dict[str, Any]) -> BlobInfo:  # fmt: skip
    """Give an append blob other content; readers see the old or the new."""
    if properties_of(service, where) is None:
        raise _at_the_same_time(where)
    if options == absent():
        raise ConflictError(f"{where} exists already")
    with written_aside(service, "put", pieces) as aside:
        answer = copied(service, aside.place, where, options, etag=aside.etag, metadata=operation)
        return written(where, answer, aside.size)


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
                with _of_our_kind():
                    send(name, piece, length=len(piece))
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


def _overtaken(service: BlobServiceClient, where: Place, operation: dict[str, str], *, create_only: bool) -> BlobInfo:
    """Our blocks are gone: they became the blob (the answer was lost), or another write that was completed dropped them."""
    own = our_own(service, where, operation)
    if own is not None:
        return own
    if create_only and properties_of(service, where) is not None:
        raise ConflictError(f"{where} exists already")
    raise _at_the_same_time(where)


def _at_the_same_time(where: Place) -> TransientError:
    return TransientError(f"{where} was written by another at the same time; write it again")


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
