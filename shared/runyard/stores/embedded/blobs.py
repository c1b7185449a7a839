"""Blobs as files: a container is a folder of the root, a blob's name the path in it."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Final

from runyard.errors import ConfigError, ConflictError, NotFoundError, SnapshotError
from runyard.ports.blobs import BlobInfo, BlobReader, LinkUse
from runyard.stores.embedded.etag import etag_of
from runyard.stores.embedded.files import PIECE, TEMPORARY, no_room, sync_folder, write_all, write_temporary
from runyard.stores.embedded.listing import walk
from runyard.stores.embedded.parts import PARTS, Parts
from runyard.stores.embedded.parts import sweep as sweep_parts
from runyard.stores.names import check_blob, check_container
from runyard.stores.parts import check_part, check_parts, wrong_digest

RESERVED: Final = frozenset({"secrets", "local", "envs"})
"""Folders of the root that are no containers."""
DURABLE: Final = frozenset({"snapshots", "uploads"})
"""Containers whose blobs survive a power cut: what a sender was told that we have."""
_KEPT_FOLDERS: Final = frozenset({"snapshots"})
"""Containers whose empty folders stay: people drop files into them."""


class FolderBlobs:
    """A :class:`~runyard.ports.blobs.BlobStore` over the folders of a root.

    Whoever may write into a container decides what is in it, but not more: a symbolic link that leads out of it is
    not followed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bases: dict[str, str] = {}

    def head(self, container: str, name: str) -> BlobInfo | None:
        """The properties, or ``None`` if there is no such blob."""
        try:
            descriptor, status = self._open(container, name)
        except NotFoundError:
            return None
        os.close(descriptor)
        return _info(container, name, status)

    def open(self, container: str, name: str, *, etag: str | None = None) -> BlobReader:
        """Open for ranged reads; see the port."""
        descriptor, status = self._open(container, name)
        info = _info(container, name, status)
        if etag is not None and info.etag != etag:
            os.close(descriptor)
            raise SnapshotError(f"{container}/{name} changed since it was accepted (its ETag is no longer {etag})")
        return _FileReader(descriptor, info)

    def put(self, container: str, name: str, data: bytes | BinaryIO, *, create_only: bool = False) -> BlobInfo:
        """Write a whole blob; see the port."""
        base, path = map(Path, self._locate(container, name))
        durable = container in DURABLE
        with no_room(path):
            _make_folder(base, path.parent)
        temporary, status = write_temporary(base, data, sync=durable)
        try:
            _publish(temporary, path, create_only=create_only)
        except FileExistsError:
            raise ConflictError(f"{container}/{name} exists already") from None
        except (IsADirectoryError, NotADirectoryError):
            raise _collision(container, name) from None
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        if durable:
            sync_folder(path.parent)
        return _info(container, name, status)

    def stage(self, container: str, name: str, index: int, data: bytes) -> None:
        """Keep a part of a blob that is to be; see the port."""
        check_part(index, len(data))
        parts = self._parts(container, name)
        base = Path(self._base(container))
        with no_room(base):
            _make_folder(base, base)
        parts.stage(index, data)

    def staged(self, container: str, name: str) -> Mapping[int, int]:
        """The parts that are kept for a blob; see the port."""
        return self._parts(container, name).sizes()

    def commit(
        self, container: str, name: str, parts: int, *, sha256: str | None = None, create_only: bool = False
    ) -> BlobInfo:
        """Make a blob of its parts; see the port. The disk holds them twice for a moment."""
        kept = self._parts(container, name)
        check_parts(container, name, parts, kept.sizes())
        try:
            with closing(kept.joined(parts, sha256, lambda: wrong_digest(container, name))) as joined:
                info = self.put(container, name, joined, create_only=create_only)
        except FileNotFoundError:  # dropped by another commit of the same parts
            raise NotFoundError(f"the parts of {container}/{name} were dropped meanwhile; send them again") from None
        except (SnapshotError, ConflictError):
            kept.drop()
            raise
        kept.drop()
        return info

    def drop(self, container: str, name: str) -> None:
        """Drop the parts that are kept for a blob; repeatable."""
        self._parts(container, name).drop()

    def append(self, container: str, name: str, data: bytes) -> int:
        """Append to a blob (created when absent); returns its size after that.

        Raises:
            StorageFullError: if there is no room; the blob is as it was.
        """
        base, path = map(Path, self._locate(container, name))
        with no_room(path):
            _make_folder(base, path.parent)
            descriptor = _open_inside(str(base), str(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                before = os.fstat(descriptor).st_size
                try:
                    write_all(descriptor, data)
                except OSError:
                    os.ftruncate(descriptor, before)
                    raise
                return before + len(data)
            finally:
                os.close(descriptor)

    def list(
        self, container: str, prefix: str = "", *, after: str | None = None, limit: int = 1000
    ) -> Sequence[BlobInfo]:
        """Blobs by name, in ascending order of name, those after ``after``; at most ``limit``."""
        found = walk(Path(self._base(container)), prefix, after or "")
        return [_info(container, name, status) for name, status in itertools.islice(found, limit)]

    def delete(self, container: str, name: str) -> bool:
        """Delete a blob; whether it was there. Folders that become empty go too, but not under ``snapshots``."""
        base, path = map(Path, self._locate(container, name))
        try:
            _check_inside(str(base), os.path.realpath(path.parent), name)
            path.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
        if container not in _KEPT_FOLDERS:
            with suppress(OSError):  # not empty, or somebody else removed it
                for folder in itertools.takewhile(lambda folder: folder != base, path.parents):
                    folder.rmdir()
        return True

    def link(self, container: str, name: str, *, seconds: float, use: LinkUse = "read") -> str | None:  # noqa: ARG002
        """``None``: a folder has no URLs."""
        self._locate(container, name)
        return None

    def stream(self, container: str, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, in pieces of at most 1 MiB; see the port."""
        if self.head(container, name) is None:
            raise _missing(container, name)
        return self._pieces(container, name, offset)

    def sweep(self, before: float) -> int:
        """Remove what killed writers left untouched since ``before``, and parts that waited for days before that.

        Returns:
            How many files, and how many blobs' parts.
        """
        count = sum(sweep_parts(base, before) for base in self._root.iterdir() if base.is_dir())
        for path in self._root.glob(f"*/{TEMPORARY}*"):
            if path.name.startswith(PARTS):
                continue
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
                    count += 1
        return count

    def _parts(self, container: str, name: str) -> Parts:
        base, _ = self._locate(container, name)
        return Parts(Path(base), name, durable=container in DURABLE)

    def _pieces(self, container: str, name: str, offset: int) -> Iterator[bytes]:
        descriptor, _ = self._open(container, name)
        try:
            while piece := os.pread(descriptor, PIECE, offset):
                yield piece
                offset += len(piece)
        finally:
            os.close(descriptor)

    def _open(self, container: str, name: str) -> tuple[int, os.stat_result]:
        base, path = self._locate(container, name)
        try:
            descriptor = _open_inside(base, path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            raise _missing(container, name) from None
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            return descriptor, status
        os.close(descriptor)
        raise _missing(container, name)

    def _locate(self, container: str, name: str) -> tuple[str, str]:
        """The container's folder and the blob's file; texts, as paths cost more than opening the file."""
        base = self._base(container)
        if check_blob(name).startswith(TEMPORARY):
            raise ConfigError(f"blob names that begin with {TEMPORARY!r} are for files still being written")
        return base, f"{base}/{name}"

    def _base(self, container: str) -> str:
        if container in RESERVED:
            raise ConfigError(f"{container!r} is a folder of the root that holds no blobs; choose another container")
        known = self._bases.get(container)
        if known is None:
            known = os.path.realpath(self._root / check_container(container))
            if Path(known).is_dir():
                self._bases[container] = known
        return known


class _FileReader:
    """Reads ranges of a file as it was when it was opened."""

    def __init__(self, descriptor: int, info: BlobInfo) -> None:
        self.info = info
        self._descriptor = descriptor

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; see the port."""
        pieces = []
        while length > 0 and (piece := os.pread(self._descriptor, length, offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        if etag_of(os.fstat(self._descriptor)) != self.info.etag:  # looked at last: covers the bytes just read
            raise SnapshotError(f"{self.info.container}/{self.info.name} changed while it was read")
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _info(container: str, name: str, status: os.stat_result) -> BlobInfo:
    return BlobInfo(
        container=container,
        name=name,
        etag=etag_of(status),
        size=status.st_size,
        modified=status.st_mtime,
        changed=status.st_ctime,
    )


def _open_inside(base: str, path: str, flags: int) -> int:
    """Open ``path`` if, all links followed, it lies in ``base``; checked on what was opened, so no swap gets in."""
    name = path.rpartition("/")[2]
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except IsADirectoryError:
        raise ConfigError(f"{name!r} is a folder, and cannot be a blob too") from None
    except PermissionError:
        raise ConfigError(f"{path} cannot be opened; check its permissions") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ConfigError(f"{name!r} is a link that cannot be followed; put the file itself there") from None
    try:
        try:
            real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # a third of the time, and hot
        except OSError:  # no /proc here
            real = os.path.realpath(path)
        _check_inside(base, real, name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_inside(base: str, real: str, name: str) -> None:
    if real != base and not real.startswith(f"{base}/"):
        raise ConfigError(f"{name[:80]!r} is a link that leads out of its container; put the file itself there")


def _make_folder(base: Path, folder: Path) -> None:
    _check_inside(str(base), os.path.realpath(folder), folder.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _collision(base.name, folder.name) from None


def _publish(temporary: Path, path: Path, *, create_only: bool) -> None:
    """Give the file its name in one step. Its folder may have been removed as empty meanwhile: then again."""
    for last in (False, False, True):
        try:
            if create_only:
                os.link(temporary, path, follow_symlinks=False)
            else:
                temporary.rename(path)
        except FileNotFoundError:
            if last:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            return


def _missing(container: str, name: str) -> NotFoundError:
    return NotFoundError(f"there is no blob {container}/{name}")


def _collision(container: str, name: str) -> ConfigError:
    return ConfigError(
        f"{container}/{name} cannot be written: a blob is where a folder is needed, or a folder where the blob is"
    )
