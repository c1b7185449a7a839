"""What a token is worth now: its attempt must be the run's current one, be on its compute, and not be void."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runyard.attempts import registers
from runyard.attempts.keys import Keyring
from runyard.attempts.tokens import Claim, read
from runyard.errors import AuthError
from runyard.ports import Ports
from runyard.runner.register import VOID
from runyard.runs.model import Run
from runyard.runs.states import ON_COMPUTE, State

GRACE: Final = 900.0
"""Seconds after a cancel by force in which a runner that goes on may still store what it has."""


class AttemptOverError(AuthError):
    """The attempt is over, or another one has taken its place: its token is worth nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A token that is good, and what is left to its holder."""

    claim: Claim
    run: Run
    may_start: bool
    """Whether it may read the job and the snapshot, and write the register; else it may only store what it has."""

    @property
    def cancel_requested(self) -> bool:
        """Whether the runner is asked to end the script."""
        return self.run.cancel_requested or self.run.giving_up is not None or not self.may_start


def standing(ports: Ports, keyring: Keyring, token: str) -> Standing:
    """What a token is worth.

    Raises:
        TokenError: if it is none of ours, or its time is over.
        AttemptOverError: if its attempt has ended, was voided, or is not the run's current one.
        TargetError: if that cannot be known now.
    """
    claim = read(keyring, token)
    run = ports.runs.get(claim.run_id)
    if run is None or run.attempt != claim.attempt:
        raise AttemptOverError
    if run.has_ended:
        left = (run.ended or 0.0) + GRACE - keyring.clock.now()
        if run.state != State.CANCELED or left <= 0:
            raise AttemptOverError
        return Standing(claim=claim, run=run, may_start=False)
    if run.state not in ON_COMPUTE:  # back on the waiting list: this attempt is done with
        raise AttemptOverError
    decided = registers.decision(ports.blobs, claim.run_id, claim.attempt)
    if decided is not None and decided.word == VOID:
        raise AttemptOverError
    return Standing(claim=claim, run=run, may_start=True)
