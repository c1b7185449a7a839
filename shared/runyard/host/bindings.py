"""What a function is called with: the real objects of ``azure.functions``, made as Azure's worker makes them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import azure.functions as func
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest

from runyard.ports.blobs import BlobInfo
from runyard.ports.queue import Message
from runyard.runs.identity import identity

BLOB_CREATED: Final = "Microsoft.Storage.BlobCreated"
_local = threading.local()


class InvocationContext(func.Context):
    """The ``context`` of one invocation; there is no tracing and no host-side retry here."""

    def __init__(self, name: str, folder: str) -> None:
        self._name = name
        self._folder = folder
        self._id = secrets.token_hex(16)

    @property
    def invocation_id(self) -> str:
        """A random id of this call."""
        return self._id

    @property
    def thread_local_storage(self) -> Any:
        """One storage per thread."""
        return _local

    @property
    def function_name(self) -> str:
        """The function's name in the app."""
        return self._name

    @property
    def function_directory(self) -> str:
        """The folder of the app."""
        return self._folder

    @property
    def trace_context(self) -> Any:
        """Nothing: this host does not trace."""
        return None

    @property
    def retry_context(self) -> Any:
        """Nothing: messages are retried by their queue."""
        return None


def queue_message(message: Message) -> ServiceBusMessage:
    """The Service Bus message of a received message."""
    properties: dict[str, object] = dict(message.properties)
    enqueued = datetime.fromtimestamp(message.enqueued, UTC)
    return ServiceBusMessage(
        body=message.body,
        application_properties=properties,
        user_properties=properties,
        message_id=message.id,
        delivery_count=message.delivery_count,
        enqueued_time_utc=enqueued,
        sequence_number=message.sequence,
        enqueued_sequence_number=message.sequence,
        lock_token=message.lock_token,
        locked_until=datetime.fromtimestamp(message.locked_until, UTC),
        dead_letter_reason=message.dead_letter_reason or None,
        dead_letter_error_description=message.dead_letter_description or None,
        dead_letter_source=message.dead_letter_source or None,
        state=0,
    )


def blob_created(blob: BlobInfo, *, url: str, at: float) -> func.EventGridEvent:
    """The event that Blob Storage raises for a new blob.

    Args:
        blob: The blob.
        url: Where it is.
        at: When it was seen, in seconds since the epoch.

    The same version of a blob has the same event id. The form:
    https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
    """
    event_id = identity(blob.container, blob.name, blob.etag)[:32]
    data: dict[str, object] = {
        "api": "PutBlob",
        "requestId": event_id,
        "eTag": blob.etag,
        "contentType": "application/zip",
        "contentLength": blob.size,
        "blobType": "BlockBlob",
        "url": url,
        "sequencer": f"{int(blob.modified * 1e6):032x}",
    }
    return func.EventGridEvent(
        id=event_id,
        topic="/runyard/embedded",
        subject=f"/blobServices/default/containers/{blob.container}/blobs/{blob.name}",
        event_type=BLOB_CREATED,
        event_time=datetime.fromtimestamp(at, UTC),
        data=data,
        data_version="",
    )


def timer_request(*, past_due: bool, status: Mapping[str, str]) -> TimerRequest:
    """What a timer function is called with; ``status`` holds ``Last`` and ``Next``, ISO 8601 in UTC."""
    return TimerRequest(past_due=past_due, schedule_status=dict(status), schedule={"AdjustForDST": False})
