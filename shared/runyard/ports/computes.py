"""Computes: named, configured instances of a kind of target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

OLD: Final = 5.0
"""Seconds for which a compute may be shown as it was, after another process changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """A configured compute."""

    name: str
    kind: str
    limit: int
    """How many runs it carries at a time."""
    paused: bool = False
    paused_reason: str = ""
    """Why, as whoever paused it said; for people."""
    spot: bool = False
    """Whether its machines may be taken back at any time: preempted runs get three new attempts unless they say otherwise."""
    deadlines: dict[str, float] = field(default_factory=dict)
    """Seconds that a run may be in a state here, by the state's name, where that is not the default of
    :mod:`runyard.runs.deadlines`."""
    options: dict[str, object] = field(default_factory=dict)
    """The kind's own settings, validated by the kind."""
    schema: int = 1


class ComputeStore(Protocol):
    """Keeps computes and aliases (other names under which run configurations know them).

    ``get`` and ``aliases`` are asked for each message, so what another process changed may be seen :data:`OLD` seconds later; what was
    changed through this store is seen at once, and that a name is unknown is never old.
    """

    def put(self, compute: Compute) -> None:
        """Create or replace."""
        ...

    def get(self, name: str) -> Compute | None:
        """By its own name (aliases are not followed)."""
        ...

    def list(self) -> Sequence[Compute]:
        """All, by name."""
        ...

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        ...

    def aliases(self) -> Mapping[str, str]:
        """Alias to compute name."""
        ...

    def set_alias(self, alias: str, compute: str | None) -> None:
        """Set an alias, or remove it (``None``)."""
        ...
