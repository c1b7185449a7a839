"""How a run changes: pure functions that make a :class:`Transition` for a store to write."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from runyard.runs.model import Attempt, Event, Run
from runyard.runs.states import ENDINGS, State, check_move


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a run: into ``state``, or (``None``) an event that leaves the state as it is."""

    state: State | None
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What a store writes in one transaction: the run's new row, its new events, and perhaps an attempt's row."""

    before: Run
    after: Run
    events: tuple[Event, ...]
    attempt: Attempt | None = None

    @property
    def op_id(self) -> str:
        """The operation's id, the same in each of its events."""
        return self.events[-1].op_id


def new_op_id() -> str:
    """A random operation id."""
    return secrets.token_hex(8)


def transition(
    run: Run,
    moves: Sequence[Move],
    *,
    who: str,
    row: Attempt | None = None,
    op_id: str | None = None,
    **changes: Any,
) -> Transition:
    """Make the transition that takes ``run`` through ``moves`` and sets the fields in ``changes``.

    Args:
        run: The run as the writer saw it.
        moves: At least one.
        who: Who does it, for the history.
        row: The attempt's row, to be written in the same transaction.
        op_id: The operation's id; random when not given.
        **changes: Fields of the run and their new values. A ``reason`` among them is shown even if the state stays.

    Raises:
        IllegalMoveError: if a move is not in the table, or the run has ended.
        ValueError: if there is no move or a reason is empty.
    """
    if not moves:
        raise ValueError("a transition needs at least one move")
    op = op_id or new_op_id()
    state, since, reason, seq = run.state, run.since, run.reason, run.version
    events = []
    for move in moves:
        if not move.reason:
            raise ValueError(f"the move of {run.id} to {move.state} has no reason")
        if move.state is not None:
            check_move(state, move.state)
            state, since, reason = move.state, move.at, move.reason
        seq += 1
        events.append(Event(run_id=run.id, seq=seq, time=move.at, state=state, reason=move.reason, who=who, op_id=op))
    if state in ENDINGS and run.state not in ENDINGS and "ended" not in changes:
        changes["ended"] = moves[-1].at
    changes.setdefault("reason", reason)
    after = replace(run, state=state, since=since, version=seq, **changes)
    return Transition(before=run, after=after, events=tuple(events), attempt=row)


def birth(run: Run, moves: Sequence[Move], *, who: str) -> Transition:
    """The transition that creates ``run`` (state ``NotStarted``) and takes it on through ``moves`` at once."""
    op = new_op_id()
    first = Event(run_id=run.id, seq=1, time=run.since, state=run.state, reason=run.reason, who=who, op_id=op)
    born = replace(run, version=1)
    if not moves:
        return Transition(before=run, after=born, events=(first,))
    later = transition(born, moves, who=who, op_id=op)
    return Transition(before=run, after=later.after, events=(first, *later.events))
