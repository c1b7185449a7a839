"""Secrets by name. Values never leave this port but to the code that needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Secrets(Protocol):
    """Keeps secrets. Names: ``[A-Za-z0-9-]{1,127}`` (Key Vault's rule)."""

    def get(self, name: str) -> str | None:
        """The value, or ``None``."""
        ...

    def set(self, name: str, value: str) -> None:
        """Create or replace.

        Raises:
            ConfigError: if the name is not legal.
        """
        ...

    def names(self) -> Sequence[str]:
        """The names, sorted; never the values."""
        ...

    def changed(self, name: str) -> float | None:
        """When it was last set, in seconds since the epoch; ``None`` if it is not there."""
        ...

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        ...
