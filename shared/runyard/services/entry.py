"""Who may call a service that can be reached from anywhere: by the token in the vault, or as somebody of Entra ID."""

from __future__ import annotations

import hmac
import logging
import secrets as random
import threading
import time
from collections.abc import Callable
from typing import Final

from runyard.errors import AuthError, ConflictError, TargetError
from runyard.ports import BlobStore, Identities, Secrets
from runyard.ports.identities import API

TOKEN: Final = "runyard-token"  # noqa: S105 - the name of the secret
"""The secret's name: whoever may read it from the vault may call the service."""
CLAIM: Final = ("registers", "service/token")
"""A blob that is created once: who creates it makes the token."""
FRESH: Final = 60.0
"""Seconds for which what was read from the vault counts without another look; so long an old token may go on to work."""
AGAIN: Final = 5.0
"""Seconds between two looks for the sake of tokens that are wrong."""
PATIENCE: Final = 5.0
"""Seconds that a token may take from the claim until it is in the vault."""
_LOOK: Final = 0.5

log = logging.getLogger(__name__)


class Entry:
    """Lets callers in. Any thread may use it."""

    def __init__(
        self,
        secrets: Secrets,
        blobs: BlobStore,
        identities: Identities | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._secrets = secrets
        self._blobs = blobs
        self._identities = identities
        self._now = now
        self._wait = wait
        self._token = ""
        self._read = -FRESH
        self._lock = threading.Lock()

    def admit(self, shown: str) -> None:
        """Let in who shows this bearer token. It may ask the vault or Entra ID.

        Raises:
            AuthError: if the token is neither the service's nor that of somebody who may call.
            TargetError: if neither can be asked now.
        """
        if self._identities is not None and shown.count(".") == 2:  # a JSON web token; ours has no dots
            self._identities.check(shown, API)
            return
        for age in (FRESH, AGAIN):  # it may have been changed in the vault since
            if hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), self.token(age).encode()):
                return
        raise AuthError("the token is missing or wrong; it is the secret runyard-token in the service's vault")

    def token(self, age: float = FRESH) -> str:
        """The service's token, read at most ``age`` seconds ago; made, if there is none yet."""
        with self._lock:
            if self._now() - self._read >= age:
                try:
                    self._token = self._secrets.get(TOKEN) or self._made()
                except (TargetError, AuthError) as error:
                    if not self._token:
                        raise
                    log.warning("the vault does not answer (%s); the token read before goes on to count", error.message)
                self._read = self._now()
            return self._token

    def _made(self) -> str:
        """Make the token. Of several instances that find none, the one that makes the claim does; the others wait for it.

        Should that one be gone in the middle, each makes one: the last in the vault is the one that counts, and all look there.
        """
        try:
            self._blobs.put(*CLAIM, b"", create_only=True)
        except ConflictError:
            for _ in range(int(PATIENCE / _LOOK)):
                self._wait(_LOOK)
                if found := self._secrets.get(TOKEN):
                    return found
        made = random.token_urlsafe(32)
        self._secrets.set(TOKEN, made)
        log.info("made the service's token: the secret %s", TOKEN, extra={"action": "token.made"})
        return self._secrets.get(TOKEN) or made
