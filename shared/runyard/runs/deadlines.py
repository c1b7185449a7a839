"""How long a run may be in a state before something is done about it, in seconds (DESIGN §2). A compute may say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runyard.runs.states import State

DEADLINES: Final[Mapping[State, float]] = {
    State.NOT_STARTED: 15 * 60.0,
    State.PROVISIONING: 20 * 60.0,
    State.PREPARING: 60 * 60.0,
    State.FINALIZING: 30 * 60.0,
}
"""The other states have none: ``Queued`` may last, a claim (``Starting``) has a time-out of its own, ``Running`` is bounded by
the run's own maximum duration, and silence (``NotResponding``) is no evidence of anything."""

SETTABLE: Final = (State.PROVISIONING, State.PREPARING, State.FINALIZING)
"""Those that a compute may set; a ``NotStarted`` run has no compute yet."""


def deadline(state: State, overrides: Mapping[str, float]) -> float | None:
    """Seconds that a run may be in ``state`` where a compute says ``overrides``; ``None`` if there is no bound."""
    return overrides.get(str(state), DEADLINES.get(state))
