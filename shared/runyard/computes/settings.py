"""What of a compute can be set, and what it may be set to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypedDict

from runyard.errors import ConfigError
from runyard.ports import Compute
from runyard.runs.deadlines import SETTABLE

MAX_LIMIT: Final = 10_000
SHORTEST_DEADLINE: Final = 1.0
LONGEST_DEADLINE: Final = 366 * 86_400.0
"""Seconds. What never ends by itself is not watched over by a deadline."""
LONGEST_REASON: Final = 500
"""Characters; it stands in a line of a table."""


class Changes(TypedDict, total=False):
    """What :func:`put` sets; what is missing, or ``None``, stays as it is."""

    kind: str | None
    limit: int | None
    paused: bool | None
    paused_reason: str | None
    """Why it is paused; forgotten when it is resumed."""
    options: Mapping[str, object] | None
    spot: bool | None
    deadlines: Mapping[str, float | None] | None
    """Seconds by a state's name, in any case; ``None`` brings the default back. States not named stay as they are."""


def changed(compute: Compute, changes: Changes) -> Compute:
    """The compute with what ``changes`` say; the kind and its options are for the kind to judge.

    Raises:
        ConfigError: naming what is not legal and what would be.
    """
    limit, paused, spot = changes.get("limit"), changes.get("paused"), changes.get("spot")
    if limit is not None:
        compute = replace(compute, limit=_check_limit(limit))
    if paused is not None:
        compute = replace(compute, paused=paused, paused_reason=compute.paused_reason if paused else "")
    if (reason := changes.get("paused_reason")) is not None:
        compute = replace(compute, paused_reason=_check_reason(compute, reason))
    if spot is not None:
        compute = replace(compute, spot=spot)
    if (deadlines := changes.get("deadlines")) is not None:
        compute = replace(compute, deadlines=_with_deadlines(compute.deadlines, deadlines))
    if (options := changes.get("options")) is not None:
        compute = replace(compute, options={**compute.options, **options})
    return compute


def _check_limit(limit: int) -> int:
    if 1 <= limit <= MAX_LIMIT:
        return limit
    raise ConfigError(f"a compute's limit is 1 to {MAX_LIMIT:,} runs at a time, not {limit}; to stop it, pause it")


def _check_reason(compute: Compute, reason: str) -> str:
    if not compute.paused:
        raise ConfigError(f"{compute.name} is not paused, so there is no reason to keep; pause it to give one")
    if len(reason) > LONGEST_REASON:
        raise ConfigError(f"a reason has at most {LONGEST_REASON} characters, and this one has {len(reason)}")
    return reason


def _with_deadlines(before: Mapping[str, float], changes: Mapping[str, float | None]) -> dict[str, float]:
    after = dict(before)
    for said, seconds in changes.items():
        name = _settable(said)
        if seconds is None:
            after.pop(name, None)
        elif math.isfinite(seconds) and SHORTEST_DEADLINE <= seconds <= LONGEST_DEADLINE:
            after[name] = float(seconds)
        else:
            raise ConfigError(
                f"the deadline of {name} is {seconds:g} s, and one is 1 second to 366 days; "
                f"`{name}=default` brings the usual one back"
            )
    return after


def _settable(said: str) -> str:
    known = {str(state).lower(): str(state) for state in SETTABLE}
    try:
        return known[said.strip().lower()]
    except KeyError:
        states = ", ".join(known.values())
        raise ConfigError(
            f"a compute sets no deadline for {said[:40]!r}; the states that have one are {states}"
        ) from None
