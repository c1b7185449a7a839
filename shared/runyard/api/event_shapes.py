"""What the API answers of event sources and of endings out: webhooks, schedules, subscriptions."""

from __future__ import annotations

from typing import Any, TypedDict


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
