"""Requests to ``$cbs`` and to a queue's ``$management``.

https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from proton import UNDESCRIBED, Array, Data, Message, symbol, timestamp

from tests.standins.broker import rules
from tests.standins.broker.entities import Entity, Namespace
from tests.standins.broker.faults import LOSE_LOCK, Faults
from tests.standins.broker.rules import RefusedError

_UNDESCRIBED: Final[Any] = UNDESCRIBED
STATUS: Final[Mapping[str, int]] = {
    rules.LOCK_LOST: 410,
    rules.NO_MESSAGE: 404,
    rules.NOT_FOUND: 404,
    rules.NOT_DONE: 501,
    rules.BUSY: 503,
    rules.FULL: 403,
    rules.UNAUTHORIZED: 401,
    rules.INTERNAL: 500,
}
"""The HTTP-like status of each condition; 400 for all others."""


def key_name_of(token: str) -> str:
    """Who a shared access signature says it is."""
    return parse_qs(token.removeprefix("SharedAccessSignature ")).get("skn", [""])[0]


def check_token(token: str, namespace: Namespace | None) -> None:
    """Check a shared access signature.

    https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas#generate-a-shared-access-signature-token
    """
    fields = parse_qs(token.removeprefix("SharedAccessSignature "), keep_blank_values=True)
    expires = fields.get("se", ["0"])[0]
    if namespace is None:
        raise RefusedError(rules.UNAUTHORIZED, "InvalidSignature: The token has an invalid signature.")
    resource = next((part[3:] for part in token.split(" ", 1)[1].split("&") if part.startswith("sr=")), "")
    expected = hmac.digest(namespace.key.encode(), f"{resource}\n{expires}".encode(), hashlib.sha256)
    given = base64.b64decode(unquote(fields.get("sig", [""])[0]).replace(" ", "+"))
    if not hmac.compare_digest(expected, given):
        raise RefusedError(rules.UNAUTHORIZED, "InvalidSignature: The token has an invalid signature.")
    if int(expires) < time.time():
        raise RefusedError(rules.UNAUTHORIZED, "ExpiredToken: The token is expired.")


def token_answer(request: Message, refused: RefusedError | None) -> Message:
    """The answer of ``$cbs``."""
    code, said = (202, "Accepted") if refused is None else (401, refused.description)
    return Message(correlation_id=request.id, properties={"status-code": code, "status-description": said})


def answer(request: Message, namespace: Namespace, queue: str, faults: Faults) -> Message:
    """The answer of a queue's ``$management``."""
    operation = str(dict[Any, Any](request.properties or {}).get("operation", ""))
    try:
        rules.check_busy(faults, queue)
        body = request.body if isinstance(request.body, dict) else {}
        rules.check_fields(operation, body)
        found = _OPERATIONS[operation](namespace, namespace.entity(queue), body, faults)
    except RefusedError as refused:
        properties = {
            "statusCode": STATUS.get(refused.condition, 400),
            "statusDescription": refused.description,
            "errorCondition": symbol(refused.condition),
        }
        return Message(correlation_id=request.id, properties=properties)
    code, said = (200, "OK") if found is not None else (204, "No Content")
    return Message(
        correlation_id=request.id, properties={"statusCode": code, "statusDescription": said}, body=found or {}
    )


def _peek(_: Namespace, queue: Entity, body: Mapping[str, Any], __: Faults) -> dict[str, Any] | None:
    most = min(int(body["message-count"]), rules.MAX_PEEK)
    found = list(queue.peek(int(body["from-sequence-number"]), most))
    return {"messages": [{"message": queue.encoded(each)} for each in found]} if found else None


def _renew(namespace: Namespace, queue: Entity, body: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    times = []
    for token in _listed(body["lock-tokens"]):
        if faults.hits(LOSE_LOCK, queue.name):
            queue.abandon(queue.held(token))
        until = queue.renew(token)
        times.append(timestamp(round(namespace.real(until) * 1000)))
    return {"expirations": Array(_UNDESCRIBED, Data.TIMESTAMP, *times)}


def _schedule(namespace: Namespace, queue: Entity, body: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    rules.check_load(faults, queue.name)
    numbers = [stored.sequence for each in body["messages"] for stored in namespace.accept(queue.name, each["message"])]
    return {"sequence-numbers": Array(_UNDESCRIBED, Data.LONG, *numbers)}


def _cancel(_: Namespace, queue: Entity, body: Mapping[str, Any], __: Faults) -> dict[str, Any]:
    for number in _listed(body["sequence-numbers"]):
        queue.cancel(int(number))
    return {}


def _settle(_: Namespace, queue: Entity, body: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    status = str(body["disposition-status"])
    for token in _listed(body["lock-tokens"]):
        stored = queue.held(token)
        if faults.hits(LOSE_LOCK, queue.name):
            queue.abandon(stored)
            queue.held(token)
        if status == "completed":
            queue.complete(stored)
        elif status == "abandoned":
            queue.abandon(stored)
        elif status == "suspended":
            queue.dead_letter(
                stored, str(body.get("deadletter-reason", "")), str(body.get("deadletter-description", ""))
            )
        else:
            raise RefusedError(rules.NOT_DONE, f"a message is not {status} here: this broker keeps none aside")
    return {}


def _listed(value: Any) -> list[Any]:
    return list(value.elements if isinstance(value, Array) else value)


_OPERATIONS: Final[Mapping[str, Callable[[Namespace, Entity, Mapping[str, Any], Faults], dict[str, Any] | None]]] = {
    "com.microsoft:peek-message": _peek,
    "com.microsoft:renew-lock": _renew,
    "com.microsoft:schedule-message": _schedule,
    "com.microsoft:cancel-scheduled-message": _cancel,
    "com.microsoft:update-disposition": _settle,
}
