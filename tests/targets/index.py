"""A package index on this machine that answers when it is told to, so that builds take as long as a test needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Index:
    """Serves the wheels of a folder by PEP 503; every request waits for the gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = threading.Event()
        self.asked = threading.Event()
        """Whether anybody waits at the gate, or has."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def option(self) -> str:
        """The entry of a conda file's pip part that names it."""
        return f"--index-url http://127.0.0.1:{self._server.server_address[1]}/simple"

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.set()
                index.gate.wait(60)
                name = self.path.strip("/").rpartition("/")[2]
                path = index.folder / name
                if path.is_file():
                    self._answer("application/zip", path.read_bytes())
                    return
                links = [f'<a href="/files/{each.name}">{each.name}</a>' for each in index.folder.glob(f"{name}-*")]
                if links:
                    self._answer("text/html", "".join(links).encode())
                else:
                    self.send_error(404)

            def do_HEAD(self) -> None:
                self.do_GET()

            def _answer(self, kind: str, data: bytes) -> None:
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    if self.command == "GET":
                        self.wfile.write(data)
                except OSError:
                    return  # whoever asked was killed

            def log_message(self, *_: object) -> None:
                return

        return Handler


@contextmanager
def served(folder: Path) -> Iterator[Index]:
    index = Index(folder)
    try:
        yield index
    finally:
        index.close()
