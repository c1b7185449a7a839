"""Secrets as files that only their owner reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runyard.stores.embedded.files import sync_folder, write_temporary
from runyard.stores.names import check_secret, is_secret_name


class FolderSecrets:
    """:class:`~runyard.ports.secrets.Secrets` as 0600 files in a 0700 folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)

    def get(self, name: str) -> str | None:
        """The value, or ``None``."""
        if not is_secret_name(name):
            return None
        try:
            return (self._folder / name).read_bytes().decode()
        except FileNotFoundError:
            return None

    def set(self, name: str, value: str) -> None:
        """Create or replace; see the port.

        Raises:
            StorageFullError: if there is no room; the old value stays.
        """
        path = self._folder / check_secret(name)
        temporary, _ = write_temporary(self._folder, value.encode(), sync=True)
        temporary.rename(path)
        sync_folder(self._folder)

    def names(self) -> Sequence[str]:
        """The names, sorted; never the values."""
        return sorted(path.name for path in self._folder.iterdir() if is_secret_name(path.name))

    def changed(self, name: str) -> float | None:
        """When it was last set; ``None`` if it is not there."""
        if not is_secret_name(name):
            return None
        try:
            return (self._folder / name).stat().st_mtime
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        if not is_secret_name(name):
            return False
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return False
        return True
