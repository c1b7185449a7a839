"""Listings that look at more than one page of the store: sorted by a metric, or matched by a part of the id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runyard.errors import ConfigError
from runyard.ports import Ports, Query
from runyard.runs.metrics import GOALS, MAXIMIZE, best_of, default_goal
from runyard.runs.model import Run
from runyard.runs.states import CANCEL_REQUESTED, State

MOST: Final = 10_000
"""Runs that such a listing looks at, the newest ones."""
PAGE: Final = 1000
SHORTEST_PART: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a listing found."""

    runs: Sequence[Run]
    next: str | None = None
    truncated: bool = False
    goal: str | None = None


def statuses(given: Sequence[str]) -> frozenset[str]:
    """The statuses asked for, in their own casing.

    Raises:
        ConfigError: for one that does not exist, naming those that do.
    """
    known = {name.lower(): name for name in (*map(str, State), CANCEL_REQUESTED)}
    for status in given:
        if status.lower() not in known:
            raise ConfigError(f"{status[:40]!r} is not a status; there are {', '.join(known.values())}")
    return frozenset(known[status.lower()] for status in given)


def sorted_by(ports: Ports, query: Query, metric: str, goal: str | None, limit: int) -> Found:
    """The best runs by a metric (its smallest or largest value over the run), best first.

    Raises:
        ConfigError: if the goal is neither ``minimize`` nor ``maximize``.
    """
    goal = (goal or default_goal(metric)).lower()
    if goal not in GOALS:
        raise ConfigError(f"{goal[:40]!r} is not a goal; say {' or '.join(GOALS)}")
    walk = _Walk(ports, query)
    ranked = [(best_of(run.metrics[metric], goal), run) for run in walk if metric in run.metrics]
    ranked.sort(key=lambda pair: pair[0], reverse=goal == MAXIMIZE)
    return Found(runs=[run for _, run in ranked[:limit]], truncated=walk.truncated, goal=goal)


def matching(ports: Ports, query: Query, part: str, limit: int) -> Found:
    """The newest runs whose id begins or ends with ``part``.

    Raises:
        ConfigError: if the part is too short to mean anything.
    """
    if len(part) < SHORTEST_PART:
        raise ConfigError(f"give at least {SHORTEST_PART} characters of the run's id")
    walk = _Walk(ports, query)
    found = []
    for run in walk:
        if run.id.startswith(part) or run.id.endswith(part):
            found.append(run)
            if len(found) == limit:
                break
    return Found(runs=found, truncated=walk.truncated)


class _Walk:
    """The newest runs, page by page; ``truncated`` says whether there were more than it looked at."""

    def __init__(self, ports: Ports, query: Query) -> None:
        self._ports = ports
        self._query = replace(query, limit=PAGE, after=None)
        self.truncated = False

    def __iter__(self) -> Iterator[Run]:
        query = self._query
        for _ in range(MOST // PAGE):
            page = self._ports.runs.list(query)
            yield from page.runs
            if page.next is None:
                return
            query = replace(query, after=page.next)
        self.truncated = True
