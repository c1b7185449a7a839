"""Appending: one block of an append blob a time, at the position where we believe the end is, so that nothing is added twice.

A blob takes 50,000 blocks: when they are used up it is written anew in few large ones, under a hidden name, and copied over
itself by the service, if nobody appended meanwhile.
https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs#about-append-blobs
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from typing import Any, Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from runyard.errors import ConfigError, ConflictError, NotFoundError, TransientError
from runyard.runs.identity import plain_etag
from runyard.stores.azure import names
from runyard.stores.azure.blob_calls import Place, absent, at, client_of, only, properties_of
from runyard.stores.azure.blob_copy import copied
from runyard.stores.azure.blob_put import put
from runyard.stores.azure.edge import code_of

BLOCK: Final = 4 << 20
"""Bytes of a block that every version of the service takes."""
MOST_BLOCKS: Final = 50_000
TRIES: Final = 40
APPEND: Final = "AppendBlob"
_MOVED: Final = "AppendPositionConditionNotMet"


class Appends:
    """Appends to blobs, and remembers where the last ones ended."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self._ends: dict[Place, int] = {}

    def append(self, where: Place, data: bytes) -> int:
        """Append; returns the size after that.

        Raises:
            ConfigError: if the blob is full, which takes 195 GiB.
            TransientError: if others append so often that there was no gap in between.
        """
        end = self._ends.pop(where, None)
        with at(where, "appending to"):
            for start in range(0, max(len(data), 1), BLOCK):
                end = self._added(where, data[start : start + BLOCK], end)
        assert end is not None
        if len(self._ends) >= 1000:
            self._ends.clear()
        self._ends[where] = end
        return end

    def _added(self, where: Place, piece: bytes, end: int | None) -> int:
        for attempt in range(TRIES):
            if end is None:
                found = properties_of(self._service, where) or self._created(where)
                if found.blob_type != APPEND:
                    return self._rewritten(where, piece, found)
                end = int(found.size)
            if not piece:
                return end
            now = self._sent(where, piece, end)
            if now is not None:
                return now
            end = None
            threading.Event().wait(random.uniform(0, 0.005 * attempt))  # noqa: S311 - only spreads those who collide
        raise TransientError(f"{where} is appended to by many at once; try again")

    def _sent(self, where: Place, piece: bytes, end: int) -> int | None:
        """One block at ``end``; ``None`` if the end is elsewhere."""
        again: list[object] = []
        blob = client_of(self._service, where)
        try:
            blob.append_block(piece, length=len(piece), appendpos_condition=end, retry_hook=lambda **_: again.append(1))
        except HttpResponseError as error:
            code = code_of(error)
            if code == _MOVED:
                # Sent again by the SDK: the first sending may have been what moved the end.
                return end + len(piece) if again and self._is_there(where, piece, end) else None
            if code == "BlockCountExceedsLimit":
                self._compact(where)
                return None
            if error.status_code in {404, 409}:  # deleted meanwhile, or replaced by a blob of another kind
                return None
            raise
        return end + len(piece)

    def _is_there(self, where: Place, piece: bytes, end: int) -> bool:
        try:
            return bytes(client_of(self._service, where).download_blob(end, len(piece)).readall()) == piece
        except HttpResponseError as error:
            if error.status_code in {404, 416}:
                return False
            raise

    def _created(self, where: Place) -> Any:
        """Make an empty one, unless somebody else did."""
        try:
            client_of(self._service, where).create_append_blob(**absent())
        except HttpResponseError as error:
            if error.status_code != 409:
                raise
        found = properties_of(self._service, where)
        if found is None:
            raise TransientError(f"{where} was deleted while it was appended to; try again")
        return found

    def _rewritten(self, where: Place, piece: bytes, found: Any) -> int:
        """A block blob grows by being written anew: it was put as a whole, and its kind cannot change."""
        for _ in range(TRIES):
            etag = plain_etag(found.etag or "")
            try:
                before = client_of(self._service, where).download_blob(**only(etag)) if found.size else None
                stream = _Joined(before.chunks() if before is not None else iter(()), piece)
                return put(self._service, where, stream, etag=etag).size  # type: ignore[arg-type]
            except (ConflictError, HttpResponseError) as error:
                if isinstance(error, HttpResponseError) and error.status_code != 412:
                    raise
            found = properties_of(self._service, where)
            if found is None:
                break
        raise TransientError(f"{where} is changed by others all the time; try again")

    def _compact(self, where: Place) -> None:
        """Give it few blocks again; on a conflict somebody else did, or appended."""
        found = properties_of(self._service, where)
        if found is None:
            return
        if found.size > BLOCK * MOST_BLOCKS // 2:
            raise ConfigError(f"{where} has {found.size:,} bytes in as many blocks as Azure allows; begin another blob")
        hidden = Place(names.STAGING, f"append-{uuid.uuid4().hex}")
        blob = client_of(self._service, hidden)
        blob.create_append_blob()
        try:
            etag = plain_etag(found.etag or "")
            for piece in client_of(self._service, where).download_blob(**only(etag)).chunks():
                for start in range(0, len(piece), BLOCK):
                    blob.append_block(piece[start : start + BLOCK])
            copied(self._service, hidden, where, only(etag))
        except (ConflictError, NotFoundError):
            return
        except HttpResponseError as error:
            if error.status_code != 412:
                raise
        finally:
            blob.delete_blob()


class _Joined:
    """What is there and what comes after it, as a file to read."""

    def __init__(self, pieces: Iterator[bytes], last: bytes) -> None:
        self._pieces = pieces
        self._last = last
        self._left = b""

    def read(self, length: int) -> bytes:
        if not self._left:
            self._left = next(self._pieces, b"")
        if not self._left:
            self._left, self._last = self._last, b""
        piece, self._left = self._left[:length], self._left[length:]
        return piece
