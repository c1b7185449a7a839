"""Drain: a host that is about to go starts nothing new, while events are still taken and what runs goes on."""

from __future__ import annotations

from dataclasses import dataclass

from runyard.dispatch.wakes import wake_dispatch
from runyard.ports import Ports
from runyard.runs.model import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How far it is."""

    draining: bool
    holding: tuple[str, ...]
    """The runs that still hold a slot, by compute and slot: nothing runs any more when there are none."""
    runs: tuple[Run, ...]
    """The same, as they are; one whose row is not there (yet) is missing."""
    waiting: int
    """How many runs wait; they are kept, and start after the drain."""


def drain(ports: Ports) -> Drain:
    """Let no compute start anything; durable, repeatable. It lasts until :func:`undrain`, or until a host starts."""
    ports.gates.drain(on=True)
    return drained(ports)


def undrain(ports: Ports) -> bool:
    """End a drain, and wake the dispatchers of what waits; whether there was one."""
    if not any(gate.draining for gate in ports.gates.list()):
        return False
    ports.gates.drain(on=False)
    for compute in ports.computes.list():
        wake_dispatch(ports, compute)
    return True


def drained(ports: Ports) -> Drain:
    """How far a drain is."""
    gates = ports.gates.list()
    holding = [slot.run_id for gate in gates if gate.taken for slot in ports.gates.slots(gate.compute)]
    found = (ports.runs.get(run_id) for run_id in holding)
    return Drain(
        draining=any(gate.draining for gate in gates),
        holding=tuple(holding),
        runs=tuple(run for run in found if run is not None),
        waiting=sum(gate.waiting for gate in gates),
    )
