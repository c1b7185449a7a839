from __future__ import annotations

import logging
from collections.abc import Callable

import azure.functions as func
import pytest

from runyard.host.agenda import Agenda
from runyard.host.app import EVENT
from runyard.host.events import GIVE_UP, RETRIES, EventDelivery
from runyard.ports.blobs import BlobInfo
from runyard.testing import ManualClock
from tests.host_helpers import served

BLOB = BlobInfo(container="snapshots", name="exp/a.zip", etag="1", size=3, modified=1.0)


def at_once(call: Callable[[], None]) -> None:
    call()


class Bench:
    """A delivery on a clock that is turned by hand, to a handler that fails as often as it is told."""

    def __init__(self, failures: int, functions: int = 1) -> None:
        self.clock = ManualClock()
        self.agenda = Agenda(self.clock)
        self.failures = failures
        self.times: list[float] = []
        self.events: list[func.EventGridEvent] = []
        self.delivery = EventDelivery([served(self._handle, EVENT)] * functions, self.clock, self.agenda, at_once)
        self.start = self.clock.now()

    def _handle(self, event: func.EventGridEvent) -> None:
        self.events.append(event)
        self.times.append(self.clock.now() - self.start)
        if len(self.events) <= self.failures:
            raise OSError("not now")

    def turn_to_next(self) -> bool:
        at = self.agenda.next_at()
        if at is None:
            return False
        self.clock.advance(at - self.clock.now())
        return self.agenda.run_due() > 0


def test_every_event_function_gets_the_event() -> None:
    bench = Bench(0, functions=2)
    bench.delivery.deliver(BLOB, "file:///x")

    assert [event.subject for event in bench.events] == [
        "/blobServices/default/containers/snapshots/blobs/exp/a.zip"
    ] * 2
    assert bench.agenda.next_at() is None


def test_a_failed_delivery_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(3)
    with caplog.at_level(logging.INFO, "runyard"):
        bench.delivery.deliver(BLOB, "file:///x")
        while bench.turn_to_next():
            pass

    assert bench.times == [0, 10, 40, 100]
    assert len({event.id for event in bench.events}) == 1
    assert caplog.messages == [
        "snapshots/exp/a.zip arrived (3 bytes)",
        "f: the event of snapshots/exp/a.zip failed (next try in 10 s): OSError: not now",
        "f: the event of snapshots/exp/a.zip failed (next try in 30 s): OSError: not now",
        "f: the event of snapshots/exp/a.zip failed (next try in 60 s): OSError: not now",
    ]


def test_a_delivery_is_given_up_after_a_day(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(1000)
    bench.delivery.deliver(BLOB, "file:///x")
    while bench.turn_to_next():
        pass

    assert len(bench.times) == len(RETRIES) + 2
    assert bench.times[-1] <= GIVE_UP
    assert "given up; the sweep will look again" in caplog.messages[-1]
