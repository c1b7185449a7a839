"""The whole contract of a compute target: the author of a new kind reads this file and nothing else.

A kind is a class with these methods, named in the registry (``runyard.targets``) or by an entry point of the group
``runyard.targets``. The use cases call them in this order::

    plan (pure) → prepare (may repeat) → submit (returns at once) → poll … → cleanup … → forget
                                            └→ void                 └→ cancel, logs at any time
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runyard.ports.blobs import BlobStore
from runyard.ports.clock import Clock
from runyard.ports.computes import Compute
from runyard.ports.secrets import Secrets
from runyard.runs.model import Attempt, Handle, Run
from runyard.runs.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind can do; the docs' table is made from it, and a test asserts that it is complete."""

    gpu: bool
    docker: bool
    multi_node: bool
    spot: bool
    live_logs: bool
    pushes_endings: bool
    """Whether it tells of an ending by itself (else only ``poll`` does)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetContext:
    """What a kind is built with: ``Kind(context)``."""

    blobs: BlobStore
    secrets: Secrets
    clock: Clock
    tell: Callable[[str], None]
    """Called with a compute's name when something happened there, so that it is polled soon. Any thread, cheap."""
    root: Path | None = None
    """The root folder of the embedded host; ``None`` elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a target is asked to run: one attempt of a run in one slot of a compute."""

    run: Run
    compute: Compute
    attempt: int
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The exact request, as printable data: secrets and links only as references. Tests compare it."""

    kind: str
    compute: str
    run_id: str
    attempt: int
    name: str
    """The remote name (``runyard.runs.identity.remote_name``)."""
    request: Mapping[str, object] = field(default_factory=dict)
    handle: Handle | None = None
    """The handle that ``submit`` will return, where it is known beforehand: it is then stored with the claim, so that
    no crash and no fast ending falls between the two. Where it is not, a job whose reply was lost and whose attempt was voided is
    not cleaned up: its runner finds the void register and exits; the kind sees to it that nothing costs money after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """It is on its way: ``phase`` is Starting (nothing more is known), Provisioning, Preparing or Running."""

    handle: Handle
    phase: State
    started: float | None = None
    """When the script started, once it has."""
    detail: str = ""
    notes: tuple[str, ...] = ()
    """What was done otherwise than the run configuration says, a sentence each, all so far: each becomes an event, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """It is over, with evidence."""

    handle: Handle
    exit_code: int | None
    """The script's; ``None`` if the script never ran or its code is unknown."""
    outcome: str
    """``exited``, ``timeout``, ``canceled``, ``interrupted`` (started, gone, no result), ``preempted`` (the platform took the
    machine back), ``failed`` (could not be prepared: ``error`` says why) or ``void`` (its start was refused)."""
    error: str = ""
    """One sentence, when ``outcome`` is not ``exited``."""
    error_class: str = ""
    started: float | None = None
    ended: float | None = None
    log_bytes: int | None = None
    log_complete: bool = True
    notes: tuple[str, ...] = ()
    """As in :class:`Running`."""
    collected: bool = True
    """Whether logs, outputs and metrics are in the blob store. Until then the run is ``Finalizing``, within its deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The compute answers, and knows nothing of it: it never started."""

    handle: Handle
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """The compute does not answer. Never evidence of a failure."""

    handle: Handle
    detail: str = ""


Observation = Running | Ended | Absent | Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A piece of the driver log."""

    data: bytes
    next_offset: int
    """Where the next piece begins."""
    complete: bool
    """Whether nothing will follow ``next_offset``."""


class ComputeTarget(Protocol):
    """One kind of compute target."""

    kind: str
    capabilities: Capabilities

    def check(self, compute: Compute) -> Compute:
        """Validate a compute's options and return it with defaults filled in.

        Raises:
            ConfigError: naming the option, what was found and what is allowed.
        """
        ...

    def plan(self, job: Job) -> Plan:
        """Make the exact request. Pure: no I/O, the same job gives the same plan.

        The run's ``spec`` shows its secrets masked, and so does the plan. ``submit`` reads them: ``kept_of(secrets, run.secret, run.id)``
        has what belongs into the spec, by JSON pointers, and ``user_secret`` what ``spec.secrets`` names.

        Raises:
            UnsupportedError: if the job asks for what this kind cannot do, in one sentence.
        """
        ...

    def prepare(self, plan: Plan) -> None:
        """Bring about what ``submit`` needs (a pool, an uploaded file). Runs before the claim and may repeat.

        Raises:
            TargetError: or one of its subclasses.
        """
        ...

    def submit(self, plan: Plan) -> Handle:
        """Hand the job over and return at once (within 60 s, retries included).

        Submitting the same plan again finds the same job: the name decides, and the start register lets a job's
        script start once.

        Raises:
            ThrottledError, CapacityError, QuotaError: if the compute answered that it does not take the job. Nothing of it
                is there then.
            TargetError: of any other class, if the job may or may not be there (the reply was lost, say). The caller settles
                that by :meth:`void` before it does anything else with the run.
        """
        ...

    def void(self, attempt: Attempt, reason: str) -> bool:
        """Keep an attempt's script from starting, whether its job is there already, comes later, or never does.

        Creates the attempt's start register (create-if-absent) with ``void`` and the reason. Repeatable.

        Returns:
            Whether it is void now. ``False``: its script started, or was about to; the register says ``started``.

        Raises:
            TargetError: if the register could not be reached; nothing is known then.
        """
        ...

    def submit_many(self, plans: Sequence[Plan]) -> Sequence[Handle | Exception]:
        """Submit several at once; each place holds the handle or the error of its plan."""
        ...

    def poll(self, handles: Sequence[Handle]) -> Sequence[Observation]:
        """Observe jobs of one compute with as few remote calls as possible; one observation per handle, in order.

        Never raises for an unreachable compute: that is an observation.
        """
        ...

    def cancel(self, handle: Handle, *, grace: float = 10.0) -> None:
        """Ask for the job's end: TERM to its processes, KILL after ``grace`` seconds. Returns at once; repeatable.

        A job that has not started is kept from starting. The ending shows in ``poll``.

        Raises:
            TargetError: if the compute did not take the request.
        """
        ...

    def logs(self, handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        """Up to ``limit`` bytes of the driver log from ``offset``."""
        ...

    def cleanup(self, handle: Handle) -> None:
        """Remove what the attempt left on the compute (not its logs, outputs or start register). Repeatable."""
        ...

    def forget(self, attempt: Attempt) -> None:
        """Remove the start register of an attempt whose run is deleted: no message can ask for it any more. Repeatable."""
        ...

    def close(self) -> None:
        """Let go of connections; jobs go on."""
        ...


class Targets(Protocol):
    """The kinds at hand."""

    def get(self, kind: str) -> ComputeTarget:
        """The target of a kind, loaded on first use.

        Raises:
            UnsupportedError: if there is no such kind here, naming those there are, or what to install.
        """
        ...

    def kinds(self) -> Sequence[str]:
        """The names of all kinds at hand, sorted."""
        ...
