"""However a drop in Azure becomes known, by trigger, webhook, sweep or a look at the blob, it is the same run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runyard.accept.acceptor import blob_identity
from runyard.accept.webhooks import blob_of
from runyard.events.blob import parse_blob_event
from runyard.events.cloudevents import occurrence
from runyard.ports import BlobInfo, BlobStore, Query
from runyard.reconcile import is_known, sweep
from tests.fakes import snapshot
from tests.unit.house import House

# The facts of the samples at https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
ETAG = "0x8D4BCC2E4835CD0"
TOPIC = "/subscriptions/s/resourceGroups/Storage/providers/Microsoft.Storage/storageAccounts/my-storage-account"
SUBJECT = "/blobServices/default/containers/snapshots/blobs/exp/new-file.zip"
DATA: dict[str, Any] = {
    "api": "PutBlockList",
    "clientRequestId": "6d79dbfb-0e37-4fc4-981f-442c9ca65760",
    "requestId": "831e1650-001e-001b-66ab-eeb76e000000",
    "eTag": ETAG,
    "contentType": "application/octet-stream",
    "contentLength": 524288,
    "blobType": "BlockBlob",
    "url": "https://my-storage-account.blob.core.windows.net/snapshots/exp/new-file.zip",
    "sequencer": "00000000000004420000000000028963",
    "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
}
EVENT: dict[str, Any] = {
    "topic": TOPIC,
    "subject": SUBJECT,
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2017-06-26T18:41:00.9584103Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": DATA,
    "dataVersion": "",
    "metadataVersion": "1",
}
CLOUD: dict[str, Any] = {
    "source": TOPIC,
    "subject": SUBJECT,
    "type": "Microsoft.Storage.BlobCreated",
    "time": "2017-06-26T18:41:00.9584103Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": DATA,
    "specversion": "1.0",
}
MODIFIED = 1498502460.0
"""Last-Modified, which has no fractions: Mon, 26 Jun 2017 18:41:00 GMT."""


class AsAzure:
    """Blobs whose ETag is in quotes, as the header and the SDK have it, and whose time is Azure's."""

    def __init__(self, inner: BlobStore) -> None:
        self._inner = inner

    def head(self, container: str, name: str) -> BlobInfo | None:
        found = self._inner.head(container, name)
        return found and self._shown(found)

    def list(self, *given: Any, **named: Any) -> list[BlobInfo]:
        return [self._shown(each) for each in self._inner.list(*given, **named)]

    @staticmethod
    def _shown(info: BlobInfo) -> BlobInfo:
        return replace(info, etag=f'"{ETAG}"', modified=MODIFIED)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def house() -> House:
    house = House()
    house.clock.advance(MODIFIED + 3600 - house.clock.now())
    house.ports.blobs.put("snapshots", "exp/new-file.zip", snapshot())
    house.ports = replace(house.ports, blobs=AsAzure(house.ports.blobs))
    return house


def test_event_listing_and_head_give_one_identity(house: House) -> None:
    head = house.ports.blobs.head("snapshots", "exp/new-file.zip")
    (listed,) = house.ports.blobs.list("snapshots")
    assert head is not None
    found = [parse_blob_event(EVENT), parse_blob_event(CLOUD)]
    for event in (EVENT, CLOUD):
        payload = event if "eventType" in event else occurrence(event).payload
        found.append(blob_of(house.ports, replace(occurrence(CLOUD), payload=payload)))
    drops = [each for each in found if each is not None]
    assert 4 == len(drops)
    seen = [replace(drops[0], etag=each.etag) for each in (head, listed)]
    assert 1 == len({blob_identity(each) for each in (*drops, *seen)})


def test_a_webhook_takes_the_time_of_the_blob_and_not_of_the_event(house: House) -> None:
    found = blob_of(house.ports, occurrence(CLOUD))
    assert found is not None
    assert found.modified == MODIFIED


def test_the_sweep_finds_nothing_more_after_the_event(house: House) -> None:
    from runyard.accept import drop

    event = parse_blob_event(EVENT)
    assert event is not None
    drop(house.ports, event)
    house.deliver("submissions")
    (run,) = house.ports.runs.list(Query()).runs
    assert blob_identity(event) == run.identity
    assert is_known(house.ports, "snapshots", "exp/new-file.zip", f'"{ETAG}"', MODIFIED)
    assert 0 == sweep(house.ports)
