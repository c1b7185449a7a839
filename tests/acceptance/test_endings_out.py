"""Endings go out of a real host: to a receiver over HTTP, to a webhook of Runyard's own, and into the next run."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from runyard.cli.main import app
from runyard.events.signatures import STANDARD, Signing, header_of, new_secret, verify
from runyard.runs.model import Run
from tests.acceptance.yard import TOKEN, Yard, running
from tests.fakes import runconfig, snapshot
from tests.standins.receiver import LOST, receiving, wait_for

PRINTS = "import sys\nprint(sys.argv[1:])\n"


def run_of(yard: Yard, experiment: str) -> Run:
    """The one run of an experiment, once it has ended."""

    def look() -> Run | None:
        found = yard.runs(experiment)
        return found[0] if found and found[0].has_ended else None

    return yard.wait(look)


def command(yard: Yard, *args: str) -> str:
    """A command beside the host, as a user types it."""
    result = CliRunner().invoke(app, ["--root", str(yard.root), *args], catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return result.output


def test_one_runs_end_starts_anothers_beginning(yard: Yard, tmp_path: Path) -> None:
    project = tmp_path / "train.zip"
    project.write_bytes(snapshot({"train.py": PRINTS}, config=runconfig()))
    options = ("--experiment", "prepare", "--state", "Completed", "--target-experiment", "train")
    command(
        yard, "notify", "add", "chain", *options, "--queue", "submissions", "--snapshot", str(project),
        "--arg=--from={/data/runId}",
    )  # fmt: skip
    first = yard.run("print('ready')\n", "prepare/a.zip")
    second = run_of(yard, "train")
    assert "Completed" == second.status
    assert f"['--from={first.id}']" in yard.log(second).decode()
    yard.run("raise SystemExit(1)\n", "prepare/b.zip")
    assert [second.id] == [run.id for run in yard.runs("train")], "only what completed starts one"


def test_an_ending_reaches_a_receiver_signed_and_once_more_when_its_reply_is_lost(yard: Yard) -> None:
    with receiving(LOST) as receiver:
        shown = command(yard, "notify", "add", "ear", "--url", f"{receiver.url}?token=canary", "--json")
        secret = json.loads(shown)["secret"]
        run = yard.run("print('hello')\n")
        wait_for(receiver, 2)
        first, second = receiver.taken
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    verify(Signing(scheme=STANDARD), [secret], header_of(second.headers), second.body, now=time.time())
    event = json.loads(second.body)
    assert ("io.runyard.run.completed", run.id) == (event["type"], event["subject"])
    with yard.client() as http:
        details = http.get(f"/api/runs/{run.id}").json()
    own = {"links", "snapshotUri", "truncated"}
    assert {name: value for name, value in event["data"].items() if name not in own} == {
        name: details[name] for name in event["data"] if name not in own
    }
    yard.wait(lambda: yard.ports.deliveries.list("ear", "delivered") or None)
    delivered = json.loads(command(yard, "notify", "deliveries", "ear", "--json"))
    assert [None, 204] == [each["status"] for each in delivered["deliveries"][0]["history"]]
    assert "canary" not in json.dumps(delivered) + command(yard, "notify", "list") + "\n".join(yard.lines)
    for path in (path for path in yard.root.rglob("*") if path.is_file() and "secrets" not in path.parts):
        data = path.read_bytes()
        assert secret.encode() not in data, path
        assert b"token=canary" not in data, path


def test_what_runyard_sends_a_webhook_of_runyards_takes(yard: Yard) -> None:
    yard.put("uploads", "next.zip", snapshot({"train.py": PRINTS}, config=runconfig()))
    secret = new_secret(STANDARD)
    submission = {"experiment": "next", "snapshot": "uploads/next.zip", "arguments": ["--after={/data/runId}"]}
    hook = {"name": "in", "kind": "cloudevents", "scheme": STANDARD, "secret": secret, "submission": submission}
    with yard.client() as http:
        assert 201 == http.post("/api/webhooks", json=hook).status_code
        url = str(http.base_url).rstrip("/") + "/api/webhooks/in"
        out = {"name": "out", "url": url, "secret": secret, "experiment": "exp"}
        answer = http.post("/api/subscriptions", json=out)
        assert 201 == answer.status_code, answer.text
        run = yard.run("print('hello')\n")
        second = run_of(yard, "next")
        listed = http.get("/api/subscriptions/out/deliveries").json()["deliveries"]
    assert f"['--after={run.id}']" in yard.log(second).decode()
    assert 1 == len(listed)


def test_a_dead_receiver_does_not_hold_up_runs_and_a_host_that_comes_later_tells_it(root: Path) -> None:
    with running(root) as yard:
        with yard.client() as http:
            url = "http://127.0.0.1:9/in"  # the port of `discard`: nobody listens
            made = {"name": "ear", "url": url, "secret": new_secret(STANDARD)}
            assert 201 == http.post("/api/subscriptions", json=made).status_code
        for number in range(5):
            yard.run("print('hello')\n", f"exp/{number}.zip")
        pending = yard.wait(lambda: len(yard.ports.deliveries.list("ear", "pending")) == 5 or None)
        assert pending
    with running(root) as yard, receiving() as receiver:
        subscription = yard.ports.subscriptions.get("ear")
        assert subscription is not None
        yard.ports.subscriptions.put(replace(subscription, url=receiver.url))
        yard.ports.secrets.set(subscription.address, receiver.url)
        wait_for(receiver, 5)
        assert 5 == len({taken.headers["webhook-id"] for taken in receiver.taken})
    assert TOKEN not in str(receiver.taken)
