"""What every store of subscriptions and deliveries promises, and the outbox of the runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed

from msgspec.structs import replace

from runyard.ports import Delivery, DeliveryStore, RunStore, Subscription, SubscriptionStore, Try
from runyard.ports.deliveries import DEAD, DELIVERED, KEPT, PENDING
from runyard.runs.model import Run
from runyard.runs.moves import Move, birth, transition
from runyard.runs.states import State
from tests.contract.samples import a_run

EAR = Subscription(
    name="ear",
    url="https://ear.example/in",
    secret="notify-secret-ear",
    states=("Failed",),
    tags={"team": "a"},
    template={"arguments": ["{/data/runId}"], "priority": 1},
)


def delivery(ident: str = "r/completed", **changes: object) -> Delivery:
    made = Delivery(
        subscription="ear",
        id=ident,
        run_id="r",
        type="io.runyard.run.completed",
        body=b'{"a": "\\u00e9"}',
        created=10.0,
        next_at=10.0,
    )
    return replace(made, **changes)


def test_a_subscription_comes_back_as_it_was_put(subscriptions: SubscriptionStore) -> None:
    assert not subscriptions.any()
    subscriptions.put(EAR)
    subscriptions.put(changed(EAR, name="another", paused=True))
    assert subscriptions.get("ear") == EAR
    assert subscriptions.get("nobody") is None
    assert ["another", "ear"] == [each.name for each in subscriptions.list()]
    assert subscriptions.any()


def test_a_subscription_that_was_removed_is_gone(subscriptions: SubscriptionStore) -> None:
    subscriptions.put(EAR)
    assert subscriptions.remove("ear")
    assert not subscriptions.remove("ear")
    assert not subscriptions.any()
    assert [] == list(subscriptions.list())


def test_the_service_calls_itself_the_same_each_time(subscriptions: SubscriptionStore) -> None:
    assert subscriptions.source() == subscriptions.source()
    assert subscriptions.source().startswith("urn:uuid:")
    assert not subscriptions.any()


def test_a_delivery_is_added_once(deliveries: DeliveryStore) -> None:
    assert deliveries.add(delivery())
    assert not deliveries.add(delivery(body=b"another"))
    assert deliveries.add(delivery(subscription="other"))
    assert delivery() == deliveries.get("ear", "r/completed")
    assert deliveries.get("ear", "nothing") is None


def test_a_delivery_is_replaced_only_as_it_was_seen(deliveries: DeliveryStore) -> None:
    deliveries.add(delivery())
    tried = delivery(version=2, tries=1, history=(Try(at=11.0, seconds=0.5, status=503, error="it said 503"),))
    assert deliveries.replace(tried, version=1)
    assert not deliveries.replace(delivery(version=2), version=1)
    assert tried == deliveries.get("ear", "r/completed")
    assert not deliveries.replace(delivery("nothing"), version=1)
    assert deliveries.get("ear", "nothing") is None


def test_many_claim_a_delivery_and_one_has_it(deliveries: DeliveryStore) -> None:
    deliveries.add(delivery())
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: deliveries.replace(delivery(version=2, tries=n), version=1), range(16)))
    assert 1 == sum(won)


def test_what_is_due_comes_the_longest_due_first(deliveries: DeliveryStore) -> None:
    for ident, at in (("c", 30.0), ("a", 20.0), ("b", 20.0), ("later", 41.0)):
        deliveries.add(delivery(ident, next_at=at))
    deliveries.add(delivery("dead", next_at=1.0, state=DEAD))
    deliveries.add(delivery("done", next_at=1.0, state=DELIVERED))
    deliveries.add(delivery("else", next_at=1.0, subscription="other"))
    assert ["a", "b", "c"] == [each.id for each in deliveries.due("ear", 40.0, most=10)]
    assert ["a", "b"] == [each.id for each in deliveries.due("ear", 40.0, most=2)]
    assert [] == list(deliveries.due("nobody", 40.0, most=10))


def test_deliveries_are_listed_newest_first_and_counted(deliveries: DeliveryStore) -> None:
    for number, state in enumerate((PENDING, DEAD, DELIVERED, PENDING)):
        deliveries.add(delivery(f"d{number}", created=float(number), state=state))
    deliveries.add(delivery("other", subscription="other", created=9.0))
    assert ["other", "d3", "d2", "d1", "d0"] == [each.id for each in deliveries.list()]
    assert ["d3", "d0"] == [each.id for each in deliveries.list("ear", PENDING)]
    assert ["d1"] == [each.id for each in deliveries.list(state=DEAD)]
    assert ["d3", "d2"] == [each.id for each in deliveries.list("ear", most=2)]
    counts = {name: dict(states) for name, states in deliveries.counts().items()}
    assert {"ear": {PENDING: 2, DEAD: 1}, "other": {PENDING: 1}} == counts


def test_of_what_is_settled_the_newest_are_kept(deliveries: DeliveryStore) -> None:
    most = KEPT[DELIVERED]
    for number in range(most + 5):
        deliveries.add(delivery(f"{number:04}", created=float(number)))
        settled = delivery(f"{number:04}", created=float(number), state=DELIVERED, settled=100.0 + number, version=2)
        assert deliveries.replace(settled, version=1)
    deliveries.add(delivery("other", subscription="other", state=DELIVERED, settled=1.0))
    kept = [each.id for each in deliveries.list("ear", most=1000)]
    assert [f"{number:04}" for number in reversed(range(5, most + 5))] == kept
    assert deliveries.get("other", "other") is not None


def test_all_of_a_subscription_are_dropped(deliveries: DeliveryStore) -> None:
    deliveries.add(delivery("a"))
    deliveries.add(delivery("b", state=DEAD))
    deliveries.add(delivery("c", subscription="other"))
    assert 2 == deliveries.drop("ear")
    assert ["c"] == [each.id for each in deliveries.list()]
    assert 0 == deliveries.drop("ear")


def new_run(name: str, *, created: float) -> Run:
    return a_run(name, id=name, created=created, since=created)


def ends(at: float) -> list[Move]:
    return [Move(state=State.FAILED, reason="it cannot run", at=at)]


def test_an_ending_is_in_the_outbox_if_somebody_listens(runs: RunStore, subscriptions: SubscriptionStore) -> None:
    subscriptions.put(EAR)
    runs.create(birth(new_run("born", created=1.0), ends(20.0), who="t"))
    run, _ = runs.create(birth(new_run("later", created=2.0), [], who="t"))
    assert ["born"] == list(runs.outbox(before=100.0, most=10))
    assert not runs.in_outbox("later")
    runs.transition(transition(run, ends(10.0), who="t"))
    assert ["later", "born"] == list(runs.outbox(before=100.0, most=10))
    assert ["later"] == list(runs.outbox(before=20.0, most=10))
    assert ["later"] == list(runs.outbox(before=100.0, most=1))
    runs.announced("later")
    runs.announced("later")
    assert runs.in_outbox("born")
    assert not runs.in_outbox("later")


def test_an_ending_that_is_written_again_after_a_lost_reply_is_in_the_outbox_once(
    runs: RunStore, subscriptions: SubscriptionStore
) -> None:
    subscriptions.put(EAR)
    run, _ = runs.create(birth(new_run("r", created=2.0), [], who="t"))
    change = transition(run, ends(10.0), who="t")
    runs.transition(change)
    runs.announced("r")
    assert State.FAILED is runs.transition(change).state
    assert not runs.in_outbox("r")


def test_without_a_subscription_nothing_is_put_into_the_outbox(
    runs: RunStore, subscriptions: SubscriptionStore
) -> None:
    runs.create(birth(new_run("early", created=1.0), ends(20.0), who="t"))
    subscriptions.put(EAR)
    subscriptions.remove("ear")
    runs.create(birth(new_run("late", created=1.0), ends(20.0), who="t"))
    assert [] == list(runs.outbox(before=100.0, most=10))


def test_an_event_after_the_ending_puts_nothing_into_the_outbox(
    runs: RunStore, subscriptions: SubscriptionStore
) -> None:
    run, _ = runs.create(birth(new_run("r", created=1.0), ends(20.0), who="t"))
    subscriptions.put(EAR)
    runs.transition(transition(run, [Move(state=None, reason="cleaned up", at=30.0)], who="t"))
    assert not runs.in_outbox("r")
