"""An httpx transport that drives an ASGI application in this process: the same handlers, no network.

httpx has one for async clients; ours is for sync ones, and it streams both ways, so that a snapshot or a download of any
size passes through in pieces.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx
from starlette.types import ASGIApp, Message

_PIECES: Final = 4
"""Pieces of an answer that may wait for their reader."""


class InProcessTransport(httpx.BaseTransport):
    """Runs the application on an event loop in a thread of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runyard-api", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; the body of the answer is read from the returned stream."""
        exchange = _Exchange(self._app, self._loop, request)
        status, headers = exchange.start()
        return httpx.Response(status, headers=headers, stream=_Body(exchange), request=request)

    def close(self) -> None:
        """Stop the loop; repeatable."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _drain(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, request: httpx.Request) -> None:
        assert isinstance(request.stream, httpx.SyncByteStream)
        self._app = app
        self._loop = loop
        self._scope = _scope(request)
        self._body: Iterator[bytes] | None = iter(request.stream)
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(_PIECES)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send the request; returns the answer's status and headers."""
        first = self._wait(self._begin())
        if first is None:
            self._raise()
        assert first is not None
        return int(first["status"]), list(first["headers"])

    def pieces(self) -> Iterator[bytes]:
        """The answer's body."""
        while True:
            message = self._wait(self._sent.get())
            if message is None:
                self._raise()
                return
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                return

    def stop(self) -> None:
        """Let the application know that nobody listens any more."""
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    def _wait(self, work: Any) -> Message | None:
        result: Message | None = asyncio.run_coroutine_threadsafe(work, self._loop).result()
        return result

    def _raise(self) -> None:
        """The application ended without an answer: say why."""
        assert self._task is not None
        error = None if self._task.cancelled() else self._task.exception()
        raise httpx.RemoteProtocolError("the application ended without an answer") from error

    async def _begin(self) -> Message | None:
        self._task = asyncio.ensure_future(self._run())
        return await self._sent.get()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._sent.put)
        finally:
            await self._sent.put(None)

    async def _receive(self) -> Message:
        if self._body is None:
            await asyncio.Event().wait()  # a client in this process does not go away before it has its answer
        assert self._body is not None
        piece = next(self._body, None)
        if piece is None:
            self._body = None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}


class _Body(httpx.SyncByteStream):
    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self._exchange.pieces()

    def close(self) -> None:
        self._exchange.stop()


def _scope(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "server": (url.host, url.port),
        "client": None,
        "root_path": "",
    }
