"""The queue at its worst."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from runyard.errors import LockLostError
from runyard.testing import ManualClock, MemoryQueue, ShakyQueue


def shaky(seed: int = 1, **rates: Any) -> tuple[ShakyQueue, ManualClock]:
    clock = ManualClock()
    calm = {"double": 0.0, "delay": 0.0, "drop": 0.0, "lose_lock": 0.0, "reorder": False}
    return ShakyQueue(inner=MemoryQueue(clock), seed=seed, **{**calm, **rates}), clock


def bodies(queue: ShakyQueue, name: str = "q") -> list[bytes]:
    return [message.body for message in queue.receive(name, most=1000, lock=60)]


@pytest.mark.parametrize("name", ["watch", "dispatch-local"])
def test_what_carries_no_news_may_be_lost(name: str) -> None:
    queue, _ = shaky(drop=1.0)
    queue.send(name, b"tick", delay=1.0)
    queue.wake(name, b"wake")
    assert {} == queue.counts()
    assert {"dropped": 2} == queue.done


@pytest.mark.parametrize("name", ["submissions", "deadletters", "buried", "finished"])
def test_news_is_never_lost(name: str) -> None:
    queue, _ = shaky(drop=1.0)
    queue.send(name, b"news")
    assert [b"news"] == bodies(queue, name)


def test_a_durable_message_is_never_lost() -> None:
    queue, _ = shaky(drop=1.0)
    queue.send("watch", b"news", durable=True)
    assert [b"news"] == bodies(queue, "watch")


def test_messages_are_doubled_with_all_they_have() -> None:
    queue, _ = shaky(double=1.0)
    queue.send("submissions", b"a", message_id="mine", properties={"k": "v"})
    queue.wake("watch", b"w")
    received = queue.receive("submissions", most=10, lock=60)
    assert [("mine", {"k": "v"})] * 2 == [(message.id, message.properties) for message in received]
    assert [b"w", b"w"] == bodies(queue, "watch")


def test_messages_come_late_but_not_later_than_said() -> None:
    queue, clock = shaky(delay=1.0, longest=30.0)
    for number in range(50):
        queue.send("q", b"%d" % number, delay=100.0)
        queue.wake("dispatch-x", b"%d" % number)
    clock.advance(30.0)
    assert 50 == len(bodies(queue, "dispatch-x"))
    clock.advance(70.0)
    early = len(bodies(queue))
    clock.advance(30.0)
    assert early < 50 == early + len(bodies(queue))


def test_messages_that_are_received_together_come_in_any_order() -> None:
    queue, _ = shaky(reorder=True)
    sent = [b"%d" % number for number in range(50)]
    for body in sent:
        queue.send("q", body)
    received = bodies(queue)
    assert sent != received
    assert Counter(sent) == Counter(received)


def test_a_lost_lock_brings_the_message_again() -> None:
    queue, _ = shaky(lose_lock=1.0)
    queue.send("q", b"a")
    (message,) = queue.receive("q", most=1, lock=60)
    with pytest.raises(LockLostError, match="as the test asked for"):
        queue.complete(message)
    (again,) = queue.receive("q", most=1, lock=60)
    assert (message.id, 2) == (again.id, again.delivery_count)
    assert [again] == list(queue.complete_many([again]))
    queue.calm()
    (last,) = queue.receive("q", most=1, lock=60)
    assert [] == list(queue.complete_many([last]))
    assert [] == bodies(queue)


def test_a_completed_message_may_be_delivered_again() -> None:
    queue, _ = shaky()
    queue.send("submissions", b"a", message_id="mine")
    queue.double = 1.0
    (message,) = queue.receive("submissions", most=1, lock=60)
    queue.complete(message)
    (again,) = queue.receive("submissions", most=1, lock=60)
    assert ("mine", b"a") == (again.id, again.body)
    assert {"redelivered": 1} == queue.done


def mischief(seed: int) -> str:
    queue, clock = shaky(seed, double=0.3, delay=0.3, drop=0.3, lose_lock=0.3)
    for _ in range(40):
        queue.send("watch", b"t")
        queue.complete_many(queue.receive("watch", most=5, lock=60))
        clock.advance(1)
    return queue.report()


def test_the_same_seed_does_the_same_and_is_told() -> None:
    assert mischief(7) == mischief(7)
    assert mischief(7) != mischief(8)
    assert mischief(7).startswith("shaky queue with seed 7: {'")
