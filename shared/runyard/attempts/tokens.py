"""Attempt tokens: a signed statement that whoever has it is the runner of one attempt, for a while.

::

    rya1.<key id>.<attempt>.<expires, seconds since the epoch>.<run id, base64url>.<HMAC-SHA256 of all before, base64url>

It is in no table: it can be checked with the key alone. What it is worth, the state of the run says
(:mod:`runyard.attempts.standing`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from runyard.attempts.keys import LONGEST, Key, Keyring
from runyard.errors import AuthError, ConfigError

FORM: Final = "rya1"
LIFE: Final = 3600.0
"""Seconds that the first token of an attempt lives: its runner must have begun by then."""
RENEWED: Final = 6 * 3600.0
"""Seconds that a renewed one lives. Runners renew theirs every hour, so the service may be away for five; what a token is worth
depends on its attempt anyway."""

_TOKEN: Final = re.compile(
    r"rya1\.(?P<key>[0-9a-f]{16})\.(?P<attempt>[1-9]\d{0,8})\.(?P<expires>\d{1,12})\.(?P<run>[A-Za-z0-9_-]{1,200})"
    r"\.(?P<proof>[A-Za-z0-9_-]{43})"
)
_PURPOSE: Final = b"runyard attempt token\0"


class TokenError(AuthError):
    """The attempt token is missing, not one of this service's, or its time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a token says."""

    run_id: str
    attempt: int
    expires: float
    """Seconds since the epoch."""


def issue(keyring: Keyring, run_id: str, attempt: int, *, seconds: float = LIFE) -> str:
    """A token for an attempt.

    Args:
        keyring: The keys.
        run_id: The run.
        attempt: The attempt's number, from 1.
        seconds: How long it lives: the runner must have begun by then, and renews it from then on.

    Raises:
        ConfigError: if it is to live for longer than a day.
    """
    if not 0 < seconds <= LONGEST:
        raise ConfigError(f"an attempt token lives for at most {LONGEST:,.0f} s, and not for {seconds:,.0f} s")
    key = keyring.signing()
    run = _encoded(run_id.encode())
    text = f"{FORM}.{key.id}.{attempt}.{int(keyring.clock.now() + seconds)}.{run}"
    return f"{text}.{_proof(key, text)}"


def read(keyring: Keyring, token: str) -> Claim:
    """What a token says, if it is ours and its time is not over.

    Raises:
        TokenError: if not. The token is not in the message.
        ThrottledError: if its key could not be looked up just now.
    """
    found = _TOKEN.fullmatch(token)
    if found is None or int(found["expires"]) <= keyring.clock.now():
        raise TokenError  # before any key is looked up
    key = keyring.find(found["key"])
    if key is None or not hmac.compare_digest(_proof(key, token.rpartition(".")[0]), found["proof"]):
        raise TokenError
    return Claim(run_id=_decoded(found["run"]), attempt=int(found["attempt"]), expires=float(found["expires"]))


def _proof(key: Key, text: str) -> str:
    return _encoded(hmac.digest(bytes.fromhex(key.key), _PURPOSE + text.encode(), hashlib.sha256))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise TokenError from None  # signed by us, and yet not of our making
