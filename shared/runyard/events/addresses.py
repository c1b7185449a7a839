"""Which URLs and addresses events may be sent to. Pure.

An operator names the receivers, so private networks are allowed. What no receiver of ours ever is: the metadata services of
the clouds, which hand out credentials to whoever asks from inside.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from runyard.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL: Final = 2048
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud; those of AWS, Azure, Google and Oracle are link-local
            "168.63.129.16",  # Azure's wire server
            "192.0.0.192",  # Oracle Cloud's older one
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A URL that was looked at."""

    url: str
    host: str
    """In lower case, an IPv6 address without its brackets."""
    port: int
    tls: bool
    shown: str
    """Without its query, which may hold a token."""


def check_url(url: str, *, allow_http: bool = False) -> Receiver:
    """Look at a URL that events are to go to.

    Raises:
        ConfigError: if it is no https URL (or http to this machine, or to another if ``allow_http``), holds credentials, or
            names an address that is never a receiver. The sentence does not hold the URL's query.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(
            f"the URL must be at most {LONGEST_URL:,} ASCII characters without spaces; spell others as %XX"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError("the URL cannot be read; it must have the form https://host/path") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError("the URL must have the form https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("the URL holds a user name or a password; leave them out: deliveries are signed")
    address = _address(host)
    if address is not None and is_forbidden(address):
        raise ConfigError(f"{host} is an address of a metadata service or of a link; events are not sent there")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host, address):
        raise ConfigError(f"http to {host} is readable on the way: use https, or allow it with --allow-http")
    tls = parts.scheme == "https"
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")
    return Receiver(url=url, host=host, port=port or (443 if tls else 80), tls=tls, shown=shown)


def is_forbidden(address: Address) -> bool:
    """Whether nothing is ever sent to this address, whatever name it has."""
    for each in _embedded(address):
        if each.is_link_local or each.is_multicast or each.is_unspecified or each in _METADATA:
            return True
    return False


def _embedded(address: Address) -> list[Address]:
    """The address, and the IPv4 one that it stands for."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        found += [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
        if address in ipaddress.ip_network("64:ff9b::/96"):  # NAT64 (RFC 6052)
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_loopback(host: str, address: Address | None) -> bool:
    return address.is_loopback if address is not None else host == "localhost"
