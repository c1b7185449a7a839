"""What every queue promises."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from runyard.errors import ConfigError, LockLostError
from runyard.ports import Message, Queue
from runyard.ports.queue import DEAD_LETTERS, MAX_BODY, MAX_DELIVERIES
from runyard.stores.messages import TOO_MANY_DELIVERIES
from runyard.testing import ManualClock
from tests.contract.samples import at_once


def receive(queue: Queue, name: str = "q", most: int = 10, lock: float = 60.0) -> Sequence[Message]:
    return queue.receive(name, most=most, lock=lock)


def one(queue: Queue, name: str = "q") -> Message:
    (message,) = receive(queue, name)
    return message


def spend(queue: Queue, name: str = "q", deliveries: int = MAX_DELIVERIES) -> None:
    """Deliver and abandon the one message of a queue."""
    for _ in range(deliveries):
        queue.abandon(one(queue, name))


def test_a_message_is_received_with_all_that_was_sent(queue: Queue, clock: ManualClock) -> None:
    ident = queue.send("q", b'{"a": "\xff\x00"}', message_id="mine", properties={"k": "ü"})
    message = one(queue)
    assert ident == message.id == "mine"
    assert (message.queue, message.body, message.properties) == ("q", b'{"a": "\xff\x00"}', {"k": "ü"})
    assert (message.enqueued, message.delivery_count) == (clock.now(), 1)
    assert message.locked_until == pytest.approx(clock.now() + 60, abs=1)
    assert message.lock_token
    assert not message.dead_letter_source


def test_ids_are_random_when_not_given_and_may_repeat_when_given(queue: Queue) -> None:
    assert queue.send("q", b"a") != queue.send("q", b"a")
    queue.send("q", b"b", message_id="same")
    queue.send("q", b"b", message_id="same", durable=True)
    assert len(receive(queue)) == 4


@pytest.mark.parametrize("ident", ["", "x" * 129])
def test_an_id_of_the_wrong_length_is_refused(queue: Queue, ident: str) -> None:
    with pytest.raises(ConfigError, match="128"):
        queue.send("q", b"", message_id=ident)


def test_queues_are_apart_and_an_unknown_one_is_empty(queue: Queue) -> None:
    queue.send("q", b"a")
    assert list(receive(queue, "other")) == []
    assert list(queue.peek("other")) == []
    assert len(receive(queue)) == 1


def test_a_body_at_the_bound_is_taken_and_one_byte_more_refused_with_the_numbers(queue: Queue) -> None:
    queue.send("q", b"x" * MAX_BODY)
    with pytest.raises(ConfigError, match=rf"{MAX_BODY}.*{MAX_BODY + 1}"):
        queue.send("q", b"x" * (MAX_BODY + 1))
    assert [len(message.body) for message in receive(queue)] == [MAX_BODY]


def test_receive_takes_at_most_what_was_asked(queue: Queue) -> None:
    for number in range(3):
        queue.send("q", b"%d" % number)
    assert [message.body for message in receive(queue, most=2)] == [b"0", b"1"]
    assert [message.body for message in receive(queue, most=2)] == [b"2"]
    assert list(receive(queue)) == []


def test_sequence_numbers_grow_and_are_never_used_again(queue: Queue) -> None:
    seen = []
    for _ in range(3):
        queue.send("q", b"")
        message = one(queue)
        seen.append(message.sequence)
        queue.complete(message)
    assert seen == sorted(set(seen))


def test_a_locked_message_is_hidden_until_its_lock_expires(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"a")
    first = one(queue)
    clock.advance(59.9)
    assert list(receive(queue)) == []
    clock.advance(0.1)
    again = one(queue)
    assert again.delivery_count == 2
    assert again.lock_token != first.lock_token
    assert (again.id, again.sequence) == (first.id, first.sequence)


def test_a_completed_message_is_gone(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"a")
    queue.complete(one(queue))
    clock.advance(1000)
    assert list(receive(queue)) == []
    assert queue.counts().get("q", 0) == 0


@pytest.mark.parametrize("settle", ["complete", "abandon", "dead_letter"])
@pytest.mark.parametrize("how", ["expired", "received again", "completed", "abandoned", "never locked"])
def test_who_lost_the_lock_can_settle_nothing(queue: Queue, clock: ManualClock, settle: str, how: str) -> None:
    queue.send("q", b"a")
    message = queue.peek("q")[0] if how == "never locked" else one(queue)
    if how == "expired":
        clock.advance(60)
    elif how == "received again":
        clock.advance(60)
        one(queue)
    elif how == "completed":
        queue.complete(message)
    elif how == "abandoned":
        queue.abandon(message)
    before = dict(queue.counts())
    why = {"reason": "r", "description": "d"} if settle == "dead_letter" else {}
    with pytest.raises(LockLostError, match=message.id):
        getattr(queue, settle)(message, **why)
    assert dict(queue.counts()) == before


def test_an_abandoned_message_is_redelivered_at_once_with_a_new_count(queue: Queue) -> None:
    queue.send("q", b"a")
    queue.send("q", b"b")
    (first,) = receive(queue, most=1)
    queue.abandon(first)
    assert [(message.body, message.delivery_count) for message in receive(queue)] == [(b"a", 2), (b"b", 1)]


def test_each_message_goes_to_one_of_many_receivers(queue: Queue) -> None:
    for number in range(40):
        queue.send("q", b"%d" % number)

    def work(_: int) -> list[bytes]:
        bodies = []
        while messages := receive(queue, most=3):
            for message in messages:
                queue.complete(message)
                bodies.append(message.body)
        return bodies

    bodies = [body for part in at_once(8, work) for body in part]
    assert sorted(bodies) == sorted(b"%d" % number for number in range(40))


def test_a_delay_is_a_lower_bound(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"late", delay=30)
    queue.send("q", b"now", delay=-5)
    assert one(queue).body == b"now"
    clock.advance(29.9)
    assert list(receive(queue)) == []
    clock.advance(0.1)
    assert one(queue).body == b"late"


def test_an_abandoned_message_that_was_scheduled_is_due_still(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"late", delay=30)
    clock.advance(30)
    queue.abandon(one(queue))
    assert one(queue).delivery_count == 2


def test_a_message_abandoned_too_often_becomes_a_dead_letter(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"bad", message_id="mine", properties={"k": "v"})
    spend(queue)
    assert list(receive(queue)) == []
    letter = one(queue, DEAD_LETTERS)
    assert (letter.body, letter.id, letter.properties, letter.dead_letter_source) == (b"bad", "mine", {"k": "v"}, "q")
    assert letter.dead_letter_reason == "MaxDeliveryCountExceeded"
    assert str(MAX_DELIVERIES) in letter.dead_letter_description
    assert letter.delivery_count == 1


def test_a_message_whose_lock_expires_too_often_becomes_a_dead_letter(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"bad")
    queue.send("q", b"good", delay=MAX_DELIVERIES * 60)
    for _ in range(MAX_DELIVERIES):
        assert one(queue).body == b"bad"
        clock.advance(60)
    assert one(queue).body == b"good"
    assert one(queue, DEAD_LETTERS).body == b"bad"


def test_a_spent_message_does_not_hide_those_behind_it(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"bad")
    for _ in range(MAX_DELIVERIES):
        one(queue)
        clock.advance(60)
    queue.send("q", b"good")
    assert [message.body for message in receive(queue, most=1)] == [b"good"]


def test_a_message_can_be_dead_lettered_with_a_reason(queue: Queue) -> None:
    queue.send("q", b"bad")
    queue.dead_letter(one(queue), reason="EventError", description="It has no experiment.")
    letter = one(queue, DEAD_LETTERS)
    assert (letter.dead_letter_reason, letter.dead_letter_description) == ("EventError", "It has no experiment.")
    assert letter.dead_letter_source == "q"
    queue.complete(letter)
    assert sum(queue.counts().values()) == 0


@pytest.mark.parametrize("how", ["abandoned", "expired", "dead-lettered"])
def test_a_dead_letter_that_nobody_can_handle_stays(queue: Queue, clock: ManualClock, how: str) -> None:
    queue.send("q", b"bad")
    queue.dead_letter(one(queue), reason="first", description="")
    if how == "abandoned":
        spend(queue, DEAD_LETTERS)
    elif how == "expired":
        for _ in range(MAX_DELIVERIES):
            one(queue, DEAD_LETTERS)
            clock.advance(60)
    else:
        queue.dead_letter(one(queue, DEAD_LETTERS), reason="second", description="")
    assert list(receive(queue, DEAD_LETTERS)) == []
    (letter,) = queue.peek(DEAD_LETTERS)
    assert (letter.body, letter.dead_letter_source) == (b"bad", "q")
    assert letter.dead_letter_reason in ({"second"} if how == "dead-lettered" else {"first", TOO_MANY_DELIVERIES})
    assert queue.redrive() == 1
    assert one(queue).delivery_count == 1


def test_redrive_sends_dead_letters_back_with_a_fresh_count(queue: Queue) -> None:
    for name in ("q", "p", "q"):
        queue.send(name, b"bad")
        queue.dead_letter(one(queue, name), reason="r", description="d")
    assert queue.redrive(source="q", most=1) == 1
    assert queue.redrive(source="q") == 1
    assert queue.redrive(source="nobody") == 0
    assert dict(queue.counts()) == {"q": 2, DEAD_LETTERS: 1}
    message = receive(queue)[0]
    assert message.delivery_count == 1
    assert (message.dead_letter_reason, message.dead_letter_description, message.dead_letter_source) == ("", "", "")


def test_redrive_leaves_what_is_in_hands_and_what_came_from_nowhere(queue: Queue, clock: ManualClock) -> None:
    queue.send("q", b"bad")
    queue.dead_letter(one(queue), reason="r", description="d")
    one(queue, DEAD_LETTERS)
    queue.send(DEAD_LETTERS, b"sent here")
    assert queue.redrive() == 0
    clock.advance(60)
    assert queue.redrive() == 1


@pytest.fixture
def merging(request: pytest.FixtureRequest, queue: Queue) -> Queue:
    """A queue that merges wakes: it may, and Service Bus cannot."""
    if request.node.callspec.params["stores"] == "azure":
        pytest.skip("whether an equal wake was received, only Service Bus knows: nothing is merged")
    return queue


def test_equal_wakes_are_merged_while_nobody_received_one(merging: Queue) -> None:
    queue = merging
    queue.wake("q", b"c")
    queue.wake("q", b"c")
    queue.wake("q", b"d")
    queue.wake("p", b"c")
    assert dict(queue.counts()) == {"p": 1, "q": 2}


def test_a_wake_after_the_receive_is_a_new_message(merging: Queue) -> None:
    queue = merging
    queue.wake("q", b"c")
    first = one(queue)
    queue.wake("q", b"c")
    queue.wake("q", b"c")
    assert one(queue).id != first.id
    queue.abandon(first)
    queue.wake("q", b"c")
    assert queue.counts()["q"] == 3


def test_a_wake_is_not_merged_with_a_message_that_comes_later(queue: Queue) -> None:
    queue.send("q", b"c", delay=60)
    queue.wake("q", b"c")
    assert one(queue).body == b"c"


def test_many_wakes_at_once_are_one_message(merging: Queue) -> None:
    at_once(8, lambda _: merging.wake("q", b"c"))
    assert merging.counts()["q"] == 1


def test_peek_shows_all_oldest_first_and_locks_nothing(queue: Queue) -> None:
    queue.send("q", b"late", delay=60)
    queue.send("q", b"now")
    queue.send("q", b"held")
    (held,) = [message for message in receive(queue) if message.body == b"held"]
    peeked = queue.peek("q")
    assert [message.body for message in peeked] == [b"late", b"now", b"held"]
    assert peeked[0].delivery_count == 0
    assert all(message.delivery_count in {0, 1} for message in peeked)  # one under way counts from now or from its end
    assert {message.lock_token for message in peeked} == {""}
    assert [message.body for message in queue.peek("q", most=1)] == [b"late"]
    queue.complete(held)


def test_counts_include_scheduled_and_locked_messages(queue: Queue) -> None:
    queue.send("q", b"late", delay=60)
    queue.send("q", b"held")
    one(queue)
    queue.send("p", b"")
    assert dict(queue.counts()) == {"p": 1, "q": 2}


def test_wait_names_the_queues_that_have_something(queue: Queue, clock: ManualClock) -> None:
    queue.send("p", b"")
    queue.send("q", b"")
    queue.send("late", b"", delay=30)
    assert waited(queue, ["late", "q", "none", "p"], 2) == ["p", "q"]
    one(queue, "p")
    assert waited(queue, ["none", "p", "q"], 1) == ["q"]
    clock.advance(60)
    assert waited(queue, ["late", "p"], 2) == ["late", "p"]


def waited(queue: Queue, names: Sequence[str], count: int) -> list[str]:
    """What a wait names, until it has named so many: it comes back as soon as there is one."""
    for _ in range(20):
        found = sorted(queue.wait(names, 60))
        if len(found) >= count:
            break
    return found


def test_wait_comes_back_with_nothing_when_the_time_is_over(queue: Queue) -> None:
    queue.send("other", b"")
    assert list(queue.wait(["q"], 0.01)) == []
    assert list(queue.wait([], 0.01)) == []


def test_an_interrupted_wait_comes_back_at_once_even_if_it_begins_later(queue: Queue) -> None:
    queue.interrupt()
    began = time.monotonic()
    assert list(queue.wait(["q"], 30)) == []
    assert time.monotonic() - began < 10


def test_an_interrupt_hides_no_message(queue: Queue) -> None:
    queue.send("q", b"")
    queue.interrupt()
    assert list(queue.wait(["q"], 0)) == ["q"]


def test_several_messages_are_completed_at_once_and_the_lost_ones_named(queue: Queue, clock: ManualClock) -> None:
    queue.send("p", b"a", message_id="lost")
    first = one(queue, "p")
    clock.advance(30)
    queue.send("q", b"b")
    queue.send("q", b"c")
    others = receive(queue)
    clock.advance(30)
    assert [message.id for message in queue.complete_many([first, *others])] == ["lost"]
    assert dict(queue.counts()) == {"p": 1}
    assert list(queue.complete_many([])) == []


def test_a_backlog_counts_all_that_a_queue_holds_and_no_further_than_asked(queue: Queue) -> None:
    assert queue.backlog("q", 10) == 0
    queue.send("q", b"now")
    queue.send("q", b"later", delay=60.0)
    queue.send("other", b"x")
    queue.wake("q", b"w")
    assert [queue.backlog("q", most) for most in (0, 1, 2, 3, 10)] == [0, 1, 2, 3, 3]
    receive(queue, most=2)
    assert queue.backlog("q", 10) == 3


def test_a_backlog_shrinks_with_what_is_completed(queue: Queue) -> None:
    for number in range(5):
        queue.send("q", b"%d" % number)
    queue.complete_many(receive(queue, most=3))
    assert queue.backlog("q", 10) == 2
    assert queue.counts() == {"q": 2}


def test_counts_go_so_far_and_no_further(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("embedded", "memory", "azure"):
        monkeypatch.setattr(f"runyard.stores.{module}.queue.COUNTED", 3)
    for number in range(5):
        queue.send("many", b"%d" % number)
    queue.send("few", b"x")
    assert queue.counts() == {"many": 3, "few": 1}


def test_a_wake_that_was_received_does_not_swallow_the_next(merging: Queue) -> None:
    queue = merging
    queue.wake("q", b"c")
    queue.wake("q", b"c")
    held = one(queue)
    queue.wake("q", b"c")
    queue.complete(held)
    assert one(queue).body == b"c"
