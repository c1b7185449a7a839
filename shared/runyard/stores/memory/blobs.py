"""Blobs in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import BinaryIO, Final

from runyard.errors import ConflictError, NotFoundError, SnapshotError
from runyard.ports.blobs import BlobInfo, BlobReader, LinkUse
from runyard.ports.clock import Clock
from runyard.stores.names import check_blob, check_container
from runyard.stores.parts import check_part, check_parts, wrong_digest

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Blob:
    info: BlobInfo
    data: bytes


class MemoryBlobStore:
    """A :class:`~runyard.ports.blobs.BlobStore` in a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = RLock()
        self._blobs: dict[tuple[str, str], _Blob] = {}
        self._parts: dict[tuple[str, str], dict[int, bytes]] = {}
        self._writes = 0

    def head(self, container: str, name: str) -> BlobInfo | None:
        """The properties, or ``None`` if there is no such blob."""
        blob = self._blobs.get(_key(container, name))
        return None if blob is None else blob.info

    def open(self, container: str, name: str, *, etag: str | None = None) -> BlobReader:
        """Open for ranged reads; see the port."""
        info = self._existing(container, name).info
        if etag is not None and info.etag != etag:
            raise SnapshotError(f"{container}/{name} changed since it was accepted (its ETag is no longer {etag})")
        return _Reader(self, info)

    def put(self, container: str, name: str, data: bytes | BinaryIO, *, create_only: bool = False) -> BlobInfo:
        """Write a whole blob; see the port."""
        key = _key(container, name)
        content = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else data.read()
        with self._lock:
            if create_only and key in self._blobs:
                raise ConflictError(f"{container}/{name} exists already")
            self._writes += 1
            info = BlobInfo(
                container=container,
                name=name,
                etag=f"{self._writes:x}",
                size=len(content),
                modified=self._clock.now(),
            )
            self._blobs[key] = _Blob(info, content)
            return info

    def stage(self, container: str, name: str, index: int, data: bytes) -> None:
        """Keep a part of a blob that is to be; see the port."""
        check_part(index, len(data))
        with self._lock:
            self._parts.setdefault(_key(container, name), {})[index] = bytes(data)

    def staged(self, container: str, name: str) -> Mapping[int, int]:
        """The parts that are kept for a blob; see the port."""
        with self._lock:
            return {index: len(data) for index, data in self._parts.get(_key(container, name), {}).items()}

    def commit(
        self, container: str, name: str, parts: int, *, sha256: str | None = None, create_only: bool = False
    ) -> BlobInfo:
        """Make a blob of its parts; see the port."""
        with self._lock:
            kept = self._parts.get(_key(container, name), {})
            check_parts(container, name, parts, kept)
            data = b"".join(kept[index] for index in range(parts))
            self.drop(container, name)
            if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
                raise wrong_digest(container, name)
            return self.put(container, name, data, create_only=create_only)

    def drop(self, container: str, name: str) -> None:
        """Drop the parts that are kept for a blob; repeatable."""
        with self._lock:
            self._parts.pop(_key(container, name), None)

    def append(self, container: str, name: str, data: bytes) -> int:
        """Append to a blob (created when absent); returns its size after that."""
        with self._lock:
            before = self._blobs.get(_key(container, name))
            return self.put(container, name, (b"" if before is None else before.data) + data).size

    def list(
        self, container: str, prefix: str = "", *, after: str | None = None, limit: int = 1000
    ) -> Sequence[BlobInfo]:
        """Blobs by name, in ascending order of name, those after ``after``; at most ``limit``."""
        check_container(container)
        with self._lock:
            found = [
                blob.info
                for (where, name), blob in self._blobs.items()
                if where == container and name.startswith(prefix) and name > (after or "")
            ]
        return sorted(found, key=lambda info: info.name)[:limit]

    def delete(self, container: str, name: str) -> bool:
        """Delete a blob; whether it was there."""
        with self._lock:
            return self._blobs.pop(_key(container, name), None) is not None

    def link(self, container: str, name: str, *, seconds: float, use: LinkUse = "read") -> str | None:  # noqa: ARG002
        """``None``: memory has no URLs."""
        _key(container, name)
        return None

    def stream(self, container: str, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, in pieces of at most 1 MiB; see the port."""
        data = self._existing(container, name).data
        return (data[start : start + _PIECE] for start in range(offset, len(data), _PIECE))

    def _existing(self, container: str, name: str) -> _Blob:
        blob = self._blobs.get(_key(container, name))
        if blob is None:
            raise NotFoundError(f"there is no blob {container}/{name}")
        return blob


class _Reader:
    """Reads ranges of a blob while it is the one that was opened."""

    def __init__(self, store: MemoryBlobStore, info: BlobInfo) -> None:
        self.info = info
        self._store = store

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; see the port."""
        info = self.info
        blob = self._store._blobs.get((info.container, info.name))  # noqa: SLF001  # one module, one thing
        if blob is None or blob.info.etag != info.etag:
            raise SnapshotError(f"{info.container}/{info.name} changed while it was read")
        return blob.data[offset : offset + length]

    def close(self) -> None:
        """Nothing to let go of."""


def _key(container: str, name: str) -> tuple[str, str]:
    return check_container(container), check_blob(name)
