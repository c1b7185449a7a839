"""Other content for an append blob at once: written under a hidden name, and copied over the old by the service.

A blob keeps its kind as long as it is there, and so the new content is an append blob too.
https://learn.microsoft.com/rest/api/storageservices/copy-blob#remarks
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobServiceClient

from runyard.errors import TransientError
from runyard.runs.identity import plain_etag
from runyard.stores.azure import names
from runyard.stores.azure.blob_calls import Place, client_of
from runyard.stores.azure.edge import code_of

BLOCK: Final = 4 << 20
"""Bytes of a block that every version of the service takes."""
MOVED: Final = "AppendPositionConditionNotMet"
"""What an append is refused with whose position is not the end."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What was written."""

    place: Place
    etag: str
    size: int


@contextmanager
def written_aside(service: BlobServiceClient, what: str, pieces: Iterable[bytes]) -> Iterator[Aside]:
    """An append blob of ``pieces`` under a hidden name; it is gone after the block, or after a week if we are."""
    hidden = Place(names.STAGING, f"{what}-{uuid.uuid4().hex}")
    blob = client_of(service, hidden)
    blob.create_append_blob()
    try:
        size = 0
        for piece in pieces:
            for start in range(0, len(piece), BLOCK):
                size = _added(blob, piece[start : start + BLOCK], size)
        found = blob.get_blob_properties()
        if found.size != size:
            raise TransientError(f"{hidden} has {found.size:,} bytes, and {size:,} were written; try again")
        yield Aside(hidden, plain_etag(found.etag or ""), size)
    finally:
        _deleted(blob)


def _added(blob: BlobClient, piece: bytes, end: int) -> int:
    """Nobody else knows the name: if the end has moved, an earlier sending of this very piece moved it."""
    try:
        blob.append_block(piece, length=len(piece), appendpos_condition=end)
    except HttpResponseError as error:
        if code_of(error) != MOVED:
            raise
    return end + len(piece)


def _deleted(blob: BlobClient) -> None:
    try:
        blob.delete_blob()
    except HttpResponseError as error:
        if error.status_code != 404:  # sent again after a lost reply
            raise
