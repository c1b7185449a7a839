"""The trade: a token for short links to single blobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from runyard.attempts.grants import Grant, grant
from runyard.attempts.standing import Standing
from runyard.errors import ConfigError
from runyard.ports import LinkUse, Ports

SECONDS: Final = 900.0
"""How long a link lives. It cannot be taken back, so this is what remains of an attempt after its ending."""
MOST: Final = 100
"""Links in one trade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What was traded for."""

    grant: Grant
    url: str | None = field(repr=False)
    """``None``: the store gives no links, so the service itself takes and gives the bytes, for the token."""


def trade(ports: Ports, standing: Standing, asked: Sequence[tuple[str, LinkUse]]) -> Sequence[Link]:
    """A link for each (name, use); all or none.

    Raises:
        ConfigError: if one is not for this attempt, or too many are asked for.
        AttemptOverError: if the attempt may only store what it has, and something else is asked for.
    """
    if len(asked) > MOST:
        raise ConfigError(f"{len(asked)} links were asked for; at most {MOST} are given at a time")
    grants = [grant(standing, name, use) for name, use in asked]
    return [
        Link(grant=each, url=ports.blobs.link(each.container, each.blob, seconds=SECONDS, use=each.use))
        for each in grants
    ]
