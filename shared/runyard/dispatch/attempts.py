"""The rows of attempts, as dispatch and watch need them."""

from __future__ import annotations

from msgspec.structs import replace

from runyard.ports import Ports
from runyard.runs.model import Attempt, Run


def newest(ports: Ports, run: Run) -> Attempt | None:
    """The row of the run's newest attempt."""
    return ports.runs.attempt(run)


def last_handled(ports: Ports, run: Run) -> Attempt | None:
    """The newest attempt that a compute may still have something of."""
    handled = [each for each in ports.runs.attempts(run.id) if each.handle is not None]
    return handled[-1] if handled else None


def ended_as(attempt: Attempt | None, outcome: str, at: float) -> Attempt | None:
    """The row with its outcome."""
    return None if attempt is None else replace(attempt, outcome=outcome, ended=at)
