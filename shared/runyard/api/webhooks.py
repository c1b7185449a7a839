"""Webhooks as their owner sees them: defining, showing, trying, pausing, their secrets. None of it shows a secret's value."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr
from starlette.responses import Response

from runyard.accept import webhook_definitions as definitions
from runyard.accept.webhook_kinds import HMAC, SECRET_HEADER, kind_of, signing_of
from runyard.accept.webhook_tests import Trial, rehearse
from runyard.accept.webhooks import existing_webhook
from runyard.api.answers import answer, iso, iso_or_none
from runyard.api.context import PortsDep, ServicesDep
from runyard.api.event_shapes import DeliveriesShape, ProofShape, WebhookSecretShape, WebhookShape, WebhookTestShape
from runyard.api.webhook_examples import example
from runyard.errors import ConfigError
from runyard.events.signatures import BODY, STANDARD, TIMESTAMP_HEADER, TIMESTAMPED, TOLERANCE, Signing
from runyard.ports import Webhook
from runyard.runconfig.redact import redacted, redacted_text
from runyard.services import Services

router = APIRouter(prefix="/api/webhooks")

SHOWN_SECRET: Final = "secret-header"  # noqa: S105 - the scheme's name
"""The scheme of deliveries that are not signed: they show the secret itself."""

EventName = Annotated[str, Field(min_length=1, max_length=200)]
HeaderName = Annotated[str, Field(max_length=100)]
Part = Annotated[str, Field(max_length=1024)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class WebhookDefinition(_Body):
    """A new webhook."""

    name: str = Field(max_length=100)
    kind: str = Field("github", max_length=30)
    secret: SecretStr = Field(max_length=1024)
    submission: dict[str, Any] = Field(default_factory=dict)
    events: tuple[EventName, ...] = Field((), max_length=50)
    scheme: str | None = Field(None, max_length=30)
    signature_header: HeaderName = Field("", alias="signatureHeader")
    timestamp_header: HeaderName | None = Field(None, alias="timestampHeader")
    algorithm: str | None = Field(None, max_length=30)
    encoding: str | None = Field(None, max_length=30)
    tolerance: float | None = Field(None, alias="toleranceSeconds")
    secret_header: HeaderName = Field("", alias="secretHeader")
    id_header: HeaderName = Field("", alias="idHeader")
    id_pointer: str = Field("", alias="idPointer", max_length=300)
    subject_prefix: Part = Field("", alias="subjectPrefix")
    subject_suffix: Part = Field("", alias="subjectSuffix")
    blob_drops: bool = Field(False, alias="blobDrops")
    open_handshake: bool = Field(False, alias="openHandshake")

    def signing(self) -> Signing | None:
        """How deliveries are to be signed; ``None`` if the kind says it, or they show the secret.

        Raises:
            ConfigError: if it says more than the scheme leaves open.
        """
        scheme = self.scheme or (TIMESTAMPED if self.kind == HMAC else SHOWN_SECRET)
        self._check_said(scheme)
        if scheme == SHOWN_SECRET and self.kind != HMAC:
            return None
        return Signing(
            scheme=scheme,
            header=self.signature_header,
            timestamp_header=self.timestamp_header or TIMESTAMP_HEADER,
            algorithm=self.algorithm or "sha256",
            encoding=self.encoding or ("base64" if scheme == STANDARD else "hex"),
            tolerance=TOLERANCE if self.tolerance is None else self.tolerance,
        )

    def _check_said(self, scheme: str) -> None:
        form = (bool(self.signature_header), self.algorithm is not None, self.encoding is not None)
        said = [
            name
            for name, is_said in zip(("a signature header", "an algorithm", "an encoding"), form, strict=True)
            if is_said and scheme in {STANDARD, SHOWN_SECRET}
        ]
        if self.timestamp_header is not None and scheme != TIMESTAMPED:
            said.append("a timestamp header")
        if self.tolerance is not None and scheme in {BODY, SHOWN_SECRET}:
            said.append("a tolerance")
        if said:
            raise ConfigError(f"deliveries of the scheme {scheme[:30]} do not have {said[0]} to choose; leave it out")


class Rotation(_Body):
    """A new secret for a webhook."""

    secret: SecretStr = Field(max_length=1024)
    keep: float | None = Field(None, ge=0, le=366 * 86_400, alias="keepOldSeconds")
    """How long the old one goes on to prove; ``null`` = until it is removed."""


class Try(_Body):
    """What a sample delivery is to hold."""

    payload: JsonValue = None
    event: str = Field("", max_length=200)
    dry_run: bool = Field(False, alias="dryRun")


@router.get("")
def list_webhooks(services: ServicesDep) -> Response:
    """Every webhook, without its secrets."""
    return answer({"webhooks": [_shape(services, webhook) for webhook in services.ports.webhooks.list()]})


@router.post("")
def add_webhook(services: ServicesDep, definition: WebhookDefinition) -> Response:
    """Define a webhook. Its secret is kept apart and is in no answer."""
    fields = set(definitions.Asked.__dataclass_fields__) - {"secret", "signing"}
    asked = definitions.Asked(
        **{name: getattr(definition, name) for name in fields},
        secret=definition.secret.get_secret_value(),
        signing=definition.signing(),
    )
    webhook = definitions.define(services.ports, asked)
    services.tally.forget(webhook.name)
    return answer(_shape(services, webhook), 201, {"Location": _path(webhook.name)})


@router.get("/{name}")
def show_webhook(services: ServicesDep, name: str) -> Response:
    """One webhook, without its secrets, and what became of its deliveries."""
    return answer(_shape(services, existing_webhook(services.ports, name)))


@router.delete("/{name}")
def remove_webhook(services: ServicesDep, name: str) -> Response:
    """Remove a webhook and its secrets."""
    definitions.remove(services.ports, name)
    services.tally.forget(name)
    return Response(status_code=204)


@router.post("/{name}/rotate")
def rotate_secret(services: ServicesDep, name: str, rotation: Rotation) -> Response:
    """Take a new secret; the old one goes on to prove for a while."""
    secret = rotation.secret.get_secret_value()
    return answer(_shape(services, definitions.rotate(services.ports, name, secret, keep=rotation.keep)))


@router.get("/{name}/secrets")
def list_secrets(services: ServicesDep, name: str) -> Response:
    """A webhook's secrets, never their values."""
    return answer({"secrets": _secrets(services, existing_webhook(services.ports, name))})


@router.delete("/{name}/secrets/{ident}")
def remove_secret(ports: PortsDep, name: str, ident: str) -> Response:
    """Let a secret prove nothing any more."""
    definitions.remove_secret(ports, name, ident)
    return Response(status_code=204)


@router.post("/{name}/pause")
def pause_webhook(services: ServicesDep, name: str) -> Response:
    """Turn deliveries away until resumed."""
    return answer(_shape(services, definitions.pause(services.ports, name, paused=True)))


@router.post("/{name}/resume")
def resume_webhook(services: ServicesDep, name: str) -> Response:
    """Take deliveries again."""
    return answer(_shape(services, definitions.pause(services.ports, name, paused=False)))


@router.post("/{name}/test")
def test_webhook(ports: PortsDep, name: str, asked: Try) -> Response:
    """Make a delivery as its sender would, and take it; or only say what it would start."""
    trial = rehearse(ports, name, payload=asked.payload, event=asked.event, dry_run=asked.dry_run)
    return answer(_trial(trial, dry_run=asked.dry_run))


def _path(name: str) -> str:
    return f"/api/webhooks/{name}"


def _shape(services: Services, webhook: Webhook) -> WebhookShape:
    submission = redacted(dict(webhook.submission))
    assert isinstance(submission, dict)
    return {
        "name": webhook.name,
        "kind": webhook.kind,
        "proof": _proof(webhook),
        "idHeader": webhook.id_header,
        "idPointer": webhook.id_pointer,
        "events": list(webhook.events),
        "subjectPrefix": webhook.subject_prefix,
        "subjectSuffix": webhook.subject_suffix,
        "blobDrops": webhook.blob_drops,
        "openHandshake": webhook.open_handshake,
        "paused": webhook.paused,
        "submission": submission,
        "secrets": _secrets(services, webhook),
        "path": _path(webhook.name),
        "createdTimeUtc": iso(webhook.created),
        "deliveries": _deliveries(services, webhook.name),
        "maxBytes": kind_of(webhook).most_bytes,
        "example": example(webhook, _path(webhook.name)),
    }


def _proof(webhook: Webhook) -> ProofShape:
    signing = signing_of(webhook)
    if signing is None:
        return {
            "scheme": SHOWN_SECRET,
            "header": webhook.secret_header or SECRET_HEADER,
            "timestampHeader": None,
            "algorithm": None,
            "encoding": None,
            "toleranceSeconds": None,
        }
    return {
        "scheme": webhook.kind if webhook.signing is None else signing.scheme,
        "header": signing.signature_header,
        "timestampHeader": signing.timestamp_header if signing.scheme == TIMESTAMPED else None,
        "algorithm": signing.algorithm,
        "encoding": signing.encoding,
        "toleranceSeconds": None if signing.scheme == BODY else signing.tolerance,
    }


def _secrets(services: Services, webhook: Webhook) -> list[WebhookSecretShape]:
    now, used = services.ports.clock.now(), services.tally.of(webhook.name).secret_used
    return [
        {
            "id": each.id,
            "createdTimeUtc": iso(each.created),
            "validUntilTimeUtc": iso_or_none(each.until),
            "valid": each.until is None or now < each.until,
            "lastUsedTimeUtc": iso_or_none(used.get(each.id)),
        }
        for each in webhook.secrets
    ]


def _deliveries(services: Services, name: str) -> DeliveriesShape:
    count = services.tally.of(name)
    return {
        "sinceTimeUtc": iso(services.tally.since),
        "accepted": count.accepted,
        "runs": count.runs,
        "refused": count.refused,
        "lastAcceptedTimeUtc": iso_or_none(count.accepted_at or None),
        "lastRefusedTimeUtc": iso_or_none(count.refused_at or None),
        "lastRefusal": redacted_text(count.refusal),
        "lastHandshakeTimeUtc": iso_or_none(count.handshake_at or None),
    }


def _trial(trial: Trial, *, dry_run: bool) -> WebhookTestShape:
    return {
        "signature": "ok",
        "headers": list(trial.headers),
        "payload": redacted(trial.payload),
        "dryRun": dry_run,
        "events": [
            {
                "eventId": each.event.id,
                "type": each.event.type,
                "outcome": each.what,
                "runId": each.run,
                "submission": trial.submissions.get(each.event.id),
            }
            for each in trial.delivered.outcomes
        ],
        "validationResponse": trial.delivered.validation,
    }
