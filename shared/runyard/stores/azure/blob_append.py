"""Appending: one block of an append blob a time, at the position where we believe the end is, so that nothing is added twice.

What is refused since the end has moved may have moved it itself: sent again by the SDK after a lost reply, or delivered twice on the
way. Blocks of append blobs bear no mark, so ours is known by its bytes at our position. Threads of one process take turns; two
processes that append the same bytes to the same blob at the same moment are taken for one.

A blob takes 50,000 blocks: when they are used up it is written anew in few large ones, under a hidden name, and copied over
itself by the service, if nobody appended meanwhile.
https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs#about-append-blobs
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any, Final
from weakref import WeakValueDictionary

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from runyard.errors import ConfigError, ConflictError, NotFoundError, TransientError
from runyard.runs.identity import plain_etag
from runyard.stores.azure.blob_aside import BLOCK, MOVED, written_aside
from runyard.stores.azure.blob_calls import Place, absent, at, client_of, new_operation, only, properties_of
from runyard.stores.azure.blob_copy import copied
from runyard.stores.azure.blob_put import put
from runyard.stores.azure.edge import code_of

MOST_BLOCKS: Final = 50_000
TRIES: Final = 40
APPEND: Final = "AppendBlob"


class Appends:
    """Appends to blobs, and remembers where the last ones ended."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self._ends: dict[Place, int] = {}
        self._turns: WeakValueDictionary[Place, Turn] = WeakValueDictionary()
        self._lock = threading.Lock()

    def append(self, where: Place, data: bytes) -> int:
        """Append; returns the size after that.

        Raises:
            ConfigError: if the blob is full, which takes 195 GiB.
            TransientError: if others append so often that there was no gap in between.
        """
        turn = self._turn(where)
        with turn.lock, at(where, "appending to"):
            end = self._ends.pop(where, None)
            for start in range(0, max(len(data), 1), BLOCK):
                end = self._added(where, data[start : start + BLOCK], end)
            assert end is not None
            if len(self._ends) >= 1000:
                self._ends.clear()
            self._ends[where] = end
            return end

    def _turn(self, where: Place) -> Turn:
        with self._lock:
            return self._turns.setdefault(where, Turn())

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
        blob = client_of(self._service, where)
        try:
            blob.append_block(piece, length=len(piece), appendpos_condition=end)
        except HttpResponseError as error:
            code = code_of(error)
            if code == MOVED:
                return end + len(piece) if self._is_there(where, piece, end) else None
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
            client_of(self._service, where).create_append_blob(metadata=new_operation(), **absent())
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
        try:
            etag = plain_etag(found.etag or "")
            pieces = client_of(self._service, where).download_blob(**only(etag)).chunks()
            with written_aside(self._service, "append", pieces) as aside:
                copied(self._service, aside.place, where, only(etag), etag=aside.etag, metadata=found.metadata or None)
        except (ConflictError, NotFoundError):
            return
        except HttpResponseError as error:
            if error.status_code != 412:
                raise


class Turn:
    """Whose turn it is to append to one blob; gone when nobody waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


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
