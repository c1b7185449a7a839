"""A table of runs that tells of each change that was written: a span for each state that a run was in, and the figures.

A change is written once, by the one whose compare-and-swap won. So doubled and late messages leave no second span.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runyard import telemetry
from runyard.ports import RunStore
from runyard.runs.model import Run
from runyard.runs.moves import Transition
from runyard.runs.states import ENDINGS, State
from runyard.telemetry import instruments, traceparent


class ObservedRuns:
    """Tells of what is created and changed."""

    def __init__(self, inner: RunStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create(self, birth: Transition, *, durable: bool = False) -> tuple[Run, bool]:
        """Create; see the port."""
        stored, created = self._inner.create(birth, durable=durable)
        if created:
            telemetry.measure(instruments.CREATED, 1, {"runyard.source": stored.origin.source})
            _tell(birth, stored)
        return stored, created

    def transition(self, change: Transition, *, durable: bool = False) -> Run:
        """Change; see the port."""
        stored = self._inner.transition(change, durable=durable)
        _tell(change, stored)
        return stored


def _tell(change: Transition, stored: Run) -> None:
    own = traceparent.of_run(stored.id, stored.trace)
    about = attributes_of(stored)
    for state, since, until in _left(change):
        telemetry.past(str(state), own, (since, until), {**about, "runyard.run.state": str(state)})
        if state is State.QUEUED:
            telemetry.measure(instruments.QUEUE_WAIT, max(0.0, until - since), _where(stored))
    if any(event.state is State.STARTING for event in change.events) and change.before.state is State.QUEUED:
        telemetry.measure(instruments.ATTEMPTS, 1, _where(stored))
    if stored.has_ended and change.before.state not in ENDINGS:
        _tell_ending(stored, own, about)


def _left(change: Transition) -> Iterator[tuple[State, float, float]]:
    """The states that a change leaves, each with since when and until when the run was in it."""
    state, since = change.before.state, change.before.since
    for event in change.events:
        if event.state is not state:
            yield state, since, event.time
            state, since = event.state, event.time


def _tell_ending(run: Run, own: str, about: dict[str, telemetry.Value]) -> None:
    ended = run.ended if run.ended is not None else run.since
    error_class = run.error.error_class if run.error is not None else ""
    state = str(run.state)
    failed = (run.error.code or error_class or state if run.error else state) if run.state is State.FAILED else ""
    told: dict[str, telemetry.Value] = {"runyard.run.state": state, "runyard.source": run.origin.source}
    if error_class:
        told["runyard.error.class"] = error_class
    if run.exit_code is not None:
        told["runyard.run.exit_code"] = run.exit_code
    telemetry.whole(own, run.trace, (run.created, run.since), {**about, **told}, failed)  # its last state is an ending
    counted: dict[str, telemetry.Value] = {"runyard.run.state": state, **_where(run)}
    telemetry.measure(instruments.ENDED, 1, {**counted, "runyard.error.class": error_class or _NONE})
    if run.started is not None:
        telemetry.measure(instruments.DURATION, max(0.0, ended - run.started), counted)


_NONE: Final = "none"


def attributes_of(run: Run) -> dict[str, telemetry.Value]:
    """What a span says of its run: names and numbers."""
    return {
        "runyard.run.id": run.id,
        "runyard.run.attempt": run.attempt,
        "runyard.experiment": run.experiment,
        **_where(run),
    }


def _where(run: Run) -> dict[str, telemetry.Value]:
    return {"runyard.compute": run.compute} if run.compute else {}
