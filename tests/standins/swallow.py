"""A blob service that takes all and keeps nothing: for what is too large to be kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_PIECE: Final = 1 << 16


@dataclass
class Swallowed:
    """What came."""

    uri: str = ""
    size: int = 0
    """Bytes of whole requests."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    swallowed: Swallowed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_PUT(self) -> None:
        length = left = int(self.headers.get("Content-Length", "0"))
        while left:
            left -= len(self.rfile.read(min(left, _PIECE)))
        with self.server.swallowed.lock:
            self.server.swallowed.size += length if "comp=blocklist" not in self.path else 0
        self.send_response_only(201)
        for name, value in {"ETag": '"0x1"', "Last-Modified": formatdate(usegmt=True), "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def swallowing() -> Iterator[Swallowed]:
    """One for the time of a block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.swallowed = Swallowed(uri=f"http://127.0.0.1:{server.server_address[1]}/yard")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.swallowed
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
