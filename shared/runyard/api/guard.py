"""The gatekeeper around the application: who may come in, how much they may bring, and what is said when all else fails.

Loopback is no protection by itself: any web page may send requests to it. So the ``Host`` must be a loopback name (a page
that rebinds its own name to 127.0.0.1 still sends its own), an ``Origin`` must be our own, and everything but a few public
paths needs the token (or the cookie that a one-time link sets).

In Azure anybody may knock. There the platform hands on requests for the names of the service only, so any ``Host`` is taken, and
the entry says who may come in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runyard.api.entrance import Entrance, busy, drain
from runyard.api.faults import fault, internal, of_error
from runyard.errors import AuthError, RunyardError
from runyard.services.entry import Entry

MAX_SNAPSHOT: Final = 300 * 1024 * 1024
"""Bytes of an uploaded snapshot: the SDK's own limit, the same in all its releases."""
MAX_BODY: Final = 1 << 20
"""Bytes of every other body (and of what surrounds an uploaded snapshot)."""
MAX_DELIVERY: Final = 25 << 20
"""Bytes of a webhook's delivery: GitHub's cap. Each kind of webhook has a limit of its own, at most this."""
PART_SIZE: Final = 8 << 20
"""Bytes of every part of an upload but the last: what the Functions host buffers without trouble, and few enough of them."""
COOKIE: Final = "runyard"

_HOST: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_PART: Final = re.compile(r"/api/uploads/[^/]+/[^/]+")
_DELIVERY: Final = re.compile(r"/api/webhooks/[^/]+")
_ATTEMPT: Final = re.compile(r"/api/attempts/.*", re.DOTALL)
_ASKING: Final = frozenset({"GET", "DELETE"})
"""Methods by which the owner of a webhook asks at its address; by others its senders do, and most are refused by 405."""
_PUBLIC: Final = frozenset({("GET", "/"), ("GET", "/api/health"), ("GET", "/api/version")})
_HEAD: Final = "runyard.head"
"""Marks a scope whose request was HEAD."""
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
}

log = logging.getLogger(__name__)


def cookie_of(token: str) -> str:
    """What the browser keeps: made from the token, and not the token."""
    return hmac.digest(token.encode(), b"runyard browser session", hashlib.sha256).hex()


class Guard:
    """ASGI middleware: the outermost layer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        get_token: Callable[[], str | None],
        get_entry: Callable[[], Entry | None] = lambda: None,
    ) -> None:
        self._app = app
        self._get_token = get_token
        self._get_entry = get_entry
        self._entrance = Entrance()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET", _HEAD: True}, without_body(send)
        started = False

        async def answering(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = await self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answering)
            return
        try:
            await self._enter(scope, receive, answering)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            what = (scope["method"], scope["path"], type(error).__name__)
            log.error("%s %s failed: %s", *what, extra={"action": "http.failed"})  # noqa: TRY400 - one line
            log.debug("%s %s failed: %s, from here", *what, exc_info=True)
            if not started:
                await internal()(scope, receive, answering)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._entrance.entered(scope) as there_is_room:
            if there_is_room:
                await self._app(scope, limited(receive, limit_of(scope)), send)
                return
        await drain(receive, PART_SIZE + MAX_BODY)
        await busy()(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if _too_long(headers, limit_of(scope)):
            return _too_large(limit_of(scope))
        if _ATTEMPT.fullmatch(path) or (method not in _ASKING and _DELIVERY.fullmatch(path)):
            return None  # its own proof is checked instead; a tunnel brings a host name of its own
        entry = self._get_entry()
        if (foreign := _foreign(scope, headers, anywhere=entry is not None)) is not None:
            return foreign
        if (method, path) in _PUBLIC or self.is_known(headers, method):
            return None
        return _unknown() if entry is None else await run_in_threadpool(_admitted, entry, headers)

    def is_known(self, headers: Headers, method: str = "GET") -> bool:
        """Whether the request shows the token, or the cookie made from it."""
        token = self._get_token()
        if token is None:
            return False
        if hmac.compare_digest(_bearer(headers).encode(), token.encode()):
            return True
        if method not in _SAFE_METHODS and headers.get("origin") is None:
            return False  # a browser says where such a request comes from; by its cookie alone it does not count
        return hmac.compare_digest(_cookie(headers).encode(), cookie_of(token).encode())


def _foreign(scope: Scope, headers: Headers, *, anywhere: bool) -> Response | None:
    """The answer to a request that another site had a browser send. ``anywhere``: under whatever name, behind whatever ends TLS."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not anywhere and not _HOST.fullmatch(host):
        return fault(403, "AuthError", "this service answers to 127.0.0.1, localhost and [::1] only")
    schemes = {scope.get("scheme", "http"), "https"} if anywhere else {scope.get("scheme", "http")}
    if origin is not None and origin.lower() not in {f"{scheme}://{host}".lower() for scheme in schemes}:
        return fault(403, "AuthError", "a page of another origin may not call this service")
    return None


def _unknown() -> Response:
    message = "the token is missing or wrong; use the link that `runyard up` printed, or let the CLI call"
    return fault(401, "AuthError", message, {"WWW-Authenticate": "Bearer"})


def _admitted(entry: Entry, headers: Headers) -> Response | None:
    """``None`` if the entry lets the caller in, else the answer. It may take a moment."""
    try:
        entry.admit(_bearer(headers))
    except AuthError as error:
        if not error.of_store:
            return fault(401, "AuthError", error.message, {"WWW-Authenticate": "Bearer"})
        return of_error(error)
    except RunyardError as error:
        return of_error(error)
    return None


def _bearer(headers: Headers) -> str:
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def limit_of(scope: Scope) -> int:
    """How many bytes the body of a request may have."""
    if scope["method"] == "PUT" and (_PART.fullmatch(scope["path"]) or _ATTEMPT.fullmatch(scope["path"])):
        return PART_SIZE
    if scope["method"] == "POST" and scope["path"] in {"/api/runs", "/api/snapshots"}:
        kind = Headers(scope=scope).get("content-type", "")
        if kind.lower().startswith("multipart/form-data"):
            return MAX_SNAPSHOT + MAX_BODY
    if scope["method"] == "POST" and _DELIVERY.fullmatch(scope["path"]):
        return MAX_DELIVERY
    return MAX_BODY


def limited(receive: Receive, limit: int) -> Receive:
    """A ``receive`` that ends with 413 once the body is larger than ``limit`` bytes, whatever was announced."""
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413)
        return message

    return counting


def without_body(send: Send) -> Send:
    """A ``send`` for the answer to HEAD: that of GET, whose body nobody need make."""

    async def sending(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({"type": "http.response.body", "body": b""})
        if message.get("more_body", False):
            raise ClientDisconnect  # ends the application's work on the rest

    return sending


def is_head(scope: Scope) -> bool:
    """Whether HEAD was asked for; handlers see GET."""
    return _HEAD in scope


def _too_long(headers: Headers, limit: int) -> bool:
    announced = headers.get("content-length", "")
    return announced.isdigit() and int(announced[:20]) > limit


def _too_large(limit: int) -> Response:
    size = f"{limit / (1 << 20):,.0f} MiB"
    return fault(413, "TooLarge", f"the request is larger than {size}; leave out what the run does not need")


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
