"""Signatures of deliveries, made and checked: what a webhook believes, and what is sent out signed. Pure; no I/O.

Schemes (:data:`SCHEMES`), all HMAC over the raw body, byte for byte:

``timestamped``
    One header with the signature of ``timestamp + "." + body``, another with the timestamp.
``body``
    One header with the signature of the body alone: nothing says when it was made.
``stripe``
    One header ``t=1614265330,v1=<hex>`` with the signature of ``t + "." + body``; several ``v1`` while a secret rotates.
    https://docs.stripe.com/webhooks#verify-manually
``standard-webhooks``
    ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature: v1,<base64>`` of ``id + "." + timestamp + "." + body``;
    several signatures apart by spaces; the secret is ``whsec_<base64 of 24 to 64 bytes>``.
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

To sign an outgoing delivery::

    headers = sign_standard(secret, ident="run-1", timestamp=clock.now(), body=body)

and the receiver, ours too, checks it by :func:`verify` with ``Signing(scheme="standard-webhooks")``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runyard.errors import AuthError, ConfigError

TIMESTAMPED: Final = "timestamped"
BODY: Final = "body"
STRIPE: Final = "stripe"
STANDARD: Final = "standard-webhooks"
SCHEMES: Final = (TIMESTAMPED, BODY, STRIPE, STANDARD)

ALGORITHMS: Final = ("sha256", "sha512")
"""SHA-1 is not offered: nothing new should rest on it."""
ENCODINGS: Final = ("hex", "base64")

SIGNATURE_HEADER: Final = "X-Runyard-Signature"
TIMESTAMP_HEADER: Final = "X-Runyard-Timestamp"
STRIPE_HEADER: Final = "Stripe-Signature"
STANDARD_ID: Final = "webhook-id"
STANDARD_TIMESTAMP: Final = "webhook-timestamp"
STANDARD_SIGNATURE: Final = "webhook-signature"
STANDARD_PREFIX: Final = "whsec_"

TOLERANCE: Final = 300.0
"""Seconds by which a delivery's timestamp may differ from our clock, either way."""
MOST_SIGNATURES: Final = 16
"""Signatures of one delivery that are looked at: more are made by nobody, and each costs a comparison."""

_AUTHORIZATION: Final = "authorization"
_TIMESTAMP: Final = re.compile(r"[0-9]{1,11}")
_MILLISECONDS: Final = re.compile(r"[0-9]{13}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How deliveries are signed."""

    scheme: str = TIMESTAMPED
    header: str = ""
    """Holds the signature; empty = the scheme's own (:attr:`signature_header`). ``standard-webhooks`` has fixed ones."""
    timestamp_header: str = TIMESTAMP_HEADER
    """Holds the timestamp of ``timestamped``, in seconds since the epoch."""
    algorithm: str = "sha256"
    encoding: str = "hex"
    tolerance: float = TOLERANCE
    """Seconds, either way."""

    @property
    def signature_header(self) -> str:
        """The header that holds the signature."""
        if self.scheme == STANDARD:
            return STANDARD_SIGNATURE
        return self.header or (STRIPE_HEADER if self.scheme == STRIPE else SIGNATURE_HEADER)

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that the scheme reads."""
        if self.scheme == STANDARD:
            return (STANDARD_ID, STANDARD_TIMESTAMP, STANDARD_SIGNATURE)
        return (
            (self.signature_header, self.timestamp_header) if self.scheme == TIMESTAMPED else (self.signature_header,)
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """What a checked signature says."""

    key: int
    """Which of the secrets it was made with: its index."""
    timestamp: str = ""
    """As it was signed; empty if the scheme has none."""
    ident: str = ""
    """The delivery's id, if the signature covers one (``standard-webhooks``)."""


Header = Callable[[str], str | None]
"""Gives the value of a header by its name, whatever the casing."""


def header_of(headers: Mapping[str, str]) -> Header:
    """A :data:`Header` of plain headers."""
    folded = {name.lower(): value for name, value in headers.items()}
    return lambda name: folded.get(name.lower())


def check_signing(signing: Signing) -> None:
    """Refuse a way of signing that is not offered.

    Raises:
        ConfigError: naming what is allowed.
    """
    for what, given, allowed in (
        ("scheme", signing.scheme, SCHEMES),
        ("algorithm", signing.algorithm, ALGORITHMS),
        ("encoding", signing.encoding, ENCODINGS),
    ):
        if given not in allowed:
            raise ConfigError(f"the {what} {given[:30]!r} is not offered; it may be {', '.join(allowed)}")
    if not 1 <= signing.tolerance <= 86_400:
        raise ConfigError("the tolerance must be between 1 second and a day; 300 s is usual")


def check_secret(signing: Signing, secret: str) -> None:
    """Refuse a secret that cannot be a key of the scheme.

    Raises:
        ConfigError: without the secret.
    """
    key_of(signing.scheme, secret)


def new_secret(scheme: str = TIMESTAMPED) -> str:
    """A random secret in the form of a scheme."""
    if scheme == STANDARD:
        return STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


def key_of(scheme: str, secret: str) -> bytes:
    """The bytes of a secret that sign: the text's own, and of ``standard-webhooks`` those that its base64 says.

    Raises:
        ConfigError: if a secret of ``standard-webhooks`` is not the base64 of 24 to 64 bytes.
    """
    if scheme != STANDARD:
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ConfigError(
            "a secret of standard-webhooks is whsec_ and the base64 of 24 to 64 bytes; leave it out and one is made"
        )
    return key


def sign_standard(secret: str, *, ident: str, timestamp: float, body: bytes) -> dict[str, str]:
    """The three headers of a delivery in the form of Standard Webhooks.

    Args:
        secret: ``whsec_<base64>``.
        ident: The delivery's id: the same for each try, so that the receiver takes it once. Printable ASCII, no dot at need.
        timestamp: Of this try, in seconds since the epoch.
        body: The body, byte for byte as it is sent.

    Raises:
        ConfigError: if the secret is of another form.
    """
    return sign(Signing(scheme=STANDARD), secret, body, timestamp=timestamp, ident=ident)


def sign(signing: Signing, secret: str, body: bytes, *, timestamp: float, ident: str = "") -> dict[str, str]:
    """The headers of a signed delivery.

    Raises:
        ConfigError: if the secret cannot be a key of the scheme.
    """
    key, at = key_of(signing.scheme, secret), str(int(timestamp))
    if signing.scheme == STANDARD:
        digest = _digest(key, f"{ident}.{at}.".encode() + body, "sha256")
        return {
            STANDARD_ID: ident,
            STANDARD_TIMESTAMP: at,
            STANDARD_SIGNATURE: f"v1,{base64.b64encode(digest).decode()}",
        }
    if signing.scheme == STRIPE:
        digest = _digest(key, f"{at}.".encode() + body, signing.algorithm)
        return {signing.signature_header: f"t={at},v1={_spelled(digest, signing.encoding)}"}
    if signing.scheme == BODY:
        digest = _digest(key, body, signing.algorithm)
        return {signing.signature_header: f"{signing.algorithm}={_spelled(digest, signing.encoding)}"}
    digest = _digest(key, f"{at}.".encode() + body, signing.algorithm)
    return {
        signing.timestamp_header: at,
        signing.signature_header: f"{signing.algorithm}={_spelled(digest, signing.encoding)}",
    }


def verify(signing: Signing, keys: Sequence[str], header: Header, body: bytes, *, now: float) -> Proof:
    """Check a delivery's signature and time, in constant time whatever the signature.

    Args:
        signing: How it should be signed.
        keys: The secrets that are valid now; any may have been used.
        header: The delivery's headers.
        body: The raw body, byte for byte.
        now: Seconds since the epoch.

    Raises:
        AuthError: if it is not signed, not by one of the secrets, or its time is too far from ours. The sentence holds
            neither a secret nor a signature.
    """
    claim = _claim(signing, header)
    digests = [_digest(key_of(signing.scheme, key), claim.signed + body, _algorithm(signing)) for key in keys]
    used = None
    for index, digest in enumerate(digests):
        wanted = _spelled(digest, _encoding(signing)).encode()
        for given in claim.signatures:  # no early end: how long it takes says nothing
            if hmac.compare_digest(wanted, _canonical(given, _encoding(signing))) and used is None:
                used = index
    if used is None:
        raise AuthError(
            f"the {signing.signature_header} is not that of the body; see that the sender has the same secret, signs the raw "
            f"body, and that nothing on the way changes it"
        )
    if claim.timestamp:
        _check_time(signing, float(claim.timestamp), now)
    return Proof(used, claim.timestamp, claim.ident)


def verify_secret(name: str, keys: Sequence[str], header: Header) -> Proof:
    """Check a delivery that is not signed and shows the secret itself, in constant time.

    Args:
        name: The header that shows it. ``Authorization: Bearer <secret>`` is taken where that header is missing.
        keys: The secrets that are valid now; any may be shown.
        header: The delivery's headers.

    Raises:
        AuthError: if it shows none of them.
    """
    given = header(name) if name.lower() != _AUTHORIZATION else None
    if not given:
        scheme, _, token = (header(_AUTHORIZATION) or "").partition(" ")
        given = token.strip(" \t") if scheme.lower() == "bearer" else ""
    if not given:
        bearer = "Authorization: Bearer" if name.lower() == _AUTHORIZATION else f"{name} (or Authorization: Bearer)"
        raise AuthError(
            f"the delivery does not show the webhook's secret: it has no {bearer}; the address is no place for it"
        )
    used = None
    shown = given.encode("utf-8", "surrogatepass")
    for index, key in enumerate(keys):
        if hmac.compare_digest(key.encode(), shown) and used is None:
            used = index
    if used is None:
        raise AuthError("the secret that the delivery shows is not that of this webhook")
    return Proof(used)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a delivery's headers claim."""

    signatures: tuple[str, ...]
    signed: bytes = b""
    """What is signed before the body."""
    timestamp: str = ""
    ident: str = ""


def _claim(signing: Signing, header: Header) -> _Claim:
    given = _needed(header, signing.signature_header)
    if signing.scheme == STANDARD:
        ident, at = _needed(header, STANDARD_ID), _timestamp(STANDARD_TIMESTAMP, _needed(header, STANDARD_TIMESTAMP))
        found = tuple(part[3:] for part in given.split(" ")[:MOST_SIGNATURES] if part.startswith("v1,"))
        return _Claim(found, f"{ident}.{at}.".encode("utf-8", "surrogateescape"), at, ident)
    if signing.scheme == STRIPE:
        return _stripe_claim(signing.signature_header, given)
    signature = given.removeprefix(f"{signing.algorithm}=")
    if signing.scheme == BODY:
        return _Claim((signature,))
    at = _timestamp(signing.timestamp_header, _needed(header, signing.timestamp_header))
    return _Claim((signature,), f"{at}.".encode(), at)


def _stripe_claim(name: str, given: str) -> _Claim:
    pairs = [part.strip().partition("=") for part in given.split(",")[: MOST_SIGNATURES + 2]]
    times = [value for key, _, value in pairs if key == "t"]
    if len(times) != 1:
        raise AuthError(f"the {name} must have the form t=<seconds>,v1=<signature>")
    at = _timestamp(f"t of {name}", times[0])
    return _Claim(tuple(value for key, _, value in pairs if key == "v1"), f"{at}.".encode(), at)


def _needed(header: Header, name: str) -> str:
    value = (header(name) or "").strip(" \t")
    if not value:
        raise AuthError(f"the delivery is not signed as it should be: it has no {name}")
    return value


def _timestamp(name: str, text: str) -> str:
    if _MILLISECONDS.fullmatch(text):
        raise AuthError(f"the {name} is in milliseconds; whole seconds since 1970 are needed")
    if not _TIMESTAMP.fullmatch(text):
        raise AuthError(f"the {name} must be whole seconds since 1970, in digits")
    return text


def _check_time(signing: Signing, timestamp: float, now: float) -> None:
    late = now - timestamp
    if abs(late) <= signing.tolerance:
        return
    where = "ago" if late > 0 else "ahead of the clock here"
    raise AuthError(
        f"the delivery was signed {abs(late):.0f} s {where}, and {signing.tolerance:.0f} s are allowed; send it anew, or see to "
        f"the sender's clock"
    )


def _algorithm(signing: Signing) -> str:
    return "sha256" if signing.scheme == STANDARD else signing.algorithm


def _encoding(signing: Signing) -> str:
    return "base64" if signing.scheme == STANDARD else signing.encoding


def _digest(key: bytes, data: bytes, algorithm: str) -> bytes:
    return hmac.digest(key, data, hashlib.sha512 if algorithm == "sha512" else hashlib.sha256)


def _spelled(digest: bytes, encoding: str) -> str:
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def _canonical(given: str, encoding: str) -> bytes:
    """A signature as :func:`_spelled` writes it: hex in either case."""
    data = given.encode("utf-8", "surrogatepass")
    return data.lower() if encoding == "hex" else data
