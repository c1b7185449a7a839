"""The doors: one durable write, then an answer. Reading what was asked is accept's work, behind the queue."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from runyard import telemetry
from runyard.accept import messages
from runyard.accept.acceptor import describe, event_identity
from runyard.accept.concealed import concealed, forget_unless_named, whole_request
from runyard.accept.resolve import asked_of
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError, ConflictError, NotFoundError, ThrottledError
from runyard.events.blob import BlobDrop
from runyard.events.submission import Submission, SubmissionEvent, parse_submission
from runyard.ports import Ports
from runyard.runconfig.redact import redacted, redacted_text
from runyard.runs.identity import identity, run_id
from runyard.runs.model import Origin, Run
from runyard.runs.moves import birth

BACKLOG: Final = 10_000
"""Submissions that may wait to be accepted before the API and the webhooks take no more.

Accept does some hundred a second, so this is a minute's work at most. What is acknowledged is then accepted long before the
15 minutes after which a run counts as never accepted, and a flood fills neither the disk nor the time of those who come later.
"""
RETRY_AFTER: Final = 10.0
"""Seconds after which who was turned away may come again: some thousand are accepted meanwhile."""


def drop(ports: Ports, drop: BlobDrop, *, source: str = "blob", durable: bool = False) -> None:
    """The blob door: a snapshot was created in storage.

    The blob itself is durable, and the sweep finds it; so the message need not be, unless it is acknowledged to somebody.
    """
    ports.queue.send(SUBMISSIONS, messages.for_blob(drop, source), durable=durable)


def submit(ports: Ports, submission: Submission, *, origin: Origin, key: str | None = None) -> tuple[Run, bool]:
    """The API's and the webhooks' door: writes the run's own row, so that a read right after it finds the run.

    Args:
        ports: The outside.
        submission: What is asked for.
        origin: Who asks.
        key: The event's identity (``Idempotency-Key``, a delivery's id); random when not given.

    Returns:
        The run, and whether this call made it: the same key finds the run that exists.

    Raises:
        ConfigError: if the snapshot is not in a registered container.
        ConflictError: if the key's run was deleted: there is nothing to find, and it does not run again.
        NotFoundError: if the snapshot is not there.
        ThrottledError: if too many submissions wait already, and this one made no run before; nothing is written.
    """
    asked = asked_of(submission)
    if ports.blobs.head(asked.container, asked.name) is None:
        raise NotFoundError(f"there is no snapshot {asked.container}/{asked.name}; upload it, or check the name")
    key = key or submission.id
    full = check_room(ports, key)
    unique = identity(key) if key else identity(secrets.token_hex(16))
    stored, created = _write(ports, submission, origin, unique)
    if created or not (full or stored.has_ended):  # in a flood, the message of a run that exists is on its way
        ports.queue.send(SUBMISSIONS, messages.for_run(stored.id), durable=True)
    return stored, created


def _write(ports: Ports, submission: Submission, origin: Origin, unique: str) -> tuple[Run, bool]:
    """Write the row of a run that is asked for; the same identity finds the run that exists."""
    now = ports.clock.now()
    run = Run(
        id=run_id(submission.experiment, now, unique),
        experiment=submission.experiment,
        identity=unique,
        origin=origin,
        reason=f"asked for by {origin.source} {origin.name}".rstrip(),
        since=now,
        created=now,
        trace=telemetry.current(),
    )
    run = concealed(ports, describe(run, submission))
    stored, created = ports.runs.create(birth(run, [], who=origin.source), durable=True)
    if not created:
        forget_unless_named(ports, run)
    if not created and ports.runs.get(stored.id) is None:
        raise _deleted(ports.runs.find(unique) or stored.id)
    return stored, created


def send(ports: Ports, queue: str, body: bytes, *, delay: float = 0.0) -> str:
    """Put a message that a caller of the API wrote on a queue; returns its id.

    A message stays as it is until it is handled, or for good as a dead letter, so none may hold a secret: of a submission that
    does, the run's row is written now and its secrets apart, and the message names the run.

    Raises:
        ConfigError: if a message of another kind holds what looks like a secret, or one that is to wait.
        ConflictError: if the submission's run was deleted.
    """
    if not _holds_secret(body):
        return ports.queue.send(queue, body, delay=delay, durable=True)
    if queue != SUBMISSIONS or delay:
        raise ConfigError(
            "the message holds what looks like a secret, and would be stored as it is until it is handled; keep the value with "
            "`runyard secret set`, and let the run configuration name it (runyard.secrets)"
            + ("; or send the message without a delay" if queue == SUBMISSIONS else "")
        )
    event = parse_submission(body)
    with telemetry.event(event.trace):
        return _send_apart(ports, event)


def _send_apart(ports: Ports, event: SubmissionEvent) -> str:
    submission = event.submission
    asked_of(submission)
    event_id = event.cloud_event[1] if event.cloud_event is not None else submission.id or secrets.token_hex(16)
    origin = Origin(source="queue", name=SUBMISSIONS, event_id=event_id)
    stored, _created = _write(ports, submission, origin, event_identity(event, event_id))
    return ports.queue.send(SUBMISSIONS, messages.for_run(stored.id), durable=True)


def shown(body: str) -> str:
    """A message's text for showing: what looks like a secret in it is masked."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return redacted_text(body)
    masked = redacted(document)
    return body if masked == document else msgspec.json.encode(masked).decode()


def _holds_secret(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False  # nothing that we could read, or would show
    return shown(text) != text


def _deleted(ident: str) -> ConflictError:
    return ConflictError(
        f"the run of this key or delivery was {ident}, and it was deleted since; it does not run again: use another key"
    )


def check_room(ports: Ports, key: str | None) -> bool:
    """Ask before anything is read or written for a submission; gives whether only a repeated event is let in now.

    Raises:
        ThrottledError: if too many submissions wait to be accepted, and the run of ``key`` is not there yet.
    """
    if ports.queue.backlog(SUBMISSIONS, BACKLOG) < BACKLOG:
        return False
    if key is None or ports.runs.find(identity(key)) is None:
        raise ThrottledError(
            f"{BACKLOG:,} submissions wait to be accepted, so this one was not taken in; see that a host runs, and send it "
            f"again in {RETRY_AFTER:.0f} s",
            retry_after=RETRY_AFTER,
        )
    return True


def resubmit(
    ports: Ports,
    run_id: str,
    *,
    who: str,
    target: str | None = None,
    arguments: Sequence[str] | None = None,
) -> Run:
    """Ask for a new run with what an earlier one was asked with, perhaps elsewhere or with other arguments.

    Raises:
        NotFoundError: if there is no such run, or its snapshot is gone.
        ConfigError: if the earlier run has nothing to repeat (it was rejected), or its secrets are gone.
    """
    earlier = ports.runs.get(run_id)
    if earlier is None:
        raise NotFoundError(f"there is no run {run_id!r}; `runyard runs` lists them")
    if not earlier.request:
        raise ConfigError(f"{run_id} was rejected, so there is nothing to submit again; send a corrected event")
    request = whole_request(ports, earlier)
    request.pop("id", None)
    if target is not None:
        request["target"] = target
    if arguments is not None:
        request["arguments"] = list(arguments)
    submission = Submission.of(request)
    run, _created = submit(ports, submission, origin=Origin(source="api", name=who, event_id=f"resubmit of {run_id}"))
    return run
