"""Start registers as blobs, for computes whose runner reaches no file of ours: create-only, so that who creates one decides.

``registers/<run id>/<attempt>`` says ``started <nonce>`` (the runner) or ``void <reason>`` (the control plane). Nothing ever
replaces it; it goes with its run.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from runyard.errors import ConflictError, NotFoundError, RunyardError, TransientError
from runyard.ports import BlobStore
from runyard.runner.register import STARTED, VOID

REGISTERS: Final = "registers"
"""The container."""
_MOST: Final = 4096
"""Bytes of a register that are read."""
_LONGEST: Final = 1000
"""Characters of a reason."""


class Decision(NamedTuple):
    """What a register says."""

    word: str
    """``started`` or ``void``. What nobody of ours wrote counts as ``started``: then the script may have begun."""
    reason: str


def name_of(run_id: str, attempt: int) -> str:
    """The blob's name."""
    return f"{run_id}/{attempt}"


def decision(blobs: BlobStore, run_id: str, attempt: int) -> Decision | None:
    """What the register says; ``None`` while nobody has decided.

    Raises:
        TargetError: if it cannot be read now.
    """
    try:
        reader = blobs.open(REGISTERS, name_of(run_id, attempt))
    except NotFoundError:
        return None
    try:
        text = reader.read(0, _MOST).decode("utf-8", "replace")
    finally:
        reader.close()
    word, _, reason = text.partition("\n")[0].partition(" ")
    return Decision(VOID, reason) if word == VOID else Decision(STARTED, reason)


def void(blobs: BlobStore, run_id: str, attempt: int, reason: str) -> bool:
    """Keep an attempt's script from starting, for :meth:`runyard.ports.ComputeTarget.void`. Repeatable.

    Returns:
        Whether it is void now. ``False``: its script started, or was about to.

    Raises:
        TargetError: if the register could not be reached; nothing is known then.
    """
    text = " ".join(f"{VOID} {reason}".split())[:_LONGEST]
    try:
        blobs.put(REGISTERS, name_of(run_id, attempt), (text + "\n").encode(), create_only=True)
    except ConflictError:
        found = decision(blobs, run_id, attempt)
        if found is None:
            raise TransientError(f"the start register of {run_id} was there and is gone; it is asked again") from None
        return found.word == VOID
    except (RunyardError, OSError) as error:
        said = error.message if isinstance(error, RunyardError) else error.strerror
        raise TransientError(f"the start of {run_id} could not be voided: {said}") from error
    return True


def forget(blobs: BlobStore, run_id: str, attempt: int) -> None:
    """Remove the register of a run that is deleted, for :meth:`runyard.ports.ComputeTarget.forget`. Repeatable."""
    blobs.delete(REGISTERS, name_of(run_id, attempt))
