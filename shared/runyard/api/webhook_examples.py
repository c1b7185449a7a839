"""A command for each webhook that sends it a delivery: to paste into a shell that has the secret in ``$SECRET``."""

from __future__ import annotations

import json
import re
from typing import Final

from runyard.accept.webhook_kinds import CLOUDEVENTS, EVENTGRID, GITHUB, HMAC, SECRET_HEADER, signing_of
from runyard.accept.webhook_tests import sample_payload, sample_subject
from runyard.events import github
from runyard.events.cloudevents import STRUCTURED, VERSION
from runyard.events.delivery import JSON
from runyard.events.signatures import BODY, STANDARD, STRIPE, Signing
from runyard.ports import Webhook

_ID: Final = "$(date +%s)-$$"
_ID_MARK: Final = "<id>"
_TIME_MARK: Final = "<time>"


def example(webhook: Webhook, path: str) -> str:
    """The command, for ``sh`` with openssl and curl; ``$URL`` is where the host can be reached."""
    kind, headers = _content(webhook)
    body = f'BODY="{_quoted(json.dumps(_payload(webhook)))}"'
    signing = signing_of(webhook)
    if signing is None:
        header = webhook.secret_header or SECRET_HEADER
        bearer = "Bearer " if header.lower() == "authorization" else ""
        made: list[str] = []
        proof = [f"{header}: {bearer}$SECRET"]
    else:
        made, proof = _signed(signing)
    flags = " ".join(f'-H "{header}"' for header in [f"Content-Type: {kind}", *headers, *proof])
    return "\n".join([body, *made, f'curl {flags} --data-binary "$BODY" "$URL{path}"'])


def _content(webhook: Webhook) -> tuple[str, list[str]]:
    """The content's type, and the headers that name the event."""
    if webhook.kind == GITHUB:
        event = next(iter(webhook.events), "push")
        return JSON, [f"{github.DELIVERY}: {_ID}", f"{github.EVENT}: {event}"]
    if webhook.kind == CLOUDEVENTS:
        return STRUCTURED, []
    return JSON, [f"{webhook.id_header}: {_ID}"] if webhook.id_header else []


def _payload(webhook: Webhook) -> object:
    """A small event that the webhook takes, with marks where the shell fills in."""
    sample = sample_payload(webhook, _ID_MARK)
    if webhook.kind not in {CLOUDEVENTS, EVENTGRID}:
        return {**sample, "type": webhook.events[0]} if webhook.kind == HMAC and webhook.events else sample
    kind, subject, data = (
        next(iter(webhook.events), "com.example.test"),
        sample_subject(webhook),
        sample.get("data", {}),
    )
    if webhook.kind == CLOUDEVENTS:
        own = {"specversion": VERSION, "id": _ID_MARK, "source": "/shell", "type": kind, "subject": subject}
        return {**sample, **own, "data": data}
    own = {"id": _ID_MARK, "topic": "/shell", "subject": subject, "eventType": kind, "eventTime": _TIME_MARK}
    return [{**sample, **own, "data": data, "dataVersion": "1"}]


def _quoted(text: str) -> str:
    """A text for the inside of a shell's double quotes."""
    escaped = re.sub(r'([\\"$`])', r"\\\1", text)
    return escaped.replace(_ID_MARK, _ID).replace(_TIME_MARK, "$(date -u +%FT%TZ)")


def _signed(signing: Signing) -> tuple[list[str], list[str]]:
    """The lines that make the signature, and the headers that carry it."""
    if signing.scheme == STANDARD:
        key = "KEY=$(printf %s \"${SECRET#whsec_}\" | base64 -d | od -An -v -tx1 | tr -d ' \\n')"
        mac = _mac(f"-mac HMAC -macopt hexkey:$KEY -{signing.algorithm}", '"$ID.$AT.$BODY"', "base64")
        return [key, f"ID={_ID}; AT=$(date +%s)", mac], [
            "webhook-id: $ID",
            "webhook-timestamp: $AT",
            "webhook-signature: v1,$SIG",
        ]
    said = '"$BODY"' if signing.scheme == BODY else '"$AT.$BODY"'
    mac = _mac(f'-{signing.algorithm} -hmac "$SECRET"', said, signing.encoding)
    if signing.scheme == BODY:
        return [mac], [f"{signing.signature_header}: {signing.algorithm}=$SIG"]
    if signing.scheme == STRIPE:
        return ["AT=$(date +%s)", mac], [f"{signing.signature_header}: t=$AT,v1=$SIG"]
    return ["AT=$(date +%s)", mac], [
        f"{signing.timestamp_header}: $AT",
        f"{signing.signature_header}: {signing.algorithm}=$SIG",
    ]


def _mac(options: str, said: str, encoding: str) -> str:
    spelled = "base64 | tr -d '\\n'" if encoding == "base64" else "od -An -v -tx1 | tr -d ' \\n'"
    return f"SIG=$(printf %s {said} | openssl dgst {options} -binary | {spelled})"
