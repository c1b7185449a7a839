"""The house of :mod:`tests.unit.house` over a target whose jobs live in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

from runyard.ports import Compute
from runyard.runs.model import Run
from runyard.testing import Behaviour, OnlyTargets, ScriptedTarget, memory_ports
from tests.fakes import runconfig, snapshot
from tests.unit.house import House


@dataclass
class ScriptedHouse(House):
    """Computes ``local`` and those in ``others``, all of one scripted kind."""

    others: tuple[str, ...] = ()
    script: ScriptedTarget = field(init=False)

    def __post_init__(self) -> None:
        self.script = ScriptedTarget(kind="fake", clock=self.clock)
        self.ports = memory_ports(OnlyTargets(self.script), clock=self.clock)
        for name in ("local", *self.others):
            self.compute(name)

    def compute(self, name: str, **changes: object) -> None:
        """Set a compute."""
        self.ports.computes.put(Compute(**{"name": name, "kind": "fake", "limit": self.limit, **changes}))  # type: ignore[arg-type]
        self.ports.gates.configure(name, limit=self.limit)

    def start(self, *behaviours: Behaviour, name: str = "exp/a.zip", **config: object) -> str:
        """Drop a snapshot whose attempts behave so, and let it be dispatched; returns the run's id."""
        self.script.next_jobs(*behaviours)
        before = {run.id for run in self.runs()}
        self.drop(name, snapshot(config=runconfig(**config)))
        self.settle()
        (new,) = {run.id for run in self.runs()} - before
        return new

    def run(self, run_id: str) -> Run:
        """A run as it is now."""
        run = self.ports.runs.get(run_id)
        assert run is not None
        return run

    def story(self, run_id: str) -> str:
        """All that was written on a run."""
        return "\n".join(self.reasons(self.run(run_id)))

    def gates(self) -> list[tuple[str, int, int]]:
        """(compute, slots taken, waiting) of those where something is."""
        return [(g.compute, g.taken, g.waiting) for g in self.ports.gates.list() if g.taken or g.waiting]
