"""The catalog of computes. Each compute has a gate with the same name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Unpack

from runyard.computes.settings import Changes, changed
from runyard.dispatch.wakes import wake_dispatch
from runyard.errors import ConfigError, NotFoundError, UnsupportedError
from runyard.ports import Compute, Gate, Ports

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
DEFAULT: Final = "local"
"""The compute that every root has, and that a run configuration without a target means."""
MAGIC: Final = {
    "containerinstance": "aci",
    "amlcompute": "batch",
    "batchai": "batch",
}
"""Targets that the Azure ML SDK knows without a compute of that name, and the kind that stands for them here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeView:
    """A compute with what goes on there."""

    compute: Compute
    aliases: tuple[str, ...]
    waiting: int
    taken: int
    draining: bool = False
    """Whether its host is about to go, so that nothing new starts."""
    blocked_until: float | None = None
    """Until when it takes nothing; ``None`` if it is not blocked now."""
    blocked_reason: str = ""
    next_look: float | None = None
    """When it is polled next; ``None`` if nothing runs there."""


def resolve(ports: Ports, target: str) -> Compute:
    """The compute that a run configuration's ``target`` means; an empty one means ``local``.

    Raises:
        UnsupportedError: if there is no such compute, naming those there are and how to map the name.
    """
    wanted = target or DEFAULT
    compute = ports.computes.get(wanted)
    if compute is None:
        # Compute names are compared without case in the files of the SDK, so aliases are too.
        actual = {name.lower(): of for name, of in ports.computes.aliases().items()}.get(wanted.lower())
        compute = ports.computes.get(actual) if actual else None
    if compute is not None:
        return compute
    known = ", ".join(c.name for c in ports.computes.list()) or "none"
    kind = MAGIC.get(wanted.lower())
    what = f"kind {kind!r}, which this version does not have" if kind else "no compute of this service"
    raise UnsupportedError(
        f"the target {wanted[:80]!r} is {what} (there are: {known}); "
        f"submit with another target, or map the name with `runyard compute alias {wanted[:80]} COMPUTE`"
    )


def ensure_default(ports: Ports, compute: Compute) -> None:
    """Write ``compute`` down if there is none of its name yet, and see that every compute has its gate."""
    if ports.computes.get(compute.name) is None:
        ports.computes.put(compute)
    for known in ports.computes.list():
        if ports.gates.get(known.name) is None:
            ports.gates.configure(known.name, limit=known.limit, paused=known.paused)


def put(ports: Ports, name: str, **changes: Unpack[Changes]) -> Compute:
    """Create a compute, or change what is given of an existing one; its kind validates the options.

    Raises:
        ConfigError: if the name, the limit, a deadline or an option is not legal, or an existing compute's kind would change.
        UnsupportedError: if there is no such kind.
    """
    before = _before(ports, name, changes.get("kind"))
    compute = ports.targets.get(before.kind).check(changed(before, changes))
    is_new = ports.gates.get(name) is None
    if is_new:  # first, so that whoever finds the compute finds its gate
        ports.gates.configure(name, limit=compute.limit, paused=compute.paused)
    ports.computes.put(compute)
    ports.gates.configure(name, limit=compute.limit, paused=compute.paused)
    if is_new and any(gate.draining for gate in ports.gates.list()):
        ports.gates.drain(on=True)  # a host that is about to go starts nothing on a new compute either
    wake_dispatch(ports, compute)  # a raised limit or a resumed compute has room now
    return compute


def _before(ports: Ports, name: str, kind: str | None) -> Compute:
    """The compute as it is, or the one that is to be made."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} is not a compute name: 1 to 64 letters, digits, '-' or '_'")
    if name in ports.computes.aliases():
        raise ConfigError(f"{name!r} is an alias; remove it first with `runyard compute alias --remove {name}`")
    before = ports.computes.get(name)
    if before is None and kind is None:
        raise ConfigError(
            f"there is no compute {name!r} yet; say its kind to create it: {', '.join(ports.targets.kinds())}"
        )
    if before is not None and kind not in {None, before.kind}:
        raise ConfigError(f"{name!r} is of kind {before.kind!r}; a compute's kind never changes: use another name")
    return before or Compute(name=name, kind=str(kind), limit=1)


def remove(ports: Ports, name: str) -> None:
    """Remove a compute that nothing waits for and nothing runs on.

    Raises:
        NotFoundError: if there is none of this name.
        ConfigError: if runs wait for it or run on it, or it is the root's own.
    """
    if (compute := ports.computes.get(name)) is None:
        raise NotFoundError(f"there is no compute {name!r}")
    if name == DEFAULT and compute.kind == DEFAULT:
        raise ConfigError(f"{name} is every root's own compute; pause it with `runyard compute pause {name}`")
    ports.gates.configure(
        name, limit=compute.limit, paused=True
    )  # nobody takes a slot between the look and the removal
    gate = ports.gates.get(name)
    if gate is not None and (gate.waiting or gate.taken):
        ports.gates.configure(name, limit=compute.limit, paused=compute.paused)
        wake_dispatch(ports, compute)
        raise ConfigError(
            f"{name!r} has {gate.taken} runs and {gate.waiting} waiting; cancel them or wait, then remove it"
        )
    ports.computes.remove(name)


def alias(ports: Ports, alias: str, compute: str | None) -> None:
    """Let ``alias`` mean ``compute``; ``None`` removes the alias.

    Raises:
        NotFoundError: if there is no such compute, or no such alias to remove.
        ConfigError: if the alias is the name of a compute.
    """
    if compute is None:
        if alias not in ports.computes.aliases():
            raise NotFoundError(f"there is no alias {alias!r}")
        ports.computes.set_alias(alias, None)
        return
    if not NAME.fullmatch(alias):
        raise ConfigError(f"{alias[:80]!r} is not a name for an alias: 1 to 64 letters, digits, '-' or '_'")
    if ports.computes.get(alias) is not None:
        raise ConfigError(f"{alias!r} is itself a compute, so it cannot be an alias")
    if ports.computes.get(compute) is None:
        known = ", ".join(c.name for c in ports.computes.list()) or "none"
        raise NotFoundError(f"there is no compute {compute!r}; there are: {known}")
    ports.computes.set_alias(alias, compute)


def overview(ports: Ports) -> Sequence[ComputeView]:
    """Every compute with its aliases and how full it is."""
    aliases = ports.computes.aliases()
    gates = {gate.compute: gate for gate in ports.gates.list()}
    now = ports.clock.now()
    return [
        _view(
            compute, gates.get(compute.name), tuple(sorted(n for n, of in aliases.items() if of == compute.name)), now
        )
        for compute in ports.computes.list()
    ]


def _view(compute: Compute, gate: Gate | None, aliases: tuple[str, ...], now: float) -> ComputeView:
    if gate is None:
        return ComputeView(compute=compute, aliases=aliases, waiting=0, taken=0)
    blocked = gate.blocked_until > now
    return ComputeView(
        compute=compute,
        aliases=aliases,
        waiting=gate.waiting,
        taken=gate.taken,
        draining=gate.draining,
        blocked_until=gate.blocked_until if blocked else None,
        blocked_reason=gate.blocked_reason if blocked else "",
        next_look=gate.next_at,
    )
