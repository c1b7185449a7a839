"""Defining webhooks, and changing what may change: their secrets, and whether they are paused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from runyard.accept.concealed import concealed_template
from runyard.accept.resolve import asked_of
from runyard.accept.webhook_kinds import (
    CLOUDEVENTS,
    EVENTGRID,
    GITHUB,
    HMAC,
    KINDS,
    SECRET_HEADER,
    signing_of,
    valid_secrets,
)
from runyard.accept.webhooks import existing_webhook
from runyard.computes import resolve
from runyard.errors import ConfigError, ConflictError, NotFoundError
from runyard.events import template
from runyard.events.signatures import Signing, check_secret, check_signing
from runyard.events.submission import Submission
from runyard.ports import Ports, Webhook, WebhookSecret

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Part of a URL and of a secret's name, which Key Vault tells apart by neither case nor anything but letters, digits, '-'."""
SHORTEST_SECRET: Final = 8
MOST_SECRETS: Final = 2
"""That prove something at a time: the new one, and the old one until every sender has the new."""

_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
_TAKEN: Final = frozenset(
    {"content-type", "content-length", "content-encoding", "host", "cookie", "transfer-encoding", "connection"}
)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_POINTER: Final = re.compile(r"(/[^\s{}]{0,200})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a new webhook is to be. See :class:`~runyard.ports.Webhook` for the fields that it shares."""

    name: str
    secret: str = field(repr=False)
    kind: str = GITHUB
    signing: Signing | None = None
    secret_header: str = ""
    id_header: str = ""
    id_pointer: str = ""
    submission: dict[str, object] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    subject_prefix: str = ""
    subject_suffix: str = ""
    blob_drops: bool = False
    open_handshake: bool = False


def define(ports: Ports, asked: Asked) -> Webhook:
    """Define a webhook; its secret is kept apart.

    Raises:
        ConfigError: if it could never work, in a sentence without the secret.
        ConflictError: if there is one of this name.
        NotFoundError: if its snapshot is not there.
    """
    _check_form(asked)
    if not asked.blob_drops:
        template.check(asked.submission)
        _check_possible(ports, Submission.of(asked.submission))
    if ports.webhooks.get(asked.name) is not None:
        raise ConflictError(f"there is a webhook {asked.name!r} already; remove it first")
    now = ports.clock.now()
    signing = (asked.signing or Signing()) if asked.kind == HMAC else asked.signing
    first = WebhookSecret(id="1", name=f"webhook-{asked.name}", created=now)
    webhook = Webhook(
        name=asked.name,
        kind=asked.kind,
        secrets=(first,),
        signing=signing,
        secret_header=(asked.secret_header or SECRET_HEADER) if _shows_secret(asked) else "",
        id_header=asked.id_header,
        id_pointer=asked.id_pointer,
        submission=asked.submission,
        events=asked.events,
        subject_prefix=asked.subject_prefix,
        subject_suffix=asked.subject_suffix,
        blob_drops=asked.blob_drops,
        open_handshake=asked.open_handshake,
        created=now,
    )
    _check_key(webhook, asked.secret)
    webhook = concealed_template(ports, webhook)
    ports.secrets.set(first.name, asked.secret)
    ports.webhooks.put(webhook)
    return webhook


def rotate(ports: Ports, name: str, secret: str, *, keep: float | None) -> Webhook:
    """Take a new secret; the old one goes on to prove for ``keep`` seconds, or until it is removed (``None``).

    Raises:
        NotFoundError: if there is no such webhook.
        ConflictError: if two secrets are valid already.
        ConfigError: if the secret cannot be one.
    """
    webhook = existing_webhook(ports, name)
    _check_key(webhook, secret)
    now = ports.clock.now()
    valid = valid_secrets(webhook, now)
    if len(valid) >= MOST_SECRETS and keep != 0:
        raise ConflictError(
            f"webhook {name!r} has {len(valid)} valid secrets already; remove the older one first: `runyard webhook secrets {name} "
            f"--remove {valid[-1].id}`"
        )
    if any(ports.secrets.get(each.name) == secret for each in valid):
        raise ConfigError("this is a secret of the webhook already; leave it out and a new one is made")
    number = max((int(each.id) for each in webhook.secrets), default=0) + 1
    new = WebhookSecret(id=str(number), name=f"webhook{number}-{name}", created=now)
    until = None if keep is None else now + keep
    old = [replace(each, until=_sooner(each.until, until)) for each in valid] if keep != 0 else []
    ports.secrets.set(new.name, secret)  # before the row that names it
    return _put(ports, webhook, (new, *old))


def remove_secret(ports: Ports, name: str, ident: str) -> Webhook:
    """Let a secret prove nothing any more, at once.

    Raises:
        NotFoundError: if there is no such webhook or secret.
        ConfigError: if it is the only one that is valid.
    """
    webhook = existing_webhook(ports, name)
    if all(each.id != ident for each in webhook.secrets):
        raise NotFoundError(
            f"webhook {name!r} has no secret {ident[:20]!r}; `runyard webhook secrets {name}` lists them"
        )
    kept = tuple(each for each in valid_secrets(webhook, ports.clock.now()) if each.id != ident)
    if not kept:
        raise ConfigError(f"this is the only secret of webhook {name!r}; rotate it, or remove the webhook")
    return _put(ports, webhook, kept)


def pause(ports: Ports, name: str, *, paused: bool) -> Webhook:
    """Turn deliveries away until resumed, or take them again.

    Raises:
        NotFoundError: if there is no such webhook.
    """
    webhook = replace(existing_webhook(ports, name), paused=paused)
    ports.webhooks.put(webhook)
    return webhook


def remove(ports: Ports, name: str) -> None:
    """Remove a webhook and its secrets.

    Raises:
        NotFoundError: if there is no such webhook.
    """
    webhook = existing_webhook(ports, name)
    ports.webhooks.remove(name)
    for each in webhook.secrets:
        ports.secrets.remove(each.name)
    if webhook.template_secret:
        ports.secrets.remove(webhook.template_secret)


def _put(ports: Ports, webhook: Webhook, kept: tuple[WebhookSecret, ...]) -> Webhook:
    """Write the webhook with these secrets, then remove the values of the others."""
    changed = replace(webhook, secrets=kept)
    ports.webhooks.put(changed)
    for gone in {each.name for each in webhook.secrets} - {each.name for each in kept}:
        ports.secrets.remove(gone)
    return changed


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _shows_secret(asked: Asked) -> bool:
    return asked.kind in {CLOUDEVENTS, EVENTGRID} and asked.signing is None


def _check_form(asked: Asked) -> None:
    """Refuse what contradicts itself."""
    if not NAME.fullmatch(asked.name):
        raise ConfigError(f"{asked.name[:60]!r} is not a webhook name: 1 to 63 lower-case letters, digits or '-'")
    kind = KINDS.get(asked.kind)
    if kind is None:
        raise ConfigError(f"{asked.kind[:30]!r} is not a kind of webhook; there are {', '.join(KINDS)}")
    wrong = (
        (
            asked.signing is not None and asked.kind in {GITHUB, EVENTGRID},
            "its deliveries are signed in one way only, or not at all",
        ),
        (
            bool(asked.secret_header) and not _shows_secret(asked),
            "its deliveries are signed, so no header shows the secret",
        ),
        (bool(asked.id_header or asked.id_pointer) and asked.kind != HMAC, "its events have an identity of their own"),
        (bool(asked.id_header and asked.id_pointer), "its identity is in a header or in the payload, not in both"),
        (bool(asked.subject_prefix or asked.subject_suffix) and not kind.typed, "its events have no subject"),
        (asked.blob_drops and asked.kind != EVENTGRID, "only Event Grid tells of blobs"),
        (
            asked.blob_drops and bool(asked.submission),
            "with blob drops the blob is the snapshot, so there is no submission",
        ),
        (asked.open_handshake and not _shows_secret(asked), "its handshake needs no secret"),
    )
    if reason := next((why for is_wrong, why in wrong if is_wrong), None):
        raise ConfigError(f"a webhook of the kind {asked.kind} cannot be as asked: {reason}")
    if asked.signing is not None:
        check_signing(asked.signing)
    if asked.id_pointer and not _POINTER.fullmatch(asked.id_pointer):
        raise ConfigError("the identity's pointer must be a JSON pointer such as /id")
    _check_headers(asked)


def _check_headers(asked: Asked) -> None:
    signing = asked.signing
    names = [asked.secret_header, asked.id_header, *((signing.header, signing.timestamp_header) if signing else ())]
    for name in filter(None, names):
        if not _HEADER.fullmatch(name) or name.lower() in _TAKEN:
            raise ConfigError(f"{name[:60]!r} cannot be used as a header's name here; X-Something is usual")


def _check_key(webhook: Webhook, secret: str) -> None:
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(f"the secret is too short; use at least {SHORTEST_SECRET} characters, better 32 random ones")
    signing = signing_of(webhook)
    if signing is not None:
        check_secret(signing, secret)
    elif not _VISIBLE.fullmatch(secret):
        raise ConfigError("the secret is shown in a header, so it must be of visible ASCII characters without spaces")


def _check_possible(ports: Ports, submission: Submission) -> None:
    """Refuse now what every delivery would fail with."""
    asked = asked_of(submission)
    if asked.target is not None:
        resolve(ports, asked.target)
    if ports.blobs.head(asked.container, asked.name) is None:
        raise NotFoundError(f"there is no snapshot {asked.container}/{asked.name}; upload it, or check the name")
