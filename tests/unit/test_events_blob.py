"""Which blob events are a drop, and what they say."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from runyard.errors import EventError
from runyard.events.blob import BlobDrop, experiment_of, parse_blob_event, sidecar_names

EVENT: dict[str, Any] = {
    "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acc",
    "subject": "/blobServices/default/containers/snapshots/blobs/ridge/a b.zip",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-01-31T12:00:00.5Z",
    "id": "e-1",
    "data": {
        "api": "PutBlockList",
        "eTag": '"0x8D4"',
        "contentLength": 524288,
        "url": "https://acc.blob.core.windows.net/snapshots/ridge/a%20b.zip",
    },
}
DROP = BlobDrop(
    container="snapshots",
    name="ridge/a b.zip",
    etag="0x8D4",
    size=524288,
    modified=1769860800.5,
    event_id="e-1",
    account="acc",
)


def changed(**changes: Any) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    for key, value in changes.items():
        (event["data"] if key in {"api", "eTag", "contentLength"} else event)[key] = value
    return event


def test_an_event_grid_event_is_a_drop() -> None:
    assert parse_blob_event(EVENT) == DROP
    assert parse_blob_event(changed(eventTime=datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC))) == DROP


def test_a_cloud_event_is_the_same_drop() -> None:
    event = {"specversion": "1.0", "type": EVENT["eventType"], "source": EVENT["topic"], "time": EVENT["eventTime"]}
    assert parse_blob_event({**event, "subject": EVENT["subject"], "id": "e-1", "data": EVENT["data"]}) == DROP


@pytest.mark.parametrize("api", ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"])
def test_calls_that_make_a_blob_whole_count(api: str) -> None:
    assert parse_blob_event(changed(api=api)) == DROP


@pytest.mark.parametrize(
    "change",
    [
        {"eventType": "Microsoft.Storage.BlobDeleted"},
        {"api": "CreateFile"},
        {"api": None},
        {"api": []},
        {"subject": "/blobServices/default/containers/snapshots/blobs/ridge/a.runconfig"},
    ],
)
def test_other_events_are_no_drop(change: dict[str, Any]) -> None:
    assert parse_blob_event(changed(**change)) is None


def test_size_and_etag_may_be_missing() -> None:
    drop = parse_blob_event(changed(contentLength=None, eTag=None, topic=None))
    assert drop is not None
    assert (drop.size, drop.etag, drop.account) == (None, "", "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subject": "/x"}, "subject"),
        ({"subject": None}, "subject"),
        ({"subject": "/blobServices/default/containers/c/blobs/"}, "subject"),
        ({"id": 5}, "id"),
        ({"eventTime": "x"}, "time"),
        ({"eventTime": None}, "time"),
        ({"data": []}, "data"),
    ],
)
def test_a_malformed_event_is_an_error(change: dict[str, Any], says: str) -> None:
    with pytest.raises(EventError, match=says):
        parse_blob_event(changed(**change))


def test_the_first_folder_is_the_experiment() -> None:
    assert [experiment_of(name) for name in ("ridge/a.zip", "ridge/x/a.zip", "a.zip")] == ["ridge", "ridge", "default"]
    for name in ("_rejected/a.zip", "/a.zip", "a b/a.zip", "x" * 37 + "/a.zip"):
        with pytest.raises(EventError, match="is not an experiment name"):
            experiment_of(name)


def test_sidecars_have_the_same_stem() -> None:
    assert sidecar_names("e/x.zip") == ("e/x.runconfig", "e/x.definition.json")
    assert sidecar_names("e/x.ZIP") == ("e/x.runconfig", "e/x.definition.json")
