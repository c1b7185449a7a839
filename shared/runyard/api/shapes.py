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


class ProofShape(TypedDict):
    """How a webhook's deliveries prove who they are from."""

    scheme: str
    """``github``, ``secret-header``, or one of the schemes of signing."""
    header: str
    timestampHeader: str | None
    algorithm: str | None
    encoding: str | None
    toleranceSeconds: float | None
    """``null`` where nothing says when a delivery was made."""


class WebhookSecretShape(TypedDict):
    """A secret of a webhook, never its value."""

    id: str
    createdTimeUtc: str
    validUntilTimeUtc: str | None
    """``null``: until it is removed."""
    valid: bool
    lastUsedTimeUtc: str | None
    """Since the host started."""


class DeliveriesShape(TypedDict):
    """What became of a webhook's deliveries since the host started."""

    sinceTimeUtc: str
    accepted: int
    runs: int
    refused: int
    lastAcceptedTimeUtc: str | None
    lastRefusedTimeUtc: str | None
    lastRefusal: str
    lastHandshakeTimeUtc: str | None


class WebhookShape(TypedDict):
    """A webhook, without its secrets."""

    name: str
    kind: str
    proof: ProofShape
    idHeader: str
    idPointer: str
    events: list[str]
    subjectPrefix: str
    subjectSuffix: str
    blobDrops: bool
    openHandshake: bool
    paused: bool
    submission: dict[str, Any]
    secrets: list[WebhookSecretShape]
    path: str
    createdTimeUtc: str
    deliveries: DeliveriesShape
    maxBytes: int
    example: str
    """A command that sends a delivery, for a shell with the secret in ``$SECRET`` and the host in ``$URL``."""


class WebhookEventShape(TypedDict):
    """What became of an event of a sample delivery."""

    eventId: str
    type: str
    outcome: str
    runId: str | None
    submission: dict[str, Any] | None


class WebhookTestShape(TypedDict):
    """What came out of a sample delivery."""

    signature: str
    headers: list[str]
    payload: Any
    dryRun: bool
    events: list[WebhookEventShape]
    validationResponse: str | None


class SubscriptionShape(TypedDict):
    """Who is told of endings, without the secret."""

    name: str
    url: str
    """Without its query; empty if it goes to a queue."""
    queue: str
    template: dict[str, Any]
    experiment: str
    states: list[str]
    tags: dict[str, str]
    sources: list[str]
    allowHttp: bool
    maxHops: int
    paused: bool
    pausedReason: str
    earlierSecretUntilTimeUtc: str | None
    """Until when the secret before the last change signs, too."""
    createdTimeUtc: str
    pending: int
    """Deliveries on their way."""
    dead: int
    """Deliveries that were given up."""


class TryShape(TypedDict):
    """One try of a delivery."""

    timeUtc: str
    seconds: float
    status: int | None
    error: str


class DeliveryShape(TypedDict):
    """One event on its way to one subscription, or there, or given up."""

    subscription: str
    id: str
    runId: str
    type: str
    state: str
    """``pending``, ``delivered`` or ``dead``."""
    createdTimeUtc: str
    nextTimeUtc: str | None
    settledTimeUtc: str | None
    tries: int
    error: str
    """Of what is dead: why. Of what is on its way: what the last try met."""
    history: list[TryShape]


class TestShape(TypedDict):
    """What came of a test."""

    delivered: bool
    id: str
    status: int | None
    error: str
    seconds: float


class TimeShape(TypedDict):
    """A time to come."""

    timeUtc: str
    local: str
    """On the clock of ``zone``, with its offset."""
    zone: str


class SkippedShape(TypedDict):
    """Times of a schedule that made no run on purpose."""

    firstTimeUtc: str
    lastTimeUtc: str
    count: int
    """1,000 stands for that many or more."""
    why: str


class ScheduleShape(TypedDict):
    """A schedule and how far it is."""

    name: str
    timing: str
    """In a few words."""
    cron: str | None
    every: float | None
    at: str | None
    zone: str
    submission: dict[str, Any]
    catchUp: str
    grace: float | None
    overlap: str
    paused: bool
    createdTimeUtc: str
    next: list[TimeShape]
    """The next times; of a paused one, those it would have."""
    lastTimeUtc: str | None
    """The newest time that made a run."""
    lastRunId: str | None
    lastError: str
    """Why the newest time made none; empty if it did."""
    failures: int
    """Times in a row that made no run, or one that failed."""
    skipped: list[SkippedShape]


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
