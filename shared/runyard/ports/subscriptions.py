"""Subscriptions: who is told of endings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where the events of endings go, and of which ones. Exactly one of ``url`` and ``queue`` is set."""

    name: str
    url: str = ""
    """As it is shown: a query in it may hold a token, so the whole of it is in
    :class:`~runyard.ports.secrets.Secrets` under ``address``."""
    queue: str = ""
    """``submissions``, with a ``template``: the ending starts a run. Any other: the event itself is put there."""
    template: dict[str, object] = field(default_factory=dict)
    """The submission that an ending makes; texts may hold JSON pointers into the event: ``--from={/data/runId}``."""
    experiment: str = ""
    """A glob that the run's experiment must match, case and all; empty = every one."""
    states: tuple[str, ...] = ()
    """Endings: ``Completed``, ``Failed``, ``Canceled``; empty = all."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tags that the run must have."""
    sources: tuple[str, ...] = ()
    """What asked for the run (``blob``, ``api``, …); empty = anything."""
    secret: str = ""
    """The name of the secret that signs, not its value."""
    earlier_secret: str = ""
    """The name of the one before it, which signs too until :attr:`earlier_until`."""
    earlier_until: float = 0.0
    address: str = ""
    """The name of the secret that holds the whole URL."""
    allow_http: bool = False
    """Whether the URL may be http to another machine."""
    max_hops: int = 10
    paused: bool = False
    paused_reason: str = ""
    created: float = 0.0
    schema: int = 1


class SubscriptionStore(Protocol):
    """Keeps subscriptions, and the name by which this service calls itself in its events."""

    def put(self, subscription: Subscription) -> None:
        """Create or replace."""
        ...

    def get(self, name: str) -> Subscription | None:
        """By name."""
        ...

    def list(self) -> Sequence[Subscription]:
        """All, by name."""
        ...

    def any(self) -> bool:
        """Whether there is one. Asked at each ending, so it costs next to nothing; the answer may be 30 s old at most."""
        ...

    def remove(self, name: str) -> bool:
        """Remove; whether it was there."""
        ...

    def source(self) -> str:
        """The ``source`` of this service's events: a URN, made when it is first asked for, the same ever after."""
        ...
