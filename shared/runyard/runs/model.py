"""A run and what belongs to it: plain frozen values, as they are stored.

They are msgspec structs, not dataclasses: a run has many fields, and each of its moves makes a new one
(``msgspec.structs.replace``; measured: 0.3 µs against 8).

Times are seconds since the epoch, UTC. Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runyard.runs.states import CANCEL_REQUESTED, ENDINGS, State

SCHEMA: Final = 1
"""Version of the stored form of everything in this module."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What asked for a run."""

    source: str
    """The event source: ``blob``, ``queue``, ``webhook``, ``api`` or ``schedule``."""
    name: str = ""
    """Which one: a blob's name, a queue, a webhook's name, a caller."""
    event_id: str = ""
    """The event's own id, as its source gave it."""


class SnapshotRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where a snapshot is and which bytes are meant."""

    container: str
    name: str
    etag: str
    size: int
    sha256: str | None = None
    """Known when the submitting client computed it; only then a cache key."""

    @property
    def uri(self) -> str:
        """``container/name``: how a snapshot is written in messages and shown to users."""
        return f"{self.container}/{self.name}"


class EnvironmentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A Python environment that is prepared for the script, and reused while this is the same."""

    conda: dict[str, Any]
    """The normal form of the conda file (:func:`runyard.environment.conda_normal.normalised`); nothing in it = Python alone."""
    policy: str = "nearest"
    """``nearest``: what is not there any more is replaced, and told; ``exact``: it is an error."""
    auto_prepare: bool = True
    """``False``: the run fails if the environment is not built yet."""
    base: str = ""
    """An existing conda environment (name or path) that it begins with."""
    source: str = ""
    """Where the packages are listed, for people: ``aml_config/conda_dependencies.yml``."""
    note: str = ""
    """What a person should be told about it."""


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The container that the script runs in."""

    image: str = ""
    """The base image; empty if ``dockerfile`` makes it."""
    dockerfile: str = ""
    """The text of a Dockerfile whose image is the base."""
    arguments: tuple[str, ...] = ()
    """Further arguments of ``docker run``, as written."""
    gpu: bool = False
    shm_size: str = ""
    shared_volumes: bool = True
    registry: str = ""
    """The address of the base image's registry."""
    username: str = ""
    password: str = ""
    platform: str = ""
    """``linux/amd64``; empty = the engine's own."""
    policy: str = "nearest"
    """As in :class:`EnvironmentSpec`, for a base image that is not published any more."""


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, resolved from the run configuration and the event's overrides."""

    script: str
    arguments: tuple[str, ...] = ()
    framework: str = "Python"
    interpreter: str = "python"
    """``python`` means the compute's default interpreter; anything else is a path on the compute."""
    environment_variables: dict[str, str] = msgspec.field(default_factory=dict)
    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    """From an environment variable to the name of the user's secret that it gets when the run is handed over."""
    environment: EnvironmentSpec | None = None
    """What is prepared for the script; ``None``: ``interpreter`` is used as it is."""
    container: ContainerSpec | None = None
    """Where it runs in one."""
    max_duration: float | None = None
    """Seconds that the script may run; then the runner ends it and the run is ``Failed``."""
    watched_directories: tuple[str, ...] = ("logs",)
    node_count: int = 1
    retries: int = 0
    """New attempts after the script failed."""
    on_preemption: int | None = None
    """New attempts after the platform took the machine back; ``None`` = what the compute says (0, or 3 on a spot one)."""
    fallback: tuple[str, ...] = ()
    """Computes to try in turn when one has no capacity or quota."""
    runconfig: str = ""
    """Which run configuration counted, for people: ``aml_config/local.runconfig in the snapshot``."""


class Handle(msgspec.Struct, frozen=True, kw_only=True):
    """What a target returned from ``submit``: enough to find the job again from any process."""

    kind: str
    compute: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}://{self.compute}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Read ``kind://compute/id`` (the id may hold slashes).

        Raises:
            ValueError: if the text does not have that form.
        """
        kind, mark, rest = text.partition("://")
        compute, slash, ident = rest.partition("/")
        if not (mark and slash and kind and compute and ident):
            raise ValueError(f"{text!r} is not a job handle; the form is kind://compute/id")
        return cls(kind=kind, compute=compute, id=ident)


class RunError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run did not complete."""

    error_class: str
    """``config``, ``auth``, ``user``, ``throttled``, ``transient``, ``capacity``, ``quota`` or ``preempted``."""
    message: str
    """One sentence with the cause and the way out; never a secret."""
    code: str = ""


class MetricSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one numeric metric over a run."""

    last: float
    min: float
    max: float
    count: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of (snapshot, run configuration).

    ``version`` is the sequence number of the run's newest event: each transition writes at least one event,
    so it serves as the compare-and-swap token.
    """

    id: str
    experiment: str
    identity: str
    """SHA-256 (hex) of the event's identity: a repeated event finds the run that exists."""
    origin: Origin
    state: State = State.NOT_STARTED
    reason: str
    """Why it is in this state; always filled."""
    since: float
    """When it came into this state."""
    created: float
    started: float | None = None
    """When the script of the newest attempt started."""
    ended: float | None = None
    target: str = ""
    """The compute as the run configuration wrote it."""
    compute: str = ""
    """The compute it was resolved to."""
    kind: str = ""
    snapshot: SnapshotRef | None = None
    spec: JobSpec | None = None
    request: dict[str, object] = msgspec.field(default_factory=dict)
    """The submission as the door took it (kept until accepted, and for ``resubmit``), its secrets masked."""
    secret: str = ""
    """Under which name :class:`~runyard.ports.secrets.Secrets` has what ``request`` and ``spec`` show masked; empty if that is
    nothing."""
    priority: int = 0
    """Higher goes first; equal ones by age."""
    attempt: int = 0
    """Number of the newest attempt; 0 before the first."""
    claimed_until: float | None = None
    """In ``Starting``: when another dispatcher may take the same attempt over."""
    handle: Handle | None = None
    begun: bool = False
    """Whether its attempt's start register was asked and says ``started``, though its compute knows no such job."""
    taken_over: int = 0
    """How often its attempt was handed over anew, as nothing was seen of it."""
    tries: int = 0
    """Submissions in a row that the compute refused for a passing reason; 0 after one that it took."""
    refused_since: float | None = None
    """When the first of these was."""
    not_before: float | None = None
    """While it waits: when it may be tried again."""
    passed: tuple[str, ...] = ()
    """Computes that had no room for it since one took it last: the next fallback is none of these."""
    failures: int = 0
    """New attempts that were made because its script failed."""
    preemptions: int = 0
    """New attempts that were made because the platform took the machine back."""
    silent_since: float | None = None
    """Since when its compute has not been heard of; ``None`` while it answers."""
    missing_since: float | None = None
    """Since when its compute has answered that it does not know it."""
    giving_up: RunError | None = None
    """Why its attempt was asked to end, if not by a cancel: it becomes the run's error when nothing of it runs any more."""
    cancel_requested: bool = False
    error: RunError | None = None
    exit_code: int | None = None
    log_bytes: int | None = None
    log_complete: bool | None = None
    metrics: dict[str, MetricSummary] = msgspec.field(default_factory=dict)
    display_name: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    trace: str = ""
    """The trace context of what asked for it (W3C ``traceparent``); empty if telemetry was off then."""
    version: int = 0
    schema: int = SCHEMA

    @property
    def status(self) -> str:
        """The state as shown: ``CancelRequested`` while the flag is set and the run has not ended."""
        if self.cancel_requested and self.state not in ENDINGS:
            return CANCEL_REQUESTED
        return str(self.state)

    @property
    def has_ended(self) -> bool:
        """Whether the state is an ending."""
        return self.state in ENDINGS

    def log_context(self) -> dict[str, object]:
        """The fields that a log line about this run carries."""
        return {"run": self.id, "state": str(self.state), "compute": self.compute, "attempt": self.attempt}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One submission of a run to its compute."""

    run_id: str
    number: int
    compute: str
    name: str
    """The remote name: legal everywhere, the same for a take-over."""
    slot: int
    claimed: float
    handle: Handle | None = None
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    outcome: str = ""
    """How it ended, in a word: ``exited``, ``timeout``, ``canceled``, ``interrupted``, ``preempted``, ``failed``, ``void``, or
    ``abandoned`` (canceled by force: nobody knows)."""
    error: RunError | None = None
    """Why, if it did not succeed."""
    schema: int = SCHEMA


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a run's history: written in the same transaction as what it tells."""

    run_id: str
    seq: int
    time: float
    state: State
    """The state after this event."""
    reason: str
    who: str
    """The part or the caller that did it: ``accept``, ``dispatch``, ``watch``, ``cli:alice``, …"""
    op_id: str
    """Tells a writer, after a lost reply, that this row is its own."""
    schema: int = SCHEMA
