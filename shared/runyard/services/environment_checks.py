"""What ``runyard doctor`` looks at for prepared environments: the tools, the interpreters and the cache of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from runyard.ports import Ports
from runyard.runner.environments import list_environments, survey
from runyard.runner.problems import Problem
from runyard.services.check import Check
from runyard.targets.local.options import LocalOptions

_KIND: Final = "local"
_GIB: Final = 1 << 30


def environments(ports: Ports) -> Iterator[Check]:
    """A finding each for the tools and the cache of every compute of this machine that has its own."""
    told: set[tuple[str, str]] = set()
    for compute in ports.computes.list():
        if compute.kind != _KIND:
            continue
        options = LocalOptions.read(compute)
        if (options.environments, options.interpreter) not in told:
            told.add((options.environments, options.interpreter))
            yield from _machine(options)


def _machine(options: LocalOptions) -> Iterator[Check]:
    yield _cache(options.environments)
    try:
        found = survey(options.environments, options.interpreter)
    except Problem as problem:
        yield Check(name="environment tools", ok=False, detail=problem.message, fix="mend that, then run doctor again")
        return
    yield _tools(found["tools"], options.resolver)
    versions = sorted(set(found["interpreters"].values()), key=_numbers)
    yield Check(
        name="interpreters",
        ok=bool(versions),
        detail=f"Python {', '.join(versions)}" if versions else "none was found",
        fix="install a Python, or set the compute's option interpreter",
    )


def _tools(tools: dict[str, Any], resolver: str) -> Check:
    named = ", ".join(f"{name} ({path})" for name, path in tools.items())
    has = resolver in tools if resolver != "auto" else bool(tools)
    missing = (
        "no tool that prepares environments was found"
        if resolver == "auto"
        else f"the resolver {resolver} is not there"
    )
    return Check(
        name="environment tools",
        ok=has,
        detail=named if has else f"{missing}; found: {named or 'none'}",
        fix="install one, for instance with `pip install uv`; scripts with userManagedDependencies: true need none",
    )


def _cache(cache: str) -> Check:
    fix = "set RUNYARD_ENVIRONMENTS, or the compute's option environments, to a folder that you can write to"
    try:
        found = list_environments(cache)
    except Problem as problem:
        return Check(name="environments", ok=False, detail=problem.message, fix=fix)
    there = next(each for each in (Path(cache), *Path(cache).parents) if each.exists())
    used = sum(each["bytes"] or 0 for each in found)
    return Check(
        name="environments",
        ok=os.access(there, os.W_OK | os.X_OK),
        detail=f"{len(found)} in {cache}, {used / _GIB:.1f} GiB",
        fix=fix,
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
