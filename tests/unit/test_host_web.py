from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from runyard.errors import ConfigError, RunyardError
from runyard.host.web import WebServer
from tests.host_helpers import PATIENCE


async def hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An ASGI application that knows HTTP only, as a lifespan-less one."""
    assert scope["type"] == "http"
    body = scope["path"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(asgi: Any, grace: float = 5.0) -> Iterator[WebServer]:
    web = WebServer(asgi, port=0, grace=grace)
    web.start()
    try:
        yield web
    finally:
        web.stop(time.monotonic() + grace)


def test_the_application_is_served_as_it_is() -> None:
    with serving(hello) as web:
        response = httpx.get(f"{web.url}/api/runs/x%2Fy")

    assert (response.status_code, response.text) == (200, "/api/runs/x/y")
    assert "server" not in response.headers


def test_it_listens_on_the_loopback_address_only() -> None:
    with serving(hello) as web:
        assert web.url == f"http://127.0.0.1:{web.port}"
        assert web._socket.getsockname()[0] == "127.0.0.1"
        with socket.socket() as other:  # 127.0.0.2 is this machine too, and nothing is bound there
            other.settimeout(1)
            assert other.connect_ex(("127.0.0.2", web.port)) != 0


def test_a_port_in_use_is_named() -> None:
    with serving(hello) as web, pytest.raises(ConfigError, match=rf"port {web.port} is in use.*--port"):
        WebServer(hello, port=web.port)


def test_a_port_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"port 70000 cannot be used.*--port"):
        WebServer(hello, port=70000)


def test_a_port_is_free_again_after_the_stop() -> None:
    with serving(hello) as web:
        httpx.get(web.url)
    again = WebServer(hello, port=web.port)
    again.stop(time.monotonic())


def test_a_request_in_flight_finishes_at_the_stop() -> None:
    entered, gate = threading.Event(), threading.Event()
    answers: list[str] = []

    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        entered.set()
        assert await asyncio.to_thread(gate.wait, PATIENCE)
        await hello(scope, receive, send)

    with serving(slow) as web:
        client = threading.Thread(target=lambda: answers.append(httpx.get(f"{web.url}/done").text))
        client.start()
        assert entered.wait(PATIENCE)
        web.ask_stop()
        gate.set()
        client.join(PATIENCE)

    assert answers == ["/done"]


def test_lifespan_is_run() -> None:
    seen: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{step}"
                seen.append(step)
                await send({"type": f"lifespan.{step}.complete"})
        else:
            await hello(scope, receive, send)

    with serving(app) as web:
        httpx.get(web.url)
    assert seen == ["startup", "shutdown"]


def test_an_application_that_does_not_start_is_an_error() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RunyardError, match="did not start"), serving(app):
        pass
