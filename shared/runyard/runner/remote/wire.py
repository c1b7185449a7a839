"""Requests over HTTP, sent again while that may help. No address, header or body of theirs is in any message: they hold secrets."""

import email.utils
import http.client
import random
import socket
import ssl
import time
from typing import IO, Any, Callable, Dict, List, NamedTuple, Optional
from urllib.parse import urlsplit

TIMEOUT = 60.0
"""Seconds without a byte."""
PATIENCE = 600.0
"""Seconds for which a request is sent again."""
_FIRST, _LONGEST = 0.25, 30.0
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PIECE = 1 << 20
_MOST = 8 << 20
"""Bytes of an answer that is held in memory."""


class Trouble(Exception):  # noqa: N818 - told to a user
    """What was asked for was not done; one sentence."""


class Unreached(Trouble):
    """There was no answer in time; the next one may come."""


class Lost(Exception):  # noqa: N818 - no error yet
    """There was no whole answer: what was asked for may have been done, or not."""


class Answer(NamedTuple):
    """What a service said."""

    status: int
    headers: Dict[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def code(self) -> str:
        """Blob Storage's word for what is wrong; empty if there is none."""
        return self.headers.get("x-ms-error-code", "")


class Request(NamedTuple):
    """What is sent. ``repr`` shows none of it but the method."""

    method: str
    url: str
    headers: Dict[str, str]
    body: Optional[bytes] = None

    def __repr__(self) -> str:
        return "Request(%s)" % self.method


def send(request: Request, sink: Optional[IO[bytes]] = None, timeout: float = TIMEOUT) -> Answer:
    """Send it once.

    Args:
        request: What.
        sink: Where the body of a 200 or 206 goes.
        timeout: Seconds without a byte.

    Raises:
        Lost: if no whole answer came.
        Trouble: if its address is not safe to send secrets to.
    """
    parts = urlsplit(request.url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        try:
            connection.request(request.method, target, request.body, request.headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered, without taking the body
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, _body(request.method, response, sink))
    except ssl.SSLError as error:
        raise Lost("TLS failed (%s)" % (error.reason or type(error).__name__)) from None
    except socket.timeout:
        raise Lost("no answer within %g s" % timeout) from None
    except OSError as error:
        raise Lost(error.strerror or type(error).__name__) from None
    except http.client.HTTPException as error:
        raise Lost("the answer broke off (%s)" % type(error).__name__) from None
    finally:
        connection.close()


class Persistence:
    """Sends requests again, later and later, until ``patience`` seconds are over."""

    def __init__(
        self,
        patience: float = PATIENCE,
        sleep: Callable[[float], Any] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self._sleep = sleep
        self._now = now

    def __call__(
        self, make: Callable[[], Request], what: str, read: Optional[Callable[[Request], Answer]] = None
    ) -> Answer:
        """An answer that waiting would not change.

        Args:
            make: The request, anew for each sending: links are renewed meanwhile.
            what: What is done, for the sentence.
            read: How it is sent and read; :func:`send` by default.

        Raises:
            Unreached: if there is none in time.
        """
        until = self._now() + self.patience
        tried = 0
        while True:
            wait = min(_FIRST * 2 ** min(tried, 20), _LONGEST) * random.uniform(0.5, 1.0)
            try:
                answer = (read or send)(make())
                if answer.status not in _PASSING:
                    return answer
                said = "status %d" % answer.status
                wait = max(wait, _retry_after(answer.headers))
            except Lost as lost:
                said = str(lost)
            tried += 1
            if self._now() + wait > until:
                raise Unreached("%s failed %d times, at last: %s" % (what, tried, said))
            self._sleep(wait)


def _connection(scheme: str, host: str, port: Optional[int], timeout: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    if scheme == "http" and host in _LOOPBACK:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    raise Trouble("a token is sent over https only, or to this machine, and not to %s://%s" % (scheme[:10], host[:100]))


def _body(method: str, response: http.client.HTTPResponse, sink: Optional[IO[bytes]]) -> bytes:
    if method == "HEAD":
        return b""
    if sink is None or response.status not in (200, 206):
        pieces: List[bytes] = []
        size = 0
        while size < _MOST:
            piece = response.read(min(_PIECE, _MOST - size))
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
    else:
        pieces = []
        while True:
            piece = response.read(_PIECE)
            if not piece:
                break
            sink.write(piece)
    if response.length:  # reading in pieces, http.client does not say that some are missing
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _retry_after(headers: Dict[str, str]) -> float:
    """Seconds that are asked for, as a number or a date (RFC 9110 §10.2.3); 0 if none are."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text[:6])
    try:
        until = email.utils.parsedate_to_datetime(text)
        return max(0.0, min(until.timestamp() - time.time(), 3600.0))
    except (TypeError, ValueError, IndexError):
        return 0.0
