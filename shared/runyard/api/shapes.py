"""The forms of the API's answers, as JSON objects. Field names of a run are those of the SDK's ``get_details()``.

Times are ISO 8601 in UTC with ``Z``; sizes are bytes. The SDK hands these out as they are.
"""

from __future__ import annotations

from typing import Any, TypedDict

from runyard.runs.summary import RunSummary


class LeftShape(TypedDict):
    """An attempt that nobody watches any more, and that may still be running."""

    compute: str
    attempt: int
    handle: str | None


class RunDetails(RunSummary, TypedDict):
    """A run in full."""

    queuePosition: int | None
    runDefinition: dict[str, Any] | None
    logFiles: dict[str, str]
    traceId: str | None
    """The W3C trace that its spans are in; ``None`` if telemetry was off when it was made."""
    mayStillRun: LeftShape | None
    """Of a run that was ended by force: where its script may still be running."""


class RunPage(TypedDict):
    """A page of runs, newest first, or the best by a metric."""

    runs: list[RunSummary]
    next: str | None
    truncated: bool
    """Whether a sorted or matched listing left older runs out (it looks at the newest 10,000)."""
    goal: str | None


class EventShape(TypedDict):
    """A row of a run's history."""

    seq: int
    timeUtc: str
    status: str
    reason: str
    who: str
    opId: str


class AttemptShape(TypedDict):
    """One submission of a run to its compute."""

    attempt: int
    compute: str
    name: str
    slot: int
    claimedTimeUtc: str
    startTimeUtc: str | None
    endTimeUtc: str | None
    exitCode: int | None
    outcome: str
    handle: str | None


class FileShape(TypedDict):
    """A file of a run."""

    name: str
    size: int


class FileList(TypedDict):
    """The files of one attempt."""

    runId: str
    attempt: int
    files: list[FileShape]
    next: str | None


class MetricValues(TypedDict):
    """Everything that a run logged, in the SDK's shapes; NaN and infinities are the texts that JavaScript has for them."""

    runId: str
    metrics: dict[str, Any]
    params: dict[str, str]
    """What the script told MLflow that it computes with."""
    problems: list[str]


class ComputeShape(TypedDict):
    """A compute and how full it is."""

    name: str
    kind: str
    limit: int
    paused: bool
    pausedReason: str
    draining: bool
    """Whether its host is about to go: nothing new starts."""
    blockedUntilTimeUtc: str | None
    """Until when it takes nothing; null if it is not blocked."""
    blockedReason: str
    spot: bool
    deadlines: dict[str, float]
    """Seconds by state, where they are not the usual ones."""
    options: dict[str, Any]
    aliases: list[str]
    waiting: int
    taken: int
    nextLookTimeUtc: str | None
    """When it is polled next; null if nothing runs there."""


class HeldShape(TypedDict):
    """A run that holds a slot."""

    runId: str
    status: str
    compute: str


class DrainShape(TypedDict):
    """How far a drain is: done when ``running`` is 0."""

    draining: bool
    running: int
    """How many slots are held; ``runs`` says by whom, as far as their rows are there."""
    runs: list[HeldShape]
    waiting: int


class SaidShape(TypedDict):
    """A sentence, and the time that it speaks of."""

    text: str
    timeUtc: str | None


class WhyShape(TypedDict):
    """Why a run is where it is."""

    runId: str
    status: str
    state: str
    """As ``status``, but for a requested cancel: then the state in which it was asked for."""
    sinceTimeUtc: str
    reason: str
    nowTimeUtc: str
    """When this was so; times to come are meant from here."""
    waitsFor: list[SaidShape]
    next: list[SaidShape]
    """What happens by itself, the soonest first."""
    facts: list[SaidShape]
    advice: list[str]
    """What a user can do."""
    served: bool
    """Whether a host serves the root; without one nothing moves."""


class SecretShape(TypedDict):
    """A secret that the service keeps, without its value."""

    name: str
    changedTimeUtc: str


class MessageShape(TypedDict):
    """A message that was looked at."""

    id: str
    sequence: int
    enqueuedTimeUtc: str
    deliveryCount: int
    locked: bool
    body: str
    encoding: str
    """``text`` or ``base64``."""
    properties: dict[str, str]
    deadLetterReason: str
    deadLetterDescription: str
    deadLetterSource: str


class DropsShape(TypedDict):
    """The drop container."""

    container: str
    sinceTimeUtc: str | None
    """Its start mark; null if it was never watched."""
    missed: int
    """Snapshots that raised no event and were found by the sweep, in all."""
    missedTimeUtc: str | None


class SweptShape(TypedDict):
    """What a page of the drop container held."""

    looked: int
    taken: int
    """Snapshots without a run, which are taken now, or would be."""
    older: int
    """Snapshots without a run from before the time that was given."""
    names: list[str]
    """Of those that were taken, the first 100."""
    next: str | None
    dryRun: bool


class PruneShape(TypedDict):
    """What was removed, or would be."""

    runs: int
    logs: int
    snapshots: int
    tombstones: int
    bytes: int
    dryRun: bool


class CheckShape(TypedDict):
    """A finding of the doctor."""

    name: str
    ok: bool
    detail: str
    fix: str
