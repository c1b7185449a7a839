"""What a runner in the cloud may do for its attempt, and nothing else: tokens, links to its blobs, its start register."""

from runyard.attempts.grants import Grant, grant, use_of
from runyard.attempts.jobs import JobDocument, job_document
from runyard.attempts.keys import Keyring
from runyard.attempts.links import Link, trade
from runyard.attempts.standing import AttemptOverError, Standing, standing
from runyard.attempts.tokens import LIFE, Claim, TokenError, issue, read

__all__ = [
    "LIFE",
    "AttemptOverError",
    "Claim",
    "Grant",
    "JobDocument",
    "Keyring",
    "Link",
    "Standing",
    "TokenError",
    "grant",
    "issue",
    "job_document",
    "read",
    "standing",
    "trade",
    "use_of",
]
