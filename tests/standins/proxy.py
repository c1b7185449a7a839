"""A proxy before Azurite, for the real SDKs: it counts requests, makes faults happen, and refuses what Azure refuses.

It runs in threads of this process. ``Account.through(proxy.blob_port, proxy.table_port)`` is the connection string::

    with proxied(azurite().account()) as proxy:
        clients = Clients(AzureSettings(storage_connection=proxy.connection))
        proxy.faults.at(lost(), 3, method="PUT")           # the 3rd PUT from now on takes effect, its answer is lost
        proxy.faults.by_chance(0.05, seed=7)                # and one request of twenty suffers something
"""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.standins import table_rules
from tests.standins.azurite import Account
from tests.standins.blob_rules import BlobRules
from tests.standins.faults import CLOSED, HIDDEN, LOST, REFUSED, SLOW, TWICE, Fault, Faults
from tests.standins.limits import Limits
from tests.standins.start_from import listed_from
from tests.standins.wire import BLOB, TABLE, Answer, Headers, RefusedError, Request

_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "proxy-connection"}
"""Headers between two neighbours only; lengths are said anew."""
UPSTREAM_TIMEOUT: Final = 60.0


@dataclass
class Proxy:
    """What the tests hold of a running proxy."""

    account: Account
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many requests came, by service and operation: ``("table", "POST $batch")``."""
    refused: Counter[str] = field(default_factory=Counter)
    """How often a rule of the service was broken, by its error code."""
    knows_start_from: bool = False
    """Whether a listing may start at a name, which Azurite does not know."""
    blob_port: int = 0
    table_port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._blobs = BlobRules(self.limits)

    @property
    def connection(self) -> str:
        """The connection string that goes through here."""
        return self.account.through(self.blob_port, self.table_port)

    def total(self, service: str = "", method: str = "") -> int:
        """How many requests came, of a service and a method if given."""
        with self._lock:
            return sum(
                count
                for (where, operation), count in self.counts.items()
                if service in {"", where} and method in {"", operation.partition(" ")[0]}
            )

    def forget(self) -> None:
        """Count anew."""
        with self._lock:
            self.counts.clear()
            self.refused.clear()

    def serve(self, request: Request, upstream: Upstream) -> Answer | None:
        """Do as asked, as far as rules and faults allow; ``None``: close the connection."""
        with self._lock:
            self.counts[request.service, request.operation] += 1
        fault = self.faults.of(request)
        try:
            if fault is not None and fault.how in {CLOSED, REFUSED}:
                return _refusal(fault, request)
            self._check(request)
        except RefusedError as error:
            with self._lock:
                self.refused[error.code] += 1
            return error.answer(request.service)
        return self._done(request, upstream, fault)

    def _check(self, request: Request) -> None:
        if request.service == BLOB:
            self._blobs.check(request)
        else:
            table_rules.check(request, self.limits)

    def _done(self, request: Request, upstream: Upstream, fault: Fault | None) -> Answer | None:
        how = fault.how if fault else ""
        if how == SLOW and fault is not None:
            self.closing.wait(fault.seconds)
        sent = listed_from(self.account, request) if self.knows_start_from else request
        for _ in range(2 if how == TWICE else 1):
            answer = upstream.send(sent)
            if request.service == BLOB:
                self._blobs.saw(request, answer)
        return _refusal(fault, request) if fault is not None and how in {LOST, HIDDEN} else answer


def _refusal(fault: Fault, request: Request) -> Answer | None:
    return fault.error.answer(request.service) if fault.error else None


class Upstream:
    """A connection to Azurite."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=UPSTREAM_TIMEOUT)

    def send(self, request: Request) -> Answer:
        """Hand a request on, over a connection that is alive."""
        connection = self._connection
        if connection.sock is not None and _ended(connection.sock):
            connection.close()
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name not in _HOP:
                connection.putheader(name, value)
        if request.writes or request.body:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        response = connection.getresponse()
        body = response.read()
        headers = tuple(pair for pair in response.getheaders() if pair[0].lower() not in _HOP - {"content-length"})
        return Answer(response.status, headers, body)

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def _ended(connection: socket.socket) -> bool:
    """Whether the other side closed it (between two answers there is nothing to read)."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(UPSTREAM_TIMEOUT)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.upstream = Upstream(self.server.upstream)

    def finish(self) -> None:
        self.upstream.close()
        with suppress(OSError):  # the client may be gone, which is its right
            super().finish()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        headers = Headers(dict(self.headers.items()))
        request = Request(self.server.service, self.command, self.path, headers, self._body())
        try:
            answer = self.server.proxy.serve(request, self.upstream)
        except OSError:  # Azurite is gone, or ends with the tests: what a client sees of a dead service
            answer = None
        if answer is not None:
            self._answer(answer)
            return
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        length: str | None = str(len(answer.body))
        for name, value in answer.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
            elif self.command == "HEAD":
                length = value
        if answer.status in {204, 304}:
            length = None
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD" and length is not None:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: Proxy, service: str, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy, self.service, self.upstream = proxy, service, upstream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is none of our business; anything else is a fault of the proxy."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def proxied(account: Account) -> Iterator[Proxy]:
    """A proxy before an account for the time of a block."""
    proxy = Proxy(account)
    servers = [_Server(proxy, BLOB, account.blob_port), _Server(proxy, TABLE, account.table_port)]
    proxy.blob_port, proxy.table_port = (server.server_address[1] for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(5)
