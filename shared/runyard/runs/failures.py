"""How an error ends a run that never began: the same sentence on its row, in its story and in the log, with no secret in it."""

from __future__ import annotations

from runyard.errors import RunyardError
from runyard.runconfig.redact import redacted_text
from runyard.runs.model import RunError
from runyard.runs.moves import Move
from runyard.runs.states import State


def failure(error: RunyardError, at: float) -> tuple[Move, RunError]:
    """The move to ``Failed`` at the time ``at``, and what is written on the row.

    What is wrong with a file is said in the file's own words, and these may be credentials.
    """
    said = redacted_text(error.message)
    return (
        Move(state=State.FAILED, reason=said, at=at),
        RunError(error_class=error.error_class, message=said, code=type(error).__name__),
    )
