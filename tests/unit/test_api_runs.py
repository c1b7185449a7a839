"""Runs over HTTP: asking, listing, showing, ending."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from runyard.api import listing, uploads
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.runs.states import State
from tests.fakes import snapshot
from tests.served import Served, serving

DETAILS = {
    "runId", "target", "status", "startTimeUtc", "endTimeUtc", "error", "properties", "tags", "runDefinition", "logFiles",
    "experiment", "createdTimeUtc", "displayName", "attempt", "reason", "source", "snapshot", "exitCode", "metrics",
    "logComplete", "logBytes", "queuePosition", "compute", "priority", "mayStillRun", "traceId",
}  # fmt: skip


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


def metrics(**values: float) -> bytes:
    return b"".join(
        json.dumps({"name": name, "type": "azureml.v1.scalar", "value": value}).encode() + b"\n"
        for name, value in values.items()
    )


def test_a_snapshot_with_a_submission_becomes_a_run(served: Served) -> None:
    answer = served.submit("exp", arguments=["--alpha", 0.5], tags={"a": "b"}, displayName="first")
    assert answer.status_code == 202
    run = answer.json()
    assert f"/api/runs/{run['runId']}" == answer.headers["location"]
    assert set(run) == DETAILS
    assert (run["status"], run["displayName"], run["tags"]) == ("NotStarted", "first", {"a": "b"})
    assert run["createdTimeUtc"].endswith("Z")
    served.settle()
    shown = served.http.get(f"/api/runs/{run['runId']}").json()
    assert (shown["status"], shown["runDefinition"]["arguments"]) == ("Running", ["--alpha", "0.5"])
    assert shown["snapshot"]["container"] == "uploads"
    assert shown["snapshot"]["name"] == shown["snapshot"]["sha256"] + ".zip"


def test_the_same_bytes_are_kept_once(served: Served) -> None:
    served.submit("one")
    served.submit("two")
    assert len(served.house.ports.blobs.list("uploads")) == 1


def test_the_same_key_finds_the_same_run(served: Served) -> None:
    first, again = served.submit(key="k-1"), served.submit(key="k-1")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["runId"] == again.json()["runId"]
    assert served.submit(key="k-2").json()["runId"] != first.json()["runId"]
    assert served.submit(key="k" * 201).status_code == 400


def test_a_reference_to_a_stored_snapshot_is_taken(served: Served) -> None:
    zipped = {"snapshot": ("a.zip", snapshot(), "application/zip")}
    stored = served.http.post("/api/snapshots", files=zipped)
    assert stored.status_code == 201
    reference = stored.json()
    answer = served.http.post("/api/runs", json={"experiment": "exp", "snapshot": reference})
    assert answer.status_code == 202
    text = f"{reference['container']}/{reference['name']}"
    assert served.http.post("/api/runs", json={"experiment": "exp", "snapshot": text}).status_code == 202


@pytest.mark.parametrize(
    ("reference", "status"),
    [("uploads/none.zip", 404), ("secrets/a.zip", 400), ("runs/a", 400), ("uploads/../../x", 400), ("x", 400)],
)
def test_a_reference_leads_nowhere_else(served: Served, reference: str, status: int) -> None:
    answer = served.http.post("/api/runs", json={"experiment": "exp", "snapshot": reference})
    assert status == answer.status_code, answer.text


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({"submission": "{}"}, "'snapshot'"),
        ({"snapshot": snapshot()}, "'submission'"),
        ({"snapshot": snapshot(), "submission": "{not json"}, "JSON"),
        ({"snapshot": snapshot(), "submission": "[]"}, "object"),
        ({"snapshot": b"no zip at all", "submission": '{"experiment": "a"}'}, "zip"),
        ({"snapshot": snapshot(), "submission": '{"experiment": "no spaces please"}'}, "experiment"),
        ({"snapshot": snapshot(), "submission": '{"experiment": "a", "color": "s3cret"}'}, "color"),
        ({"snapshot": snapshot(), "submission": '{"experiment": "a", "snapshot": "uploads/x"}'}, "leave"),
    ],
)
def test_a_bad_upload_is_one_sentence_and_keeps_nothing(served: Served, parts: dict[str, bytes], word: str) -> None:
    files = {
        name: ("a.zip", data, "application/zip") if name == "snapshot" else (None, data, "application/json")
        for name, data in parts.items()
    }
    answer = served.http.post("/api/runs", files=files)
    assert answer.status_code == 400, answer.text
    message = answer.json()["error"]["message"]
    assert word in message
    assert "s3cret" not in message
    assert list(served.house.ports.blobs.list("uploads")) == []
    assert served.house.runs() == []


def test_a_part_that_is_there_twice_is_refused(served: Served) -> None:
    parts = [("snapshot", ("a.zip", snapshot(), "application/zip"))] * 2
    answer = served.http.post("/api/snapshots", files=parts)
    assert (answer.status_code, "twice" in answer.json()["error"]["message"]) == (400, True)


def test_a_broken_multipart_body_is_told(served: Served) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = served.http.post("/api/runs", content=b"garbage", headers={"Content-Type": kind})
        assert answer.status_code == 400, answer.text
    assert served.http.post("/api/runs", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 400


def test_too_large_a_snapshot_is_refused_while_it_comes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.api.guard.MAX_SNAPSHOT", 1 << 16)
    monkeypatch.setattr("runyard.api.guard.MAX_BODY", 1 << 16)

    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="snapshot"; filename="a"\r\n\r\n'
        for _ in range(10):
            yield b"x" * (1 << 15)

    answer = served.http.post("/api/runs", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413
    monkeypatch.setattr(uploads, "MAX_SNAPSHOT", 10)
    monkeypatch.setattr("runyard.api.guard.MAX_SNAPSHOT", 1 << 30)
    assert served.submit().status_code == 400


def test_a_full_disk_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.house.ports.blobs, "put", full)
    answer = served.submit()
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "StorageFullError")


def test_runs_are_listed_newest_first_in_pages(served: Served) -> None:
    ids = []
    for number in range(5):
        ids.append(served.submit(f"e{number}").json()["runId"])
        served.house.clock.advance(1)
    first = served.http.get("/api/runs?limit=3").json()
    second = served.http.get(f"/api/runs?limit=3&after={first['next']}").json()
    assert ids[::-1] == [run["runId"] for run in first["runs"] + second["runs"]]
    assert second["next"] is None
    assert DETAILS - {"runDefinition", "logFiles", "queuePosition", "mayStillRun", "traceId"} == set(first["runs"][0])


def test_listings_are_narrowed(served: Served) -> None:
    served.ended("done")
    served.running("busy")

    def experiments(**params: str) -> list[str]:
        return [run["experiment"] for run in served.http.get("/api/runs", params=params).json()["runs"]]

    assert experiments(status="completed") == ["done"]
    assert experiments(status="Running") == ["busy"]
    assert experiments(experiment="busy") == ["busy"]
    assert experiments(target="elsewhere") == []
    answer = served.http.get("/api/runs?status=Sleeping")
    assert answer.status_code == 400
    assert "CancelRequested" in answer.json()["error"]["message"]


def test_the_best_runs_by_a_metric_come_first(served: Served) -> None:
    for name, mse in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        served.ended(name, files={"metrics.jsonl": metrics(mse=mse)})
    served.ended("none")
    page = served.http.get("/api/runs?sort=mse&limit=2").json()
    assert (
        [run["experiment"] for run in page["runs"]],
        page["goal"],
        page["truncated"],
    ) == (["b", "c"], "minimize", False)
    largest = served.http.get("/api/runs?sort=mse&goal=maximize").json()["runs"]
    assert [run["experiment"] for run in largest] == ["a", "c", "b"]
    assert served.http.get("/api/runs?sort=mse&goal=sideways").status_code == 400
    assert served.http.get("/api/runs?sort=mse&after=x").status_code == 400


def test_a_sorted_listing_says_when_it_left_runs_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        served.ended(name, files={"metrics.jsonl": metrics(mse=1)})
    monkeypatch.setattr(listing, "PAGE", 1)
    monkeypatch.setattr(listing, "MOST", 2)
    page = served.http.get("/api/runs?sort=mse").json()
    assert (len(page["runs"]), page["truncated"]) == (2, True)


def test_runs_are_found_by_a_part_of_their_id(served: Served) -> None:
    run = served.submit("findme").json()["runId"]
    served.submit("other")
    for part in ("findme", run[-6:]):
        assert [run] == [each["runId"] for each in served.http.get(f"/api/runs?match={part}").json()["runs"]]
    assert served.http.get("/api/runs?match=ab").status_code == 400


def test_a_waiting_run_shows_its_place(served: Served) -> None:
    runs = [served.submit(f"e{number}").json()["runId"] for number in range(4)]
    served.house.deliver(SUBMISSIONS)
    assert [served.http.get(f"/api/runs/{run}").json()["queuePosition"] for run in runs] == [1, 2, 3, 4]


def test_history_and_attempts_are_shown(served: Served) -> None:
    run = served.ended()
    events = served.http.get(f"/api/runs/{run.id}/history").json()["events"]
    assert [event["status"] for event in events][:2] == ["NotStarted", "Queued"]
    assert events[-1]["status"] == "Completed"
    assert all(event["reason"] and event["who"] and event["timeUtc"].endswith("Z") for event in events)
    (attempt,) = served.http.get(f"/api/runs/{run.id}/attempts").json()["attempts"]
    assert (attempt["attempt"], attempt["outcome"], attempt["exitCode"]) == (1, "exited", 0)


@pytest.mark.parametrize("rest", ["", "/history", "/attempts", "/metrics", "/logs", "/files", "/files/a"])
def test_a_run_that_does_not_exist_is_not_found(served: Served, rest: str) -> None:
    answer = served.http.get(f"/api/runs/nobody_1_00000000{rest}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NotFoundError")


def test_metrics_come_in_the_sdks_shapes(served: Served) -> None:
    lines = (
        metrics(mse=0.5, alpha=1)
        + metrics(mse=0.25)
        + b'{"name": "depth", "type": "runyard.param", "value": "3"}\n'
        + b'{"name": "displayName", "type": "runyard.property", "value": "night"}\n'
        + b'{"name": "author", "type": "runyard.property", "value": "me"}\n'
        + b'{"name": "bad", "type": "azureml.v1.scalar", "value": "NaN"}\n{"na'
    )
    run = served.ended(files={"metrics.jsonl": lines})
    shown = served.http.get(f"/api/runs/{run.id}/metrics").json()
    assert shown["metrics"] == {"mse": [0.5, 0.25], "alpha": 1, "bad": "NaN"}
    assert shown["params"] == {"depth": "3"}
    assert shown["problems"] == ["1 lines of metrics.jsonl could not be read"]
    details = served.http.get(f"/api/runs/{run.id}").json()
    assert details["metrics"]["mse"] == {"last": 0.25, "min": 0.25, "max": 0.5, "count": 2}
    assert (details["displayName"], details["properties"]["author"]) == ("night", "me")


def test_cancel_is_a_flag_and_repeatable(served: Served) -> None:
    run = served.running()
    first = served.http.post(f"/api/runs/{run.id}/cancel", headers={"X-Runyard-Caller": "cli:alice"})
    assert (first.status_code, first.json()["status"]) == (202, "CancelRequested")
    assert served.http.post(f"/api/runs/{run.id}/cancel").status_code == 202
    assert "cli:alice" in [event.who for event in served.house.ports.runs.history(run.id)]
    waiting = served.submit("later").json()["runId"]
    ended = served.http.post(f"/api/runs/{waiting}/cancel")
    assert (ended.status_code, ended.json()["status"]) == (200, "Canceled")
    assert served.http.post("/api/runs/nobody_1_00000000/cancel").status_code == 404


def test_resubmit_makes_another_run(served: Served) -> None:
    run = served.ended()
    answer = served.http.post(f"/api/runs/{run.id}/resubmit", json={"arguments": ["--alpha=1"]})
    assert answer.status_code == 202
    served.settle()
    again = served.house.ports.runs.get(answer.json()["runId"])
    assert again is not None
    assert again.spec is not None
    assert (again.state, again.spec.arguments) == (State.RUNNING, ("--alpha=1",))
    assert served.http.post(f"/api/runs/{run.id}/resubmit").status_code == 202


def test_secrets_of_a_run_definition_are_masked(served: Served) -> None:
    answer = served.submit("exp", environmentVariables={"DB_PASSWORD": "hunter2", "MODE": "fast"})
    served.settle()
    shown = served.http.get(f"/api/runs/{answer.json()['runId']}")
    assert "hunter2" not in shown.text
    assert shown.json()["runDefinition"]["environment"]["environmentVariables"]["MODE"] == "fast"
