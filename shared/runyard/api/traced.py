"""The span of a request, around everything else, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runyard import telemetry
from runyard.telemetry import instruments
from runyard.telemetry.traceparent import NAME, valid

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS: Final = _READS | {"POST", "PUT", "DELETE", "PATCH"}
"""Others are shown as ``_OTHER``: https://opentelemetry.io/docs/specs/semconv/http/http-spans/"""


class Traced:
    """ASGI middleware: the outermost layer. Requests that only read have a span if the caller traces them.

    Of the address it tells the route (``/api/runs/{run_id}``), never the path or the query: these hold codes and tokens.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not telemetry.on():
            await self._app(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        caller = valid(dict(scope["headers"]).get(NAME.encode(), b"").decode("latin-1"))
        began = time.perf_counter()
        wanted = bool(caller) or method not in _READS
        with telemetry.span(method, kind="server", parent=caller) if wanted else nullcontext(telemetry.NOTHING) as span:
            await self._app(scope, receive, noting)
            told = _told(method, scope, status)
            span.rename(f"{method} {told['http.route']}" if "http.route" in told else method)
            span.note(told)
            if status >= 500:
                span.fail(str(status))
        telemetry.measure(instruments.HTTP, time.perf_counter() - began, told)


def _told(method: str, scope: Mapping[str, Any], status: int) -> dict[str, telemetry.Value]:
    told: dict[str, telemetry.Value] = {"http.request.method": method, "http.response.status_code": status}
    if route := getattr(scope.get("route"), "path", None):
        told["http.route"] = str(route)
    return told
