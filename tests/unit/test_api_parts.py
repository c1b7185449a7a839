"""Computes, webhooks, queues and the service itself over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.events.github import sign
from tests.fakes import snapshot
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
    served.house.ports.blobs.put("uploads", "a.zip", snapshot())
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
    zipped = served.http.post("/api/snapshots", files={"snapshot": ("a", snapshot(), "application/zip")}).json()
    submission = {"experiment": "hooked", "snapshot": zipped, "arguments": ["--alpha={/client_payload/alpha}"]}
    assert add(served, submission=submission) == 201
    body = json.dumps({"client_payload": {"alpha": 0.3}}).encode()
    assert post(served, body, sign(SECRET, body)) == 202
    assert post(served, body, sign(SECRET, body)) == 202
    served.settle()
    run = served.house.only()
    assert run.spec is not None
    assert (run.spec.arguments, run.origin.source) == (("--alpha=0.3",), "webhook")


def test_a_delivery_without_the_right_signature_is_refused(served: Served) -> None:
    assert add(served) == 201
    body = b"{}"
    assert post(served, body, None) == 401
    assert post(served, body, sign("another", body)) == 401
    assert post(served, b"{ }", sign(SECRET, body)) == 401
    assert served.house.runs() == []


def test_a_ping_asks_for_nothing(served: Served) -> None:
    assert add(served) == 201
    assert post(served, b"{}", sign(SECRET, b"{}"), event="ping") == 200


def test_a_delivery_that_is_too_large_is_refused(served: Served) -> None:
    assert add(served) == 201
    body = b"x" * ((25 << 20) + 1)
    assert post(served, body, sign(SECRET, body)) == 413


def test_the_secret_of_a_webhook_is_in_no_answer(served: Served) -> None:
    assert add(served) == 201
    listed = served.http.get("/api/webhooks")
    assert SECRET not in listed.text
    (webhook,) = listed.json()["webhooks"]
    assert (webhook["name"], webhook["kind"], webhook["path"]) == ("train", "github", "/api/webhooks/train")
    assert served.house.ports.secrets.get("webhook-train") == SECRET
    assert add(served) == 409
    assert served.http.delete("/api/webhooks/train").status_code == 204
    assert (
        served.house.ports.secrets.get("webhook-train"),
        served.http.delete("/api/webhooks/train").status_code,
    ) == (None, 404)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Not Legal"},
        {"secret": "short"},
        {"submission": {"experiment": "a", "snapshot": "uploads/a.zip", "target": "{/who}"}},
        {"submission": {"experiment": "a b", "snapshot": "uploads/a.zip"}},
        {"submission": {"experiment": "a"}},
        {"submission": {"experiment": "a", "snapshot": "elsewhere/a.zip"}},
        {"submission": {"experiment": "a", "snapshot": "uploads/a.zip", "target": "nowhere"}},
        {"submission": {"experiment": "a", "snapshot": "uploads/a.zip", "arguments": {"{/a}": "b"}}},
    ],
)
def test_a_webhook_that_could_never_work_is_refused_when_it_is_defined(
    served: Served, changes: dict[str, object]
) -> None:
    assert add(served, **changes) == 400
    assert served.http.get("/api/webhooks").json()["webhooks"] == []


def test_a_webhook_of_a_snapshot_that_is_not_there_is_refused(served: Served) -> None:
    assert add(served, submission={"experiment": "a", "snapshot": "uploads/none.zip"}) == 404


def test_a_delivery_whose_id_is_too_long_is_refused(served: Served) -> None:
    assert add(served) == 201
    headers = {"X-GitHub-Delivery": "d" * 201, "X-GitHub-Event": "push", "X-Hub-Signature-256": sign(SECRET, b"{}")}
    answer = served.http.post("/api/webhooks/train", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "EventError")


def test_defining_a_webhook_needs_the_token(served: Served) -> None:
    request = served.http.build_request("POST", "/api/webhooks", json={})
    del request.headers["Authorization"]
    assert served.http.send(request).status_code == 401


def test_computes_are_listed_set_and_removed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.computes.catalog.OWN_KIND", "fake")  # the kind that is there in these tests
    made = served.http.put(
        "/api/computes/gpu", json={"kind": "fake", "limit": 3, "options": {"password": "x1y2", "a": 1}}
    )
    assert made.status_code == 200
    assert (
        made.json()["name"],
        made.json()["limit"],
        made.json()["options"],
    ) == ("gpu", 3, {"password": "********", "a": 1})
    assert served.http.put("/api/aliases/cluster1", json={"compute": "gpu"}).status_code == 200
    paused = served.http.put("/api/computes/gpu", json={"paused": True}).json()
    assert (paused["paused"], paused["limit"], paused["aliases"]) == (True, 3, ["cluster1"])
    names = [each["name"] for each in served.http.get("/api/computes").json()["computes"]]
    assert names == ["gpu", "local"]
    assert served.http.delete("/api/aliases/cluster1").status_code == 204
    assert served.http.delete("/api/aliases/cluster1").status_code == 404
    assert served.http.delete("/api/computes/gpu").status_code == 204
    assert served.http.put("/api/computes/new", json={"limit": 1}).status_code == 400
    assert "compute pause" in served.http.delete("/api/computes/local").json()["error"]["message"]
    assert served.http.put("/api/aliases/a", json={"compute": "nowhere"}).status_code == 404


def test_queues_are_counted_looked_into_and_sent_to(served: Served) -> None:
    sent = served.http.post(f"/api/queues/{SUBMISSIONS}/messages", content=b'{"a": 1}')
    assert (sent.status_code, sent.json()["known"]) == (202, True)
    served.http.post(f"/api/queues/{SUBMISSIONS}/messages?delay=60", content=b"\xff")
    counts = {each["name"]: each["messages"] for each in served.http.get("/api/queues").json()["queues"]}
    assert counts[SUBMISSIONS] == 2
    assert counts[BURIED] == 0
    first, second = served.http.get(f"/api/queues/{SUBMISSIONS}/messages").json()["messages"]
    assert ('{"a": 1}', "text", sent.json()["messageId"]) == (first["body"], first["encoding"], first["id"])
    assert (second["body"], second["encoding"]) == ("/w==", "base64")
    assert not served.http.post("/api/queues/elsewhere/messages", content=b"x").json()["known"]
    assert served.http.get("/api/queues/no%20name/messages").status_code == 400
    assert served.http.post(f"/api/queues/{SUBMISSIONS}/messages", content=b"x" * 300_000).status_code == 400


def test_dead_letters_are_sent_again(served: Served) -> None:
    served.house.ports.queue.send(BURIED, b"{}", properties={"source": SUBMISSIONS})
    assert served.http.post("/api/queues/redrive").json() == {"redriven": 1}
    assert served.house.ports.queue.counts()[SUBMISSIONS] == 1


def test_prune_counts_or_removes(served: Served) -> None:
    run = served.ended(files={"outputs/a": b"x" * 100})
    served.house.clock.advance(1000)
    asked = {"runsOlderThan": 500, "dryRun": True}
    assert tuple(served.http.post("/api/prune", json=asked).json()[key] for key in ("runs", "bytes", "dryRun")) == (
        1,
        100,
        True,
    )
    assert served.http.get(f"/api/runs/{run.id}").status_code == 200
    assert served.http.post("/api/prune", json={"runsOlderThan": 500}).json()["runs"] == 1
    assert served.http.get(f"/api/runs/{run.id}").status_code == 404
    assert served.http.post("/api/prune", json={}).status_code == 400
    assert served.http.post("/api/prune", json={"runsOlderThan": -1}).status_code == 422


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
