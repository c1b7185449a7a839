"""Event Grid tells of blobs: the run of that blob, once, and of none that may not run."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.dispatch.wakes import SUBMISSIONS
from tests.fakes import snapshot
from tests.served import Served
from tests.unit.hooked import send, served
from tests.webhooks import (
    SECRET,
    blob_created,
    grid,
    structured,
)

__all__ = ["served"]  # a fixture


def blob_hook(served: Served, **more: Any) -> None:
    definition = {"name": "hook", "kind": "eventgrid", "secret": SECRET, "blobDrops": True, **more}
    assert 201 == served.http.post("/api/webhooks", json=definition).status_code


def dropped(served: Served, name: str = "ridge/a.zip") -> dict[str, Any]:
    info = served.house.ports.blobs.put("snapshots", name, snapshot())
    return blob_created(name, info.etag)


@pytest.mark.parametrize("quoted", [False, True])
def test_a_blobs_event_starts_the_run_of_that_blob_however_it_comes(served: Served, quoted: bool) -> None:
    blob_hook(served)
    event = dropped(served)
    if quoted:
        event["data"]["eTag"] = f'"{event["data"]["eTag"]}"'
    answer = send(served, grid([event]))
    assert 202 == answer.status_code, answer.text
    served.settle()
    run = served.house.only()
    assert (answer.json()["runId"], "ridge", "blob") == (run.id, run.experiment, run.origin.source)
    assert run.id == send(served, grid([event])).json()["runId"]
    cloud = {"specversion": "1.0", "type": event["eventType"], "source": event["topic"], "time": event["eventTime"]}
    cloud |= {name: event[name] for name in ("id", "subject", "data")}
    assert run.id == send(served, structured(cloud)).json()["runId"]
    assert 0 == served.house.ports.queue.counts().get(SUBMISSIONS, 0)
    served.settle()
    assert 1 == len(served.house.runs())


def test_the_same_blob_told_of_by_storage_itself_is_the_same_run(served: Served) -> None:
    from runyard.accept import drop
    from runyard.events.blob import parse_blob_event

    blob_hook(served)
    event = dropped(served)
    told = parse_blob_event(event)
    assert told is not None
    drop(served.house.ports, told)
    send(served, grid([event]))
    served.settle()
    assert 1 == len(served.house.runs())


@pytest.mark.parametrize("api", ["CreateFile", "SftpCreate", "PutBlockFromURL", "AppendFile", ""])
def test_a_blob_that_is_not_whole_yet_starts_nothing(served: Served, api: str) -> None:
    blob_hook(served)
    event = dropped(served)
    event["data"]["api"] = api
    assert (200, {"runId": None}) == ((answer := send(served, grid([event]))).status_code, answer.json())
    served.settle()
    assert [] == served.house.runs()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda event: event.update(subject="/blobServices/default/containers/secrets/blobs/a.zip"), 400),
        (lambda event: event.update(subject="/blobServices/default/containers/snapshots/blobs/no/such.zip"), 404),
        (lambda event: event.update(subject="snapshots/a.zip"), 400),
        (lambda event: event["data"].pop("eTag"), 400),
        (lambda event: event.update(data=None), 400),
        (lambda event: event.update(eventType="Microsoft.Storage.BlobDeleted"), 200),
        (lambda event: event.update(subject="/blobServices/default/containers/snapshots/blobs/a.txt"), 200),
    ],
)
def test_a_blobs_event_that_names_nothing_that_may_run_starts_nothing(served: Served, change: Any, status: int) -> None:
    blob_hook(served)
    event = dropped(served)
    change(event)
    assert status == send(served, grid([event])).status_code
    served.settle()
    assert [] == served.house.runs()


def test_a_blob_that_changed_since_its_event_is_not_run_in_its_place(served: Served) -> None:
    blob_hook(served)
    event = dropped(served)
    served.house.ports.blobs.put("snapshots", "ridge/a.zip", snapshot({"train.py": "print('newer')\n"}))
    assert 202 == send(served, grid([event])).status_code
    served.settle()
    run = served.house.only()
    assert "Failed" == run.status
    assert "changed" in run.reason
