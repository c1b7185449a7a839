"""Webhooks, seen from a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack, cast
from urllib.parse import quote

from runyard.api.event_shapes import WebhookSecretShape, WebhookShape, WebhookTestShape
from runyard.sdk.connection import Connection


class WebhookOptions(TypedDict, total=False):
    """What else a webhook may be told; what is missing, or ``None``, is as its kind has it."""

    events: Sequence[str] | None
    """The events, or event types, that start a run; empty = every one."""
    scheme: str | None
    signature_header: str | None
    timestamp_header: str | None
    algorithm: str | None
    encoding: str | None
    tolerance: float | None
    """Seconds."""
    secret_header: str | None
    id_header: str | None
    id_pointer: str | None
    subject_prefix: str | None
    subject_suffix: str | None
    blob_drops: bool | None
    open_handshake: bool | None


_SPELLING: Final = {
    "signature_header": "signatureHeader",
    "timestamp_header": "timestampHeader",
    "tolerance": "toleranceSeconds",
    "secret_header": "secretHeader",
    "id_header": "idHeader",
    "id_pointer": "idPointer",
    "subject_prefix": "subjectPrefix",
    "subject_suffix": "subjectSuffix",
    "blob_drops": "blobDrops",
    "open_handshake": "openHandshake",
}


class Webhooks:
    """``client.webhooks``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[WebhookShape]:
        """Every webhook, without its secrets."""
        return cast("list[WebhookShape]", self._connection.get("/api/webhooks")["webhooks"])

    def get(self, name: str) -> WebhookShape:
        """One webhook, and what became of its deliveries since the host started."""
        return cast("WebhookShape", self._connection.get(_path(name)))

    def add(
        self,
        name: str,
        *,
        secret: str,
        submission: Mapping[str, Any] | None = None,
        kind: str = "github",
        **options: Unpack[WebhookOptions],
    ) -> WebhookShape:
        """Define a webhook."""
        said = {_SPELLING.get(key, key): value for key, value in options.items() if value is not None}
        body = {"name": name, "kind": kind, "secret": secret, "submission": dict(submission or {}), **said}
        return cast("WebhookShape", self._connection.post("/api/webhooks", body))

    def remove(self, name: str) -> None:
        """Remove a webhook and its secrets."""
        self._connection.delete(_path(name))

    def rotate(self, name: str, *, secret: str, keep_old: float | None) -> WebhookShape:
        """Give a webhook a new secret; the old one proves for ``keep_old`` seconds more, or until removed (``None``)."""
        body = {"secret": secret, "keepOldSeconds": keep_old}
        return cast("WebhookShape", self._connection.post(f"{_path(name)}/rotate", body))

    def secrets(self, name: str) -> Sequence[WebhookSecretShape]:
        """A webhook's secrets, never their values."""
        return cast("Sequence[WebhookSecretShape]", self._connection.get(f"{_path(name)}/secrets")["secrets"])

    def remove_secret(self, name: str, ident: str) -> None:
        """Let a secret prove nothing any more."""
        self._connection.delete(f"{_path(name)}/secrets/{quote(ident, safe='')}")

    def pause(self, name: str) -> WebhookShape:
        """Turn deliveries away until resumed."""
        return cast("WebhookShape", self._connection.post(f"{_path(name)}/pause"))

    def resume(self, name: str) -> WebhookShape:
        """Take deliveries again."""
        return cast("WebhookShape", self._connection.post(f"{_path(name)}/resume"))

    def test(self, name: str, *, payload: Any = None, event: str = "", dry_run: bool = False) -> WebhookTestShape:
        """Let the service make a delivery as the webhook's sender would, and take it; or only say what it would start."""
        body = {"payload": payload, "event": event, "dryRun": dry_run}
        return cast("WebhookTestShape", self._connection.post(f"{_path(name)}/test", body))


def _path(name: str) -> str:
    return f"/api/webhooks/{quote(name, safe='')}"
