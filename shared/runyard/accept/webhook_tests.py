"""Trying a webhook: a sample delivery, proven as its sender would prove it, taken through the same door."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from runyard.accept.resolve import asked_of
from runyard.accept.webhook_kinds import (
    CLOUDEVENTS,
    EVENTGRID,
    GITHUB,
    SECRET_HEADER,
    is_wanted,
    prove,
    read,
    signing_of,
)
from runyard.accept.webhooks import IGNORED, Delivered, Outcome, blob_of, deliver, existing_webhook, submission_of
from runyard.errors import AuthError, ConfigError, ConflictError, NotFoundError
from runyard.events import cloudevents, github, template
from runyard.events.delivery import JSON, Delivery, Occurrence
from runyard.events.signatures import sign
from runyard.ports import Ports, Webhook
from runyard.runconfig.redact import redacted

SAMPLE: Final = "sample"
"""What stands in a sample payload wherever the template points."""
WOULD_START: Final = "would start"
BLOB: Final = "Microsoft.Storage.BlobCreated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came out of a sample delivery."""

    headers: tuple[str, ...]
    """The names of the headers that it had; their values may be secret."""
    payload: object
    delivered: Delivered
    submissions: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """By event id: what it asks for, with its secrets masked."""


def rehearse(ports: Ports, name: str, *, payload: object = None, event: str = "", dry_run: bool = False) -> Trial:
    """Make a delivery for a webhook and take it; it is proven by the newest secret, now.

    Args:
        ports: The outside.
        name: The webhook's.
        payload: The event, or its data; ``None`` = one is made that has what the template points at.
        event: The event's name or type; else the first that the webhook lets through.
        dry_run: Whether to start nothing, and only say what would be.

    Raises:
        NotFoundError: if there is no such webhook, or its snapshot is gone.
        ConflictError: if it is paused.
        RunyardError: whatever a delivery is refused with.
    """
    webhook = existing_webhook(ports, name)
    if webhook.paused and not dry_run:
        raise ConflictError(f"webhook {name!r} is paused; `runyard webhook resume {name}`, or try it with --dry-run")
    body, headers = _made(ports, webhook, payload, event)
    data = json.dumps(body).encode()
    delivery = Delivery.of([*headers.items(), *_proof(ports, webhook, data).items()], data)
    names = tuple(each for each, _ in delivery.headers)
    proof, _secret = prove(ports, webhook, delivery)
    events = read(webhook, delivery, proof)
    if isinstance(events, str):
        return Trial(headers=names, payload=body, delivered=deliver(ports, name, delivery))
    asked = {each.id: _asked(ports, webhook, each) for each in events if is_wanted(webhook, each)}
    if dry_run:
        outcomes = [Outcome(event=each, what=WOULD_START if asked.get(each.id) else IGNORED) for each in events]
        delivered = Delivered(outcomes=outcomes)
    else:
        delivered = deliver(ports, name, delivery)
    wanted = {ident: submission for ident, submission in asked.items() if submission}
    return Trial(headers=names, payload=body, delivered=delivered, submissions=wanted)


def _asked(ports: Ports, webhook: Webhook, event: Occurrence) -> dict[str, Any]:
    """What an event asks for, checked as far as the door checks it; nothing if it asks for no run."""
    if webhook.blob_drops:
        found = blob_of(ports, event)
        return {} if found is None else {"snapshot": f"{found.container}/{found.name}", "etag": found.etag}
    submission = submission_of(ports, webhook, event)
    asked = asked_of(submission)
    if ports.blobs.head(asked.container, asked.name) is None:
        raise NotFoundError(f"there is no snapshot {asked.container}/{asked.name}; upload it, or check the name")
    shown = redacted(submission.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True))
    assert isinstance(shown, dict)
    return shown


def _proof(ports: Ports, webhook: Webhook, body: bytes) -> dict[str, str]:
    """The headers that prove a body by the webhook's newest secret."""
    value = ports.secrets.get(webhook.secrets[0].name) if webhook.secrets else None
    if not value:
        raise AuthError(f"the secret of webhook {webhook.name!r} is missing; `runyard webhook rotate` sets a new one")
    signing = signing_of(webhook)
    if signing is not None:
        return sign(signing, value, body, timestamp=ports.clock.now(), ident=_ident())
    header = webhook.secret_header or SECRET_HEADER
    return {header: f"Bearer {value}" if header.lower() == "authorization" else value}


def _made(ports: Ports, webhook: Webhook, payload: object, event: str) -> tuple[object, dict[str, str]]:
    """The body of a sample delivery, and its headers but for the proof."""
    kind = event or next(iter(webhook.events), "")
    if webhook.kind == GITHUB:
        names = {github.DELIVERY: _ident(), github.EVENT: kind or "push"}
        return sample_payload(webhook) if payload is None else payload, {"Content-Type": JSON, **names}
    if webhook.kind == CLOUDEVENTS:
        return _cloud_event(ports, webhook, payload, kind), {"Content-Type": cloudevents.STRUCTURED}
    if webhook.kind == EVENTGRID:
        return _event_grid(ports, webhook, payload, kind), {"Content-Type": JSON}
    named = {webhook.id_header: _ident()} if webhook.id_header else {}
    body = sample_payload(webhook) if payload is None else payload
    if kind and isinstance(body, dict):
        body = {**body, "type": kind}
    return body, {"Content-Type": JSON, **named}


def _cloud_event(ports: Ports, webhook: Webhook, payload: object, kind: str) -> object:
    if isinstance(payload, Mapping) and "specversion" in payload:
        return {**payload, "type": kind or payload.get("type")}
    sample = sample_payload(webhook)
    return {
        "specversion": cloudevents.VERSION,
        **{name: value for name, value in sample.items() if name != "data"},
        "id": _ident(),
        "source": "/runyard/webhook-test",
        "type": kind or "com.example.test",
        "subject": sample_subject(webhook),
        "time": _iso(ports),
        "data": sample.get("data", {}) if payload is None else payload,
    }


def _event_grid(ports: Ports, webhook: Webhook, payload: object, kind: str) -> object:
    if isinstance(payload, list):
        return payload
    if isinstance(payload, Mapping) and "eventType" in payload:
        return [{**payload, "eventType": kind or payload["eventType"]}]
    if webhook.blob_drops and (payload is None or (isinstance(payload, Mapping) and "blob" in payload)):
        return [_blob_created(ports, payload)]
    sample = sample_payload(webhook)
    event = {
        **{name: value for name, value in sample.items() if name != "data"},
        "id": _ident(),
        "topic": "/runyard/webhook-test",
        "subject": sample_subject(webhook),
        "eventType": kind or "Example.Test",
        "eventTime": _iso(ports),
        "data": sample.get("data", {}) if payload is None else payload,
        "dataVersion": "1.0",
    }
    return [event]


def _blob_created(ports: Ports, payload: object) -> dict[str, object]:
    """The event of a blob that is there: the one named, else the first in the drop container."""
    if isinstance(payload, Mapping):
        container, _, name = str(payload["blob"]).partition("/")
        info = ports.blobs.head(container, name) if name else None
    else:
        container = "snapshots"
        info = next((each for each in ports.blobs.list(container) if each.name.lower().endswith(".zip")), None)
    if info is None:
        raise ConfigError(
            'there is no such blob; name one that is there: --payload \'{"blob": "snapshots/ridge/a.zip"}\''
        )
    return {
        "id": _ident(),
        "topic": "/runyard/webhook-test",
        "subject": f"/blobServices/default/containers/{container}/blobs/{info.name}",
        "eventType": BLOB,
        "eventTime": datetime.fromtimestamp(info.modified, UTC).isoformat(),
        "data": {"api": "PutBlob", "eTag": info.etag, "contentLength": info.size},
        "dataVersion": "",
    }


def sample_payload(webhook: Webhook, ident: str | None = None) -> dict[str, Any]:
    """A payload that has a text wherever the template points, and an identity where it should have one."""
    made: dict[str, Any] = {}
    for pointer in [*template.pointers(webhook.submission), *([webhook.id_pointer] if webhook.id_pointer else [])]:
        *path, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        place = made
        for part in path:
            place = place.setdefault(part, {}) if isinstance(place.get(part, {}), dict) else {}
        place.setdefault(last, (ident or _ident()) if pointer == webhook.id_pointer else SAMPLE)
    return made


def sample_subject(webhook: Webhook) -> str:
    """A subject that the webhook's filters let through."""
    return f"{webhook.subject_prefix}{SAMPLE}{webhook.subject_suffix}"


def _ident() -> str:
    return f"test-{secrets.token_hex(8)}"


def _iso(ports: Ports) -> str:
    return datetime.fromtimestamp(ports.clock.now(), UTC).isoformat().replace("+00:00", "Z")
