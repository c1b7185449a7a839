"""Tokens of Entra ID: signed by its keys, for this service, from its directory, and shown by who is on the list.

Claims: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference; what to check:
https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens. Tokens of both versions count: 1.0 names its
issuer ``https://sts.windows.net/TENANT/`` and the application ``appid``, 2.0 ``AUTHORITY/TENANT/v2.0`` and ``azp``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import jwt

from runyard.errors import AuthError, TransientError
from runyard.ports.identities import API, Caller
from runyard.stores.azure.settings import EntraSettings

KEPT: Final = 24 * 3600.0
"""Seconds after which the keys are fetched again: Entra ID may withdraw one at any time.
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover"""
PAUSE: Final = 60.0
"""Seconds between two fetches for the sake of a key that is not known: anybody can invent the name of one."""
TIMEOUT: Final = 10.0
LEEWAY: Final = 60.0
"""Seconds by which two clocks may differ."""
ALGORITHM: Final = "RS256"


class EntraTokens:
    """Checks tokens of one directory. Any thread may use it."""

    def __init__(self, settings: EntraSettings) -> None:
        self._settings = settings
        base = f"{settings.authority}/{settings.tenant}"
        self._keys_at = f"{base}/discovery/v2.0/keys"
        self._issuers = {f"https://sts.windows.net/{settings.tenant}/", f"{base}/v2.0"}
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched = -KEPT
        self._lock = threading.Lock()

    def check(self, token: str, use: str) -> Caller:
        """See the port."""
        claims = self._proven(token)
        if claims.get("iss") not in self._issuers or str(claims.get("tid", "")).lower() != self._settings.tenant:
            raise AuthError("the token is of another directory than this service's")
        said = claims.get("roles")
        roles = frozenset(map(str, said)) if isinstance(said, list) else frozenset[str]()
        caller = Caller(app=str(claims.get("appid") or claims.get("azp") or ""), roles=roles)
        allowed = self._settings.callers if use == API else self._settings.senders
        # With a user behind it (scp), the application may be one that everybody uses: then only a role says who it is.
        named = caller.roles if "scp" in claims else caller.roles | {caller.app}
        if not allowed & named:
            raise AuthError("the token's owner has no role here, and is no application that may do this")
        return caller

    def _proven(self, token: str) -> Mapping[str, Any]:
        try:
            name = str(jwt.get_unverified_header(token).get("kid", ""))
            key = self._key(name)
            proven: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise AuthError("the token is no longer valid; get a new one") from None
        except jwt.InvalidAudienceError:
            raise AuthError("the token was issued for another application than this service") from None
        except jwt.PyJWTError:
            raise AuthError("the token is not one of this service's directory") from None
        return proven

    def _key(self, name: str) -> jwt.PyJWK:
        key, age = self._keys.get(name), time.monotonic() - self._fetched
        if age >= KEPT or (key is None and age >= PAUSE):
            with self._lock:
                if time.monotonic() - self._fetched >= PAUSE:  # nobody else did meanwhile
                    self._refresh(needed=key is None)
            key = self._keys.get(name)
        if key is None:
            raise AuthError("the token is signed with a key that this service's directory does not have")
        return key

    def _refresh(self, *, needed: bool) -> None:
        import httpx  # noqa: PLC0415 - 60 ms, and most processes see no such token

        try:
            answer = httpx.get(self._keys_at, timeout=TIMEOUT, follow_redirects=False).raise_for_status()
            found = jwt.PyJWKSet.from_dict(answer.json())
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            if needed:
                raise TransientError(f"the keys of Entra ID cannot be had now ({type(error).__name__})") from None
            return  # those at hand go on to count
        self._keys = {str(key.key_id): key for key in found.keys if key.key_id}
        self._fetched = time.monotonic()
