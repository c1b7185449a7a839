"""Blob storage: containers of named byte sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """A blob's properties."""

    container: str
    name: str
    etag: str
    size: int
    modified: float


class BlobReader(Protocol):
    """Reads ranges of one version of a blob (the one it was opened at)."""

    info: BlobInfo

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer at the end, none past it.

        Raises:
            SnapshotError: if the blob changed since it was opened (If-Match failed).
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class BlobStore(Protocol):
    """Keeps blobs. Container names have at least 3 characters (Azure's rule); blob names use ``/``.

    A name that would leave its container (``..``, absolute, a NUL) raises ``ConfigError``.
    """

    def head(self, container: str, name: str) -> BlobInfo | None:
        """The properties, or ``None`` if there is no such blob."""
        ...

    def open(self, container: str, name: str, *, etag: str | None = None) -> BlobReader:
        """Open for ranged reads.

        Raises:
            NotFoundError: if there is no such blob.
            SnapshotError: if ``etag`` is given and is not the blob's.
        """
        ...

    def put(self, container: str, name: str, data: bytes | BinaryIO, *, create_only: bool = False) -> BlobInfo:
        """Write a whole blob; readers see the old or the new one, never a part.

        Raises:
            ConflictError: if ``create_only`` and it exists.
            StorageFullError: if there is no room; nothing is left behind.
        """
        ...

    def append(self, container: str, name: str, data: bytes) -> int:
        """Append to a blob (created when absent); returns its size after that."""
        ...

    def list(
        self, container: str, prefix: str = "", *, after: str | None = None, limit: int = 1000
    ) -> Sequence[BlobInfo]:
        """Blobs by name, in ascending order of name, those after ``after``; at most ``limit``."""
        ...

    def delete(self, container: str, name: str) -> bool:
        """Delete a blob; whether it was there."""
        ...

    def link(self, container: str, name: str, *, seconds: float) -> str | None:
        """A URL that serves the blob for a short time without credentials; ``None`` if the store has no such thing."""
        ...

    def stream(self, container: str, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, in pieces of at most 1 MiB.

        Raises:
            NotFoundError: if there is no such blob.
        """
        ...
