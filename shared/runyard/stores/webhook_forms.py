"""Older stored forms of webhooks."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from runyard.ports.webhooks import SCHEMA, Webhook, WebhookSecret


class _First(msgspec.Struct, frozen=True):
    """What only schema 1 of a webhook has."""

    secret: str = ""


def upgraded(webhook: Webhook, stored: bytes) -> Webhook:
    """The webhook in today's form, by its stored document."""
    if webhook.schema >= SCHEMA:
        return webhook
    name = msgspec.json.decode(stored, type=_First).secret
    return replace(webhook, secrets=(WebhookSecret(id="1", name=name, created=webhook.created),), schema=SCHEMA)
