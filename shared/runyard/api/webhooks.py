"""Webhooks: their definitions, and the public door for signed deliveries."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.responses import Response

from runyard.accept import deliver
from runyard.accept.concealed import concealed_template
from runyard.accept.resolve import asked_of
from runyard.api.answers import answer, iso
from runyard.api.context import PortsDep
from runyard.api.faults import fault
from runyard.api.shapes import WebhookShape
from runyard.computes import resolve
from runyard.errors import AuthError, ConfigError, ConflictError, NotFoundError
from runyard.events import template
from runyard.events.submission import Submission
from runyard.ports import Ports, Webhook
from runyard.runconfig.redact import redacted

router = APIRouter(prefix="/api/webhooks")

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Part of a URL and of a secret's name, which Key Vault tells apart by neither case nor anything but letters, digits, '-'."""
SHORTEST_SECRET: Final = 8

EventName = Annotated[str, Field(min_length=1, max_length=100)]


class WebhookDefinition(BaseModel):
    """A new webhook."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=100)
    kind: Literal["github"] = "github"
    secret: SecretStr = Field(max_length=1024)
    submission: dict[str, Any]
    events: tuple[EventName, ...] = Field((), max_length=50)


@router.get("")
def list_webhooks(ports: PortsDep) -> Response:
    """Every webhook, without its secret."""
    return answer({"webhooks": [_shape(webhook) for webhook in ports.webhooks.list()]})


@router.post("")
def add_webhook(ports: PortsDep, definition: WebhookDefinition) -> Response:
    """Define a webhook. Its secret is kept apart and is in no answer."""
    webhook = _define(ports, definition)
    return answer(_shape(webhook), 201, {"Location": _path(webhook.name)})


@router.delete("/{name}")
def remove_webhook(ports: PortsDep, name: str) -> Response:
    """Remove a webhook and its secret."""
    webhook = ports.webhooks.get(name)
    if webhook is None:
        raise NotFoundError(f"there is no webhook {name[:60]!r}")
    ports.webhooks.remove(name)
    ports.secrets.remove(webhook.secret)
    if webhook.template_secret:
        ports.secrets.remove(webhook.template_secret)
    return Response(status_code=204)


@router.post("/{name}")
async def take_delivery(request: Request, ports: PortsDep, name: str) -> Response:
    """A delivery: 202 with the run's id, or 200 if the event asks for no run. Its signature is the caller's proof."""
    body = await request.body()
    try:
        run = await run_in_threadpool(deliver, ports, name, dict(request.headers), body)
    except AuthError as error:
        return fault(401, "AuthError", error.message)
    if run is None:
        return answer({"runId": None})
    return answer({"runId": run.id, "status": run.status}, 202, {"Location": f"/api/runs/{run.id}"})


def _define(ports: Ports, definition: WebhookDefinition) -> Webhook:
    name = definition.name
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name[:60]!r} is not a webhook name: 1 to 63 lower-case letters, digits or '-'")
    secret = definition.secret.get_secret_value()
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(f"the secret is too short; use at least {SHORTEST_SECRET} characters, better 32 random ones")
    template.check(definition.submission)
    _check_possible(ports, Submission.of(definition.submission))
    if ports.webhooks.get(name) is not None:
        raise ConflictError(f"there is a webhook {name!r} already; remove it first")
    webhook = Webhook(
        name=name,
        kind=definition.kind,
        secret=f"webhook-{name}",
        submission=definition.submission,
        events=definition.events,
        created=ports.clock.now(),
    )
    webhook = concealed_template(ports, webhook)
    ports.secrets.set(webhook.secret, secret)
    ports.webhooks.put(webhook)
    return webhook


def _check_possible(ports: Ports, submission: Submission) -> None:
    """Refuse now what every delivery would fail with."""
    asked = asked_of(submission)
    if asked.target is not None:
        resolve(ports, asked.target)
    if ports.blobs.head(asked.container, asked.name) is None:
        raise NotFoundError(f"there is no snapshot {asked.container}/{asked.name}; upload it, or check the name")


def _path(name: str) -> str:
    return f"/api/webhooks/{name}"


def _shape(webhook: Webhook) -> WebhookShape:
    submission = redacted(dict(webhook.submission))
    assert isinstance(submission, dict)
    return {
        "name": webhook.name,
        "kind": webhook.kind,
        "events": list(webhook.events),
        "submission": submission,
        "path": _path(webhook.name),
        "createdTimeUtc": iso(webhook.created),
    }
