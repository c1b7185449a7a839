"""Computes, webhooks, queues and the service itself over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.events.github import sign
from tests.served import Served, serving

SECRET = "a-secret-of-the-tests"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


def add(served: Served, **changes: object) -> int:
    body = {
        "name": "train",
        "secret": SECRET,
        "submission": {
            "experiment": "hooked",
            "snapshot": "uploads/a.zip",
            "arguments": ["--alpha={/client_payload/alpha}"],
        },
        **changes,
    }
    return served.http.post("/api/webhooks", json=body).status_code


def post(
    served: Served, body: bytes, signature: str | None, event: str = "repository_dispatch", host: str = "x.example"
) -> int:
    headers = {"X-GitHub-Delivery": "d-1", "X-GitHub-Event": event, "Host": host, "Content-Type": "application/json"}
    if signature is not None:
        headers["X-Hub-Signature-256"] = signature
    request = served.http.build_request("POST", "/api/webhooks/train", content=body, headers=headers)
    del request.headers["Authorization"]
    return served.http.send(request).status_code


def test_a_signed_delivery_starts_a_run_once_and_needs_no_token(served: Served) -> None:
    zipped = served.http.post("/api/snapshots", files={"snapshot": ("a", _zip(), "application/zip")}).json()
    submission = {"experiment": "hooked", "snapshot": zipped, "arguments": ["--alpha={/client_payload/alpha}"]}
    assert 201 == add(served, submission=submission)
    body = json.dumps({"client_payload": {"alpha": 0.3}}).encode()
    assert 202 == post(served, body, sign(SECRET, body))
    assert 202 == post(served, body, sign(SECRET, body))
    served.house.settle()
    run = served.house.only()
    assert run.spec is not None
    assert (("--alpha=0.3",), "webhook") == (run.spec.arguments, run.origin.source)


def _zip() -> bytes:
    from tests.fakes import snapshot

    return snapshot()


def test_a_delivery_without_the_right_signature_is_refused(served: Served) -> None:
    assert 201 == add(served)
    body = b"{}"
    assert 401 == post(served, body, None)
    assert 401 == post(served, body, sign("another", body))
    assert 401 == post(served, b"{ }", sign(SECRET, body))
    assert [] == served.house.runs()


def test_a_ping_asks_for_nothing(served: Served) -> None:
    assert 201 == add(served)
    assert 200 == post(served, b"{}", sign(SECRET, b"{}"), event="ping")


def test_a_delivery_that_is_too_large_is_refused(served: Served) -> None:
    body = b"x" * ((1 << 20) + 1)
    assert 413 == post(served, body, sign(SECRET, body))


def test_the_secret_of_a_webhook_is_in_no_answer(served: Served) -> None:
    assert 201 == add(served)
    listed = served.http.get("/api/webhooks")
    assert SECRET not in listed.text
    (webhook,) = listed.json()["webhooks"]
    assert ("train", "github", "/api/webhooks/train") == (webhook["name"], webhook["kind"], webhook["path"])
    assert SECRET == served.house.ports.secrets.get("webhook-train")
    assert 409 == add(served)
    assert 204 == served.http.delete("/api/webhooks/train").status_code
    assert (None, 404) == (
        served.house.ports.secrets.get("webhook-train"),
        served.http.delete("/api/webhooks/train").status_code,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Not Legal"},
        {"secret": "short"},
        {"submission": {"experiment": "a", "snapshot": "uploads/a.zip", "target": "{/who}"}},
        {"submission": {"experiment": "a b", "snapshot": "uploads/a.zip"}},
        {"submission": {"experiment": "a"}},
    ],
)
def test_a_webhook_that_could_never_work_is_refused_when_it_is_defined(
    served: Served, changes: dict[str, object]
) -> None:
    assert 400 == add(served, **changes)
    assert [] == served.http.get("/api/webhooks").json()["webhooks"]


def test_defining_a_webhook_needs_the_token(served: Served) -> None:
    request = served.http.build_request("POST", "/api/webhooks", json={})
    del request.headers["Authorization"]
    assert 401 == served.http.send(request).status_code


def test_computes_are_listed_set_and_removed(served: Served) -> None:
    made = served.http.put(
        "/api/computes/gpu", json={"kind": "fake", "limit": 3, "options": {"password": "x1y2", "a": 1}}
    )
    assert 200 == made.status_code
    assert ("gpu", 3, {"password": "********", "a": 1}) == (
        made.json()["name"],
        made.json()["limit"],
        made.json()["options"],
    )
    assert 200 == served.http.put("/api/aliases/cluster1", json={"compute": "gpu"}).status_code
    paused = served.http.put("/api/computes/gpu", json={"paused": True}).json()
    assert (True, 3, ["cluster1"]) == (paused["paused"], paused["limit"], paused["aliases"])
    names = [each["name"] for each in served.http.get("/api/computes").json()["computes"]]
    assert ["gpu", "local"] == names
    assert 204 == served.http.delete("/api/aliases/cluster1").status_code
    assert 404 == served.http.delete("/api/aliases/cluster1").status_code
    assert 204 == served.http.delete("/api/computes/gpu").status_code
    assert 400 == served.http.put("/api/computes/new", json={"limit": 1}).status_code
    assert 404 == served.http.put("/api/aliases/a", json={"compute": "nowhere"}).status_code


def test_queues_are_counted_looked_into_and_sent_to(served: Served) -> None:
    sent = served.http.post(f"/api/queues/{SUBMISSIONS}/messages", content=b'{"a": 1}')
    assert (202, True) == (sent.status_code, sent.json()["known"])
    served.http.post(f"/api/queues/{SUBMISSIONS}/messages?delay=60", content=b"\xff")
    counts = {each["name"]: each["messages"] for each in served.http.get("/api/queues").json()["queues"]}
    assert 2 == counts[SUBMISSIONS]
    assert 0 == counts[BURIED]
    first, second = served.http.get(f"/api/queues/{SUBMISSIONS}/messages").json()["messages"]
    assert ('{"a": 1}', "text", sent.json()["messageId"]) == (first["body"], first["encoding"], first["id"])
    assert ("/w==", "base64") == (second["body"], second["encoding"])
    assert not served.http.post("/api/queues/elsewhere/messages", content=b"x").json()["known"]
    assert 400 == served.http.get("/api/queues/no%20name/messages").status_code
    assert 400 == served.http.post(f"/api/queues/{SUBMISSIONS}/messages", content=b"x" * 300_000).status_code


def test_dead_letters_are_sent_again(served: Served) -> None:
    served.house.ports.queue.send(BURIED, b"{}", properties={"source": SUBMISSIONS})
    assert {"redriven": 1} == served.http.post("/api/queues/redrive").json()
    assert 1 == served.house.ports.queue.counts()[SUBMISSIONS]


def test_prune_counts_or_removes(served: Served) -> None:
    run = served.ended(files={"outputs/a": b"x" * 100})
    served.house.clock.advance(1000)
    asked = {"runsOlderThan": 500, "dryRun": True}
    assert (1, 100, True) == tuple(
        served.http.post("/api/prune", json=asked).json()[key] for key in ("runs", "bytes", "dryRun")
    )
    assert 200 == served.http.get(f"/api/runs/{run.id}").status_code
    assert 1 == served.http.post("/api/prune", json={"runsOlderThan": 500}).json()["runs"]
    assert 404 == served.http.get(f"/api/runs/{run.id}").status_code
    assert 400 == served.http.post("/api/prune", json={}).status_code
    assert 422 == served.http.post("/api/prune", json={"runsOlderThan": -1}).status_code


def test_the_doctor_says_what_to_do(served: Served) -> None:
    served.house.ports.queue.send(BURIED, b"{}")
    found = served.http.get("/api/doctor").json()
    assert not found["ok"]
    bad = next(check for check in found["checks"] if not check["ok"])
    assert "redrive" in bad["fix"]
    assert all(check["fix"] == "" for check in found["checks"] if check["ok"])


def test_the_schema_of_submissions_is_served(served: Served) -> None:
    schema = served.http.get("/api/schemas/submission.json").json()
    assert {"experiment", "snapshot"} <= set(schema["properties"])
