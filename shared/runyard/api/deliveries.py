"""The public door of webhooks: what their senders call. Its callers show no token; each delivery proves who it is from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from runyard.accept.webhook_kinds import kind_of
from runyard.accept.webhooks import Delivered, Outcome, deliver, existing_webhook, handshake
from runyard.api.answers import answer
from runyard.api.context import ServicesDep
from runyard.api.entrance import drain
from runyard.api.faults import fault
from runyard.api.guard import MAX_BODY, MAX_DELIVERY
from runyard.errors import AuthError, NotFoundError, ThrottledError
from runyard.events.delivery import Delivery
from runyard.services import Services

router = APIRouter(prefix="/api/webhooks")

LARGE: Final = 2
"""Deliveries of more than :data:`MAX_BODY` that are taken in at a time: they are in memory before anybody proved anything."""
RETRY_AFTER: Final = 1.0
"""Seconds after which who found no place among them may come again."""


@router.post("/{name}")
async def take_delivery(request: Request, services: ServicesDep, name: str) -> Response:
    """A delivery: 202 with the run's id, or 200 if it asks for no run. Its proof is the caller's right."""
    try:
        limit = await run_in_threadpool(_limit, services, name)
    except NotFoundError:
        await drain(request.receive, MAX_DELIVERY)
        raise
    with _roomy(request) as room:
        try:
            body = await _body(request, limit, room)
        except HTTPException:
            why = f"the delivery is larger than {limit / (1 << 20):.0f} MiB, which deliveries of this kind may not be"
            services.tally.refused(name, why, at=services.ports.clock.now())
            return fault(413, "TooLarge", why)
        delivery = Delivery.of(request.headers.items(), body)
        try:
            found = await run_in_threadpool(deliver, services.ports, name, delivery, services.tally)
        except AuthError as error:
            return fault(401, "AuthError", error.message)
    return _answer(found)


@router.options("/{name}")
async def agree(request: Request, services: ServicesDep, name: str) -> Response:
    """The handshake by which a sender of CloudEvents asks whether it may deliver here."""
    delivery = Delivery.of(request.headers.items())
    try:
        headers = await run_in_threadpool(handshake, services.ports, name, delivery, services.tally)
    except AuthError as error:
        return fault(401, "AuthError", error.message)
    if headers is None:
        raise HTTPException(405)
    return Response(status_code=200, headers=headers)


def _limit(services: Services, name: str) -> int:
    return kind_of(existing_webhook(services.ports, name)).most_bytes


async def _body(request: Request, limit: int, room: _Room) -> bytes:
    """The body. One that is refused is taken in to its end and kept nowhere: who is still sending would not hear the answer.

    Raises:
        ClientDisconnect: if its sender left.
        HTTPException: 413 if it is larger than ``limit`` bytes.
        ThrottledError: if it is a large one, and others are being taken in.
    """
    taken, size, more, is_refused = bytearray(), 0, True, False
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        is_refused = is_refused or size > limit or (size > MAX_BODY and not room.is_taken())
        if is_refused:
            taken.clear()
        else:
            taken += chunk
    if size > limit:
        raise HTTPException(413)
    if is_refused:
        raise ThrottledError("other large deliveries are being taken in; send this one again in a moment", RETRY_AFTER)
    return bytes(taken)


class _Room:
    """A place among the large deliveries, taken when it is needed. All of it runs on one event loop."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self.taken = False

    def is_taken(self) -> bool:
        """Take the place, unless it is taken; whether there was one."""
        inside: int = getattr(self._state, "large_deliveries", 0)
        if not self.taken and inside < LARGE:
            self._state.large_deliveries = inside + 1
            self.taken = True
        return self.taken

    def leave(self) -> None:
        if self.taken:
            self._state.large_deliveries -= 1
            self.taken = False


@contextmanager
def _roomy(request: Request) -> Iterator[_Room]:
    room = _Room(request.app.state)
    try:
        yield room
    finally:
        room.leave()


def _answer(found: Delivered) -> Response:
    if found.validation is not None:
        return answer({"validationResponse": found.validation})  # 202 would not do here
    if len(found.outcomes) == 1:
        (outcome,) = found.outcomes
        if outcome.run is None:
            return answer({"runId": None})
        return answer({"runId": outcome.run, "status": outcome.status}, 202, {"Location": f"/api/runs/{outcome.run}"})
    if not found.outcomes:
        return answer({"runId": None})
    return answer({"runs": [_one(each) for each in found.outcomes]}, 202)


def _one(outcome: Outcome) -> dict[str, object]:
    return {"eventId": outcome.event.id, "outcome": outcome.what, "runId": outcome.run, "status": outcome.status}
