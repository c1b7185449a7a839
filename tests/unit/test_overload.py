"""Doors under overload: what is turned away leaves no trace, what was taken in is found, and reads go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runyard.accept import doors
from runyard.api import entrance
from runyard.api.entrance import door_of
from runyard.api.guard import Guard
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ThrottledError
from runyard.events.github import sign
from runyard.ports import Query, Webhook, WebhookSecret
from runyard.runs.states import State
from tests.fakes import sleep_by, snapshot
from tests.served import AUTH, TOKEN, Served, client_over, serving

ROOM = 3
SECRET = "a-secret-of-the-tests"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(doors, "BACKLOG", ROOM)
    with serving() as made:
        yield made


def fill(served: Served) -> None:
    for number in range(ROOM):
        assert 202 == served.submit(key=f"filler-{number}").status_code


def traces(served: Served) -> tuple[int, object, list[str]]:
    ports = served.house.ports
    blobs = [info.name for info in ports.blobs.list("uploads")]
    return len(ports.runs.list(Query(limit=1000)).runs), dict(ports.queue.counts()), blobs


def deliver(served: Served, delivery: str) -> httpx.Response:
    body = b'{"ref": "main"}'
    headers = {
        "X-Hub-Signature-256": sign(SECRET, body),
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "push",
        "Content-Type": "application/json",
    }
    return served.http.post("/api/webhooks/hook", content=body, headers=headers)


def hooked(served: Served) -> None:
    ports = served.house.ports
    ports.blobs.put("uploads", "hook.zip", snapshot())
    submission: dict[str, object] = {"experiment": "hooked", "snapshot": "uploads/hook.zip"}
    first = WebhookSecret(id="1", name="webhook-hook")
    ports.webhooks.put(Webhook(name="hook", kind="github", secrets=(first,), submission=submission))
    ports.secrets.set("webhook-hook", SECRET)


def test_a_full_door_says_when_to_come_again_and_keeps_nothing(served: Served) -> None:
    fill(served)
    before = traces(served)
    for answer in (
        served.submit(key="new"),
        served.submit(),
        served.http.post("/api/runs", json={"experiment": "exp", "snapshot": f"uploads/{before[2][0]}"}),
    ):
        assert (429, "10") == (answer.status_code, answer.headers["Retry-After"])
        error = answer.json()["error"]
        assert "ThrottledError" == error["code"]
        assert "3 submissions wait to be accepted" in error["message"]
        assert "again in 10 s" in error["message"]
    assert before == traces(served)


def test_a_full_door_refuses_before_a_snapshot_is_kept(served: Served) -> None:
    fill(served)
    before = traces(served)
    files: dict[str, tuple[str | None, str | bytes, str]] = {
        "submission": (None, json.dumps({"experiment": "exp"}), "application/json"),
        "snapshot": ("b.zip", snapshot({"train.py": "print('another')"}), "application/zip"),
    }
    assert 429 == served.http.post("/api/runs", files=files, headers={"Idempotency-Key": "b"}).status_code
    assert before == traces(served)


def test_a_repeated_submission_finds_its_run_at_a_full_door_and_adds_nothing(served: Served) -> None:
    fill(served)
    before = traces(served)
    answer = served.submit(key="filler-1")
    assert 200 == answer.status_code
    assert answer.json()["runId"] in {run.id for run in served.house.runs()}
    assert before == traces(served)


def test_a_repeated_delivery_finds_its_run_at_a_full_door(served: Served) -> None:
    hooked(served)
    first = deliver(served, "d-1")
    for number in range(ROOM - 1):
        served.submit(key=f"filler-{number}")
    before = traces(served)
    assert (202, first.json()) == ((again := deliver(served, "d-1")).status_code, again.json())
    refused = deliver(served, "d-2")
    assert (429, "10") == (refused.status_code, refused.headers["Retry-After"])
    assert before == traces(served)


def test_a_run_cannot_be_submitted_again_at_a_full_door(served: Served) -> None:
    fill(served)
    run = served.house.runs()[0]
    assert 429 == served.http.post(f"/api/runs/{run.id}/resubmit").status_code


def test_the_door_opens_once_what_waited_is_accepted(served: Served) -> None:
    fill(served)
    assert 429 == served.submit(key="new").status_code
    served.house.deliver(SUBMISSIONS, most=1)
    assert 202 == served.submit(key="new").status_code
    assert 429 == served.submit(key="newer").status_code
    served.house.settle()
    assert {State.STARTING, State.QUEUED} == {run.state for run in served.house.runs()}


def test_the_doors_of_files_and_of_the_queue_take_everything_in(served: Served) -> None:
    fill(served)
    house = served.house
    for number in range(ROOM):
        house.drop(f"exp/{number}.zip")
        house.send({"experiment": "queued", "snapshot": "snapshots/exp/0.zip", "id": str(number)})
    house.settle()
    assert 3 * ROOM == len(house.runs())


def test_reads_are_answered_while_the_doors_are_full(served: Served) -> None:
    fill(served)
    for path in ("/api/health", "/api/version", "/api/runs", "/api/queues", "/api/computes", "/api/doctor"):
        assert 200 == served.http.get(path).status_code


def test_a_client_without_a_host_is_told_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(served)
    waited: list[float] = []
    sleep_by(monkeypatch, "runyard.sdk.connection", waited.append)
    (tmp_path / "train.py").write_text("")
    client = client_over(served)
    with pytest.raises(ThrottledError, match="see that a host runs"):
        client.submit(tmp_path, experiment="e", key="new")
    assert [] == waited


# How many may be inside at a time


class Crowd:
    """A guarded application whose handlers wait until they are let go; requests are made on one event loop."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.inside = 0
        self.guard = Guard(self.app, get_token=lambda: TOKEN)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.inside += 1
        if scope["method"] != "GET":
            await self.go.wait()
        self.inside -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, method: str, path: str, kind: str = "application/json", body: bytes = b"") -> dict[str, Any]:
        sent: list[dict[str, Any]] = []
        pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)] or [b""]

        async def receive() -> dict[str, Any]:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = {"host": "localhost", "content-type": kind, **AUTH}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "scheme": "http",
            "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        }
        await self.guard(scope, receive, send)
        assert not [piece for piece in pieces if sent[0]["status"] == 429], "the client is still sending"
        return {"status": sent[0]["status"], **{name.decode(): text.decode() for name, text in sent[0]["headers"]}}


async def crowded(path: str, room: int, kind: str = "application/json") -> None:
    crowd = Crowd()
    inside = [asyncio.ensure_future(crowd.ask("POST", path, kind)) for _ in range(room)]
    await asyncio.sleep(0)
    assert room == crowd.inside
    turned_away = await crowd.ask("POST", path, kind, body=b"x" * 5000)
    assert (429, "1") == (turned_away["status"], turned_away["retry-after"])
    assert 200 == (await crowd.ask("GET", "/api/runs"))["status"]
    assert 200 == (await crowd.ask("GET", "/api/health"))["status"]
    crowd.go.set()
    assert {200} == {(await each)["status"] for each in inside}
    assert 200 == (await crowd.ask("POST", path, kind))["status"]


@pytest.mark.parametrize("path", ["/api/runs", "/api/runs/r/resubmit", "/api/webhooks/h", "/api/queues/q/messages"])
def test_no_more_submissions_at_a_time_than_there_is_room_for(path: str) -> None:
    asyncio.run(crowded(path, entrance.SUBMISSIONS))


@pytest.mark.parametrize("path", ["/api/runs", "/api/snapshots", "/api/uploads"])
def test_no_more_uploads_at_a_time_than_there_is_room_for(path: str) -> None:
    asyncio.run(crowded(path, entrance.UPLOADS, "multipart/form-data; boundary=x"))


def test_a_request_that_fails_leaves_its_place() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no")

    async def many() -> list[int]:
        crowd = Crowd()
        crowd.guard = Guard(broken, get_token=lambda: TOKEN)
        return [(await crowd.ask("POST", "/api/runs"))["status"] for _ in range(entrance.SUBMISSIONS + 2)]

    assert {500} == set(asyncio.run(many()))


@pytest.mark.parametrize(
    ("method", "path", "door"),
    [
        ("POST", "/api/runs", "submissions"),
        ("GET", "/api/runs", None),
        ("POST", "/api/runs/x/cancel", None),
        ("PUT", "/api/uploads/ab/3", "uploads"),
        ("POST", "/api/uploads/ab/complete", "uploads"),
        ("POST", "/api/queues/redrive", None),
        ("POST", "/api/prune", None),
        ("GET", "/api/health", None),
        ("DELETE", "/api/webhooks/h", None),
    ],
)
def test_what_takes_work_in_is_counted_and_nothing_else(method: str, path: str, door: str | None) -> None:
    assert door == door_of({"method": method, "path": path, "headers": []})
