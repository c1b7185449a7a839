"""What becomes of a message that yields no run of its own: a ``Failed`` run that says so. Nothing is dropped silently."""

from __future__ import annotations

import logging

from runyard import telemetry
from runyard.dispatch.wakes import wake_finished
from runyard.errors import RunyardError
from runyard.ports import Ports
from runyard.runs.failures import failure
from runyard.runs.identity import REJECTED, identity, run_id
from runyard.runs.model import Origin, Run
from runyard.runs.moves import birth

log = logging.getLogger(__name__)


def reject(ports: Ports, origin: Origin, error: RunyardError, *, at: float, ident: str | None = None) -> Run:
    """Write a ``Failed`` run in the experiment ``_rejected`` that names the source and the event.

    Args:
        ports: The outside.
        origin: Where the message came from.
        error: What is wrong with it.
        at: When the message was sent.
        ident: Its identity, if it has one; else its source and event id are.
    """
    unique = ident or identity("rejected", origin.source, origin.name, origin.event_id)
    now = ports.clock.now()
    move, why = failure(error, now)
    run = Run(
        id=run_id(REJECTED, at, unique),
        experiment=REJECTED,
        identity=unique,
        origin=origin,
        reason=f"came by {origin.source} {origin.name}, event {origin.event_id or 'without an id'}",
        since=now,
        created=now,
        error=why,
        trace=telemetry.current(),
    )
    stored, created = ports.runs.create(birth(run, [move], who="accept"))
    wake_finished(ports, stored)
    if created:
        log.warning("%s: rejected (%s): %s", run.id, origin.source, why.message, extra={"action": "reject"})
    return stored
