"""Endings out, in virtual time: how often each is tried, and what becomes of what cannot be delivered."""

from __future__ import annotations

import itertools
import json
import logging

import pytest

from runyard.dispatch.wakes import FINISHED, NOTIFY
from runyard.errors import AuthError, NotFoundError
from runyard.events.endings import HOPS
from runyard.events.signatures import STANDARD, Signing, header_of, new_secret, verify
from runyard.notify import pause, redrive, remove, resume, rotate, send_test
from runyard.notify.deliver import LEASE
from runyard.notify.schedule import DELAYS
from runyard.ports import Delivery, Parcel, Receipt
from runyard.ports.deliveries import DEAD, DELIVERED, PENDING
from runyard.reconcile import alarms
from runyard.testing import MemoryCourier
from tests.unit.house import House
from tests.unit.notified import DAY, SECRET, answers, chain, ended, events, listening, parcels, the_only


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
