"""The options of a compute of kind ``local``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from runyard.errors import ConfigError
from runyard.ports import Compute
from runyard.runner.containers.arguments import wrong_flag

DEFAULT_GRACE: Final = 10.0
"""Seconds between TERM and KILL when a script has run for its maximum duration."""
RESOLVERS: Final = ("auto", "uv", "pip", "rattler", "micromamba", "mamba", "conda")
_NETWORK: Final = re.compile(r"[A-Za-z0-9]?[A-Za-z0-9_.:-]*")
_GPU_DEVICE: Final = re.compile(r"nvidia\d+")
_MEANINGS: Final = {
    "interpreter": "the Python that runs scripts whose run configuration says `python`: a path, or a name on PATH",
    "gpus": "how many GPUs there are: slot n sees GPU n modulo this number; 0 = none",
    "grace": "seconds between TERM and KILL when a script has run for its maximum duration",
    "environments": "the folder of prepared environments, shared by all roots of a user",
    "resolver": "what builds environments: auto, uv, pip, rattler, micromamba, mamba or conda",
    "docker": "the container engine's command line: a path, or a name on PATH",
    "docker_network": "the network of containers, as `docker run --network` takes it; empty = the engine's default",
    "docker_arguments": "arguments of `docker run` that run configurations may use besides the usual ones: --ipc,--tmpfs",
    "hook": "whether scripts get Runyard's azureml.core and runyard, to log metrics with",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """The options, each with its default."""

    interpreter: str
    gpus: int
    grace: float = DEFAULT_GRACE
    hook: bool = True
    resolver: str = "auto"
    docker: str = "docker"
    docker_network: str = ""
    docker_arguments: tuple[str, ...] = ()
    environments: str

    @classmethod
    def read(cls, compute: Compute) -> LocalOptions:
        """Read a compute's options.

        Raises:
            ConfigError: naming the option, what was found and what is allowed.
        """
        options = compute.options
        unknown = sorted(set(options) - set(_MEANINGS))
        if unknown:
            raise ConfigError(
                f"the compute {compute.name!r} has the option {unknown[0]!r}, which kind 'local' does not know; "
                f"it knows {', '.join(_MEANINGS)}"
            )
        return cls(
            interpreter=_text(options, "interpreter", sys.executable),
            gpus=_whole(options, "gpus", 0),
            grace=_seconds(options, "grace", DEFAULT_GRACE),
            hook=_truth(options, "hook", default=True),
            resolver=_word(options, "resolver", RESOLVERS),
            docker=_text(options, "docker", "docker"),
            docker_network=_network(options, "docker_network"),
            docker_arguments=_flags(options, "docker_arguments"),
            environments=_text(options, "environments", default_environments()),
        )


def describe() -> Mapping[str, str]:
    """What each option means, by name."""
    return _MEANINGS


def check(compute: Compute) -> Compute:
    """Validate; fills in how many GPUs there are, if there are any and nobody said.

    Raises:
        ConfigError: for an option or a limit that cannot be.
    """
    if compute.limit < 1:
        raise ConfigError(f"the compute {compute.name!r} has the limit {compute.limit}; at least 1 is needed")
    LocalOptions.read(compute)
    gpus = 0 if "gpus" in compute.options else count_gpus()
    return replace(compute, options={**compute.options, "gpus": gpus}) if gpus else compute


@cache
def default_environments() -> str:
    """Where prepared environments are kept: ``$RUNYARD_ENVIRONMENTS``, else in the user's cache folder (XDG base directories)."""
    given = os.environ.get("RUNYARD_ENVIRONMENTS")
    if given:
        return str(Path(given).absolute())
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return str(Path(cache_home).expanduser().absolute() / "runyard" / "environments")


def default_compute() -> Compute:
    """The compute ``local``: one run per core that this process may use, or one at a time where there is a GPU."""
    gpus = count_gpus()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    compute = Compute(name="local", kind="local", limit=1 if gpus else cores)
    return replace(compute, options={"gpus": gpus}) if gpus else compute


@cache
def count_gpus() -> int:
    """How many GPUs the NVIDIA driver shows; looked up once, since a plan is made for each run."""
    return sum(1 for path in Path("/dev").iterdir() if _GPU_DEVICE.fullmatch(path.name))


def _wrong(name: str, found: object, allowed: str) -> ConfigError:
    return ConfigError(f"the option {name!r} is {str(found)[:80]!r}; {allowed}")


def _text(options: Mapping[str, object], name: str, default: str) -> str:
    value = options.get(name, default)
    if not isinstance(value, str) or not value or "\0" in value:
        raise _wrong(name, value, "it is a path, or a name on PATH")
    return value


def _word(options: Mapping[str, object], name: str, allowed: Sequence[str]) -> str:
    """One of some words; the first is the default."""
    value = options.get(name, allowed[0])
    if value not in allowed:
        raise _wrong(name, value, f"it is one of {', '.join(allowed)}")
    return str(value)


def _network(options: Mapping[str, object], name: str) -> str:
    value = options.get(name, "")
    if not isinstance(value, str) or not _NETWORK.fullmatch(value):
        raise _wrong(name, value, "it is host, none, bridge or the name of a network of the engine")
    return value


def _flags(options: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = options.get(name, ())
    flags = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(flags, list | tuple) or not all(isinstance(flag, str) for flag in flags):
        raise _wrong(name, value, "it is a list of arguments of docker run, such as --ipc,--tmpfs")
    for flag in flags:
        wrong = wrong_flag(flag)
        if wrong:
            raise _wrong(name, value, wrong)
    return tuple(flags)


def _whole(options: Mapping[str, object], name: str, default: int) -> int:
    value = options.get(name, default)
    if isinstance(value, str) and value.isdigit():
        value = int(value)  # options set on a command line are texts
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(name, value, "it is a whole number from 0")
    return value


def _seconds(options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number <= 3600:
        raise _wrong(name, value, "it is a number of seconds from 0 to 3600")
    return number


def _truth(options: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = options.get(name, default)
    word = str(value).lower()
    if word not in {"true", "false"}:
        raise _wrong(name, value, "it is true or false")
    return word == "true"
