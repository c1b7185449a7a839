"""Accept: from a message on ``submissions`` to a run on its compute's waiting list, or to a ``Failed`` run.

Every step may be repeated: a redelivered message finds what the first delivery wrote and does the rest.
"""

from __future__ import annotations

import logging
from typing import Final

from msgspec.structs import replace

from runyard import telemetry
from runyard.accept import messages
from runyard.accept.concealed import concealed, forget, forget_unless_named, whole_request
from runyard.accept.rejections import reject
from runyard.accept.resolve import Asked, Resolved, asked_of, resolve
from runyard.dispatch.cancel import cancel_waiting
from runyard.dispatch.slots import entry_of
from runyard.dispatch.wakes import wake_finished, wake_for_new
from runyard.errors import ConfigError, ConflictError, EventError
from runyard.events.blob import BlobDrop, experiment_of
from runyard.events.submission import Submission, SubmissionEvent, parse_submission
from runyard.ports import Ports
from runyard.runs.failures import failure
from runyard.runs.identity import identity, plain_etag, run_id
from runyard.runs.model import Origin, Run
from runyard.runs.moves import Move, birth, transition
from runyard.runs.states import State

SLOW: Final = 300.0
"""Seconds after which an entry on a waiting list is written once more: one without a row is removed after 10 minutes."""

_CHANGED: Final = ("request", "secret", "snapshot", "spec", "target", "compute", "kind", "priority")
"""What accept writes to the row that the API door made."""

log = logging.getLogger(__name__)


def accept(ports: Ports, body: bytes, *, message_id: str, enqueued: float) -> Run:
    """Handle a message of the queue ``submissions``; returns the run it stands for."""
    try:
        envelope = messages.read(body)
        if envelope is None:
            return _accept_submission(ports, body, message_id, enqueued)
        if envelope.blob is not None:
            return _accept_blob(ports, envelope.blob, envelope.source)
        return accept_run(ports, envelope.run)
    except ConfigError as error:
        return reject(ports, Origin(source="queue", name="submissions", event_id=message_id), error, at=enqueued)


def blob_identity(drop: BlobDrop) -> str:
    """The identity of a blob event: the same for the event, its repetitions and the sweep."""
    return identity(f"{drop.container}/{drop.name}", plain_etag(drop.etag))


def _accept_blob(ports: Ports, drop: BlobDrop, source: str) -> Run:
    origin = Origin(source="blob", name=f"{drop.container}/{drop.name}", event_id=drop.event_id)
    if source != "blob":
        origin = replace(origin, event_id=source)
    try:
        experiment = experiment_of(drop.name)
    except EventError as error:
        return reject(ports, origin, error, at=drop.modified, ident=blob_identity(drop))
    asked = Asked(container=drop.container, name=drop.name, etag=drop.etag)
    run = _new_run(ports, experiment, origin, blob_identity(drop), drop.modified)
    return _begin(ports, replace(run, request={"snapshot": origin.name, "experiment": experiment}), asked)


def _accept_submission(ports: Ports, body: bytes, message_id: str, enqueued: float) -> Run:
    event = parse_submission(body)
    with telemetry.event(event.trace):
        return _accept_event(ports, event, message_id, enqueued)


def _accept_event(ports: Ports, event: SubmissionEvent, message_id: str, enqueued: float) -> Run:
    submission = event.submission
    event_id = event.cloud_event[1] if event.cloud_event is not None else submission.id or message_id
    ident = event_identity(event, message_id)
    origin = Origin(source="queue", name="submissions", event_id=event_id)
    run = describe(_new_run(ports, submission.experiment, origin, ident, enqueued), submission)
    try:
        asked = asked_of(submission)
    except ConfigError as error:
        return _born_failed(ports, run, error)
    return _begin(ports, run, asked)


def event_identity(event: SubmissionEvent, message_id: str) -> str:
    """The identity of a submission that came as a message."""
    if event.cloud_event is not None:
        return identity(*event.cloud_event)
    return identity(event.submission.id or message_id)


def describe(run: Run, submission: Submission) -> Run:
    """Give a run what its submission says about it."""
    return replace(
        run,
        request=submission.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
        display_name=submission.display_name or "",
        tags=dict(submission.tags),
        priority=submission.priority,
    )


def _new_run(ports: Ports, experiment: str, origin: Origin, ident: str, at: float) -> Run:
    now = ports.clock.now()
    return Run(
        id=run_id(experiment, at, ident),
        experiment=experiment,
        identity=ident,
        origin=origin,
        reason=f"asked for by {origin.source} {origin.name}".rstrip(),
        since=now,
        created=now,
        trace=telemetry.current(),
    )


@telemetry.step("accept", 1)
def _begin(ports: Ports, run: Run, asked: Asked) -> Run:
    """Resolve and write the run: waiting list, row, wake. A repeated event finds the run that exists, and wakes for it."""
    if (known := ports.runs.find(run.identity)) is not None:
        return _again(ports, ports.runs.get(known) or run)
    try:
        resolved = resolve(ports, asked)
    except ConfigError as error:
        return _born_failed(ports, run, error)
    if run.origin.source == "blob":  # its own time, which the sweep sees too; the event's is a moment later
        run = replace(run, id=run_id(run.experiment, resolved.written, run.identity))
    ready = concealed(ports, _with(run, resolved), resolved.secret_variables)
    _wait(ports, ready)
    stored, created = ports.runs.create(birth(ready, [_queued(ports, ready)], who="accept"))
    if not created:
        forget_unless_named(ports, ready)
        exists = ports.runs.get(stored.id)
        if exists is None or exists.id != ready.id:  # deleted, or the same event with another time: no such row will be
            ports.gates.leave(ready.compute, ready.id)
        return stored if exists is None else _again(ports, exists)
    if ports.clock.now() - run.created > SLOW:
        _wait(ports, stored)  # the reconciler may have taken the entry, which had no row, for an orphan
    _tell(stored)
    wake_for_new(ports, resolved.compute)
    return stored


def _again(ports: Ports, run: Run) -> Run:
    """What a repetition does for the run that exists: the first delivery may have died between two writes."""
    compute = ports.computes.get(run.compute) if run.compute else None
    if run.state is State.QUEUED and compute is not None:
        _wait(ports, run)
        wake_for_new(ports, compute)
    return run


def _tell(run: Run) -> None:
    extra = {"action": "accept", **run.log_context()}
    origin = f"{run.origin.source} {run.origin.name}"
    if run.state is State.FAILED:
        log.warning("%s: cannot run (%s): %s", run.id, origin, run.reason, extra=extra)
    else:
        log.info("%s: queued for %s (%s)", run.id, run.compute, origin, extra=extra)


def accept_run(ports: Ports, ident: str) -> Run:
    """Go on with a run whose row the API door wrote.

    Raises:
        ConfigError: if there is no such run.
    """
    run = ports.runs.recent(ident)
    if run is None or run.state is not State.NOT_STARTED or run.cancel_requested:
        run = ports.runs.get(ident)  # what follows then is proven by no transition
    if run is None:
        raise EventError(f"the message names the run {ident!r}, which does not exist (any more); submit it anew")
    if run.state is not State.NOT_STARTED:
        return _again(ports, run)
    if run.cancel_requested:
        cancel_waiting(ports, run, who="accept")
        return ports.runs.get(ident) or run
    return _go_on(ports, run)


@telemetry.step("accept", 1)
def _go_on(ports: Ports, run: Run) -> Run:
    try:
        request = whole_request(ports, run)
        resolved = resolve(ports, asked_of(Submission.of(request)))
    except ConfigError as error:
        return fail(ports, run, error)
    ready = concealed(ports, _with(replace(run, request=request), resolved), resolved.secret_variables)
    _wait(ports, ready)
    try:
        changes = {name: getattr(ready, name) for name in _CHANGED}
        before, run = run, ports.runs.transition(transition(run, [_queued(ports, ready)], who="accept", **changes))
    except ConflictError:
        return _after_conflict(ports, ready)
    if before.secret != run.secret:
        forget(ports, before)
    if ports.clock.now() - ready.created > SLOW:
        _wait(ports, run)
    _tell(run)
    wake_for_new(ports, resolved.compute)
    return run


def _after_conflict(ports: Ports, ready: Run) -> Run:
    """Somebody was first: a cancel request, which we honour, or our own earlier delivery, which went on."""
    current = ports.runs.get(ready.id)
    forget_unless_named(ports, ready)
    if current is None or current.has_ended:
        ports.gates.leave(ready.compute, ready.id)
        return current or ready
    return accept_run(ports, ready.id)


def fail(ports: Ports, run: Run, error: ConfigError) -> Run:
    """End a run that cannot be accepted."""
    move, why = failure(error, ports.clock.now())
    try:
        failed = ports.runs.transition(transition(run, [move], who="accept", error=why))
    except ConflictError:
        return ports.runs.get(run.id) or run
    wake_finished(ports, failed)
    _tell(failed)
    return failed


def _born_failed(ports: Ports, run: Run, error: ConfigError) -> Run:
    move, why = failure(error, ports.clock.now())
    run = concealed(ports, run)
    stored, created = ports.runs.create(birth(replace(run, error=why), [move], who="accept"))
    wake_finished(ports, stored)
    if created:
        _tell(stored)
    else:
        forget_unless_named(ports, run)
    return stored


def _with(run: Run, resolved: Resolved) -> Run:
    return replace(
        run,
        snapshot=resolved.snapshot,
        spec=resolved.spec,
        target=resolved.target,
        compute=resolved.compute.name,
        kind=resolved.compute.kind,
        priority=run.priority or resolved.priority,
    )


def _wait(ports: Ports, run: Run) -> None:
    ports.gates.wait(run.compute, entry_of(run))


def _queued(ports: Ports, run: Run) -> Move:
    return Move(state=State.QUEUED, reason=f"waits for a slot on {run.compute}", at=ports.clock.now())
