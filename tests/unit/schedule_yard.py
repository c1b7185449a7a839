"""A house with schedules, whose clock ticks as the host's timer does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runyard.events.timing import local
from runyard.ports import Ports, Schedule
from runyard.schedule import Definition, add, existing, fire_due
from runyard.testing import ManualClock
from tests.fakes import snapshot
from tests.unit.house import House

MADRID = "Europe/Madrid"
HOUR, DAY = 3600.0, 86_400.0
TICK = 15.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Yard:
    """A house with a clock that ticks as the host's timer does."""

    start: str = "2026-11-24T06:00+00:00"
    house: House = field(init=False)

    def __post_init__(self) -> None:
        self.house = House(clock=ManualClock(start=at(self.start)))
        self.house.ports.blobs.put("uploads", "a.zip", snapshot())

    @property
    def ports(self) -> Ports:
        return self.house.ports

    def add(self, name: str = "nightly", **said: Any) -> Schedule:
        submission = {"experiment": "exp", "snapshot": "uploads/a.zip", **said.pop("submission", {})}
        if not {"cron", "every", "at"} & said.keys():
            said["cron"] = "0 8 * * *"
        return add(self.ports, Definition(name=name, submission=submission, **said))

    def live(self, seconds: float, step: float = TICK) -> None:
        """Let a host tick for so long."""
        until = self.house.clock.now() + seconds
        while self.house.clock.now() < until:
            self.house.clock.advance(min(step, until - self.house.clock.now()))
            fire_due(self.ports)

    def sleep(self, seconds: float) -> None:
        """No host runs for so long."""
        self.house.clock.advance(seconds)

    def now(self, name: str = "nightly") -> Schedule:
        return existing(self.ports, name)

    def fired(self, zone: str = "UTC") -> list[str]:
        """The times that made runs, oldest first, as a zone's clock shows them."""
        times = sorted(at(run.origin.event_id) for run in self.house.runs())
        return [local(time, zone).strftime("%m-%d %H:%M") for time in times]

    def end(self, code: int = 0) -> None:
        """Let every run that has started end."""
        self.house.settle()
        for job in list(self.house.target.started):
            self.house.target.end(job, code)
        self.house.clock.advance(30)
        self.house.settle()
