"""What a target tells of a run beside its state: each sentence becomes one event, once."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.ports import Ports
from runyard.runs.model import Run
from runyard.runs.moves import Move


def untold(ports: Ports, run: Run, notes: Sequence[str]) -> list[Move]:
    """The notes that are not in the run's history yet, as moves without a change of state."""
    if not notes:
        return []
    told = {event.reason for event in ports.runs.history(run.id)}
    now = ports.clock.now()
    return [Move(state=None, reason=note, at=now) for note in dict.fromkeys(notes) if note not in told]
