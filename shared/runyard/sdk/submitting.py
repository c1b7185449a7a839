"""Submitting from a client: pack a directory, send it with its submission."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Self, TypedDict, cast

from runyard.errors import ConfigError, StorageFullError
from runyard.runconfig.locate import is_setting
from runyard.sdk.connection import Connection
from runyard.snapshot.make import MAX_BYTES, make_snapshot
from runyard.snapshot.writer import PIECE

if TYPE_CHECKING:
    import httpx

    from runyard.runconfig.model import RunConfiguration

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the bytes done and the bytes in total: ``packing``, then ``uploading``, or ``unchanged`` if
the service has the snapshot already."""

ONE_REQUEST: Final = 8 << 20
"""Bytes of the largest snapshot that travels in the request that asks for its run; others come before it, in parts."""

CONTAINERS: Final = frozenset({"snapshots", "uploads"})
"""Where a service keeps the snapshots that a submission may name."""
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


class Options(TypedDict, total=False):
    """What a submission may say besides its experiment and its snapshot."""

    runconfig: str | Mapping[str, Any] | RunConfiguration | None
    target: str | None
    script: str | None
    arguments: Sequence[str] | None
    environment_variables: Mapping[str, str]
    secret_variables: Sequence[str]
    """Names of variables whose values are secret whatever they are called."""
    tags: Mapping[str, str]
    display_name: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a caller wants to run, besides the snapshot."""

    experiment: str
    runconfig: str | Mapping[str, Any] | RunConfiguration | None = None
    target: str | None = None
    script: str | None = None
    arguments: Sequence[str] | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    secret_variables: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    priority: int = 0

    def as_json(self) -> dict[str, Any]:
        """The submission as JSON, without what was not said."""
        said = {
            "experiment": self.experiment,
            "runconfig": _inline(self.runconfig),
            "target": self.target,
            "script": self.script,
            "arguments": None if self.arguments is None else list(self.arguments),
            "environmentVariables": dict(self.environment_variables) or None,
            "secretVariables": list(self.secret_variables) or None,
            "tags": dict(self.tags) or None,
            "displayName": self.display_name or None,
            "priority": self.priority or None,
        }
        return {"schema": 1, **{name: value for name, value in said.items() if value is not None}}


def _inline(runconfig: str | Mapping[str, Any] | RunConfiguration | None) -> str | Mapping[str, Any] | None:
    if runconfig is None or isinstance(runconfig, (str, Mapping)):
        return runconfig
    from runyard.runconfig.document import to_document  # noqa: PLC0415 - needed for these only

    return to_document(runconfig, inline=True)


class Posted(NamedTuple):
    """What came of a submission."""

    run: Any
    created: bool
    """Whether this call made the run; else its key found one."""
    same: bool | None
    """Whether the run's snapshot is what was sent; ``None`` if that is not known."""


def experiment_name(path: Path) -> str:
    """A legal experiment name made from a folder's or a zip's name."""
    stem = path.resolve().stem if path.suffix == ".zip" else path.resolve().name
    return _NOT_IN_A_NAME.sub("-", stem).strip("-_")[:36] or "default"


def post_run(
    connection: Connection, source: Path | str, asked: Asked, *, key: str | None, progress: Progress | None
) -> Posted:
    """Send a submission.

    Args:
        connection: Where to.
        source: A directory (packed here), a zip, or ``container/name`` of a snapshot that the service has.
        asked: What to do with it.
        key: The request's identity; the same one finds the run that exists. Random when not given.
        progress: Told of packing and uploading.

    Raises:
        SnapshotError: if the directory cannot be packed.
        ConfigError: if there is nothing at ``source``, or the submission cannot be.
    """
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    if isinstance(source, str) and not os.path.exists(source):  # noqa: PTH110
        body = {**asked.as_json(), "snapshot": reference(source)}
        response = connection.request("POST", "/api/runs", json=body, headers=headers)
        return _posted(response, lambda known: source == f"{known['container']}/{known['name']}")
    with open_snapshot(Path(source), progress) as snapshot:
        if snapshot.size > ONE_REQUEST:
            _check(asked)
            body = {**asked.as_json(), "snapshot": snapshot.upload(connection, progress)}
            response = connection.request("POST", "/api/runs", json=body, headers=headers)
        else:
            files = {
                "submission": (None, json.dumps(asked.as_json()).encode(), "application/json"),
                "snapshot": snapshot.as_part(progress),
            }
            response = connection.request("POST", "/api/runs", files=files, headers=headers)
        return _posted(response, lambda known: known["sha256"] and known["sha256"] == snapshot.sha256)


def _check(asked: Asked) -> None:
    """Say what is wrong with a submission before a large snapshot is sent."""
    from runyard.events.submission import Submission  # noqa: PLC0415 - 200 ms

    Submission.of({**asked.as_json(), "snapshot": {"container": "uploads", "name": "checked.zip"}})


def _posted(response: httpx.Response, is_same: Callable[[dict[str, Any]], bool | None]) -> Posted:
    run, created = response.json(), response.status_code == 202
    known = run["snapshot"]
    return Posted(run, created, same=True if created else None if known is None else is_same(known))


def post_snapshot(connection: Connection, source: Path, progress: Progress | None = None) -> dict[str, str]:
    """Upload a zip or a directory for later submissions; returns the reference that they name.

    Raises:
        SnapshotError: if the directory cannot be packed, or the service refuses the snapshot.
        ConfigError: if there is nothing at ``source``, or it is too large.
    """
    with open_snapshot(source, progress) as snapshot:
        if snapshot.size > ONE_REQUEST:
            return snapshot.upload(connection, progress)
        files = {"snapshot": snapshot.as_part(progress)}
        reference: dict[str, str] = connection.request("POST", "/api/snapshots", files=files).json()
    return reference


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A zip that is open, and known by its content. Use it as a context manager."""

    file: BinaryIO
    size: int
    sha256: str

    def upload(self, connection: Connection, progress: Progress | None) -> dict[str, str]:
        """Send it in parts; see :class:`~runyard.sdk.uploading.Upload`."""
        from runyard.sdk.uploading import Upload  # noqa: PLC0415 - tenacity, for large ones only

        return Upload(connection, self.file, self.sha256, self.size, tell=progress).run()

    def as_part(self, progress: Progress | None) -> tuple[str, Watched, str]:
        """What a multipart body says of it."""
        return "snapshot.zip", Watched(self.file, progress), "application/zip"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()


def open_snapshot(source: Path, progress: Progress | None) -> Snapshot:
    """A zip, or a directory packed into a temporary one.

    Raises:
        SnapshotError: if the directory cannot be packed.
        ConfigError: if it is neither, or too large.
        StorageFullError: if there is no room for the temporary zip.
    """
    return _packed(source, progress) if source.is_dir() else _existing(source)


def _packed(source: Path, progress: Progress | None) -> Snapshot:
    packing = None if progress is None else lambda done, total: progress("packing", done, total)
    with ExitStack() as closing:
        file = cast("BinaryIO", closing.enter_context(tempfile.TemporaryFile("w+b", PIECE)))
        try:
            made = make_snapshot(source, file, progress=packing, keep=is_setting)
        except StorageFullError as error:
            raise StorageFullError(f"{error.message} in {tempfile.gettempdir()}; free some, or set TMPDIR") from None
        closing.pop_all()
    return Snapshot(file, made.size, made.sha256)


def _existing(source: Path) -> Snapshot:
    if not source.is_file():
        raise ConfigError(f"there is no directory or zip {str(source)[:200]!r}; give one, or container/name")
    size = source.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(f"{source} has {size / 1e6:,.1f} MB; a snapshot has at most {MAX_BYTES / 1e6:,.1f}")
    try:
        with ExitStack() as closing:
            file = closing.enter_context(source.open("rb"))
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            closing.pop_all()
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}") from None
    return Snapshot(file, size, sha256)


class Watched:
    """An open file that tells how far it was read."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self._total = file.seek(0, os.SEEK_END)
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        data = self._file.read(size)
        if self._progress is not None:
            self._progress("uploading", self._file.tell(), self._total)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()

    def fileno(self) -> int:
        """As of a file."""
        return self._file.fileno()


def reference(text: str) -> str:
    """``container/name`` of a stored snapshot, as it is.

    Raises:
        ConfigError: if it cannot be one: most likely a path that is not there was meant.
    """
    container, _, name = text.partition("/")
    if container in CONTAINERS and name:
        return text
    known = " or ".join(f"{each}/NAME" for each in sorted(CONTAINERS))
    raise ConfigError(
        f"there is no directory or zip {text[:200]!r} (and no snapshot of that name; a stored one is {known})"
    )
