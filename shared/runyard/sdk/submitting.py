"""Submitting from a client: pack a directory, send it with its submission."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypedDict

from runyard.errors import ConfigError
from runyard.runconfig.locate import is_setting
from runyard.sdk.connection import Connection
from runyard.snapshot.make import MAX_BYTES, make_snapshot

if TYPE_CHECKING:
    import httpx

Progress = Callable[[str, int, int], None]
"""Called with what is being done (``packing``, ``uploading``), the bytes done and the bytes in total."""

CONTAINERS: Final = frozenset({"snapshots", "uploads"})
"""Where a service keeps the snapshots that a submission may name."""
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


class Options(TypedDict, total=False):
    """What a submission may say besides its experiment and its snapshot."""

    runconfig: str | Mapping[str, Any] | None
    target: str | None
    script: str | None
    arguments: Sequence[str] | None
    environment_variables: Mapping[str, str]
    tags: Mapping[str, str]
    display_name: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a caller wants to run, besides the snapshot."""

    experiment: str
    runconfig: str | Mapping[str, Any] | None = None
    target: str | None = None
    script: str | None = None
    arguments: Sequence[str] | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    priority: int = 0

    def as_json(self) -> dict[str, Any]:
        """The submission as JSON, without what was not said."""
        said = {
            "experiment": self.experiment,
            "runconfig": self.runconfig,
            "target": self.target,
            "script": self.script,
            "arguments": None if self.arguments is None else list(self.arguments),
            "environmentVariables": dict(self.environment_variables) or None,
            "tags": dict(self.tags) or None,
            "displayName": self.display_name or None,
            "priority": self.priority or None,
        }
        return {"schema": 1, **{name: value for name, value in said.items() if value is not None}}


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
        ConfigError: if there is nothing at ``source``.
    """
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    if isinstance(source, str) and not os.path.exists(source):  # noqa: PTH110
        body = {**asked.as_json(), "snapshot": reference(source)}
        response = connection.request("POST", "/api/runs", json=body, headers=headers)
        return _posted(response, lambda known: source == f"{known['container']}/{known['name']}")
    with open_snapshot(Path(source), progress) as file:
        files = {
            "submission": (None, json.dumps(asked.as_json()).encode(), "application/json"),
            "snapshot": ("snapshot.zip", Watched(file, progress), "application/zip"),
        }
        response = connection.request("POST", "/api/runs", files=files, headers=headers)
        return _posted(response, lambda known: _is_of(known, file))


def _posted(response: httpx.Response, is_same: Callable[[dict[str, Any]], bool | None]) -> Posted:
    run, created = response.json(), response.status_code == 202
    known = run["snapshot"]
    return Posted(run, created, same=True if created else None if known is None else is_same(known))


def _is_of(known: Mapping[str, Any], file: BinaryIO) -> bool | None:
    """Whether a snapshot that the service has is that of the file's bytes."""
    if known["sha256"] is None:
        return None
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return bool(known["sha256"] == digest.hexdigest())


def post_snapshot(connection: Connection, source: Path, progress: Progress | None = None) -> dict[str, str]:
    """Upload a zip or a directory for later submissions; returns the reference that they name."""
    with open_snapshot(source, progress) as file:
        files = {"snapshot": ("snapshot.zip", Watched(file, progress), "application/zip")}
        reference: dict[str, str] = connection.request("POST", "/api/snapshots", files=files).json()
    return reference


def open_snapshot(source: Path, progress: Progress | None) -> BinaryIO:
    """The zip's bytes: the file itself, or a directory packed into a temporary one.

    Raises:
        SnapshotError: if the directory cannot be packed.
        ConfigError: if it is neither, or too large.
    """
    if source.is_dir():
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            tell = progress
            packing = None if tell is None else lambda a, b: tell("packing", a, b)
            make_snapshot(source, file, progress=packing, keep=is_setting)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file
    if not source.is_file():
        raise ConfigError(f"there is no directory or zip {str(source)[:200]!r}; give one, or container/name")
    size = source.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(f"{source} has {size / 1e6:,.1f} MB; a snapshot has at most {MAX_BYTES / 1e6:,.1f}")
    return source.open("rb")


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
