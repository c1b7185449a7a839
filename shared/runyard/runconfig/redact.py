"""A run configuration's document with its secrets masked, for showing."""

from __future__ import annotations

from typing import Final

MASK: Final = "********"

_WORDS: Final = (
    "password",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accountkey",
    "accesskey",
    "privatekey",
    "storagekey",
    "connectionstring",
    "credential",
)
_HARMLESS: Final = frozenset({"credentialpassthrough", "deletesecretafterrun"})


def redacted(document: object) -> object:
    """A copy in which every value under a key that names a secret is masked.

    The format carries secrets in clear: ``baseImageRegistry.password``, ``ambientAuthentication.secret``,
    ``githubPackages[].authToken``, a ``.compute`` file's password, and whatever authors put into variables.
    """
    if isinstance(document, dict):
        return {key: _masked(value) if _is_secret(str(key)) else redacted(value) for key, value in document.items()}
    if isinstance(document, list):
        return [redacted(item) for item in document]
    return document


def _masked(value: object) -> object:
    """Empty values stay: that nothing is set is no secret, and helps."""
    return value if value in (None, "", [], {}) else MASK


def _is_secret(key: str) -> bool:
    folded = "".join(letter for letter in key.lower() if letter.isalnum())
    return folded not in _HARMLESS and any(word in folded for word in _WORDS)
