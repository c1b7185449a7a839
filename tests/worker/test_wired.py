"""The app in the worker over Azure's own adapters, opened by the settings of the environment: Azurite and the broker."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runyard.dispatch.wakes import SUBMISSIONS, dispatch_queue, queues
from runyard.ports import Message, Query, TargetContext
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.services import Services, current, install
from runyard.services.entry import TOKEN
from runyard.stores.azure.settings import azure_settings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.clock import SystemClock
from runyard.testing import ScriptedTarget
from tests.azure.opened import SETTINGS
from tests.fakes import runconfig, snapshot
from tests.host_helpers import eventually
from tests.standins.azurite import azurite
from tests.standins.broker import broker
from tests.worker.host import Worker

BODY = b'{"experiment": "mine", "snapshot": "snapshots/exp/a.zip"}'


class Scripted(ScriptedTarget):
    """A kind that the registry makes, as it makes every kind."""

    def __init__(self, context: TargetContext) -> None:
        super().__init__(clock=context.clock)


@dataclass
class Yard:
    """The app as Azure has it: nothing is installed, everything comes by the settings."""

    worker: Worker
    folder: Path

    @property
    def services(self) -> Services:
        return current()

    def drop(self, name: str = "exp/a.zip") -> dict[str, Any]:
        """Put a snapshot into the container; gives its event."""
        info = self.services.ports.blobs.put("snapshots", name, snapshot(config=runconfig(target="pool")))
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

    def next(self, queue: str) -> Message:
        """Lock the next message, as the host does."""
        found: list[Message] = []

        def look() -> bool:
            found.extend(self.services.ports.queue.receive(queue, most=1, lock=60.0))
            return bool(found)

        eventually(look)
        return found[0]

    def deliver(self, queue: str, function: str) -> None:
        """Hand the next message to its function, and complete it."""
        message = self.next(queue)
        answer = self.worker.message(function, message)
        assert answer.ok, answer.trace
        self.services.ports.queue.complete(message)

    def run(self) -> Run:
        """The one run there is, as it is stored."""
        (found,) = self.services.ports.runs.list(Query()).runs
        return found


@pytest.fixture
def yard(start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Yard]:
    for name in SETTINGS:
        monkeypatch.delenv(name)
    settings = {
        "Storage": azurite().account().connection,
        "ServiceBus": broker().namespace(queues(["scripted"])).connection,
        "Runyard__secretsFolder": str(tmp_path / "secrets"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with AzureStores(azure_settings(settings), SystemClock()) as stores:
        stores.make()
    monkeypatch.setattr("runyard.targets.registry._paths", lambda: {"scripted": f"{__name__}:Scripted"})
    worker = start()
    assert "" == worker.failure
    yield Yard(worker, tmp_path)
    current().close()
    install(None)
    gc.collect()


def headers(yard: Yard) -> dict[str, str]:
    """What a caller shows: the token that the timer put into the vault."""
    if not (yard.folder / "secrets" / TOKEN).exists():
        assert yard.worker.tick("reconcile").ok
    token = (yard.folder / "secrets" / TOKEN).read_text()
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def test_a_message_becomes_a_row_of_the_table_and_then_a_job(yard: Yard) -> None:
    made = yard.worker.http("PUT", "/api/computes/pool", b'{"kind": "scripted", "limit": 2}', headers(yard))
    assert 200 == made.status, made.body
    yard.drop()
    yard.services.ports.queue.send(SUBMISSIONS, BODY)
    yard.deliver(SUBMISSIONS, "accept")
    assert (State.QUEUED, "mine", "queue") == (yard.run().state, yard.run().experiment, yard.run().origin.source)
    yard.deliver(dispatch_queue("scripted"), "dispatch_scripted")
    assert "pool" == yard.run().compute
    assert yard.run().state in {State.STARTING, State.RUNNING}
    shown = yard.worker.http("GET", f"/api/runs/{yard.run().id}", headers=headers(yard))
    assert (200, yard.run().id) == (shown.status, json.loads(shown.body)["runId"])


def test_an_event_becomes_a_message_and_the_same_event_no_second_run(yard: Yard) -> None:
    event = yard.drop()
    for _ in range(2):
        answer = yard.worker.event("blob_created", event)
        assert answer.ok, answer.trace
        yard.deliver(SUBMISSIONS, "accept")
    assert (State.FAILED, "exp", "blob") == (yard.run().state, yard.run().experiment, yard.run().origin.source)
    assert "there are: none" in yard.run().reason


def test_callers_are_known_by_the_token_that_a_timer_made(yard: Yard) -> None:
    assert 200 == yard.worker.http("GET", "/api/health").status
    assert 401 == yard.worker.http("GET", "/api/runs").status
    assert 401 == yard.worker.http("GET", "/api/runs", headers={"Authorization": "Bearer guess"}).status
    answer = yard.worker.http("GET", "/api/runs", headers=headers(yard))
    assert (200, []) == (answer.status, json.loads(answer.body)["runs"])
    for timer in ("reconcile", "schedules", "sweep"):
        assert yard.worker.tick(timer).ok


def test_a_setting_that_only_opening_finds_wrong_is_named_by_every_trigger(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "the setting Runyard__secretsFolder is no folder to write to"
    (yard.folder / "file").write_text("")
    with monkeypatch.context() as wrong:
        wrong.setenv("Runyard__secretsFolder", str(yard.folder / "file"))
        message = Message(queue=SUBMISSIONS, id="m", body=BODY, sequence=1, enqueued=1.0, delivery_count=1)
        triggers = (
            yard.worker.message("accept", message),
            yard.worker.tick("reconcile"),
            yard.worker.http("GET", "/api/runs"),  # the host answers 500, without the sentence
        )
        for answer in triggers:
            assert (False, True) == (answer.ok, says in answer.error), answer.error
    assert 401 == yard.worker.http("GET", "/api/runs").status  # the process is as good as new once it is right
