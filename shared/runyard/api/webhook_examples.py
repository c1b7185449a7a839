"""A command for each webhook that sends it a delivery: to paste into a shell that has the secret in ``$SECRET``."""

from __future__ import annotations

from typing import Final

from runyard.accept.webhook_kinds import CLOUDEVENTS, EVENTGRID, GITHUB, SECRET_HEADER, signing_of
from runyard.events import github
from runyard.events.cloudevents import STRUCTURED
from runyard.events.delivery import JSON
from runyard.events.signatures import BODY, STANDARD, STRIPE, Signing
from runyard.ports import Webhook

_ID: Final = "$(date +%s)-$$"


def example(webhook: Webhook, path: str) -> str:
    """The command, for ``sh`` with openssl and curl; ``$URL`` is where the host can be reached."""
    kind, headers = _content(webhook)
    body = f'BODY="{_event(webhook)}"' if webhook.kind in {CLOUDEVENTS, EVENTGRID} else "BODY='{}'"
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


def _event(webhook: Webhook) -> str:
    """A small event, quoted for the inside of double quotes."""
    kind = next(iter(webhook.events), "com.example.test")
    subject = f"{webhook.subject_prefix}sample{webhook.subject_suffix}"
    if webhook.kind == EVENTGRID:
        text = (
            f'[{{"id":"{_ID}","topic":"/shell","subject":"{_plain(subject)}","eventType":"{_plain(kind)}",'
            f'"eventTime":"$(date -u +%FT%TZ)","data":{{}},"dataVersion":"1"}}]'
        )
    else:
        text = (
            f'{{"specversion":"1.0","id":"{_ID}","source":"/shell","type":"{_plain(kind)}",'
            f'"subject":"{_plain(subject)}","data":{{}}}}'
        )
    return text.replace('"', '\\"')


def _plain(text: str) -> str:
    """A text without what a shell or JSON would take for its own."""
    return "".join(letter if letter.isalnum() or letter in "./_-" else "_" for letter in text)


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
