"""One POST over a connection of its own, to an address that was looked at, within a time limit."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpcore

from runyard.events.addresses import Receiver
from runyard.ports.courier import Parcel, Receipt

TIMEOUTS: Final = (httpcore.TimeoutException, TimeoutError)
FAILURES: Final = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError)
"""What comes of a connection that cannot be made or breaks; the first of them that fits counts, so timeouts go before."""


def post(
    receiver: Receiver, parcel: Parcel, addresses: Sequence[str], *, tls: ssl.SSLContext | None, deadline: float
) -> Receipt:
    """Send it; of the answer only status and headers are read, and redirects are not followed.

    Args:
        receiver: Where.
        parcel: What.
        addresses: Where its name leads: they are connected to, and the name is not looked up again.
        tls: For https; the certificate must be that of the receiver's name.
        deadline: Until when, by ``time.monotonic``.

    Raises:
        One of :data:`TIMEOUTS` or :data:`FAILURES`.
    """
    with (
        httpcore.ConnectionPool(
            ssl_context=tls, network_backend=_Checked(addresses, deadline), max_connections=1, retries=0
        ) as pool,
        pool.stream(
            "POST", receiver.url.partition("#")[0], headers=_headers(receiver, parcel), content=parcel.body
        ) as response,
    ):
        # Its body is for nobody here: the connection is closed on it.
        return Receipt(status=response.status, retry_after=_retry_after(response.headers))


class _Checked(httpcore.NetworkBackend):
    """Connects to the addresses that were looked at, whatever the name says by now, and lets nothing take beyond the deadline."""

    def __init__(self, addresses: Sequence[str], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first that answers."""
        del host, timeout
        for index, address in enumerate(self._addresses, 1):
            left = _left(self._deadline) / (len(self._addresses) - index + 1)
            try:
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if index == len(self._addresses):
                    raise
            else:
                return _Limited(stream, self._deadline)
        raise AssertionError

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        """Never asked for."""
        raise NotImplementedError(f"{path}, {timeout}, {socket_options}")

    def sleep(self, seconds: float) -> None:
        """Between tries, of which there is one."""
        time.sleep(min(seconds, _left(self._deadline)))


class _Limited(httpcore.NetworkStream):
    """A stream whose every step ends at the deadline: a receiver that sends a byte now and then gains nothing."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what comes."""
        del timeout
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        del timeout
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        """Go on encrypted."""
        del timeout
        return _Limited(self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the stream knows of itself."""
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _headers(receiver: Receiver, parcel: Parcel) -> list[tuple[str, str]]:
    host = f"[{receiver.host}]" if ":" in receiver.host else receiver.host
    usual = 443 if receiver.tls else 80
    return [
        ("Host", host if receiver.port == usual else f"{host}:{receiver.port}"),
        ("Connection", "close"),
        ("Content-Length", str(len(parcel.body))),
        *parcel.headers.items(),
    ]


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Seconds that ``Retry-After`` asks for: in digits, or until a date."""
    for name, value in headers:
        if name.lower() != b"retry-after":
            continue
        text = value.decode("ascii", "replace").strip()
        if text.isdecimal():
            return float(text[:9])
        try:
            until = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    return None
