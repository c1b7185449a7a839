"""Who calls, as an identity provider says: tokens that others issue and anybody can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

API: Final = "api"
"""Calling the API: everything that an operator may do."""
WEBHOOKS: Final = "webhooks"
"""Delivering to webhooks, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a token was issued to."""

    app: str
    """The application's id."""
    roles: frozenset[str] = frozenset()


class Identities(Protocol):
    """Checks tokens."""

    def check(self, token: str, use: str) -> Caller:
        """Who shows this token, if they may use it for ``use`` (:data:`API` or :data:`WEBHOOKS`).

        Raises:
            AuthError: if the token proves nothing, or its owner may not do this.
            TransientError: if it cannot be checked now.
        """
        ...
