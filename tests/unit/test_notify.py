"""Endings out, in virtual time: who is told of what, and what a subscription may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import FINISHED, NOTIFY, SUBMISSIONS
from runyard.errors import ConfigError, ConflictError, NotFoundError, UnsupportedError
from runyard.events.signatures import STANDARD, Signing, header_of, verify
from runyard.notify import Definition, define
from runyard.notify.overdue import LATE
from runyard.ports.deliveries import DELIVERED
from runyard.reconcile import prune, reconcile
from runyard.testing import Steps
from tests.fakes import runconfig, snapshot
from tests.unit.house import House, started
from tests.unit.notified import SECRET, ended, events, listening, parcels, the_only


def test_an_ending_is_told_once_as_a_signed_cloudevent() -> None:
    house = House()
    listening(house)
    run_id = ended(house)
    (parcel,) = parcels(house)
    (event,) = events(house)
    run = house.ports.runs.get(run_id)
    assert run is not None
    assert {
        "specversion": "1.0",
        "type": "io.runyard.run.completed",
        "source": house.ports.subscriptions.source(),
        "id": f"{run_id}/completed",
        "subject": run_id,
        "datacontenttype": "application/json",
        "dataschema": "/api/schemas/run-ended.json",
    } == {name: value for name, value in event.items() if name not in {"data", "time"}}
    assert event["data"]["endTimeUtc"] == event["time"]
    assert (run_id, "Completed", 0) == tuple(event["data"][name] for name in ("runId", "status", "exitCode"))
    assert f"/api/runs/{run_id}" == event["data"]["links"]["run"]
    assert "snapshots/exp/a.zip" == event["data"]["snapshotUri"]
    assert "application/cloudevents+json" == parcel.headers["Content-Type"]
    proof = verify(Signing(scheme=STANDARD), [SECRET], header_of(parcel.headers), parcel.body, now=house.clock.now())
    assert f"{run_id}/completed" == proof.ident
    assert DELIVERED == the_only(house).state


def failed_at_accept(house: House) -> None:
    house.drop(data=snapshot(config=runconfig(target="nowhere")))
    house.settle()


def rejected(house: House) -> None:
    house.send(b"no submission")
    house.settle()


def posted_and_cannot_run(house: House) -> None:
    from runyard.accept import submit
    from runyard.events.submission import Submission
    from runyard.runs.model import Origin

    house.ports.blobs.put("uploads", "a.zip", snapshot(config=runconfig(target="nowhere")))
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    submit(house.ports, asked, origin=Origin(source="api"))
    house.settle()


def canceled_while_waiting(house: House) -> None:
    house.ports.gates.configure("local", limit=2, paused=True)
    (run_id,) = started(house)
    request_cancel(house.ports, run_id, who="t")
    house.settle()


def canceled_before_it_started(house: House) -> None:
    (run_id,) = started(house)
    house.target.started.clear()
    request_cancel(house.ports, run_id, who="t")
    house.settle()


def canceled_by_force(house: House) -> None:
    (run_id,) = started(house)
    house.clock.advance(5)
    house.settle()
    request_cancel(house.ports, run_id, who="t", force=True)
    house.settle()


def refused_by_its_compute(house: House) -> None:
    house.target.refusals = [UnsupportedError("not like this")]
    house.drop()
    house.settle()


def script_failed(house: House) -> None:
    ended(house, 3)


def never_accepted(house: House) -> None:
    from runyard.accept import submit
    from runyard.events.submission import Submission
    from runyard.runs.model import Origin

    house.ports.blobs.put("uploads", "a.zip", snapshot())
    asked = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    submit(house.ports, asked, origin=Origin(source="api"))
    for message in house.ports.queue.receive(SUBMISSIONS, most=10, lock=60):
        house.ports.queue.complete(message)
    house.clock.advance(16 * 60)
    reconcile(house.ports)
    for queue in (FINISHED, NOTIFY):
        house.deliver(queue)


def compute_gone(house: House) -> None:
    house.ports.gates.configure("local", limit=2, paused=True)
    started(house)
    house.ports.computes.remove("local")
    reconcile(house.ports)
    house.settle()


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (failed_at_accept, "failed"),
        (posted_and_cannot_run, "failed"),
        (rejected, "failed"),
        (canceled_while_waiting, "canceled"),
        (canceled_before_it_started, "canceled"),
        (canceled_by_force, "canceled"),
        (refused_by_its_compute, "failed"),
        (script_failed, "failed"),
        (never_accepted, "failed"),
        (compute_gone, "failed"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_way_to_end_is_told_at_once(end: Callable[[House], None], kind: str) -> None:
    house = House()
    listening(house)
    end(house)
    run = house.only()
    assert [(f"io.runyard.run.{kind}", run.id)] == [(each["type"], each["subject"]) for each in events(house)]
    assert [] == list(house.ports.runs.outbox(before=2e9, most=10))


def test_an_ending_whose_message_was_lost_is_found_by_the_reconciler() -> None:
    house = House()
    listening(house)
    (run_id,) = started(house)
    house.target.end(f"{run_id}/1")
    house.clock.advance(60)
    house.deliver("watch")
    for message in house.ports.queue.receive(FINISHED, most=10, lock=60):
        house.ports.queue.complete(message)
    house.settle()
    assert [] == parcels(house)
    assert house.ports.runs.in_outbox(run_id)
    house.pass_time(LATE + 31)
    assert [run_id] == [each["subject"] for each in events(house)]


def test_an_ending_waits_for_the_cleanup_and_the_slot_goes_last() -> None:
    house = House()
    listening(house)
    (run_id,) = started(house)
    steps = Steps(inner=house.ports)
    house.ports = steps.ports
    house.target.end(f"{run_id}/1")
    house.clock.advance(60)
    house.deliver("watch")
    first = steps.seen.index("runs.transition")
    assert ["target.cleanup", "queue.wake", "gates.release"] == [
        each for each in steps.seen[first + 1 :] if not each.startswith("queue.complete")
    ][:3]


def test_without_a_subscription_an_ending_writes_and_sends_nothing_more() -> None:
    house = House()
    steps = Steps(inner=house.ports)
    house.ports = steps.ports
    ended(house)
    after = steps.seen[len(steps.seen) - 1 - steps.seen[::-1].index("target.cleanup") :]
    assert "queue.wake" not in after
    assert not [each for each in steps.seen if each.startswith(("deliveries", "courier", "subscriptions"))]
    assert [] == list(house.ports.runs.outbox(before=2e9, most=10))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, True),
        ({"experiment": "exp"}, True),
        ({"experiment": "e*"}, True),
        ({"experiment": "E*"}, False),
        ({"experiment": "train*"}, False),
        ({"states": ("Failed", "Canceled")}, False),
        ({"states": ("Completed",)}, True),
        ({"sources": ("blob",)}, True),
        ({"sources": ("api", "queue")}, False),
        ({"tags": {"team": "a"}}, False),
    ],
)
def test_a_subscription_is_told_of_what_it_asks_for(asked: dict[str, Any], told: bool) -> None:
    house = House()
    listening(house, **asked)
    ended(house)
    assert told == bool(parcels(house))


def test_tags_must_all_be_there() -> None:
    house = House()
    listening(house, tags={"team": "a", "kind": "b"})
    house.ports.blobs.put("uploads", "bad.zip", b"no zip")
    for tags in ({"team": "a"}, {"team": "a", "kind": "b", "more": "c"}):
        house.send({"experiment": "exp", "snapshot": "uploads/bad.zip", "tags": tags})
    house.settle()
    assert [{"team": "a", "kind": "b", "more": "c"}] == [each["data"]["tags"] for each in events(house)]


def test_a_run_is_not_pruned_before_its_ending_is_announced() -> None:
    house = House()
    listening(house)
    (run_id,) = started(house)
    house.target.end(f"{run_id}/1")
    house.clock.advance(60)
    house.deliver("watch")
    assert 0 == prune(house.ports, runs_older_than=0).runs
    house.settle()
    house.clock.advance(1)
    assert 1 == prune(house.ports, runs_older_than=0).runs


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "No"}, "'No' is not a subscription's name"),
        ({"url": "http://ear.example/"}, "http to ear.example is readable on the way"),
        ({"url": ""}, "say where the events go"),
        ({"states": ("Running",)}, "'Running' is no state to listen for; there are Canceled, Completed, Failed"),
        ({"sources": ("fax",)}, "'fax' is no source to listen for"),
        ({"secret": "canary"}, "a secret of standard-webhooks is whsec_"),
        ({"template": {"experiment": "e"}}, "a template is for the queue submissions"),
        ({"max_hops": 0}, "the longest chain must be 1 to 1,000 runs"),
        ({"queue": "watch"}, "the queue watch is Runyard's own"),
        ({"queue": "dispatch-gpu"}, "the queue dispatch-gpu is Runyard's own"),
        ({"queue": "a b"}, "'a b' is not a queue's name"),
        ({"queue": SUBMISSIONS}, "say what an ending starts"),
        ({"queue": "mine", "template": {"experiment": "e"}}, "a template is for the queue submissions; mine"),
        ({"queue": "mine", "secret": "canary"}, "a queue takes no secret"),
        (
            {"queue": SUBMISSIONS, "template": {"experiment": "{/data/runId}", "snapshot": "uploads/a.zip"}},
            "experiment of the template holds the pointer",
        ),
        (
            {"queue": SUBMISSIONS, "template": {"experiment": "e", "snapshot": "uploads/a.zip", "id": "x"}},
            "the template has an `id`",
        ),
        (
            {
                "queue": SUBMISSIONS,
                "template": {
                    "experiment": "e",
                    "snapshot": "uploads/a.zip",
                    "environmentVariables": {"API_TOKEN": "canary"},
                },
            },
            "the template holds a secret in clear, and a message would carry it",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(asked: dict[str, Any], said: str) -> None:
    house = House()
    with pytest.raises(ConfigError) as caught:
        listening(house, **asked)
    assert caught.value.message.startswith(said), caught.value.message
    assert "canary" not in caught.value.message
    assert not house.ports.subscriptions.any()


def test_a_name_is_given_once_and_a_snapshot_must_be_there() -> None:
    house = House()
    listening(house)
    with pytest.raises(ConflictError):
        listening(house)
    template = {"experiment": "e", "snapshot": "uploads/none.zip"}
    with pytest.raises(NotFoundError):
        define(house.ports, Definition(name="c", queue=SUBMISSIONS, template=template))
