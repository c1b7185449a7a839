"""Makes a snapshot: a zip of a directory, the same bytes for the same content on any machine."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from runyard.errors import SnapshotError, StorageFullError
from runyard.snapshot.ignore import read_ignores
from runyard.snapshot.tree import Source, list_sources
from runyard.snapshot.weight import describe, largest_files, megabytes
from runyard.snapshot.writer import PIECE, Written, ZipWriter, size_of

MAX_BYTES: Final = 300 * 1024 * 1024
"""Of a snapshot: the SDK's own limit, the same in all its releases."""
MAX_ENTRIES: Final = 200_000
"""Files and folders, as many as are unpacked."""
MAX_NAMES: Final = 30 << 20
"""Bytes of the zip's directory, which grows with the names; more is read by nobody of ours."""

_STEP: Final = 1 << 18
"""Bytes between two calls of ``progress``: showing it must not cost more than the work."""

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSummary:
    """What a snapshot was made of."""

    files: int
    bytes: int
    """Bytes of all files before zipping."""
    size: int
    """Bytes of the zip."""
    sha256: str
    """Of the zip, in hex."""
    largest: tuple[tuple[str, int], ...]
    """Names and bytes of the ten largest files, largest first."""
    ignore_file: str
    """The ignore file that counted; empty when there is none."""


def _nothing(_name: str) -> bool:
    return False


def make_snapshot(
    directory: Path,
    out: BinaryIO | Path,
    *,
    progress: Progress | None = None,
    keep: Callable[[str], bool] = _nothing,
) -> SnapshotSummary:
    """Zip a directory: sorted, stored, without times, with the executable bit and no other mode.

    Files are stored, not deflated, as the SDK does: results of compressors differ between machines. A link to something in
    the directory goes in as what it names.

    Args:
        directory: What to zip; its ``.amlignore``, else its ``.gitignore``, says what to leave out.
        out: Where to; a path appears whole or not at all, a file must be open for writing and is written from where it is.
        progress: Called as it goes, and at the end.
        keep: Names (of folders with a slash at the end) that are zipped even where the ignore file leaves them out.

    Raises:
        SnapshotError: if there is nothing to zip, it is too large, a file cannot be read or changes meanwhile, a name is not
            portable, a link leads out of it, or its ignore file means nothing.
        StorageFullError: if there is no room for the zip.
    """
    if not directory.is_dir():
        raise SnapshotError(f"{directory} is not a directory")
    ignores = read_ignores(directory)
    sources = list_sources(directory, ignores, keep, os.path.realpath(out) if isinstance(out, Path) else "")
    files = [source for source in sources if not source.is_folder]
    total = sum(source.size for source in files)
    _check(directory, sources, files, total)
    with _no_room(directory, total):
        written = _write(sources, out, _Teller(progress, total))
    return SnapshotSummary(
        files=len(files),
        bytes=total,
        size=written.size,
        sha256=written.sha256,
        largest=largest_files(files),
        ignore_file=ignores.source,
    )


def _check(directory: Path, sources: Sequence[Source], files: Sequence[Source], total: int) -> None:
    """Refuse what nobody would take, before anything is written."""
    if not files:
        raise SnapshotError(f"{directory} holds no files that are not ignored")
    size, names = size_of((source.name for source in sources), total)
    if size > MAX_BYTES:
        raise SnapshotError(
            f"{directory} makes a snapshot of {megabytes(size)}, and at most {megabytes(MAX_BYTES)} are allowed; "
            f"{describe(files)}; leave out what the script does not need with an .amlignore file"
        )
    if len(sources) > MAX_ENTRIES or names > MAX_NAMES:
        raise SnapshotError(
            f"{directory} has {len(sources):,} files and folders, and at most {MAX_ENTRIES:,} are allowed (or "
            f"{megabytes(MAX_NAMES)} of names; these have {megabytes(names)}); {describe(files)}; leave out what the "
            "script does not need with an .amlignore file"
        )


@contextmanager
def _no_room(directory: Path, total: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFullError(f"no room for the snapshot of {directory} ({megabytes(total)})") from None
        raise


class _Teller:
    """Tells of progress, but not of every file."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = self._told = 0

    def __call__(self, length: int) -> None:
        self._done += length
        if self._progress is not None and self._done - self._told >= _STEP:
            self._told = self._done
            self._progress(self._done, self._total)

    def end(self) -> None:
        if self._progress is not None:
            self._progress(self._total, self._total)


def _write(sources: Sequence[Source], out: BinaryIO | Path, tell: _Teller) -> Written:
    if isinstance(out, Path):
        part = out.with_name(f".runyard-{secrets.token_hex(8)}.part")
        try:
            with part.open("xb", PIECE) as file:
                written = _zip(sources, file, tell)
            part.replace(out)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
        return written
    return _zip(sources, out, tell)


def _zip(sources: Sequence[Source], out: BinaryIO, tell: _Teller) -> Written:
    with ZipWriter(out) as writer:
        for source in sources:
            if source.is_folder:
                writer.add_folder(source.name)
            else:
                writer.add_file(source, tell)
        written = writer.finish()
    out.flush()
    tell.end()
    return written
