"""From what was asked to what will run: the snapshot by ranges, the run configuration that counts, the compute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from runyard.computes import resolve as resolve_compute
from runyard.errors import ConfigError, NotFoundError, RunconfigError, SnapshotError, UnsupportedError
from runyard.events.blob import sidecar_names
from runyard.events.submission import Submission
from runyard.ports import BlobInfo, Compute, Ports, user_secret
from runyard.runconfig.job import job_spec
from runyard.runconfig.locate import choose, keeper
from runyard.runconfig.meaning import meaning
from runyard.runconfig.read import Files, parse_shared
from runyard.runconfig.yaml12 import scalar_text
from runyard.runs.model import JobSpec, SnapshotRef
from runyard.snapshot.archive import Archive, open_archive

CONTAINERS: Final = frozenset({"snapshots", "uploads"})
"""The registered containers: a reference names a blob in one of these."""
LONGEST_PART: Final = 255
"""Bytes of a file's name on every usual file system."""
MAX_RUNCONFIG: Final = 1 << 20
"""Bytes of a run configuration, or of a file it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an event asks for, whichever door it came through."""

    container: str
    name: str
    etag: str | None = None
    sha256: str | None = None
    runconfig: str | Mapping[str, object] | None = None
    target: str | None = None
    script: str | None = None
    arguments: tuple[str, ...] | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    secret_variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What will run, and where."""

    snapshot: SnapshotRef
    spec: JobSpec
    target: str
    compute: Compute
    priority: int
    written: float
    """When the snapshot was written, in seconds since the epoch: Last-Modified."""
    secret_variables: frozenset[str] = frozenset()
    """The variables that the run configuration or the event marks as secret."""


def asked_of(submission: Submission) -> Asked:
    """What a submission asks for.

    Raises:
        ConfigError: if its snapshot is not in a registered container.
    """
    ref = submission.snapshot
    if ref.container not in CONTAINERS:
        known = ", ".join(sorted(CONTAINERS))
        raise ConfigError(
            f"the snapshot is in {ref.container[:63]!r}, and the registered containers are {known}; upload it to one"
        )
    return Asked(
        container=ref.container,
        name=ref.name,
        etag=ref.etag,
        sha256=ref.sha256,
        runconfig=submission.runconfig,
        target=submission.target,
        script=submission.script,
        arguments=None if submission.arguments is None else tuple(map(scalar_text, submission.arguments)),
        environment_variables=submission.environment_variables,
        secret_variables=submission.secret_variables,
    )


def resolve(ports: Ports, asked: Asked) -> Resolved:
    """Read what is asked for and decide what will run where; a few ranged reads whatever the snapshot's size.

    Raises:
        ConfigError: in one sentence: the snapshot, its run configuration or its target cannot be.
    """
    try:
        reader = ports.blobs.open(asked.container, asked.name, etag=asked.etag)
    except NotFoundError:
        raise SnapshotError(
            f"the snapshot {asked.container}/{asked.name} is not there (any more); upload it and submit it again"
        ) from None
    try:
        info = reader.info
        wanted = asked.runconfig if isinstance(asked.runconfig, str) else None
        archive = open_archive(reader.read, info.size, name=asked.name, keep=keeper(wanted))
        found = _find(ports, asked, info, archive)
        files = _files(archive)
        config = parse_shared(found.data, found.name, files=files)
        spec = job_spec(
            config,
            found.origin,
            script=asked.script,
            arguments=asked.arguments,
            environment_variables=asked.environment_variables,
            files=files,
        )
    finally:
        reader.close()
    target = asked.target or meaning(config).target
    compute = resolve_compute(ports, target)
    spec = replace(spec, fallback=tuple(_fallback(ports, name) for name in spec.fallback))
    snapshot = SnapshotRef(
        container=info.container, name=info.name, etag=info.etag, size=info.size, sha256=asked.sha256
    )
    for variable, name in spec.secrets.items():
        user_secret(ports.secrets, name, variable)
    return Resolved(
        snapshot=snapshot,
        spec=spec,
        target=target,
        compute=compute,
        priority=config.runyard.priority or 0,
        written=info.modified,
        secret_variables=frozenset((*config.runyard.secret_variables, *asked.secret_variables)),
    )


def _fallback(ports: Ports, name: str) -> str:
    try:
        return resolve_compute(ports, name).name
    except UnsupportedError as error:
        raise UnsupportedError(f"runyard.fallback in its run configuration: {error.message}") from None


@dataclass(frozen=True, slots=True)
class _Config:
    """The run configuration that counts: its bytes, its name for messages, and where it was found."""

    data: bytes
    name: str
    origin: str


def _find(ports: Ports, asked: Asked, info: BlobInfo, archive: Archive) -> _Config:
    """Find the run configuration that counts (DESIGN §2: the first found wins)."""
    if isinstance(asked.runconfig, Mapping):
        return _Config(json.dumps(asked.runconfig).encode(), "runconfig", "given with the event")
    if asked.runconfig is None and (beside := _sidecar(ports, info)) is not None:
        return beside
    name = choose(archive.names, asked.runconfig)
    return _Config(archive.read(archive.entries[name], MAX_RUNCONFIG), name, f"{name} in the snapshot")


def _sidecar(ports: Ports, info: BlobInfo) -> _Config | None:
    for name in sidecar_names(info.name):
        if len(name.rpartition("/")[2].encode("utf-8", "surrogateescape")) > LONGEST_PART:
            continue  # no file can have this name, so none is there
        beside = ports.blobs.head(info.container, name)
        if beside is None or beside.modified > info.modified:
            continue  # written after the snapshot: meant for another one
        if beside.size > MAX_RUNCONFIG:
            raise RunconfigError(
                f"{name} has {beside.size:,} bytes; a run configuration has at most {MAX_RUNCONFIG:,}: is it one?"
            )
        reader = ports.blobs.open(info.container, name)
        try:
            return _Config(reader.read(0, beside.size), name, f"{name} beside the snapshot")
        finally:
            reader.close()
    return None


def _files(archive: Archive) -> Files:
    """The other files that a run configuration may name (``environment: path``, the conda file), from the snapshot."""

    @lru_cache(maxsize=8)
    def look(path: str) -> bytes | None:
        entry = archive.find(path).get(path)
        return archive.read(entry, MAX_RUNCONFIG) if entry is not None else None

    return look
