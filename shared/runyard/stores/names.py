"""Names that every store accepts alike, so that what works on one machine works in Azure."""

from __future__ import annotations

import re
from typing import Final

from runyard.errors import ConfigError

_CONTAINER: Final = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_SECRET: Final = re.compile(r"[A-Za-z0-9-]{1,127}")
MAX_BLOB_NAME: Final = 1024
"""Characters of a blob's name: Azure's limit."""
MAX_PART: Final = 255
"""Bytes between two slashes of a blob's name: what file systems hold."""


def check_container(name: str) -> str:
    """Return ``name`` if Azure allows it for a container.

    Raises:
        ConfigError: if it does not.
    """
    if _CONTAINER.fullmatch(name):
        return name
    raise ConfigError(
        f"{name[:80]!r} is not a container name: 3 to 63 lower-case letters, digits and single hyphens, "
        "beginning and ending with a letter or digit"
    )


def check_blob(name: str) -> str:
    """Return ``name`` if it stays inside its container and names one blob.

    Raises:
        ConfigError: for an empty or too long name or part, a NUL, an absolute path, ``.`` or ``..`` as a part.
    """
    parts = name.split("/")
    if not 1 <= len(name) <= MAX_BLOB_NAME:
        raise ConfigError(f"a blob name has 1 to {MAX_BLOB_NAME} characters, and this one has {len(name)}")
    if "\0" in name or any(part in {"", ".", ".."} for part in parts):
        raise ConfigError(
            f"{name[:80]!r} is not a blob name: it must be relative, without NUL and without empty, '.' or '..' parts"
        )
    if len(name) <= MAX_PART and name.isascii():
        return name
    try:
        longest = max(len(part.encode("utf-8", "surrogateescape")) for part in parts)
    except UnicodeEncodeError:
        raise ConfigError(f"{name[:80]!r} is not a blob name: it is not text that can be written as UTF-8") from None
    if longest > MAX_PART:
        raise ConfigError(f"{name[:80]!r} has a part of {longest} bytes; a file system holds at most {MAX_PART}")
    return name


def is_secret_name(name: str) -> bool:
    """Whether Key Vault allows the name."""
    return _SECRET.fullmatch(name) is not None


def check_secret(name: str) -> str:
    """Return ``name`` if Key Vault allows it for a secret.

    Raises:
        ConfigError: if it does not.
    """
    if is_secret_name(name):
        return name
    raise ConfigError(f"{name[:80]!r} is not a secret's name: 1 to 127 letters, digits and hyphens")
