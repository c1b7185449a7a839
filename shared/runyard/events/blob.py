"""Blob events: what Event Grid says when a blob is complete, in its own schema or as a CloudEvent.

Format: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runyard.errors import EventError
from runyard.events.times import seconds_of
from runyard.runs.identity import check_experiment, plain_etag

WHOLE: Final = frozenset({"PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"})
"""Calls after which a blob is whole. ``CreateFile`` and ``SftpCreate``, for instance, come before its content."""

DEFAULT_EXPERIMENT: Final = "default"
SUFFIX: Final = ".zip"

_TYPE: Final = "Microsoft.Storage.BlobCreated"
_SUBJECT: Final = "/blobServices/default/containers/"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobDrop:
    """A zip that is complete in a container."""

    container: str
    name: str
    etag: str
    """Without quotes; empty if the event does not say."""
    size: int | None
    """Bytes."""
    modified: float
    """When it was written, in seconds since the epoch."""
    event_id: str = ""
    account: str = ""
    """The storage account; empty if the event does not say."""


def parse_blob_event(event: Mapping[str, object]) -> BlobDrop | None:
    """The drop that an event tells of, or ``None`` if it tells of something else (another type or call, not a zip).

    Args:
        event: The whole event; its time may be a text or a ``datetime``, as azure-functions gives it.

    Raises:
        EventError: if it is of the right type and does not have the agreed form.
    """
    if event.get("eventType", event.get("type")) != _TYPE:
        return None
    data = event.get("data")
    if not isinstance(data, Mapping):
        raise EventError("the blob event has no data")
    api = data.get("api")
    if not isinstance(api, str) or api not in WHOLE:
        return None
    container, name = _subject(_text(event, "subject"))
    if not name.lower().endswith(SUFFIX):
        return None
    modified = seconds_of(event.get("eventTime", event.get("time")), "the blob event's")
    if modified is None:
        raise EventError("the blob event has no time")
    size = data.get("contentLength")
    return BlobDrop(
        account=_account(str(event.get("topic") or event.get("source") or "")),
        container=container,
        name=name,
        etag=plain_etag(str(data.get("eTag") or "")),
        size=size if type(size) is int and size >= 0 else None,
        event_id=_text(event, "id"),
        modified=modified,
    )


def experiment_of(name: str) -> str:
    """The experiment of a dropped zip: the first folder of its name; ``default`` without one.

    Raises:
        EventError: if the folder's name is not a legal experiment name.
    """
    folder, slash, _ = name.partition("/")
    return check_experiment(folder) if slash else DEFAULT_EXPERIMENT


def sidecar_names(name: str) -> tuple[str, str]:
    """The names of files beside ``x.zip`` that may hold its run configuration, the first found wins."""
    stem = name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name
    return f"{stem}.runconfig", f"{stem}.definition.json"


def _text(event: Mapping[str, object], key: str) -> str:
    value = event.get(key)
    if not isinstance(value, str) or not value:
        raise EventError(f"the blob event's {key} must be a text")
    return value


def _subject(subject: str) -> tuple[str, str]:
    """Container and name from ``/blobServices/default/containers/<container>/blobs/<name>``."""
    container, blobs, name = subject.removeprefix(_SUBJECT).partition("/blobs/")
    if not subject.startswith(_SUBJECT) or not (container and blobs and name):
        raise EventError(f"the blob event's subject must have the form {_SUBJECT}<container>/blobs/<name>")
    return container, name


def _account(resource: str) -> str:
    parts = resource.split("/")
    return parts[-1] if len(parts) > 1 and parts[-2].lower() == "storageaccounts" else ""
