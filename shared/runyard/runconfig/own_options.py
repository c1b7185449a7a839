"""``runyard``: our own keys in a run configuration."""

# ruff: noqa: RUF009  (`option` makes a dataclass field)
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runyard.runconfig.fields import option

NEAREST: Final = "nearest"
EXACT: Final = "exact"
POLICIES: Final = (NEAREST, EXACT)


@dataclass
class Requirements:
    """``runyard.requirements``: what a run needs of its compute, at least."""

    cpus: float | None = option(None, within=(0, 10_000))
    """Cores."""
    memory_gb: float | None = option(None, key="memory_gb", within=(0, 100_000))
    """GiB."""
    gpus: int | None = option(None, within=(0, 1_000))
    """Whole devices."""
    disk_gb: float | None = option(None, key="disk_gb", within=(0, 1_000_000))
    """GiB free for the snapshot, the environment and the outputs."""


@dataclass
class RunyardOptions:
    """What the format has no word for. Unlike elsewhere, a key that is not known is an error."""

    retries: int = option(0, within=(0, 100))
    """New attempts after the script failed."""
    on_preemption: int | None = option(None, key="on_preemption", within=(0, 100))
    """New attempts after the platform took the machine back; by default 3 on a compute declared spot, else none."""
    priority: int = option(0, within=(-100, 100))
    """Higher goes first; what the event says, unless it is 0, comes before this."""
    requirements: Requirements = option(Requirements)
    fallback: list[str] = option(list)
    """Computes to try in turn when the target has no capacity or quota."""
    legacy: str = option(NEAREST, allowed=POLICIES)
    """What becomes of an environment's old versions and names that are not there any more: ``nearest`` or ``exact``."""
    image_map: dict[str, str] = option(dict, key="image_map", keys=("images",))
    """From a base image to the one that is used instead."""
    secret_variables: list[str] = option(list, key="secret_variables")
    """Environment variables whose values are secret whatever they are called."""
    secrets: dict[str, str] = option(dict)
    """From an environment variable to the name of the secret that the service keeps, and puts into it when the run starts."""
