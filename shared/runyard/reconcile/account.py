"""What an account of a run is made of: the values that :func:`runyard.reconcile.why.why` hands out, and what it looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from runyard.ports import Compute, Gate, Ports
from runyard.runs.model import Event, Run
from runyard.runs.states import State

SPOT: Final = 3
"""New attempts after preemptions on a compute declared spot, where the run does not say (DESIGN §2)."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and the time that it speaks of."""

    text: str
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a run is where it is, as of ``now``."""

    run_id: str
    status: str
    state: State
    since: float
    reason: str
    now: float
    served: bool
    waits: tuple[Said, ...]
    """What it waits for; a time is until when."""
    next: tuple[Said, ...]
    """What happens by itself, the soonest first."""
    facts: tuple[Said, ...]
    advice: tuple[str, ...]
    """What a user can do."""


@dataclass(slots=True)
class Account:
    """The same while it is being written."""

    waits: list[Said] = field(default_factory=list)
    next: list[Said] = field(default_factory=list)
    facts: list[Said] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is looked at."""

    ports: Ports
    run: Run
    now: float
    compute: Compute | None
    gate: Gate | None
    served: bool
    """Whether a host is there to move it on."""

    @classmethod
    def of(cls, ports: Ports, run: Run, *, served: bool) -> Self:
        """Look at a run and its compute."""
        compute = ports.computes.get(run.compute) if run.compute else None
        gate = ports.gates.get(run.compute) if run.compute else None
        return cls(ports=ports, run=run, now=ports.clock.now(), compute=compute, gate=gate, served=served)

    @property
    def retries(self) -> int:
        """New attempts that the run may have after its script failed."""
        return self.run.spec.retries if self.run.spec is not None else 0

    @property
    def on_preemption(self) -> int:
        """New attempts that the run may have after the platform took its machine back."""
        said = self.run.spec.on_preemption if self.run.spec is not None else None
        return said if said is not None else SPOT if self.compute is not None and self.compute.spot else 0

    def newest(self, who: str) -> Event | None:
        """What somebody did to it last. An event that leaves the state as it is changes the reason on the row neither."""
        events = [event for event in self.ports.runs.history(self.run.id) if event.who == who]
        return events[-1] if events else None

    def asked_by(self) -> Said | None:
        """Who asked for its end, and when, as its history has it; the first of them."""
        for event in self.ports.runs.history(self.run.id):
            if event.reason.startswith("cancel requested"):
                return Said(event.reason, event.time)
        return None


def counted(count: int, what: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
