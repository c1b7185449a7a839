"""From an event to a run on a waiting list, or to a ``Failed`` run that says why."""

from __future__ import annotations

import hashlib
import hmac
import json
import re

import pytest

from runyard.accept import accept, deliver, drop, resubmit, submit
from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import AuthError, ConfigError, EventError, NotFoundError
from runyard.events.delivery import Delivery
from runyard.events.submission import Submission
from runyard.ports import Webhook, WebhookSecret
from runyard.runs.identity import REJECTED
from runyard.runs.model import Origin
from runyard.runs.states import State
from tests.fakes import runconfig, snapshot
from tests.unit.house import House

API = Origin(source="api", name="test")


def submission(**changes: object) -> Submission:
    return Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip", **changes})


def test_a_dropped_snapshot_is_queued_with_what_its_runconfig_says() -> None:
    house = House()
    house.drop("mine/a.zip", snapshot(config=runconfig(arguments=["--alpha", 0.5])))
    house.deliver(SUBMISSIONS)
    run = house.only()
    assert (State.QUEUED, "mine", "local", "fake") == (run.state, run.experiment, run.compute, run.kind)
    assert run.spec is not None
    assert ("train.py", ("--alpha", "0.5")) == (run.spec.script, run.spec.arguments)
    assert "aml_config/local.runconfig in the snapshot" == run.spec.runconfig
    assert ["NotStarted", "Queued"] == [event.state for event in house.ports.runs.history(run.id)]
    assert 1 == house.ports.gates.position("local", run.id)


def test_a_repeated_event_finds_the_run_that_exists() -> None:
    house = House()
    event = house.drop()
    house.deliver(SUBMISSIONS)
    drop(house.ports, event)
    drop(house.ports, event, source="sweep")
    house.settle()
    assert 1 == len(house.runs())


def test_the_same_file_dropped_again_is_a_new_run() -> None:
    house = House()
    house.drop()
    house.clock.advance(2)
    house.deliver(SUBMISSIONS)
    house.drop()
    house.deliver(SUBMISSIONS)
    assert 2 == len(house.runs())


def test_a_message_delivered_again_after_a_crash_does_the_rest() -> None:
    house = House()
    house.drop()
    (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    first = accept(house.ports, message.body, message_id=message.id, enqueued=message.enqueued)
    house.ports.gates.leave("local", first.id)
    again = accept(house.ports, message.body, message_id=message.id, enqueued=message.enqueued)
    assert first.id == again.id
    assert 1 == house.ports.gates.position("local", first.id)


def test_a_late_copy_of_an_event_does_not_queue_a_finished_run_again() -> None:
    house = House()
    event = house.drop()
    house.settle()
    run = house.only()
    house.target.end(f"{run.id}/1")
    house.clock.advance(2)
    house.settle()
    assert State.COMPLETED is house.only().state
    drop(house.ports, event)
    house.settle()
    assert [State.COMPLETED] == [r.state for r in house.runs()]
    assert house.ports.gates.position("local", run.id) is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"not a zip at all", "zip"),
        (b"", "empty|zip"),
        (snapshot()[:-30], "zip|truncated"),
        (snapshot(config=""), "no run configuration"),
        (snapshot(config=runconfig(target="mydsvm")), r"'mydsvm'.*local.*compute alias"),
        (snapshot(config=runconfig(target="containerinstance")), r"'aci'"),
        (snapshot(config=runconfig(framework="PySpark")), "PySpark"),
        (snapshot(config=runconfig(script="../out.py")), "script"),
        (snapshot(config="script: [unclosed"), "local.runconfig"),
        (
            snapshot(
                config=json.dumps(
                    {"script": "train.py", "environment": {"python": {"condaDependenciesFile": "aml_config/conda.yml"}}}
                )
            ),
            "condaDependenciesFile is 'aml_config/conda.yml', and there is no such file in the snapshot; add it",
        ),
    ],
)
def test_what_cannot_run_becomes_a_failed_run_with_one_sentence(data: bytes, sentence: str) -> None:
    house = House()
    house.drop(data=data)
    house.settle()
    run = house.only()
    assert State.FAILED is run.state
    assert run.error is not None
    assert "config" == run.error.error_class
    assert "\n" not in run.error.message
    assert run.error.message == run.reason
    assert re.search(sentence, run.error.message), run.error.message
    assert [] == house.target.submitted


def test_a_bad_snapshot_does_not_harm_its_neighbours() -> None:
    house = House()
    house.drop("exp/bad.zip", b"PK")
    house.drop("exp/good.zip")
    house.settle()
    assert {State.FAILED, State.STARTING} <= {r.state for r in house.runs()} | {State.STARTING}
    assert 1 == len(house.target.submitted)


def test_a_snapshot_replaced_before_it_was_accepted_says_so() -> None:
    house = House()
    house.drop()
    house.clock.advance(1)
    house.ports.blobs.put("snapshots", "exp/a.zip", snapshot({"train.py": "print('other')"}))
    house.settle()
    assert State.FAILED is house.only().state
    assert "changed" in house.only().reason


def test_a_sidecar_written_before_the_zip_wins_over_the_zips_own() -> None:
    house = House()
    house.ports.blobs.put("snapshots", "exp/a.runconfig", runconfig(arguments=["sidecar"]).encode())
    house.clock.advance(1)
    house.drop()
    house.settle()
    spec = house.only().spec
    assert spec is not None
    assert ("sidecar",) == spec.arguments


def test_a_sidecar_written_after_the_zip_is_meant_for_another() -> None:
    house = House()
    house.drop()
    house.clock.advance(1)
    house.ports.blobs.put("snapshots", "exp/a.runconfig", runconfig(arguments=["sidecar"]).encode())
    house.settle()
    spec = house.only().spec
    assert spec is not None
    assert () == spec.arguments


def test_a_queue_message_makes_a_run_and_its_id_is_its_identity() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    document = {
        "schema": 1,
        "id": "night-7",
        "experiment": "exp",
        "snapshot": "uploads/a.zip",
        "arguments": ["x", 1, True],
    }
    house.send(document)
    house.send(document)
    house.settle()
    run = house.only()
    assert ("queue", "night-7") == (run.origin.source, run.origin.event_id)
    assert run.spec is not None
    assert ("x", "1", "true") == run.spec.arguments


def test_a_cloud_event_is_known_by_source_and_id() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())

    def event(source: str) -> dict[str, object]:
        data = {"experiment": "exp", "snapshot": "uploads/a.zip"}
        return {"specversion": "1.0", "id": "1", "source": source, "type": "com.example.trained", "data": data}

    house.send(event("/a"))
    house.send(event("/a"))
    house.send(event("/b"))
    house.settle()
    assert 2 == len(house.runs())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"experiment": "exp"}',
        b'{"experiment": "_rejected", "snapshot": "uploads/a.zip"}',
        b'{"experiment": "exp", "snapshot": "secrets/a.zip"}',
        b'{"kind": "run", "run": "nobody", "schema": 1}',
        b'{"kind": "run", "run": "nobody", "schema": 99}',
        b'{"experiment": "exp", "snapshot": "uploads/../secrets/x"}',
    ],
)
def test_a_message_that_yields_no_run_is_not_dropped_silently(body: bytes) -> None:
    house = House()
    house.send(body, message_id="m-1")
    house.settle()
    run = house.only()
    assert State.FAILED is run.state
    assert run.experiment in {REJECTED, "exp"}
    assert "m-1" == run.origin.event_id
    assert {} == {name: n for name, n in house.ports.queue.counts().items() if n}


def test_the_api_door_answers_with_a_run_that_can_be_read_at_once() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    run, created = submit(house.ports, submission(), origin=API, key="k")
    assert created
    assert State.NOT_STARTED is house.only().state
    again, created_again = submit(house.ports, submission(), origin=API, key="k")
    assert (run.id, False) == (again.id, created_again)
    house.settle()
    assert 1 == len(house.runs())
    assert State.STARTING is house.only().state


def test_the_api_door_refuses_a_snapshot_that_is_not_there() -> None:
    house = House()
    with pytest.raises(NotFoundError, match=r"uploads/a\.zip"):
        submit(house.ports, submission(), origin=API)
    with pytest.raises(ConfigError, match="registered containers are snapshots, uploads"):
        submit(house.ports, submission(snapshot="runs/a.zip"), origin=API)


def test_a_run_canceled_before_it_was_accepted_never_waits() -> None:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    run, _ = submit(house.ports, submission(), origin=API)
    request_cancel(house.ports, run.id, who="test")
    house.settle()
    assert State.CANCELED is house.only().state
    assert [] == house.target.submitted
    assert house.ports.gates.position("local", run.id) is None


def test_resubmit_makes_a_new_run_of_the_same_snapshot() -> None:
    house = House()
    house.drop()
    house.settle()
    first = house.only()
    house.clock.advance(5)
    second = resubmit(house.ports, first.id, who="test", arguments=["--alpha", "1"])
    assert first.id != second.id
    house.settle()
    stored = house.ports.runs.get(second.id)
    assert stored is not None
    assert stored.spec is not None
    assert ("--alpha", "1") == stored.spec.arguments
    with pytest.raises(NotFoundError):
        resubmit(house.ports, "nobody", who="test")


SECRET = "It's a Secret to Everybody"


def webhook_house() -> House:
    house = House()
    house.ports.blobs.put("uploads", "a.zip", snapshot())
    house.ports.secrets.set("webhook-retrain", SECRET)
    template: dict[str, object] = {
        "experiment": "exp",
        "snapshot": "uploads/a.zip",
        "arguments": ["--alpha={/client_payload/alpha}"],
    }
    first = WebhookSecret(id="1", name="webhook-retrain")
    house.ports.webhooks.put(Webhook(name="retrain", kind="github", secrets=(first,), submission=template))
    return house


def signed(body: bytes, *, delivery: str = "d-1", event: str = "push", secret: str = SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": f"sha256={signature}"}


def took(house: House, name: str, headers: dict[str, str], body: bytes) -> str | None:
    """The run of a delivery's one event."""
    outcomes = deliver(house.ports, name, Delivery.of(headers.items(), body)).outcomes
    return outcomes[0].run if outcomes else None


def test_a_signed_delivery_makes_one_run_however_often_it_comes() -> None:
    house = webhook_house()
    body = b'{"client_payload": {"alpha": 0.25}}'
    first = took(house, "retrain", signed(body), body)
    again = took(house, "retrain", signed(body), body)
    assert first is not None
    assert first == again
    house.settle()
    spec = house.only().spec
    assert spec is not None
    assert ("--alpha=0.25",) == spec.arguments
    assert "webhook" == house.only().origin.source


def test_a_forged_delivery_makes_nothing() -> None:
    house = webhook_house()
    body = b'{"client_payload": {"alpha": 0.25}}'
    with pytest.raises(AuthError):
        took(house, "retrain", signed(body, secret="other"), body)
    with pytest.raises(AuthError):
        took(house, "retrain", {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d"}, body)
    with pytest.raises(NotFoundError):
        took(house, "nobody", signed(body), body)
    assert [] == house.runs()


def test_a_payload_without_what_the_template_points_at_is_refused() -> None:
    house = webhook_house()
    for body in (b"{}", b"not json", b'{"client_payload": {"alpha": [1]}}'):
        with pytest.raises(EventError):
            took(house, "retrain", signed(body), body)
    assert [] == house.runs()


def test_a_ping_asks_for_no_run() -> None:
    house = webhook_house()
    assert took(house, "retrain", signed(b"{}", event="ping"), b"{}") is None


@pytest.mark.parametrize(
    "broken",
    [
        "environment:\n  docker:\n    enabled: password=C4nary/1\n",
        "nodeCount: https://me:C4nary/1@example.org/\n",
        "script: a.py\narguments: *C4nary/1\n",
        "script: !C4nary/1 a.py\n",
        "script: ../api_key=C4nary/1\n",
        "environment: ../token=C4nary/1\n",
        "framework: Bearer C4nary/1C4nary/1\n",
    ],
)
def test_what_is_wrong_with_a_file_is_told_without_its_secrets(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.drop("mine/a.zip", snapshot(config=broken))
    house.deliver(SUBMISSIONS)
    run = house.only()
    assert State.FAILED is run.state
    story = repr((run, house.ports.runs.history(run.id))) + caplog.text
    assert "aml_config/local.runconfig" in story
    assert "C4nary" not in story
