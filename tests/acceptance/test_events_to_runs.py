"""Every door starts runs, once each, with everything real."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.yard import APP, Yard, running
from tests.fakes import runconfig, snapshot

HELLO = "print('hello')\n"


def test_a_dropped_zip_runs_to_completed_with_log_outputs_and_metrics(yard: Yard) -> None:
    script = (
        "from azureml.core import Run\n"
        "run = Run.get_context()\n"
        "for step in range(3):\n    run.log('mse', 3 - step)\n"
        "open('outputs/model.txt', 'w').write('m')\n"
        "print('done', run.id)\n"
    )
    run = yard.run(script)
    assert "Completed" == run.status, run.reason
    assert f"done {run.id}\n".encode() == yard.log(run)
    assert b"m" == (yard.root / "runs" / run.id / "1" / "outputs" / "model.txt").read_bytes()
    summary = run.metrics["mse"]
    assert (1.0, 1.0, 3.0, 3) == (summary.last, summary.min, summary.max, summary.count)
    assert (0, True, len(yard.log(run))) == (run.exit_code, run.log_complete, run.log_bytes)


def test_the_first_zip_of_a_new_experiment_folder_starts_within_a_second(yard: Yard) -> None:
    yard.run(HELLO, "warm/a.zip")
    (yard.root / "snapshots" / "brand-new").mkdir()
    written = time.time()
    yard.drop("import time\nprint(time.time())\n", "brand-new/a.zip")
    run = yard.wait(lambda: next((r for r in yard.runs("brand-new") if r.has_ended), None))
    assert float(yard.log(run)) - written < 1.0


def test_a_zip_written_slowly_does_not_start_before_it_is_closed(yard: Yard) -> None:
    data = snapshot({"train.py": "import time\nprint(time.time())\n"})
    folder = yard.root / "snapshots" / "slow"
    folder.mkdir()
    with (folder / "a.zip").open("wb") as file:
        for start in range(0, len(data), 100):
            file.write(data[start : start + 100])
            file.flush()
            time.sleep(0.3)
        closed = time.time()
    run = yard.wait(lambda: next((r for r in yard.runs("slow") if r.has_ended), None))
    assert "Completed" == run.status, run.reason
    assert float(yard.log(run)) >= closed
    assert 1 == len(yard.runs("slow"))


@pytest.mark.slow
def test_zips_copied_while_the_host_is_down_all_run_once_when_it_is_up(root: Path) -> None:
    with running(root) as yard:
        yard.run(HELLO, "night/before.zip")
    for number in range(200):
        (root / "snapshots" / "night" / f"{number}.zip").write_bytes(snapshot())
    with running(root) as yard:
        yard.wait(lambda: (len(yard.runs("night")) >= 201 and all(r.has_ended for r in yard.runs("night"))) or None)
        runs = yard.runs("night")
        assert 201 == len({run.origin.name for run in runs}) == len(runs)
        assert {"Completed"} == {run.status for run in runs}


def test_a_truncated_zip_becomes_a_failed_run_that_says_so(yard: Yard) -> None:
    yard.put("snapshots", "bad/a.zip", snapshot()[:-40])
    run = yard.wait(lambda: next((r for r in yard.runs("bad") if r.has_ended), None))
    assert "Failed" == run.status
    assert "zip" in run.reason
    assert "\n" not in run.reason


def test_a_queue_message_and_its_repetition_make_one_run(yard: Yard) -> None:
    yard.put("uploads", "plain.zip", snapshot())
    body = {"experiment": "plain", "snapshot": "uploads/plain.zip", "id": "once"}
    with yard.client() as client:
        for _ in range(2):
            assert client.post("/api/queues/submissions/messages", json=body).is_success
    run = yard.wait(lambda: next((r for r in yard.runs("plain") if r.has_ended), None))
    assert ("Completed", "queue") == (run.status, run.origin.source)
    assert 1 == len(yard.runs("plain"))


def test_a_cloud_event_starts_a_run(yard: Yard) -> None:
    yard.put("uploads", "plain.zip", snapshot())
    data = {"experiment": "ce", "snapshot": "uploads/plain.zip"}
    event = {"specversion": "1.0", "id": "7", "source": "/curated", "type": "com.example.refreshed", "data": data}
    with yard.client() as client:
        assert client.post("/api/queues/submissions/messages", json=event).is_success
    assert "Completed" == yard.wait(lambda: next((r for r in yard.runs("ce") if r.has_ended), None)).status


def test_a_signed_webhook_starts_a_run_and_a_forged_one_does_not(yard: Yard) -> None:
    yard.put("uploads", "r.zip", snapshot({"train.py": "import sys\nprint(sys.argv[1:])\n"}))
    definition = {
        "name": "retrain",
        "kind": "github",
        "secret": "s3cret-of-the-hook",
        "submission": {
            "experiment": "hook",
            "snapshot": "uploads/r.zip",
            "arguments": ["--alpha={/client_payload/alpha}"],
        },
    }
    body = json.dumps({"client_payload": {"alpha": 0.25}}).encode()

    def headers(secret: str) -> dict[str, str]:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": "d-1",
            "X-Hub-Signature-256": f"sha256={signature}",
            "Content-Type": "application/json",
        }

    with yard.client() as client, yard.client(token=None) as stranger:
        assert client.post("/api/webhooks", json=definition).is_success
        assert 401 == stranger.post("/api/webhooks/retrain", content=body, headers=headers("forged")).status_code
        for _ in range(2):
            answer = stranger.post("/api/webhooks/retrain", content=body, headers=headers("s3cret-of-the-hook"))
            assert answer.is_success, answer.text
    run = yard.wait(lambda: next((r for r in yard.runs("hook") if r.has_ended), None))
    assert b"['--alpha=0.25']\n" == yard.log(run)
    assert 1 == len(yard.runs())


def test_an_upload_over_http_runs_and_its_key_makes_it_repeatable(yard: Yard) -> None:
    with yard.client() as client:
        ids = set()
        for status in (202, 200):  # taken; already there
            answer = client.post(
                "/api/runs",
                files={"snapshot": ("a.zip", snapshot(), "application/zip")},
                data={"submission": json.dumps({"experiment": "up"})},
                headers={"Idempotency-Key": "k-1"},
            )
            assert status == answer.status_code, answer.text
            ids.add(answer.json()["runId"])
            assert client.get(answer.headers["Location"]).json()["runId"] in ids
        (run_id,) = ids
        yard.ended(run_id)
        details = client.get(f"/api/runs/{run_id}").json()
        assert ("Completed", "local", "up") == (details["status"], details["target"], details["experiment"])
    with yard.client(token="wrong") as stranger:
        assert 401 == stranger.get(f"/api/runs/{run_id}").status_code


def test_a_message_nobody_can_read_is_on_record(yard: Yard) -> None:
    with yard.client() as client:
        assert client.post("/api/queues/submissions/messages", content=b'{"experiment": 7}').is_success
    run = yard.wait(lambda: next((r for r in yard.runs("_rejected") if r.has_ended), None))
    assert "experiment" in run.reason


@pytest.fixture
def _no_app_imported() -> Iterator[None]:
    """A process loads one app; here a second one with the same package names is to be read afresh."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "functions"]:
            del sys.modules[name]

    path = list(sys.path)
    forget()
    yield
    sys.path[:] = path
    forget()


@pytest.mark.usefixtures("_no_app_imported")
def test_the_host_follows_a_renamed_queue(root: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for name in ("function_app.py", "host.json"):
        shutil.copy(APP.parent / name, app / name)
    shutil.copytree(APP.parent / "functions", app / "functions")
    handler = app / "functions" / "submissions.py"
    handler.write_text(handler.read_text().replace("queue_name=SUBMISSIONS", 'queue_name="asked"'))
    with running(root, app / "function_app.py") as yard:
        (root / "uploads").mkdir(exist_ok=True)
        (root / "uploads" / "a.zip").write_bytes(snapshot())
        yard.ports.queue.send("asked", json.dumps({"experiment": "renamed", "snapshot": "uploads/a.zip"}).encode())
        assert "Completed" == yard.wait(lambda: next((r for r in yard.runs("renamed") if r.has_ended), None)).status


def test_what_asks_for_more_than_there_is_says_so(yard: Yard) -> None:
    unbuilt = {
        "python": {"userManagedDependencies": True},
        "docker": {"enabled": True, "buildContext": {"location": "x"}},
    }
    for changes, word in (
        ({"framework": "PySpark"}, "PySpark"),
        ({"target": "mydsvm"}, "mydsvm"),
        ({"environment": unbuilt}, "buildContext"),
    ):
        run = yard.run(HELLO, f"wrong/{word}.zip", **changes)
        assert "Failed" == run.status
        assert word in run.reason


def test_a_missing_script_is_named_with_those_there_are(yard: Yard) -> None:
    yard.put("snapshots", "wrong/a.zip", snapshot({"train.py": HELLO}, config=runconfig(script="trian.py")))
    run = yard.wait(lambda: next((r for r in yard.runs("wrong") if r.has_ended), None))
    assert "Failed" == run.status
    assert "trian.py" in run.reason
    assert "train.py" in run.reason
