"""What each kind of webhook takes: how a delivery proves who it is from, how large it may be, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runyard.errors import AuthError, ConfigError
from runyard.events import cloudevents, eventgrid, github, signed
from runyard.events.delivery import Delivery, Occurrence
from runyard.events.signatures import Proof, Signing, verify, verify_secret
from runyard.ports import Ports, Webhook, WebhookSecret
from runyard.ports.identities import WEBHOOKS

GITHUB: Final = "github"
HMAC: Final = "hmac"
CLOUDEVENTS: Final = "cloudevents"
EVENTGRID: Final = "eventgrid"

BY_ENTRA: Final = "entra:"
"""What stands before the application's id where a secret's number is told, if a token was the proof."""
_WEB_TOKEN: Final = re.compile(r"eyJ[\w-]*\.eyJ[\w-]*\.[\w-]+")
SECRET_HEADER: Final = "X-Runyard-Key"  # noqa: S105 - the header's name
"""Shows the secret, where deliveries are not signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is the same for every webhook of a kind."""

    most_bytes: int
    """Bytes of a delivery."""
    handshake: bool = False
    """Whether its senders ask by OPTIONS before they send."""
    typed: bool = False
    """Whether its events have a subject."""


KINDS: Final[Mapping[str, Kind]] = {
    # GitHub caps payloads at 25 MB: https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap
    GITHUB: Kind(most_bytes=25 << 20),
    HMAC: Kind(most_bytes=1 << 20),
    # A CloudEvent should fit into 64 KB wherever it goes: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#size-limits
    CLOUDEVENTS: Kind(most_bytes=1 << 20, handshake=True, typed=True),
    # An event, and a batch, has at most 1 MB: https://learn.microsoft.com/azure/event-grid/quotas-limits
    EVENTGRID: Kind(most_bytes=1 << 20, handshake=True, typed=True),
}


def kind_of(webhook: Webhook) -> Kind:
    """What its kind takes.

    Raises:
        ConfigError: if this version does not know the kind.
    """
    kind = KINDS.get(webhook.kind)
    if kind is None:
        raise ConfigError(f"webhook {webhook.name!r} is of a kind that this version does not know; upgrade first")
    return kind


def signing_of(webhook: Webhook) -> Signing | None:
    """How deliveries are signed; ``None`` if they show the secret itself."""
    return github.SIGNING if webhook.kind == GITHUB else webhook.signing


def valid_secrets(webhook: Webhook, now: float) -> list[WebhookSecret]:
    """Those that prove something now, the newest first."""
    return [each for each in webhook.secrets if each.until is None or now < each.until]


def prove(ports: Ports, webhook: Webhook, delivery: Delivery) -> tuple[Proof, WebhookSecret]:
    """Check that a delivery is from who has one of the secrets; gives which one.

    Where deliveries are not signed, and the service knows tokens of a directory, one of these proves as much.

    Raises:
        AuthError: if it is not.
        EventError: if a header that counts is there twice.
        TransientError: if a token cannot be checked now.
    """
    signing, token = signing_of(webhook), _token_of(delivery)
    if signing is None and ports.identities is not None and token is not None:
        caller = ports.identities.check(token, WEBHOOKS)
        return Proof(0), WebhookSecret(id=f"{BY_ENTRA}{caller.app}"[:100], name="")
    now = ports.clock.now()
    found = [(each, ports.secrets.get(each.name)) for each in valid_secrets(webhook, now)]
    known = [(each, value) for each, value in found if value]
    if not known:
        raise AuthError(f"the secret of webhook {webhook.name!r} is missing; `runyard webhook rotate` sets a new one")
    keys = [value for _, value in known]
    if signing is None:
        proof = verify_secret(webhook.secret_header or SECRET_HEADER, keys, delivery.header)
    else:
        proof = verify(signing, keys, delivery.header, delivery.body, now=now)
    return proof, known[proof.key][0]


def _token_of(delivery: Delivery) -> str | None:
    """The JSON web token that a delivery shows: three parts, as no secret of ours has unless somebody chose it so."""
    scheme, _, shown = (delivery.header("Authorization") or "").partition(" ")
    shown = shown.strip(" \t")
    return shown if scheme.lower() == "bearer" and _WEB_TOKEN.fullmatch(shown) else None


def read(webhook: Webhook, delivery: Delivery, proof: Proof) -> Sequence[Occurrence] | str:
    """The events of a delivery that was proven, or, of a handshake, the code to answer with.

    Raises:
        MediaTypeError: if its content is of a type that the kind does not have.
        EventError: if it does not have the agreed form.
    """
    if webhook.kind == GITHUB:
        return github.read(delivery)
    if webhook.kind == EVENTGRID:
        return eventgrid.read(delivery)
    if webhook.kind == CLOUDEVENTS:
        return cloudevents.read(delivery, signed=webhook.signing is not None)
    names = {"id_header": webhook.id_header, "id_pointer": webhook.id_pointer}
    return signed.read(delivery, webhook.signing or Signing(), proof, **names)


def is_wanted(webhook: Webhook, event: Occurrence) -> bool:
    """Whether the webhook's filters let an event through."""
    return (
        (not webhook.events or event.type in webhook.events)
        and event.subject.startswith(webhook.subject_prefix)
        and event.subject.endswith(webhook.subject_suffix)
    )
