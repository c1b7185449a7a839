"""What every operation on a blob needs: its client, its properties in our words, its names, and its own write told apart."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient, BlobServiceClient

from runyard.errors import ConfigError, NotFoundError, RunyardError, SnapshotError
from runyard.ports.blobs import BlobInfo
from runyard.runs.identity import plain_etag
from runyard.stores.azure.edge import code_of, translate
from runyard.stores.names import check_blob, check_container

# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata#resource-names
MOST_SEGMENTS: Final = 254
_NOT_IN_NAMES: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff\\\\]")
"""Control characters, what is no character, and the backslash, which the service takes for a slash."""
OPERATION: Final = "runyard_op"
"""The metadata that says whose write a blob is: a create that meets itself after a lost reply succeeded."""


@dataclass(frozen=True, slots=True)
class Place:
    """A blob's place."""

    container: str
    name: str

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"


def place(container: str, name: str) -> Place:
    """A place that Azure allows.

    Raises:
        ConfigError: if it does not.
    """
    check_container(container)
    check_blob(name)
    if _NOT_IN_NAMES.search(name):
        raise ConfigError(
            f"{name[:80]!r} cannot be a blob's name in Azure: it has control characters or a backslash; rename the file"
        )
    if name.count("/") >= MOST_SEGMENTS:
        raise ConfigError(f"{name[:80]!r} cannot be a blob's name in Azure: it has more than {MOST_SEGMENTS} parts")
    return Place(container, name)


def client_of(service: BlobServiceClient, where: Place) -> BlobClient:
    """The SDK's client of one blob."""
    return service.get_blob_client(where.container, where.name)


@contextmanager
def at(where: Place, doing: str) -> Iterator[None]:
    """Turn the SDK's errors into ours; what is missing is named."""
    try:
        yield
    except AzureError as error:
        code = code_of(error)
        if code == "ContainerNotFound":
            raise no_container(where.container) from error
        ours = translate(error, f"{doing} {where}")
        if isinstance(ours, NotFoundError):
            raise missing(where) from error
        raise ours from error


def no_container(container: str) -> NotFoundError:
    """What to raise when a container is not there: they are made with the app, not on the way."""
    return NotFoundError(f"there is no container {container} in the storage account; create it")


def missing(where: Place) -> NotFoundError:
    """What to raise when a blob is not there."""
    return NotFoundError(f"there is no blob {where}")


def changed(where: Place, etag: str | None = None) -> SnapshotError:
    """What to raise when a blob is another than was meant."""
    if etag is not None:
        return SnapshotError(f"{where} changed since it was accepted (its ETag is no longer {etag})")
    return SnapshotError(f"{where} changed while it was read")


def only(etag: str) -> dict[str, Any]:
    """Options: this version alone."""
    return {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}


def absent() -> dict[str, Any]:
    """Options: only where nothing is."""
    return {"match_condition": MatchConditions.IfMissing}


def new_operation() -> dict[str, str]:
    """Metadata of a write of its own."""
    return {OPERATION: uuid.uuid4().hex}


def written(where: Place, answer: Any, size: int) -> BlobInfo:
    """What a write's answer says."""
    modified: datetime = answer["last_modified"]
    return BlobInfo(
        container=where.container,
        name=where.name,
        etag=plain_etag(str(answer["etag"])),
        size=size,
        modified=modified.timestamp(),
    )


def info_of(where: Place, properties: Any) -> BlobInfo:
    """What the service says of a blob."""
    return BlobInfo(
        container=where.container,
        name=where.name,
        etag=plain_etag(properties.etag or ""),
        size=int(properties.size),
        modified=properties.last_modified.timestamp(),
    )


def properties_of(service: BlobServiceClient, where: Place) -> Any:
    """The SDK's properties, or ``None`` if there is no such blob; one whose copying is not done is not there yet."""
    try:
        with at(where, "looking at"):
            found = client_of(service, where).get_blob_properties()
    except NotFoundError:
        return None
    return None if found.copy.status == "pending" else found


def written_by(properties: Any) -> str:
    """Which operation wrote the whole blob; empty if it does not say."""
    return str((properties.metadata or {}).get(OPERATION, ""))


def first_of(service: BlobServiceClient, where: Place, most: int) -> tuple[Any, bytes] | None:
    """The SDK's properties and up to ``most`` of the first bytes, of one version, with one request; ``None`` as above."""
    try:
        with at(where, "opening"):
            answer = client_of(service, where).download_blob(0, most)
            found, head = answer.properties, bytes(answer.readall())
    except NotFoundError:
        return None
    except RunyardError as error:
        if code_of(error.__cause__ or error) != "InvalidRange":
            raise
        empty = properties_of(service, where)  # an empty blob has no range
        return None if empty is None else (empty, b"")
    found.size = int(str(found.content_range).rpartition("/")[2])  # it is that of the range else
    return None if found.copy.status == "pending" else (found, head)


def our_own(service: BlobServiceClient, where: Place, operation: dict[str, str]) -> BlobInfo | None:
    """The blob, if it is the one that this very operation wrote."""
    found = properties_of(service, where)
    if found is None or written_by(found) != operation[OPERATION]:
        return None
    return info_of(where, found)
