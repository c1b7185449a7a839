"""A flood on one compute, or a compute that hangs, holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import pytest

from runyard.accept import accept
from runyard.dispatch import dispatch
from runyard.dispatch.turns import Turns
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, WatchTick, dispatch_queue, nudge, wake_dispatch
from runyard.errors import EventError
from runyard.host.app import QUEUE, HostJson
from runyard.host.rota import Rota
from runyard.ports import Compute, Observation, Plan
from runyard.reconcile import reconcile
from runyard.runs.model import Handle
from runyard.runs.states import State
from runyard.testing import ManualClock, MemoryQueue
from runyard.watch import watch
from tests.fakes import FakeTarget
from tests.host_helpers import PATIENCE, eventually, served
from tests.unit.crowd import EmbeddedHouse

FAKE = dispatch_queue("fake")
FLOOD = 10_000


@dataclass
class HangingTarget(FakeTarget):
    """Hangs in what it is told to hang in, on the compute ``local``, until it is let go."""

    hangs_in: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    hanging: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _hang(self, call: str, compute: str) -> None:
        if self.hangs_in != call or compute != "local":
            return
        with self.lock:
            self.hanging += 1
            self.most = max(self.most, self.hanging)
        assert self.go.wait(PATIENCE)
        with self.lock:
            self.hanging -= 1

    def submit(self, plan: Plan) -> Handle:
        self._hang("submit", plan.compute)
        return super().submit(plan)

    def poll(self, handles: Sequence[Handle]) -> Sequence[Observation]:
        self._hang("poll", handles[0].compute)
        return super().poll(handles)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[EmbeddedHouse]:
    """The compute ``local`` with 10,000 runs that wait, and the compute ``other`` with none."""
    house = EmbeddedHouse(root=tmp_path / "root", limit=2, target=HangingTarget())
    house.ports.computes.put(Compute(name="other", kind="fake", limit=2))
    house.ports.gates.configure("other", limit=2)
    house.crowd(FLOOD)
    yield house
    house.stores.database.close()


def ask_other(house: EmbeddedHouse) -> None:
    house.send({"experiment": "calm", "snapshot": "uploads/one.zip", "target": "other"})


def on_other(house: EmbeddedHouse) -> list[str]:
    return [job for job in list(house.target.submitted) if job.startswith("calm")]


def test_a_run_for_another_compute_starts_in_the_next_round(house: EmbeddedHouse) -> None:
    local = house.ports.computes.get("local")
    assert local is not None
    for _ in range(100):
        wake_dispatch(house.ports, local)
    ask_other(house)
    assert 1 == house.deliver(SUBMISSIONS)
    assert house.deliver(FAKE, most=2) <= 2
    assert 1 == len(on_other(house))


def test_messages_do_not_multiply_with_those_that_wait(house: EmbeddedHouse) -> None:
    """Whatever happens on a compute, there is one wake and one tick for it, not one for each that waits."""
    counts = set()
    for _ in range(30):
        reconcile(house.ports)
        house.deliver(FAKE)
        for slot in house.ports.gates.slots("local"):
            house.target.end(f"{slot.run_id}/1")
        counts.add((house.ports.queue.backlog(FAKE, FLOOD) <= 1, house.ports.queue.backlog(WATCH, FLOOD) <= 2))
        house.clock.advance(31)
        house.deliver(WATCH)
        counts.add((house.ports.queue.backlog(FAKE, FLOOD) <= 2, house.ports.queue.backlog(WATCH, FLOOD) <= 2))
    assert {(True, True)} == counts
    assert len(house.target.submitted) >= 30


# In the embedded host


@contextmanager
def hosting(house: EmbeddedHouse) -> Iterator[Turns]:
    """The host's rota, with the handlers that the functions have."""
    turns = Turns(house.ports.queue)
    handlers = [
        served(
            lambda m: accept(house.ports, m.get_body(), message_id=m.message_id, enqueued=house.clock.now()),
            QUEUE,
            queueName=SUBMISSIONS,
        ),
        served(lambda m: turns.take(FAKE, m.get_body(), partial(dispatch, house.ports)), QUEUE, queueName=FAKE),
        served(lambda m: turns.take(WATCH, m.get_body(), partial(watch, house.ports)), QUEUE, queueName=WATCH),
    ]
    rota = Rota(handlers, house.ports.queue, HostJson(concurrency=4))
    rota.start()
    try:
        yield turns
    finally:
        assert isinstance(house.target, HangingTarget)
        house.target.go.set()
        rota.stop(time.monotonic() + PATIENCE)


def hang(house: EmbeddedHouse, call: str) -> HangingTarget:
    assert isinstance(house.target, HangingTarget)
    house.target.hangs_in = call
    return house.target


def test_a_submit_that_hangs_holds_up_no_other_compute(house: EmbeddedHouse) -> None:
    target = hang(house, "submit")
    local = house.ports.computes.get("local")
    assert local is not None
    with hosting(house):
        wake_dispatch(house.ports, local)
        eventually(lambda: target.hanging)
        for limit in range(3, 23):  # each time with a free slot, so that each wake would find something to hang on
            house.ports.gates.configure("local", limit=limit)
            wake_dispatch(house.ports, local)
            eventually(lambda: house.ports.queue.backlog(FAKE, 2) < 2)  # the one that hangs is there
        ask_other(house)
        eventually(lambda: on_other(house))
        assert 1 == target.most
        target.go.set()
        eventually(lambda: 22 == len(target.submitted) - len(on_other(house)))


def test_a_poll_that_hangs_holds_up_no_other_compute(house: EmbeddedHouse) -> None:
    target = hang(house, "poll")
    local = house.ports.computes.get("local")
    assert local is not None
    with hosting(house):
        wake_dispatch(house.ports, local)
        eventually(lambda: 2 == len(target.submitted))
        house.ports.queue.wake(WATCH, nudge("local"))
        eventually(lambda: target.hanging)
        for _ in range(20):
            house.ports.queue.wake(WATCH, nudge("local"))
            house.clock.advance(31)
            reconcile(house.ports)
            house.clock.advance(2)
        ask_other(house)
        eventually(lambda: on_other(house))
        (job,) = on_other(house)
        target.end(job)
        house.ports.queue.wake(WATCH, nudge("other"))
        ended = job.partition("/")[0]
        eventually(lambda: (run := house.ports.runs.get(ended)) is not None and run.state is State.COMPLETED)
        assert 1 == target.most
        for slot in house.ports.gates.slots("local"):
            target.end(f"{slot.run_id}/1")
        target.go.set()
        eventually(lambda: len(target.submitted) >= 5)  # what was put off came: endings were seen, slots filled again


# Turns by themselves


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(ManualClock())


def tick(generation: int) -> bytes:
    return msgspec.json.encode(WatchTick(compute="c", generation=generation))


def left(queue: MemoryQueue) -> set[bytes]:
    return {message.body for message in queue.peek("watch")}


def test_what_comes_meanwhile_comes_again_once(queue: MemoryQueue) -> None:
    turns = Turns(queue)
    seen: list[bytes] = []

    def handle(body: bytes) -> None:
        seen.append(body)
        for each in (nudge("c"), tick(4), tick(3), nudge("c"), tick(2)):
            turns.take("watch", each, seen.append)
        assert set() == left(queue)

    turns.take("watch", tick(1), handle)
    assert [tick(1)] == seen
    assert {nudge("c"), tick(4)} == left(queue)


def test_other_computes_and_other_queues_have_their_own_turns(queue: MemoryQueue) -> None:
    turns = Turns(queue)
    seen: list[bytes] = []

    def handle(body: bytes) -> None:
        turns.take("watch", nudge("d"), seen.append)
        turns.take("dispatch-fake", nudge("c"), seen.append)

    turns.take("watch", nudge("c"), handle)
    assert [nudge("d"), nudge("c")] == seen
    assert set() == left(queue)


def test_a_call_that_fails_ends_its_turn_and_what_came_meanwhile_still_comes(queue: MemoryQueue) -> None:
    turns = Turns(queue)
    seen: list[bytes] = []

    def fail(body: bytes) -> None:
        turns.take("watch", nudge("c"), seen.append)
        raise EventError("no")

    with pytest.raises(EventError):
        turns.take("watch", nudge("c"), fail)
    assert {nudge("c")} == left(queue)
    turns.take("watch", nudge("c"), seen.append)
    assert [nudge("c")] == seen


def test_a_message_that_cannot_be_read_is_for_its_handler(queue: MemoryQueue) -> None:
    seen: list[bytes] = []
    for body in (b"{", b"[]", b"\xff", b'{"compute": 3}'):
        Turns(queue).take("watch", body, seen.append)
    assert 4 == len(seen)
