"""Secrets in Key Vault.

The vault keeps what was deleted for some days: a name that is set again is recovered first. Names know no upper and lower case
there. https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from azure.core.exceptions import HttpResponseError
from azure.keyvault.secrets import KeyVaultSecret, SecretClient

from runyard.errors import AuthError, ConfigError, NotFoundError, TransientError
from runyard.ports.clock import Clock
from runyard.stores.azure.edge import translated
from runyard.stores.names import check_secret, is_secret_name

LARGEST: Final = 25 * 1024
"""Bytes of a value. https://learn.microsoft.com/azure/key-vault/secrets/about-secrets"""
ENCODED: Final = "text/plain;base64"
"""The content type of a value that is kept in base64: line ends, control characters and emptiness do not survive everywhere."""
_PLAIN: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?")
REMEMBERED: Final = 30.0
"""Seconds that a value may be used without asking again."""
MOST_REMEMBERED: Final = 64
PATIENCE: Final = 40
"""How often to look, :attr:`VaultSecrets.pause` apart, whether the vault is done with deleting or recovering."""
PURGE_TRIES: Final = 10
_BUSY: Final = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered"})


class VaultSecrets:
    """:class:`~runyard.ports.secrets.Secrets` in a vault; values are in no repr, log or message."""

    pause = 0.5
    """Seconds between two looks."""

    def __init__(self, client: SecretClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._may_purge = True

    def get(self, name: str) -> str | None:
        """The value, or ``None``; one that another process has changed may be the old one for :data:`REMEMBERED` s."""
        if not is_secret_name(name):
            return None
        now = self._clock.now()
        with self._lock:
            since, value = self._known.get(name.lower(), (0.0, ""))
        if 0 <= now - since < REMEMBERED:
            return value
        found = self._found(name)
        if found is None:
            return None
        value = _decoded(found)
        self._remember(name, value)
        return value

    def set(self, name: str, value: str) -> None:
        """Create or replace; see the port.

        Raises:
            ConfigError: if the name is not legal, or the value too large.
            TransientError: if the vault is busy with deleting or recovering that name for too long.
        """
        kept, form = _encoded(check_secret(name), value)
        with _asking(f"setting the secret {name}"):
            for _ in range(PATIENCE):
                try:
                    self._client.set_secret(name, kept, content_type=form)
                except HttpResponseError as error:
                    why = _reason(error)
                    if why == "ObjectIsDeletedButRecoverable":
                        self._recover(name)
                    elif why not in _BUSY:
                        raise
                    time.sleep(self.pause)
                else:
                    self._remember(name, value)
                    return
        raise TransientError(f"the vault is still deleting or recovering the secret {name}; try again")

    def names(self) -> Sequence[str]:
        """The names, sorted; never the values."""
        with _asking("listing the secrets"):
            return sorted(str(each.name) for each in self._client.list_properties_of_secrets())

    def changed(self, name: str) -> float | None:
        """When it was last set: when its newest version was made; ``None`` if it is not there."""
        found = self._found(name) if is_secret_name(name) else None
        if found is None or found.properties.created_on is None:
            return None
        return found.properties.created_on.timestamp()

    def remove(self, name: str) -> bool:
        """Remove; whether it was there. It is purged too, where the vault and our role allow that."""
        if not is_secret_name(name):
            return False
        with self._lock:
            self._known.pop(name.lower(), None)
        try:
            with _asking(f"removing the secret {name}"):
                self._client.begin_delete_secret(name)
        except NotFoundError:
            return False
        if self._may_purge:
            self._purge(name)
        return True

    def _found(self, name: str) -> KeyVaultSecret | None:
        try:
            with _asking(f"reading the secret {name}"):
                return self._client.get_secret(name)
        except NotFoundError:
            return None

    def _recover(self, name: str) -> None:
        """Begin to recover a deleted secret; somebody else may have, or purged it."""
        try:
            self._client.begin_recover_deleted_secret(name)
        except HttpResponseError as error:
            if error.status_code == 403:
                raise AuthError(
                    f"the secret {name} was deleted and is kept by the vault, and this identity may not recover it; "
                    "give it the role Key Vault Secrets Officer"
                ) from error
            if error.status_code not in {404, 409}:
                raise

    def _purge(self, name: str) -> None:
        """Purge what was just deleted: the vault knows it as deleted some moments later only, until then it says 404 or 409.

        What is not purged in time stays deleted, and goes when the vault's time for that is over.
        """
        with _asking(f"purging the secret {name}"):
            for _ in range(PURGE_TRIES):
                try:
                    self._client.purge_deleted_secret(name)
                except HttpResponseError as error:
                    if error.status_code in {400, 403}:  # purge protection, or not our right
                        self._may_purge = False
                        return
                    if error.status_code not in {404, 409}:
                        raise
                    time.sleep(self.pause)
                else:
                    return

    def _remember(self, name: str, value: str) -> None:
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[name.lower()] = (self._clock.now(), value)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn errors into ours; the SDK has a plain one for a vault that asks for a token which is none of its business.

    https://aka.ms/azsdk/blog/vault-uri
    """
    try:
        with translated(what):
            yield
    except ValueError as error:
        raise AuthError(
            f"{what}: the vault asks for a token that is for another host; check KeyVault__vaultUri"
        ) from error


def _encoded(name: str, value: str) -> tuple[str, str | None]:
    raw = value.encode()
    kept, form = (value, None) if _PLAIN.fullmatch(value) else (base64.b64encode(raw).decode() or "=", ENCODED)
    if len(kept.encode()) > LARGEST:
        raise ConfigError(
            f"the value of the secret {name} has {len(raw):,} bytes; a vault keeps {LARGEST:,}, or "
            f"{LARGEST * 3 // 4:,} of what is not plain text in one line"
        )
    return kept, form


def _decoded(found: KeyVaultSecret) -> str:
    value = found.value or ""
    if found.properties.content_type != ENCODED:
        return value
    return "" if value == "=" else base64.b64decode(value).decode()


def _reason(error: HttpResponseError) -> str:
    """The inner code, which says more than ``Conflict``."""
    inner: Any = getattr(error.error, "innererror", None) or {}
    return str(inner.get("code", "")) if isinstance(inner, dict) else ""
