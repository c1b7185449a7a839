from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import azure.functions as func
import pytest

from runyard.errors import ConfigError
from runyard.host.app import QUEUE, Served
from runyard.host.bindings import blob_created, queue_message, timer_request
from runyard.host.calls import describe, invoke
from runyard.ports.blobs import BlobInfo
from runyard.ports.queue import Message
from tests.host_helpers import served

MESSAGE = Message(
    queue="deadletters",
    id="m-1",
    body=b"{}",
    sequence=7,
    enqueued=1_700_000_000.0,
    delivery_count=3,
    lock_token="t",
    locked_until=1_700_000_060.0,
    dead_letter_reason="MaxDeliveryCountExceeded",
    dead_letter_source="submissions",
    properties={"kind": "x"},
)


def test_a_message_becomes_a_service_bus_message() -> None:
    made = queue_message(MESSAGE)

    assert isinstance(made, func.ServiceBusMessage)
    assert made.get_body() == b"{}"
    assert (made.message_id, made.delivery_count, made.sequence_number, made.lock_token) == ("m-1", 3, 7, "t")
    assert made.enqueued_time_utc == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert made.locked_until == datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)
    assert (made.dead_letter_reason, made.dead_letter_source) == ("MaxDeliveryCountExceeded", "submissions")
    assert made.dead_letter_error_description is None
    assert made.application_properties == made.user_properties == {"kind": "x"}


def test_a_blob_becomes_the_event_that_blob_storage_raises() -> None:
    blob = BlobInfo(container="snapshots", name="exp/a b.zip", etag="1-2-3", size=12, modified=1_700_000_000.0)
    event = blob_created(blob, url="file:///root/snapshots/exp/a%20b.zip", at=1_700_000_001.0)

    assert isinstance(event, func.EventGridEvent)
    assert event.event_type == "Microsoft.Storage.BlobCreated"
    assert event.subject == "/blobServices/default/containers/snapshots/blobs/exp/a b.zip"
    assert event.event_time == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    data: dict[str, Any] = event.get_json()
    assert {key: data[key] for key in ("api", "eTag", "contentLength", "contentType", "blobType", "url")} == {
        "api": "PutBlob",
        "eTag": "1-2-3",
        "contentLength": 12,
        "contentType": "application/zip",
        "blobType": "BlockBlob",
        "url": "file:///root/snapshots/exp/a%20b.zip",
    }


def test_the_same_version_of_a_blob_has_the_same_event_id() -> None:
    blob = BlobInfo(container="snapshots", name="a.zip", etag="1", size=1, modified=1.0)
    other = BlobInfo(container="snapshots", name="a.zip", etag="2", size=1, modified=1.0)
    ids = [blob_created(each, url="", at=at).id for each, at in ((blob, 1.0), (blob, 2.0), (other, 1.0))]

    assert ids[0] == ids[1] != ids[2]


def test_a_timer_request_says_whether_it_is_late() -> None:
    made = timer_request(past_due=True, status={"Last": "x"})

    assert isinstance(made, func.TimerRequest)
    assert made.past_due
    assert made.schedule_status == {"Last": "x"}


def test_a_function_that_asks_for_the_context_gets_one() -> None:
    seen: list[func.Context] = []

    def handle(value: object, context: func.Context) -> None:
        seen.append(context)

    invoke(
        Served(name="f", trigger=QUEUE, settings={}, call=handle, parameter="value", takes_context=True, folder="/app"),
        1,
    )

    assert (seen[0].function_name, seen[0].function_directory, len(seen[0].invocation_id)) == ("f", "/app", 32)


def test_an_async_function_is_run_to_its_end() -> None:
    seen: list[object] = []

    async def handle(value: object) -> None:
        seen.append(value)

    invoke(Served(name="f", trigger=QUEUE, settings={}, call=handle, parameter="value", is_async=True), 5)

    assert seen == [5]


def test_an_error_passes_through_a_call() -> None:
    def handle(value: object) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        invoke(served(handle, QUEUE), 1)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("One sentence."), "One sentence."),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_an_error_is_described_in_one_line(error: Exception, line: str) -> None:
    assert describe(error) == line
