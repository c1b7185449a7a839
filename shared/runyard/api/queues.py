"""Routes of queues: how many, look, send, and send dead letters again."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from runyard.accept.doors import send as send_to
from runyard.accept.doors import shown
from runyard.api.answers import answer, iso
from runyard.api.context import PortsDep
from runyard.api.shapes import MessageShape
from runyard.dispatch.wakes import queues
from runyard.errors import ConfigError
from runyard.ports import Message, Ports
from runyard.reconcile import redrive
from runyard.runconfig.redact import redacted_text

router = APIRouter(prefix="/api/queues")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@router.get("")
def list_queues(ports: PortsDep) -> Response:
    """Every queue and how many messages it holds, scheduled and locked ones too."""
    counts = dict.fromkeys(_own(ports), 0) | dict(ports.queue.counts())
    return answer({"queues": [{"name": name, "messages": counts[name]} for name in sorted(counts)]})


@router.post("/redrive")
def redrive_dead_letters(
    ports: PortsDep,
    source: Annotated[str | None, Query(max_length=63)] = None,
    most: Annotated[int, Query(ge=1, le=100_000)] = 1000,
) -> Response:
    """Send messages that could not be handled back to the queue they came from."""
    return answer({"redriven": redrive(ports, source=source, most=most)})


@router.get("/{name}/messages")
def peek_messages(ports: PortsDep, name: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """Look at messages, oldest first, without locking them."""
    found = ports.queue.peek(_check(name), most=limit)
    now = ports.clock.now()
    return answer({"queue": name, "messages": [_shape(message, now) for message in found]})


@router.post("/{name}/messages")
async def send_message(
    request: Request, ports: PortsDep, name: str, delay: Annotated[float, Query(ge=0, le=7 * 86400)] = 0.0
) -> Response:
    """Send the body as a message; ``known`` says whether this service has a use for the queue. No message may hold a secret."""
    body = await request.body()

    def send() -> Response:
        sent = send_to(ports, _check(name), body, delay=delay)
        return answer({"queue": name, "messageId": sent, "known": name in _own(ports)}, 202)

    return await run_in_threadpool(send)


def _own(ports: Ports) -> frozenset[str]:
    """The queues of this service."""
    return queues(ports.targets.kinds())


def _check(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise ConfigError(f"{name[:60]!r} is not a queue's name: letters, digits, '-', '_' and '.', at most 63")


def _shape(message: Message, now: float) -> MessageShape:
    try:
        body, encoding = shown(message.body.decode()), "text"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(message.body).decode(), "base64"
    return {
        "id": message.id,
        "sequence": message.sequence,
        "enqueuedTimeUtc": iso(message.enqueued),
        "deliveryCount": message.delivery_count,
        "locked": message.locked_until > now,
        "body": body,
        "encoding": encoding,
        "properties": dict(message.properties),
        "deadLetterReason": message.dead_letter_reason,
        "deadLetterDescription": redacted_text(message.dead_letter_description),
        "deadLetterSource": message.dead_letter_source,
    }
