"""Blob storage: containers of named byte sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Literal, Protocol

MAX_PART: Final = 64 << 20
"""Bytes of a part of a blob. Azure takes 4,000 MiB; a part is held in memory."""
MAX_PARTS: Final = 1000
"""Parts of a blob. Azure takes 50,000."""

LinkUse = Literal["read", "create", "replace", "append"]
"""What a link is for; each of these, and no more:

``read``: its bytes and properties. ``create``: writing it if it is not there, never over one that is, and reading it.
``replace``: writing it, there or not, whole or in blocks; not reading. ``append``: making it as an append blob if it is not there,
adding to its end, and reading it; not replacing what is there.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """A blob's properties."""

    container: str
    name: str
    etag: str
    size: int
    modified: float
    """When it was written, as its store says; a copy may keep the time of what it was copied from."""
    changed: float = field(default=0.0, compare=False)
    """When it came to its name, where the store can tell: a file that was moved or copied in may be older than that."""

    @property
    def came(self) -> float:
        """When it came, as far as can be known."""
        return max(self.modified, self.changed)


class BlobReader(Protocol):
    """Reads ranges of one version of a blob (the one it was opened at)."""

    info: BlobInfo

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer at the end, none past it.

        The first bytes may have come when it was opened, and are given as they were then.

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

    def stage(self, container: str, name: str, index: int, data: bytes) -> None:
        """Keep a part of a blob that is to be; one of the same index is replaced. Nothing of it shows until ``commit``.

        Parts that nobody commits go after some days. (Azure: an uncommitted block.)

        Args:
            container: Of the blob.
            name: Of the blob.
            index: From 0 to :data:`MAX_PARTS` - 1.
            data: At most :data:`MAX_PART` bytes.

        Raises:
            ConfigError: if the index is none, or the part is too large.
            StorageFullError: if there is no room; the parts that are there stay.
        """
        ...

    def staged(self, container: str, name: str) -> Mapping[int, int]:
        """The parts that are kept for a blob, whoever sent them: the bytes of each by its index."""
        ...

    def commit(
        self, container: str, name: str, parts: int, *, sha256: str | None = None, create_only: bool = False
    ) -> BlobInfo:
        """Make a blob of the parts 0 to ``parts`` - 1, and drop all that are kept for it.

        With ``sha256`` the bytes are read and proven first; nobody sees a blob with others. (Azure, which shows no bytes of
        uncommitted blocks: the list is committed under a hidden name, read, and copied to its own by the service.)

        Raises:
            NotFoundError: if a part is missing.
            SnapshotError: if ``sha256`` is not that of the bytes; the parts are dropped.
            ConflictError: if ``create_only`` and the blob exists; the parts are dropped.
            StorageFullError: if there is no room; the parts stay.
        """
        ...

    def drop(self, container: str, name: str) -> None:
        """Drop the parts that are kept for a blob; repeatable."""
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

    def link(self, container: str, name: str, *, seconds: float, use: LinkUse = "read") -> str | None:
        """A URL by which whoever has it may use the blob for a short time, without credentials.

        It speaks Blob Storage's REST protocol. It cannot be taken back. ``None`` if the store has no such thing.
        """
        ...

    def stream(self, container: str, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, in pieces of at most 1 MiB.

        Raises:
            NotFoundError: if there is no such blob.
        """
        ...
