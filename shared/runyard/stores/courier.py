"""The courier over HTTP: one connection for one delivery, to an address that was looked at, within one time limit."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

from runyard.errors import ConfigError
from runyard.events.addresses import Receiver, check_url, is_forbidden
from runyard.ports.courier import TIMEOUT, Parcel, Receipt

LOOK_UPS: Final = 8
"""Names that may be looked up at a time. A look-up cannot be interrupted: one that hangs is left behind, and keeps its place."""

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the system says, in its order.

    Raises:
        OSError: if it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class HttpCourier:
    """A :class:`~runyard.ports.courier.Courier`. Proxies of the environment are not used: they would choose the address."""

    def __init__(self, *, timeout: float = TIMEOUT, resolve: Resolve = resolve, trusted: str | None = None) -> None:
        """Make a courier.

        Args:
            timeout: Seconds for one delivery.
            resolve: Looks names up.
            trusted: A file of further certificates to trust.
        """
        self._timeout = timeout
        self._resolve = resolve
        self._trusted = trusted
        self._room = threading.BoundedSemaphore(LOOK_UPS)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._trusted is not None:
            context.load_verify_locations(self._trusted)
        return context

    def deliver(self, parcel: Parcel) -> Receipt:
        """Deliver; see the port."""
        from runyard.stores import exchange  # noqa: PLC0415 - httpcore: 60 ms, for who sends something

        deadline = time.monotonic() + self._timeout
        try:
            receiver = check_url(parcel.url, allow_http=parcel.allow_http)
            addresses = self._addresses(receiver, deadline)
        except ConfigError as error:
            return Receipt(error=error.message, refused=True)
        except OSError as error:
            return Receipt(error=f"the name {parcel_host(parcel)} has no address: {_said(error)}")
        try:
            return exchange.post(
                receiver, parcel, addresses, tls=self._tls if receiver.tls else None, deadline=deadline
            )
        except exchange.TIMEOUTS:
            return Receipt(error=f"{receiver.host} did not answer within {self._timeout:.0f} s")
        except exchange.FAILURES as error:
            return Receipt(error=f"{receiver.host} could not be reached, or broke off: {_said(error)}")

    def _addresses(self, receiver: Receiver, deadline: float) -> Sequence[str]:
        """Where the name leads now, all of it allowed: it is not looked up again."""
        found = self._look_up(receiver, deadline)
        for each in found:
            if is_forbidden(ipaddress.ip_address(each.partition("%")[0])):
                raise ConfigError(
                    f"{receiver.host} leads to {each}, an address of a metadata service or of a link; events are not sent there"
                )
        if not receiver.tls and receiver.host == "localhost" and not all(map(_is_loopback, found)):
            raise ConfigError(f"localhost leads to {', '.join(found)}, which is not this machine")
        return found

    def _look_up(self, receiver: Receiver, deadline: float) -> Sequence[str]:
        if not self._room.acquire(blocking=False):
            raise OSError(f"{LOOK_UPS} look-ups of names hang already")
        found: list[Sequence[str] | OSError | UnicodeError] = []

        def look() -> None:
            try:
                found.append(self._resolve(receiver.host, receiver.port))
            except (OSError, UnicodeError) as error:
                found.append(error)
            finally:
                self._room.release()

        thread = threading.Thread(target=look, name="look-up", daemon=True)
        thread.start()
        thread.join(max(0.0, deadline - time.monotonic()))
        if not found:
            raise OSError(f"the look-up took longer than {self._timeout:.0f} s")
        if isinstance(found[0], UnicodeError):
            raise OSError("it is no name")
        if isinstance(found[0], OSError):
            raise found[0]
        if not found[0]:
            raise OSError("there is none")
        return found[0]


def parcel_host(parcel: Parcel) -> str:
    """The host of a parcel's URL, which was looked at before."""
    return check_url(parcel.url, allow_http=parcel.allow_http).host


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _said(error: BaseException) -> str:
    """What an error says, in one short line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]
