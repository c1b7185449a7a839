"""An ASGI application on a port of this machine, for clients that are real processes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

_READY = 20.0


@contextmanager
def listening(
    app: ASGIApp, log_level: str = "error", tls: tuple[Path, Path] | None = None, **options: Any
) -> Iterator[str]:
    """Serve it, with the files of a certificate and its key over https; gives its address. Further options are uvicorn's."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    files = {"ssl_certfile": tls[0], "ssl_keyfile": tls[1]} if tls else {}
    config = uvicorn.Config(app, log_level=log_level, lifespan="off", **{"access_log": False, **files, **options})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + _READY
    while not server.started:
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_READY)
        listener.close()
