"""Links to single blobs that work without credentials for a short time (shared access signatures).

With an identity they are signed by a user delegation key, which the service gives for some hours and which we keep in memory;
with a connection string (Azurite) by the account's key.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from runyard.errors import ConfigError
from runyard.ports.blobs import LinkUse
from runyard.ports.clock import Clock
from runyard.stores.azure.edge import translated

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, UserDelegationKey

PERMISSIONS: Final = frozenset({"read", "create", "write", "add"})
"""``create`` writes a blob that is not there, ``write`` also one that is, ``add`` appends.

https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#specify-permissions
"""
PERMISSIONS_OF: Final[Mapping[LinkUse, AbstractSet[str]]] = {
    "read": frozenset({"read"}),
    "create": frozenset({"create", "read"}),
    "replace": frozenset({"create", "write"}),
    "append": frozenset({"create", "add", "read"}),
}
"""What each use of a link needs. ``create`` alone overwrites nothing: the service answers 403 ``UnauthorizedBlobOverwrite``, whatever
conditions a client leaves out. Blocks (Put Block, Put Block List) need ``write``."""
LONGEST: Final = 12 * 3600.0
"""Seconds that a link may live."""
KEY_LIFE: Final = LONGEST + 4 * 3600.0
"""Seconds that a user delegation key is asked for; the service gives at most 7 days."""
SKEW: Final = 15 * 60.0
"""Seconds that clocks may differ: the key begins so much earlier, and is given up so much before its end."""
GRACE: Final = 60.0
"""Seconds that a link lives longer than asked, for a clock of ours that is behind."""


class Links:
    """Signs links. The key it signs with is in no repr."""

    def __init__(self, service: BlobServiceClient, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._key: UserDelegationKey | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def signed_link(self, container: str, name: str, permissions: AbstractSet[str], seconds: float) -> str:
        """A URL that allows ``permissions`` on one blob for ``seconds``; over https alone, but for a service on loopback.

        What is read by it comes as an attachment of no special type: a run's page must not act as ours.

        Raises:
            ConfigError: for other permissions, or a time that is not short.
            AuthError: if the identity may not sign (it needs the role Storage Blob Delegator).
        """
        if not permissions or not permissions <= PERMISSIONS:
            raise ConfigError(
                f"a link allows some of {', '.join(sorted(PERMISSIONS))}, not {', '.join(sorted(permissions))!r}"
            )
        if not 0 < seconds <= LONGEST:
            raise ConfigError(f"a link lives up to {LONGEST / 3600:.0f} hours, not {seconds:g} s")
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas  # noqa: PLC0415 - with the SDK

        blob = self._service.get_blob_client(container, name)
        options: dict[str, Any] = self._signer(seconds)
        if urlsplit(blob.url).scheme == "https":
            options["protocol"] = "https"
        if "read" in permissions:
            options |= {"content_disposition": "attachment", "content_type": "application/octet-stream"}
        signature = generate_blob_sas(
            str(blob.account_name),
            container,
            name,
            permission=BlobSasPermissions(**dict.fromkeys(permissions, True)),
            expiry=datetime.fromtimestamp(self._clock.now() + seconds + GRACE, UTC),
            **options,
        )
        return f"{blob.url}?{signature}"

    def _signer(self, seconds: float) -> dict[str, Any]:
        """What signs: the account's key where the client has it, else the user delegation key."""
        account_key = getattr(self._service.credential, "account_key", None)
        if account_key:
            return {"account_key": account_key}
        now = self._clock.now()
        with self._lock:
            if self._key is None or self._until < now + seconds + GRACE + SKEW:
                start = datetime.fromtimestamp(now, UTC) - timedelta(seconds=SKEW)
                end = datetime.fromtimestamp(now + KEY_LIFE, UTC)
                with translated("asking for a key to sign links"):
                    self._key = self._service.get_user_delegation_key(start, end)
                self._until = now + KEY_LIFE
            return {"user_delegation_key": self._key}
