"""Blobs in Azure Blob Storage, in an account with a flat namespace (a hierarchical one lists in another order)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO, Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobServiceClient

from runyard.errors import ConflictError, NotFoundError
from runyard.ports.blobs import BlobInfo, BlobReader, LinkUse
from runyard.runs.identity import plain_etag
from runyard.stores.azure.blob_append import APPEND, Appends
from runyard.stores.azure.blob_calls import (
    Place,
    at,
    changed,
    client_of,
    first_of,
    info_of,
    missing,
    no_container,
    only,
    place,
    properties_of,
    written_by,
)
from runyard.stores.azure.blob_parts import Parts
from runyard.stores.azure.blob_put import put
from runyard.stores.azure.edge import code_of, translate
from runyard.stores.azure.links import PERMISSIONS_OF, Links
from runyard.stores.names import check_container

PIECE: Final = 1 << 20
"""Bytes of a piece of a stream."""
FIRST: Final = 128 << 10
"""Bytes that opening a blob brings along with its properties: the whole of a usual snapshot, so that it costs one request."""
AHEAD: Final = 8
"""Pieces that one request brings."""
PAGE: Final = 5000
"""Blobs of one answer: the service's limit. https://learn.microsoft.com/rest/api/storageservices/list-blobs#uri-parameters"""


class AzureBlobs:
    """A :class:`~runyard.ports.blobs.BlobStore` over an account's containers."""

    def __init__(self, service: BlobServiceClient, links: Links) -> None:
        self._service = service
        self._links = links
        self._appends = Appends(service)
        self._parts = Parts(service)

    def head(self, container: str, name: str) -> BlobInfo | None:
        """The properties, or ``None`` if there is no such blob."""
        where = place(container, name)
        found = properties_of(self._service, where)
        return None if found is None else info_of(where, found)

    def open(self, container: str, name: str, *, etag: str | None = None) -> BlobReader:
        """Open for ranged reads; see the port."""
        where = place(container, name)
        begun = first_of(self._service, where, FIRST)
        if begun is None:
            raise missing(where)
        found, head = begun
        info = info_of(where, found)
        if etag is not None and info.etag != plain_etag(etag):
            raise changed(where, etag)
        return _Reader(self._service, where, info, head=head)

    def put(self, container: str, name: str, data: bytes | BinaryIO, *, create_only: bool = False) -> BlobInfo:
        """Write a whole blob; see the port."""
        return put(self._service, place(container, name), data, create_only=create_only)

    def stage(self, container: str, name: str, index: int, data: bytes) -> None:
        """Keep a part of a blob that is to be; see the port."""
        self._parts.stage(place(container, name), index, data)

    def staged(self, container: str, name: str) -> Mapping[int, int]:
        """The parts that are kept for a blob; see the port."""
        return self._parts.staged(place(container, name))

    def commit(
        self, container: str, name: str, parts: int, *, sha256: str | None = None, create_only: bool = False
    ) -> BlobInfo:
        """Make a blob of its parts; see the port."""
        return self._parts.commit(place(container, name), parts, sha256=sha256, create_only=create_only)

    def drop(self, container: str, name: str) -> None:
        """Drop the parts that are kept for a blob; repeatable."""
        self._parts.drop(place(container, name))

    def append(self, container: str, name: str, data: bytes) -> int:
        """Append to a blob (created when absent); returns its size after that."""
        return self._appends.append(place(container, name), data)

    def list(
        self, container: str, prefix: str = "", *, after: str | None = None, limit: int = 1000
    ) -> Sequence[BlobInfo]:
        """Blobs by name, in ascending order of name, those after ``after``; at most ``limit``.

        The service starts at ``after`` (``startFrom``, since version 2026-02-06); one that does not know it gives what is before
        too, which is left out here: more requests, the same blobs.
        """
        check_container(container)
        size = max(1, min(limit + (after is not None), PAGE))
        options: dict[str, Any] = {"start_from": after} if after else {}
        try:
            found = self._service.get_container_client(container).list_blobs(
                name_starts_with=prefix or None, results_per_page=size, **options
            )
            wanted = (each for each in found if after is None or each.name > after)
            return [info_of(Place(container, each.name), each) for each in itertools.islice(wanted, limit)]
        except HttpResponseError as error:
            if code_of(error) == "ContainerNotFound":
                raise no_container(container) from error
            raise translate(error, f"listing {container}") from error

    def delete(self, container: str, name: str) -> bool:
        """Delete a blob; whether it was there (``False`` too when the answer was lost, and asking again found nothing)."""
        where = place(container, name)
        try:
            with at(where, "deleting"):
                client_of(self._service, where).delete_blob(delete_snapshots="include")
        except NotFoundError:
            return False
        return True

    def link(self, container: str, name: str, *, seconds: float, use: LinkUse = "read") -> str | None:
        """A URL that serves the blob for a short time without credentials, as an attachment; or takes it. See the port."""
        where = place(container, name)
        return self._links.signed_link(where.container, where.name, PERMISSIONS_OF[use], seconds)

    def stream(self, container: str, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, in pieces of at most 1 MiB; see the port.

        What is appended meanwhile does not disturb it: it ends where the blob ended. A log that is written over or deleted meanwhile
        raises SnapshotError, as any other blob does.
        """
        where = place(container, name)
        found = properties_of(self._service, where)
        if found is None:
            raise missing(where)
        grows = found.blob_type == APPEND
        info = info_of(where, found)
        reader = _GrowingReader(self._service, where, info, found) if grows else _Reader(self._service, where, info)
        return _streamed(reader, offset)


class _Reader:
    """Reads ranges of one version of a blob."""

    def __init__(self, service: BlobServiceClient, where: Place, info: BlobInfo, *, head: bytes = b"") -> None:
        """``head``: the first bytes, which are there already."""
        self.info = info
        self._head = head
        self._where = where
        self._service = service

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; see the port."""
        length = min(length, self.info.size - offset)
        if length <= 0:
            return b""
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        try:
            with at(self._where, "reading"):
                return self._piece(offset, length)
        except (ConflictError, NotFoundError) as error:  # If-Match failed, or it was deleted
            raise changed(self._where) from error

    def _piece(self, offset: int, length: int) -> bytes:
        return bytes(self._client.download_blob(offset, length, **only(self.info.etag)).readall())

    @property
    def _client(self) -> BlobClient:
        return client_of(self._service, self._where)

    def close(self) -> None:
        """Nothing to let go of."""


class _GrowingReader(_Reader):
    """Reads what an append blob had; its ETag changes with each append, whose write it is does not."""

    def __init__(self, service: BlobServiceClient, where: Place, info: BlobInfo, found: Any) -> None:
        super().__init__(service, where, info)
        self._write = written_by(found)

    def _piece(self, offset: int, length: int) -> bytes:
        try:
            answer = self._client.download_blob(offset, length)
        except HttpResponseError as error:
            if error.status_code == 416:  # it is shorter than it was
                raise changed(self._where) from error
            raise
        if written_by(answer.properties) != self._write:
            raise changed(self._where)
        return bytes(answer.readall())


def _streamed(reader: _Reader, offset: int) -> Iterator[bytes]:
    for chunk in iter(partial(_next, reader, itertools.count(offset, PIECE * AHEAD)), b""):
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


def _next(reader: _Reader, offsets: Iterator[int]) -> bytes:
    return reader.read(next(offsets), PIECE * AHEAD)
