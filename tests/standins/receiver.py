"""A receiver of events on loopback that misbehaves as it is told: real sockets, real HTTP."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

OK: Final = "204"
LOST: Final = "lost"
"""It takes the event, and breaks off without an answer."""
TORN: Final = "torn"
"""It breaks off in the middle of the status line."""
SLOW: Final = "slow"
"""It sends a byte of the answer now and then, and never comes to an end."""
ENDLESS: Final = "endless"
"""It answers 200, and its body never ends."""


@dataclass(frozen=True)
class Taken:
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it answers in turn: a status (``"503"``, ``"429 Retry-After: 7"``) or one of the faults above; then ``usual``."""

    answers: list[str] = field(default_factory=list)
    usual: str = OK
    taken: list[Taken] = field(default_factory=list)
    port: int = 0
    came: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/in"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Take a request and do as told."""
        body = request.rfile.read(int(request.headers.get("Content-Length", "0")))
        self.taken.append(Taken(request.path, dict(request.headers.items()), body))
        how = self.answers.pop(0) if self.answers else self.usual
        self.came.set()
        request.close_connection = True
        if how == LOST:
            _break_off(request)
        elif how == TORN:
            request.wfile.write(b"HTTP/1.1 2")
            _break_off(request)
        elif how == SLOW:
            self._drip(request, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000)
        elif how == ENDLESS:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._drip(request, b"1\r\na\r\n" * 1000)
        else:
            status, _, header = how.partition(" ")
            request.send_response(int(status))
            if header:
                request.send_header(*header.split(": ", 1))
            request.send_header("Content-Length", "0")
            request.end_headers()

    def _drip(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        with suppress(OSError):
            for byte in data:
                request.wfile.write(bytes([byte]))
                if self.closing.wait(0.02):
                    return


def _break_off(request: BaseHTTPRequestHandler) -> None:
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def receiving(*answers: str, usual: str = OK, certificate: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """A receiver for the time of a block; with a certificate and its key, over TLS."""
    receiver = Receiver(answers=list(answers), usual=usual)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def refusing_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(receiver: Receiver, count: int, seconds: float = 20.0) -> None:
    """Until so many requests have come."""
    deadline = time.monotonic() + seconds
    while len(receiver.taken) < count:
        receiver.came.clear()
        assert time.monotonic() < deadline, f"{len(receiver.taken)} of {count} came"
        receiver.came.wait(0.05)
