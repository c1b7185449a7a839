"""Cancel requests: a flag on the run, then whatever its state needs."""

from __future__ import annotations

import logging

from runyard.dispatch.wakes import WATCH, nudge
from runyard.errors import ConfigError, ConflictError, NotFoundError, TargetError
from runyard.ports import Ports
from runyard.runs.model import Run
from runyard.runs.moves import Move, transition
from runyard.runs.states import State

log = logging.getLogger(__name__)


def request_cancel(ports: Ports, run_id: str, *, who: str, force: bool = False) -> Run:
    """Ask for a run's end. Repeatable; on a run that has ended it changes nothing.

    A run that waits is ``Canceled`` at once; one on a compute when nothing of it runs there any more.

    Raises:
        NotFoundError: if there is no such run.
        ConfigError: if it is to be forced, which this version does not do yet.
    """
    if force:
        raise ConfigError("a cancel cannot be forced yet; leave out --force")
    run = _flag(ports, run_id, who)
    if run.has_ended:
        return run
    if run.state in {State.NOT_STARTED, State.QUEUED}:
        return cancel_waiting(ports, run)
    press_cancel(ports, run)
    ports.queue.wake(WATCH, nudge(run.compute))
    return run


def _flag(ports: Ports, run_id: str, who: str) -> Run:
    while True:
        run = ports.runs.get(run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}")
        if run.has_ended or run.cancel_requested:
            return run
        move = Move(state=None, reason=f"cancel requested by {who}", at=ports.clock.now())
        try:
            return ports.runs.transition(transition(run, [move], who=who, cancel_requested=True), durable=True)
        except ConflictError:
            continue


def cancel_waiting(ports: Ports, run: Run) -> Run:
    """End a run that never got to its compute; does nothing to one that did."""
    current: Run | None = run
    while current is not None and current.state in {State.NOT_STARTED, State.QUEUED}:
        move = Move(state=State.CANCELED, reason="canceled before it started", at=ports.clock.now())
        try:
            ended = ports.runs.transition(transition(current, [move], who="cancel"))
        except ConflictError:
            current = ports.runs.get(run.id)
            continue
        if ended.compute:
            ports.gates.leave(ended.compute, ended.id)
        return ended
    if current is None:
        raise NotFoundError(f"there is no run {run.id!r}")
    if not current.has_ended:
        press_cancel(ports, current)
    return current


def press_cancel(ports: Ports, run: Run) -> None:
    """Ask the target to end the run's job; each poll presses again until the job has ended."""
    if run.handle is None:
        return  # claimed, not handed over yet: the poll that finds the handle presses
    try:
        ports.targets.get(run.kind).cancel(run.handle)
    except TargetError as error:
        log.warning("cancel of %s: %s", run.id, error.message, extra={"action": "cancel", **run.log_context()})
