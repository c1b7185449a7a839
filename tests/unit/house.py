"""A whole Runyard in memory: the use cases over memory ports, with messages delivered by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from runyard.accept import accept, drop
from runyard.dispatch import dispatch
from runyard.dispatch.wakes import FINISHED, NOTIFY, SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import LockLostError
from runyard.events.blob import BlobDrop
from runyard.notify import announce, deliver
from runyard.ports import Compute, Message, Ports, Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury, reconcile
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.testing import ManualClock, memory_ports
from runyard.watch import watch
from tests.fakes import FakeTarget, FakeTargets, snapshot


@dataclass
class House:
    """The ports, a fake target of kind ``fake`` with the compute ``local``, and what drives them."""

    limit: int = 2
    clock: ManualClock = field(default_factory=lambda: ManualClock(start=1_000_000_000.0))
    target: FakeTarget = field(default_factory=FakeTarget)
    ports: Ports = field(init=False)

    def __post_init__(self) -> None:
        self.ports = memory_ports(FakeTargets({"fake": self.target}), clock=self.clock)
        self.ports.computes.put(Compute(name="local", kind="fake", limit=self.limit))
        self.ports.gates.configure("local", limit=self.limit)

    def drop(self, name: str = "exp/a.zip", data: bytes | None = None) -> BlobDrop:
        """Put a snapshot into the drop container and let its event come."""
        info = self.ports.blobs.put("snapshots", name, snapshot() if data is None else data)
        event = BlobDrop(
            container="snapshots", name=name, etag=info.etag, size=info.size, modified=info.modified, event_id="e-1"
        )
        drop(self.ports, event)
        return event

    def send(self, document: object, **changes: object) -> str:
        """Put a public submission on the queue."""
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        return self.ports.queue.send(SUBMISSIONS, body, **changes)  # type: ignore[arg-type]

    def deliver(self, queue: str, most: int = 100) -> int:
        """Handle what is on one queue now; returns how many messages."""
        handlers: dict[str, Callable[[Message], object]] = {
            SUBMISSIONS: lambda m: accept(self.ports, m.body, message_id=m.id, enqueued=m.enqueued),
            dispatch_queue("fake"): lambda m: dispatch(self.ports, m.body),
            WATCH: lambda m: watch(self.ports, m.body),
            FINISHED: lambda m: announce(self.ports, m.body),
            NOTIFY: lambda m: deliver(self.ports, m.body),
            DEAD_LETTERS: lambda m: bury(self.ports, m),
        }
        messages = self.ports.queue.receive(queue, most=most, lock=60.0)
        for message in messages:
            handlers[queue](message)
            with suppress(LockLostError):  # it comes again, as in a host
                self.ports.queue.complete(message)
        return len(messages)

    def settle(self) -> None:
        """Deliver messages until none is due."""
        queues = (SUBMISSIONS, dispatch_queue("fake"), WATCH, FINISHED, NOTIFY, DEAD_LETTERS)
        while sum(self.deliver(queue) for queue in queues):
            pass

    def pass_time(self, seconds: float, step: float = 30.0) -> None:
        """Let time pass, with all that a host does meanwhile, its reconciler too."""
        until = self.clock.now() + seconds
        while (left := until - self.clock.now()) > 0:
            self.clock.advance(min(step, left))
            reconcile(self.ports)
            self.settle()

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return list(self.ports.runs.list(Query(limit=1000)).runs)

    def only(self) -> Run:
        """The one run there is."""
        (run,) = self.runs()
        return run

    def reasons(self, run: Run) -> list[str]:
        """The run's history as ``state: reason``."""
        return [f"{event.state}: {event.reason}" for event in self.ports.runs.history(run.id)]


def started(house: House, count: int = 1) -> list[str]:
    for number in range(count):
        house.drop(f"exp/{number}.zip")
        house.clock.advance(1)
    house.settle()
    return [run.id for run in reversed(house.runs())]


def state(house: House, run_id: str) -> State:
    run = house.ports.runs.get(run_id)
    assert run is not None
    return run.state
