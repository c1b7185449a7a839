"""Endings out, in virtual time: who is told of what, how often it is tried, and what becomes of what cannot be delivered."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import FINISHED, NOTIFY, SUBMISSIONS
from runyard.errors import AuthError, ConfigError, ConflictError, NotFoundError, UnsupportedError
from runyard.events.endings import HOPS
from runyard.events.signatures import STANDARD, Signing, header_of, new_secret, verify
from runyard.notify import Definition, define, pause, redrive, remove, resume, rotate, send_test
from runyard.notify.deliver import LEASE
from runyard.notify.overdue import LATE
from runyard.notify.schedule import DELAYS
from runyard.ports import Delivery, Parcel, Receipt, Subscription
from runyard.ports.deliveries import DEAD, DELIVERED, PENDING
from runyard.reconcile import alarms, prune, reconcile
from runyard.testing import MemoryCourier, Steps
from tests.fakes import runconfig, snapshot
from tests.unit.house import House, started

SECRET = new_secret(STANDARD)
DAY = 86_400.0


def listening(house: House, **asked: Any) -> Subscription:
    given = {"name": "ear", "url": "https://ear.example/in", "secret": SECRET}
    if "queue" in asked:
        given = {"name": "ear"}
    return define(house.ports, Definition(**(given | asked)))


def chain(house: House, name: str = "chain", **asked: Any) -> Subscription:
    house.ports.blobs.put("uploads", "next.zip", snapshot())
    template = {"experiment": "train", "snapshot": "uploads/next.zip", "arguments": ["--from={/data/runId}"]}
    return define(house.ports, Definition(name=name, queue=SUBMISSIONS, **({"template": template} | asked)))


def parcels(house: House) -> list[Parcel]:
    courier = house.ports.courier
    assert isinstance(courier, MemoryCourier)
    return courier.parcels


def answers(house: House, *given: Receipt | int, usual: Receipt | int = 204) -> None:
    courier = house.ports.courier
    assert isinstance(courier, MemoryCourier)
    receipts = [each if isinstance(each, Receipt) else Receipt(status=each) for each in (*given, usual)]
    courier.answers, courier.usual = receipts[:-1], receipts[-1]


def events(house: House) -> list[dict[str, Any]]:
    return [json.loads(parcel.body) for parcel in parcels(house)]


def ended(house: House, code: int = 0, **dropped: Any) -> str:
    """A run that has ended; with what follows from that at once."""
    before = {run.id for run in house.runs()}
    house.drop(**dropped)
    house.settle()
    (run,) = [run for run in house.runs() if run.id not in before]
    assert run.handle is not None
    house.target.end(run.handle.id, code)
    house.clock.advance(60)
    house.settle()
    return run.id


def the_only(house: House) -> Delivery:
    (delivery,) = house.ports.deliveries.list()
    return delivery


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


def test_each_subscription_has_its_own_delivery_of_the_same_event() -> None:
    house = House()
    listening(house)
    listening(house, name="other", url="https://other.example/")
    run_id = ended(house)
    assert {"https://ear.example/in", "https://other.example/"} == {parcel.url for parcel in parcels(house)}
    assert {f"{run_id}/completed"} == {each["id"] for each in events(house)}


def test_a_receiver_that_is_not_there_is_tried_ten_times_over_three_days_and_then_given_up() -> None:
    house = House()
    listening(house)
    answers(house, usual=Receipt(error="nobody there"))
    began = house.clock.now() + 60
    ended(house)
    for delay in DELAYS:
        house.pass_time(delay * 1.11 + 1, step=delay)
    house.pass_time(2 * DAY, step=DAY)
    delivery = the_only(house)
    assert (DEAD, 10, "nobody there") == (delivery.state, delivery.tries, delivery.error)
    tried = [each.at - began for each in delivery.history]
    gaps = [after - before for before, after in itertools.pairwise(tried)]
    assert all(delay <= gap <= delay * 1.2 + 61 for delay, gap in zip(DELAYS, gaps, strict=True)), gaps
    assert 10 == len(parcels(house))
    assert 1 == len({parcel.body for parcel in parcels(house)})


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_receiver_that_does_not_want_it_is_tried_four_times(status: int) -> None:
    house = House()
    listening(house)
    answers(house, usual=status)
    ended(house)
    house.pass_time(2 * 3600, step=60)
    delivery = the_only(house)
    assert (DEAD, 4) == (delivery.state, delivery.tries)
    assert str(status) in delivery.error


def test_retry_after_is_honoured() -> None:
    house = House()
    listening(house)
    answers(house, Receipt(status=429, retry_after=900.0))
    ended(house)
    house.pass_time(890, step=10)
    assert 1 == len(parcels(house))
    house.pass_time(20, step=10)
    assert [429, 204] == [each.status for each in the_only(house).history]


def test_410_pauses_the_subscription_and_keeps_what_happens() -> None:
    house = House()
    listening(house)
    answers(house, 410)
    ended(house)
    subscription = house.ports.subscriptions.get("ear")
    assert subscription is not None
    assert (True, "the receiver answered 410: it wants no more of these") == (
        subscription.paused,
        subscription.paused_reason,
    )
    ended(house, name="exp/b.zip")
    house.pass_time(DAY, step=3600)
    assert 1 == len(parcels(house))
    assert [PENDING, PENDING] == [each.state for each in house.ports.deliveries.list()]
    (alarm,) = [each for each in alarms(house.ports) if each.name == "ear is paused"]
    assert alarm.detail == "2 endings kept for it: the receiver answered 410: it wants no more of these"
    resume(house.ports, "ear")
    house.settle()
    assert [DELIVERED, DELIVERED] == [each.state for each in house.ports.deliveries.list()]


def test_dead_letters_are_told_by_the_doctor_and_sent_once_more() -> None:
    house = House()
    listening(house)
    answers(house, usual=400)
    ended(house)
    house.pass_time(2 * 3600, step=60)
    (alarm,) = [each for each in alarms(house.ports) if each.name == "ear was not told"]
    assert alarm.detail == "1 ending could not be delivered: the receiver answered 400"
    answers(house)
    assert 1 == redrive(house.ports, "ear")
    house.settle()
    assert (DELIVERED, 1) == (the_only(house).state, the_only(house).tries)
    assert 0 == redrive(house.ports)
    assert not [each for each in alarms(house.ports) if "ear" in each.name]


def test_one_receiver_that_does_not_answer_holds_up_no_other_and_is_left_alone() -> None:
    house = House()
    listening(house, name="dead", url="https://dead.example/")
    listening(house, name="fine", url="https://fine.example/")
    courier = house.ports.courier
    assert isinstance(courier, MemoryCourier)
    took = courier.deliver

    def deliver(parcel: Parcel) -> Receipt:
        took(parcel)
        return Receipt(status=204) if "fine" in parcel.url else Receipt(error="no answer")

    courier.deliver = deliver  # type: ignore[method-assign]
    for number in range(20):
        house.ports.blobs.put("uploads", "bad.zip", b"no zip")
        house.send({"experiment": "exp", "snapshot": "uploads/bad.zip", "id": str(number)})
    house.settle()
    assert 20 == len(house.ports.deliveries.list("fine", DELIVERED))
    assert 1 == len([parcel for parcel in parcels(house) if "dead" in parcel.url])
    house.clock.advance(5)
    house.settle()
    assert 2 == len([parcel for parcel in parcels(house) if "dead" in parcel.url])


def test_a_try_whose_program_died_is_made_again_when_its_lease_is_over() -> None:
    house = House()
    listening(house)
    courier = house.ports.courier
    took = courier.deliver

    def dies(parcel: Parcel) -> Receipt:
        took(parcel)
        raise SystemExit

    courier.deliver = dies  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        ended(house)
    courier.deliver = took  # type: ignore[method-assign]
    house.pass_time(LEASE - 10, step=10)
    assert 1 == len(parcels(house))
    house.pass_time(60, step=10)
    assert [DELIVERED] == [each.state for each in house.ports.deliveries.list()]
    assert 1 == len({parcel.headers["webhook-id"] for parcel in parcels(house)})


def test_a_message_that_is_doubled_tells_nothing_twice() -> None:
    house = House()
    listening(house)
    run_id = ended(house)
    house.ports.queue.send(FINISHED, json.dumps({"run": run_id}).encode())
    house.ports.queue.send(NOTIFY, b'{"subscription": "ear"}')
    house.settle()
    assert 1 == len(parcels(house))


def test_while_a_secret_is_changed_both_sign() -> None:
    house = House()
    listening(house)
    another = new_secret(STANDARD)
    rotate(house.ports, "ear", another)
    ended(house)
    (parcel,) = parcels(house)
    for secret in (SECRET, another):
        verify(Signing(scheme=STANDARD), [secret], header_of(parcel.headers), parcel.body, now=house.clock.now())
    house.clock.advance(DAY + 1)
    ended(house, name="exp/b.zip")
    last = parcels(house)[-1]
    verify(Signing(scheme=STANDARD), [another], header_of(last.headers), last.body, now=house.clock.now())
    with pytest.raises(AuthError):
        verify(Signing(scheme=STANDARD), [SECRET], header_of(last.headers), last.body, now=house.clock.now())


def test_paused_by_hand_nothing_is_sent_and_all_of_it_later() -> None:
    house = House()
    listening(house)
    pause(house.ports, "ear", "moving house")
    ended(house)
    assert [] == parcels(house)
    resume(house.ports, "ear")
    house.settle()
    assert 1 == len(parcels(house))


def test_a_removed_subscription_leaves_no_secret_and_no_delivery() -> None:
    house = House()
    listening(house)
    rotate(house.ports, "ear", new_secret(STANDARD))
    pause(house.ports, "ear")
    ended(house)
    remove(house.ports, "ear")
    assert [] == list(house.ports.secrets.names())
    assert [] == list(house.ports.deliveries.list())
    with pytest.raises(NotFoundError):
        remove(house.ports, "ear")


def test_one_runs_end_starts_anothers_beginning_once() -> None:
    house = House()
    chain(house, experiment="exp", states=("Completed",))
    first = ended(house)
    (second,) = [run for run in house.runs() if run.experiment == "train"]
    assert second.spec is not None
    assert (f"--from={first}",) == second.spec.arguments
    assert (f"{first}/completed/chain", "1") == (second.origin.event_id, second.tags[HOPS])
    delivery = the_only(house)
    house.ports.deliveries.replace(
        Delivery(
            **{name: getattr(delivery, name) for name in delivery.__struct_fields__} | {"state": PENDING, "version": 9}
        ),
        version=delivery.version,
    )
    house.ports.queue.send(NOTIFY, b'{"subscription": "chain"}')
    house.settle()
    assert 2 == len(house.runs()), "the event is told twice, and runs once"


def test_a_chain_that_ends_where_it_began_is_broken_after_ten_runs() -> None:
    house = House()
    chain(house, max_hops=10)
    ended(house)
    for _ in range(30):
        for run in house.runs():
            if run.handle is not None and not run.has_ended:
                house.target.end(run.handle.id)
        house.clock.advance(60)
        house.settle()
    assert 11 == len(house.runs())
    (dead,) = house.ports.deliveries.list("chain", DEAD)
    assert dead.error == (
        f"{dead.run_id} is the end of 10 runs that started one another, and 10 are allowed: break the loop, or add the "
        "subscription again with a larger --max-hops"
    )


def test_a_pointer_that_names_nothing_is_a_dead_letter_that_says_so() -> None:
    house = House()
    template = {"experiment": "train", "snapshot": "uploads/next.zip", "arguments": ["{/data/tags/which}"]}
    chain(house, template=template)
    ended(house)
    assert (DEAD, "the payload has nothing at /data/tags/which") == (the_only(house).state, the_only(house).error)


def test_a_queue_of_ones_own_takes_the_event() -> None:
    house = House()
    listening(house, queue="mine")
    run_id = ended(house)
    (message,) = house.ports.queue.peek("mine")
    assert (run_id, f"{run_id}/completed/ear") == (json.loads(message.body)["subject"], message.id)


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


def test_a_test_is_sent_at_once_and_is_on_no_record() -> None:
    house = House()
    listening(house)
    came = send_test(house.ports, "ear")
    assert (True, 204, "") == (came.delivered, came.status, came.error)
    assert [("io.runyard.test", "ear")] == [(each["type"], each["subject"]) for each in events(house)]
    assert [] == list(house.ports.deliveries.list())
    answers(house, 401)
    assert "the receiver answered 401: it may have another secret" == send_test(house.ports, "ear").error


def test_a_secret_and_a_token_in_the_url_are_in_no_log_and_no_row(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house = House()
    secret = new_secret(STANDARD)
    listening(house, url="https://ear.example/in?token=canary", secret=secret)
    answers(house, usual=Receipt(error="nobody there"))
    ended(house)
    house.pass_time(3600, step=60)
    assert "https://ear.example/in?token=canary" == parcels(house)[0].url
    rows = f"{house.ports.subscriptions.list()}{house.ports.deliveries.list()}{alarms(house.ports)}"
    rows += "".join(str(house.ports.queue.peek(name)) for name in house.ports.queue.counts())
    for canary in ("canary", secret, secret.removeprefix("whsec_")):
        assert canary not in caplog.text
        assert canary not in rows
