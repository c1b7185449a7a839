"""Each kind of trigger, invoked through the worker, does its work: a run is asked for, dispatched, watched and ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from runyard.computes import put
from runyard.dispatch.patience import TRIES
from runyard.dispatch.wakes import FINISHED, NOTIFY, SUBMISSIONS, WATCH, dispatch_queue
from runyard.errors import AuthError, NotFoundError, ThrottledError, TransientError
from runyard.ports import Message, Ports, Query
from runyard.ports.queue import DEAD_LETTERS
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.services import Services, install
from runyard.services.entry import Entry
from runyard.testing import ManualClock, OnlyTargets, ScriptedTarget, memory_ports
from tests.fakes import runconfig, snapshot
from tests.worker.host import Worker

FUNCTIONS = {
    SUBMISSIONS: "accept",
    WATCH: "watch",
    FINISHED: "announce",
    NOTIFY: "notify",
    DEAD_LETTERS: "dead_letters",
    dispatch_queue("scripted"): "dispatch_scripted",
}


@dataclass
class Scene:
    """The app in the worker, over ports in memory that were installed before it was loaded."""

    worker: Worker
    ports: Ports
    clock: ManualClock
    entry: Entry

    def drop(self, name: str = "exp/a.zip") -> dict[str, Any]:
        """Put a snapshot into the drop container; returns its event as Event Grid says it."""
        info = self.ports.blobs.put("snapshots", name, snapshot(config=runconfig(target="pool")))
        return {
            "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/yard",
            "subject": f"/blobServices/default/containers/snapshots/blobs/{name}",
            "eventType": "Microsoft.Storage.BlobCreated",
            "eventTime": "2026-01-25T22:12:19.9584103Z",
            "id": "831e1650-001e-001b-66ab-eeb76e069631",
            "data": {"api": "PutBlob", "eTag": info.etag, "contentLength": info.size, "blobType": "BlockBlob"},
            "dataVersion": "",
            "metadataVersion": "1",
        }

    def settle(self) -> None:
        """Hand every message that is due to its function, as the host does, until none is left."""
        while sum(self.deliver(queue) for queue in FUNCTIONS):
            pass

    def deliver(self, queue: str) -> int:
        messages = self.ports.queue.receive(queue, most=16, lock=60.0)
        for message in messages:
            answer = self.worker.message(FUNCTIONS[queue], message)
            assert answer.ok, answer.trace
            self.ports.queue.complete(message)
        return len(messages)

    def runs(self) -> list[Run]:
        return list(self.ports.runs.list(Query()).runs)

    def to_the_end(self) -> Run:
        """Let time pass until the one run has ended."""
        for _ in range(100):
            self.settle()
            (run,) = self.runs()
            if run.has_ended:
                return run
            self.clock.advance(10.0)
        raise AssertionError(self.runs())


@pytest.fixture
def scene(start: Callable[..., Worker]) -> Scene:
    clock = ManualClock(start=1_769_379_139.0)
    ports = memory_ports(OnlyTargets(ScriptedTarget(clock=clock)), clock=clock)
    entry = Entry(ports.secrets, ports.blobs)
    install(Services(ports=ports, root=None, entry=entry, hosted=True))
    put(ports, "pool", kind="scripted", limit=2)
    worker = start()
    assert "" == worker.failure
    return Scene(worker, ports, clock, entry)


def test_an_event_becomes_a_run_that_is_dispatched_watched_and_ended(scene: Scene) -> None:
    answer = scene.worker.event("blob_created", scene.drop())
    assert answer.ok, answer.trace
    run = scene.to_the_end()
    assert (State.COMPLETED, "exp", "blob") == (run.state, run.experiment, run.origin.source)


def test_a_cloud_event_is_the_same_event(scene: Scene) -> None:
    event = scene.drop()
    cloud = {
        "specversion": "1.0",
        "type": event["eventType"],
        "source": event["topic"],
        "id": event["id"],
        "time": event["eventTime"],
        "subject": event["subject"],
        "data": event["data"],
    }
    assert scene.worker.event("blob_created", cloud).ok
    assert scene.worker.event("blob_created", event).ok
    assert State.COMPLETED is scene.to_the_end().state


def test_an_event_of_neither_schema_is_given_back_to_event_grid(scene: Scene) -> None:
    answer = scene.worker.event("blob_created", {"what": "is this"})
    assert not answer.ok
    assert "neither" in answer.error


def test_a_timer_finds_a_snapshot_that_raised_no_event(scene: Scene) -> None:
    scene.drop()
    scene.clock.advance(60.0)
    for timer in ("sweep", "reconcile", "schedules"):
        answer = scene.worker.tick(timer)
        assert answer.ok, answer.trace
    assert State.COMPLETED is scene.to_the_end().state


def test_a_message_asks_for_a_run(scene: Scene) -> None:
    scene.drop()
    scene.ports.queue.send(SUBMISSIONS, b'{"experiment": "mine", "snapshot": "snapshots/exp/a.zip"}')
    run = scene.to_the_end()
    assert ("mine", "queue", State.COMPLETED) == (run.experiment, run.origin.source, run.state)


def test_the_api_answers_through_the_worker(scene: Scene) -> None:
    assert 200 == scene.worker.http("GET", "/api/health").status
    assert 401 == scene.worker.http("GET", "/api/runs").status
    scene.drop()
    right = {"Authorization": f"Bearer {scene.entry.token()}", "Content-Type": "application/json"}
    body = json.dumps({"experiment": "web", "snapshot": "snapshots/exp/a.zip"}).encode()
    created = scene.worker.http("POST", "/api/runs", body, right)
    assert 202 == created.status, created.body
    run = scene.to_the_end()
    shown = scene.worker.http("GET", f"/api/runs/{run.id}?x=1", headers=right)
    assert (200, "Completed") == (shown.status, json.loads(shown.body)["status"])
    assert "nosniff" == shown.headers["x-content-type-options"]


def test_a_dead_letter_is_written_down(scene: Scene) -> None:
    letter = Message(
        queue=DEAD_LETTERS, id="m-1", body=b'{"experiment": "exp", "snapshot": "snapshots/exp/a.zip"}', sequence=1,
        enqueued=scene.clock.now(), delivery_count=1, dead_letter_source=SUBMISSIONS,
        dead_letter_reason="MaxDeliveryCountExceeded", dead_letter_description="could not be consumed",
    )  # fmt: skip
    assert scene.worker.message("dead_letters", letter).ok
    (run,) = scene.runs()
    assert State.FAILED is run.state
    assert "could not be consumed" in run.reason


def test_a_message_that_cannot_be_read_is_a_failed_invocation(scene: Scene) -> None:
    """The host then gives it back, and after ten times it is a dead letter."""
    answer = scene.worker.message(
        "watch", Message(queue=WATCH, id="m", body=b"not json", sequence=1, enqueued=1.0, delivery_count=1)
    )
    assert (False, True) == (answer.ok, "EventError" in answer.error)


def fail(monkeypatch: pytest.MonkeyPatch, port: object, method: str, error: Exception) -> None:
    def raising(*given: object, **named: object) -> object:
        raise error

    monkeypatch.setattr(port, method, raising)


@pytest.mark.parametrize("error", [TransientError("down"), ThrottledError("busy", 30.0), AuthError("no role yet")])
def test_a_store_that_is_down_puts_the_message_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    scene.drop()
    scene.ports.queue.send(SUBMISSIONS, b'{"experiment": "mine", "snapshot": "snapshots/exp/a.zip"}')
    with monkeypatch.context() as while_down:
        fail(while_down, scene.ports.runs, "find", error)
        for tries in ("1", "2"):
            assert 1 == scene.deliver(SUBMISSIONS)
            (copy,) = scene.ports.queue.peek(SUBMISSIONS)
            assert tries == copy.properties[TRIES]
            assert 0 == scene.deliver(SUBMISSIONS)
            scene.clock.advance(60.0)
    assert State.COMPLETED is scene.to_the_end().state


def test_a_queue_that_is_down_too_is_a_failed_invocation(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, scene.ports.runs, "find", TransientError("down"))
    fail(monkeypatch, scene.ports.queue, "send", TransientError("down too"))
    body = b'{"experiment": "mine", "snapshot": "snapshots/exp/a.zip"}'
    message = Message(queue=SUBMISSIONS, id="m", body=body, sequence=1, enqueued=1.0, delivery_count=1)
    scene.drop()
    answer = scene.worker.message("accept", message)
    assert not answer.ok
    assert "down too" in answer.error
    assert not scene.worker.event("blob_created", scene.drop()).ok  # Event Grid tries again


def test_a_timer_does_not_fail_for_a_store_that_is_down(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, scene.ports.gates, "list", TransientError("down"))
    fail(monkeypatch, scene.ports.blobs, "list", TransientError("down"))
    fail(monkeypatch, scene.ports.schedules, "due", TransientError("down"))
    assert all(scene.worker.tick(timer).ok for timer in ("reconcile", "sweep", "schedules"))


def test_the_reconciler_works_whatever_the_alarms_came_upon(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, scene.ports.queue, "counts", NotFoundError("the queue buried is not there"))
    done: list[str] = []
    monkeypatch.setattr("functions.timers.reconcile", lambda _: done.append("reconciled"))
    answer = scene.worker.tick("reconcile")
    assert (False, ["reconciled"]) == (answer.ok, done)
    assert "the queue buried is not there" in answer.error


def test_a_caller_is_told_to_come_again_while_a_store_is_down(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    error = AuthError("reading the table runs: this identity may not")
    error.of_store = True
    fail(monkeypatch, scene.ports.runs, "list", error)
    answer = scene.worker.http("GET", "/api/runs", headers={"Authorization": f"Bearer {scene.entry.token()}"})
    assert (503, "5") == (answer.status, answer.headers["retry-after"])
    assert b"identity" not in answer.body


def test_the_time_of_the_first_message_stays_with_its_copies(scene: Scene) -> None:
    scene.drop()
    scene.ports.queue.send(SUBMISSIONS, b'{"experiment": "mine", "snapshot": "snapshots/exp/a.zip"}')
    (message,) = scene.ports.queue.receive(SUBMISSIONS, most=1, lock=60.0)
    first = message.enqueued
    copy = replace(message, enqueued=first + 500, properties={"runyard-enqueued": str(first)})
    assert scene.worker.message("accept", copy).ok
    (run,) = scene.runs()
    assert str(int(first)) == run.id.split("_")[1]
