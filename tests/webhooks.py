"""Deliveries as their senders make them, for tests of every level."""

from __future__ import annotations

import json
from typing import Any

from runyard.events.signatures import STANDARD, Signing, sign

SECRET = "a-secret-of-the-tests-0123456789"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ORIGIN = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"

Sent = tuple[bytes, dict[str, str]]
"""A body and its headers."""


def packed(value: Any) -> bytes:
    return json.dumps(value).encode()


def cloud_event(ident: str = "A234-1234-1234", **changes: Any) -> dict[str, Any]:
    """The example of the specification's JSON format, with JSON data."""
    return {
        "specversion": "1.0",
        "type": "com.example.someevent",
        "source": "/mycontext",
        "subject": "models/ridge",
        "id": ident,
        "time": "2018-04-05T17:31:00Z",
        "comexampleextension1": "value",
        "datacontenttype": "application/json",
        "data": {"appinfoA": "abc", "alpha": 0.25},
        **changes,
    }


def grid_event(ident: str = "831e1650-001e-001b-66ab-eeb76e069631", **changes: Any) -> dict[str, Any]:
    """As Event Grid's own examples of its schema."""
    return {
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/my-account",
        "subject": "models/ridge",
        "eventType": "recordInserted",
        "eventTime": "2017-06-26T18:41:00.9584103Z",
        "id": ident,
        "data": {"alpha": 0.25},
        "dataVersion": "1.0",
        "metadataVersion": "1",
        **changes,
    }


def blob_created(name: str, etag: str, *, api: str = "PutBlockList", container: str = "snapshots") -> dict[str, Any]:
    """As Event Grid's example of a blob that was created."""
    return grid_event(
        subject=f"/blobServices/default/containers/{container}/blobs/{name}",
        eventType="Microsoft.Storage.BlobCreated",
        data={"api": api, "eTag": etag, "contentType": "application/zip", "contentLength": 524288},
    )


def validation_event() -> dict[str, Any]:
    """As Event Grid's example of its handshake."""
    return {
        "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
        "topic": "/subscriptions/xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        "subject": "",
        "data": {
            "validationCode": CODE,
            "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/myeventsub/validate?id=x",
        },
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2022-10-28T04:23:35.1981776Z",
        "metadataVersion": "1",
        "dataVersion": "2",
    }


def shown(body: bytes, kind: str, secret: str = SECRET, header: str = "X-Runyard-Key") -> Sent:
    """A delivery that shows the secret."""
    return body, {"Content-Type": kind, header: secret}


def signed(
    body: bytes,
    signing: Signing,
    at: float,
    *,
    secret: str = SECRET,
    ident: str = "d-1",
    kind: str = "application/json",
) -> Sent:
    """A delivery that is signed."""
    if signing.scheme == STANDARD and secret == SECRET:
        secret = STANDARD_SECRET
    return body, {"Content-Type": kind, **sign(signing, secret, body, timestamp=at, ident=ident)}


def structured(event: Any, secret: str = SECRET) -> Sent:
    return shown(packed(event), "application/cloudevents+json; charset=utf-8", secret)


def batched(events: Any, secret: str = SECRET) -> Sent:
    return shown(packed(events), "application/cloudevents-batch+json", secret)


def binary(event: dict[str, Any], secret: str = SECRET) -> Sent:
    body, headers = shown(packed(event["data"]), "application/json; charset=utf-8", secret)
    named = {f"ce-{name}": str(event[name]) for name in event if name not in {"data", "datacontenttype"}}
    return body, {**headers, **named}


def grid(events: Any, secret: str = SECRET) -> Sent:
    body, headers = shown(packed(events), "application/json; charset=utf-8", secret)
    return body, {**headers, "aeg-event-type": "Notification"}
