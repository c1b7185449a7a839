"""Signed webhooks: a delivery becomes a submission by the webhook's template."""

from __future__ import annotations

import json
from collections.abc import Mapping

from runyard.accept.concealed import whole_template
from runyard.accept.doors import submit
from runyard.errors import AuthError, EventError, NotFoundError
from runyard.events import github
from runyard.events.submission import Submission
from runyard.events.template import fill
from runyard.ports import Ports
from runyard.runs.model import Origin, Run

PING = "ping"
"""GitHub's first delivery to a new webhook: it asks for nothing."""


def deliver(ports: Ports, name: str, headers: Mapping[str, str], body: bytes) -> Run | None:
    """Take a delivery; the same delivery again finds the run it made. ``None``: the event asks for no run.

    Raises:
        NotFoundError: if there is no such webhook.
        AuthError: if the signature is missing or wrong.
        ConflictError: if the run that this delivery made was deleted.
        EventError: if the payload cannot be read or does not have what the template points at.
    """
    webhook = ports.webhooks.get(name)
    if webhook is None:
        raise NotFoundError(f"there is no webhook {name[:60]!r}")
    secret = ports.secrets.get(webhook.secret)
    if secret is None:
        raise AuthError(f"the secret of webhook {name!r} is missing; define the webhook again")
    github.verify(secret, body, _header(headers, "x-hub-signature-256"))
    delivery, event = github.delivery(headers)
    if event == PING or (webhook.events and event not in webhook.events):
        return None
    submission = Submission.of(fill(whole_template(ports, webhook), _payload(body)))
    origin = Origin(source="webhook", name=webhook.name, event_id=delivery)
    run, _created = submit(ports, submission, origin=origin, key=f"{webhook.name}\n{delivery}")
    return run


def _payload(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise EventError("the payload is not JSON; set the webhook's content type to application/json") from None


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted), None)
