"""The states of a run: Azure ML's own names, and the moves between them.

The diagram in ``docs/states.md`` is compared with :data:`MOVES` by a test.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from runyard.errors import IllegalMoveError


class State(StrEnum):
    """Where a run is. ``State.X.doc`` says what the state means and what ends it."""

    doc: str

    def __new__(cls, value: str, doc: str) -> Self:
        """Give each member its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    NOT_STARTED = "NotStarted", "A door wrote the run down; its run configuration has not been read yet."
    QUEUED = "Queued", "On its compute's waiting list: shows its position and what it waits for."
    STARTING = "Starting", "A dispatcher claimed it, holds a slot for it, and is handing it to the compute."
    PROVISIONING = "Provisioning", "The compute is getting a machine or a container for it."
    PREPARING = "Preparing", "The runner unpacks the snapshot and makes the environment ready."
    RUNNING = "Running", "The script has started."
    NOT_RESPONDING = (
        "NotResponding",
        "Nothing is heard of it; that is no evidence of failure, so nothing is done to it.",
    )
    FINALIZING = "Finalizing", "The script ended; logs, outputs and metrics are being completed."
    COMPLETED = "Completed", "Ending: the script exited with code 0."
    FAILED = "Failed", "Ending: the script exited with another code, or the run could not be carried out."
    CANCELED = "Canceled", "Ending: it was canceled, and nothing of it runs any more."


ENDINGS: Final = frozenset({State.COMPLETED, State.FAILED, State.CANCELED})
"""A run in one of these never changes its state again."""

ON_COMPUTE: Final = frozenset(
    {
        State.STARTING,
        State.PROVISIONING,
        State.PREPARING,
        State.RUNNING,
        State.NOT_RESPONDING,
        State.FINALIZING,
    }
)
"""States in which a run holds a slot of its compute."""

CANCEL_REQUESTED: Final = "CancelRequested"
"""What is shown for a run whose cancel flag is set, until it ends. A flag, not a state."""

_S = State
_BACK_OR_OVER: Final = frozenset({_S.QUEUED, _S.FAILED, _S.CANCELED})

MOVES: Final[dict[State, frozenset[State]]] = {
    _S.NOT_STARTED: frozenset({_S.QUEUED, _S.FAILED, _S.CANCELED}),
    _S.QUEUED: frozenset({_S.STARTING, _S.FAILED, _S.CANCELED}),
    _S.STARTING: frozenset({_S.PROVISIONING, _S.PREPARING, _S.RUNNING, _S.NOT_RESPONDING, _S.FINALIZING})
    | _BACK_OR_OVER,
    _S.PROVISIONING: frozenset({_S.PREPARING, _S.RUNNING, _S.NOT_RESPONDING, _S.FINALIZING}) | _BACK_OR_OVER,
    _S.PREPARING: frozenset({_S.RUNNING, _S.NOT_RESPONDING, _S.FINALIZING}) | _BACK_OR_OVER,
    _S.RUNNING: frozenset({_S.NOT_RESPONDING, _S.FINALIZING}) | _BACK_OR_OVER,
    _S.NOT_RESPONDING: frozenset({_S.PROVISIONING, _S.PREPARING, _S.RUNNING, _S.FINALIZING}) | _BACK_OR_OVER,
    _S.FINALIZING: frozenset({_S.COMPLETED}) | _BACK_OR_OVER,
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELED: frozenset(),
}
"""The legal moves. Back to ``Queued`` means that a new attempt is allowed and waits for a slot."""


def check_move(before: State, after: State) -> None:
    """Refuse a move that is not in :data:`MOVES`.

    Raises:
        IllegalMoveError: naming both states and what would be legal.
    """
    if after in MOVES[before]:
        return
    legal = ", ".join(sorted(MOVES[before])) or "nothing: it is an ending"
    raise IllegalMoveError(f"a run cannot go from {before} to {after}; from {before} it can go to {legal}")
