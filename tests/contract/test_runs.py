"""What every run store promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct

from runyard.errors import ConfigError, ConflictError, NotFoundError
from runyard.ports import Query, RunStore
from runyard.runs.identity import identity
from runyard.runs.model import Attempt, Run
from runyard.runs.moves import Move, birth
from runyard.runs.states import State
from tests.contract.samples import START, a_birth, a_run, at_once, everything, moved


def born(runs: RunStore, name: str = "one", **changes: Any) -> Run:
    return runs.create(a_birth(name, **changes))[0]


def ended(runs: RunStore, name: str = "one", state: State = State.FAILED, **changes: Any) -> Run:
    run = born(runs, name, **changes)
    if state is State.COMPLETED:
        run = runs.transition(moved(run, State.QUEUED, State.STARTING, State.FINALIZING))
    return runs.transition(moved(run, state))


def ids(runs: RunStore, **query: Any) -> list[str]:
    return [run.id.rsplit("_", 1)[1] for run in runs.list(Query(**query)).runs]


def test_a_created_run_is_found_by_id_and_by_identity(runs: RunStore) -> None:
    run, created = runs.create(a_birth())
    assert created
    assert runs.get(run.id) == run
    assert runs.find(run.identity) == run.id
    assert run.version == 1


def test_every_field_comes_back_as_it_was_written(runs: RunStore) -> None:
    change = birth(everything(), [], who="accept")
    runs.create(change)
    assert runs.get(change.after.id) == change.after


def test_what_this_store_wrote_is_recent_at_once(runs: RunStore) -> None:
    run = born(runs)
    assert runs.recent(run.id) == run
    run = runs.transition(moved(run, State.QUEUED))
    assert runs.recent(run.id) == run
    run = runs.transition(moved(run, State.FAILED))
    runs.delete(run.id, at=START)
    assert runs.recent(run.id) is None
    assert runs.recent("nobody") is None


def test_an_unknown_run_is_none_and_has_no_history(runs: RunStore) -> None:
    assert runs.get("nobody") is None
    assert runs.find("nothing") is None
    assert list(runs.history("nobody")) == []
    assert list(runs.attempts("nobody")) == []


def test_a_run_is_born_with_all_its_first_events(runs: RunStore) -> None:
    change = birth(a_run(), [Move(state=State.QUEUED, reason="waits", at=START + 2)], who="accept")
    runs.create(change)
    assert tuple(runs.history(change.after.id)) == change.events
    assert [event.state for event in change.events] == [State.NOT_STARTED, State.QUEUED]


def test_a_repeated_event_finds_the_run_that_exists(runs: RunStore) -> None:
    first = born(runs)
    again = a_birth("two", identity=first.identity)
    assert runs.create(again) == (first, False)
    assert runs.get(again.after.id) is None


def test_a_repeated_event_finds_the_run_as_it_is_now(runs: RunStore) -> None:
    now = runs.transition(moved(born(runs), State.QUEUED))
    assert runs.create(a_birth()) == (now, False)


def test_a_run_id_of_another_identity_is_refused_and_nothing_is_written(runs: RunStore) -> None:
    first = born(runs)
    with pytest.raises(ConflictError, match=first.id):
        runs.create(a_birth("one", identity=identity("other")))
    assert runs.find(identity("other")) is None
    assert runs.get(first.id) == first


def test_one_of_many_deliveries_of_an_event_creates_the_run(runs: RunStore) -> None:
    answers = at_once(8, lambda _: runs.create(a_birth()))
    assert sum(created for _, created in answers) == 1
    assert len({run.id for run, _ in answers}) == 1


def test_a_transition_writes_the_run_its_events_and_its_attempt(runs: RunStore) -> None:
    run = born(runs)
    attempt = Attempt(run_id=run.id, number=1, compute="local", name="ry-x-1", slot=0, claimed=START)
    change = moved(run, State.QUEUED, State.STARTING, row=attempt, attempt=1, compute="local")
    after = runs.transition(change, durable=True)
    assert after == runs.get(run.id) == change.after
    assert after.version == 3
    assert [event.seq for event in runs.history(run.id)] == [1, 2, 3]
    assert list(runs.attempts(run.id)) == [attempt]


def test_an_attempt_is_replaced_by_its_newer_row_and_attempts_are_listed_in_order(runs: RunStore) -> None:
    run = born(runs)
    for number, code in ((2, None), (1, None), (2, 5)):
        attempt = Attempt(run_id=run.id, number=number, compute="c", name="n", slot=0, claimed=START, exit_code=code)
        run = runs.transition(moved(run, row=attempt))
    assert [(attempt.number, attempt.exit_code) for attempt in runs.attempts(run.id)] == [(1, None), (2, 5)]


def test_the_newest_attempt_is_the_one_whose_number_the_run_says(runs: RunStore) -> None:
    run = born(runs)
    assert runs.attempt(run) is None
    first, second = (
        Attempt(run_id=run.id, number=number, compute="c", name=f"n{number}", slot=0, claimed=START)
        for number in (1, 2)
    )
    run = runs.transition(moved(run, State.QUEUED, State.STARTING, row=first, attempt=1))
    assert runs.attempt(run) == first
    run = runs.transition(moved(run))  # a note: the attempt stays as it is
    assert runs.attempt(run) == first
    done = replace_struct(first, ended=START + 5)
    run = runs.transition(moved(run, State.QUEUED, row=done))
    assert runs.attempt(run) == done
    run = runs.transition(moved(run, State.STARTING, row=second, attempt=2))
    assert runs.attempt(run) == second
    run = runs.transition(moved(run, State.QUEUED, attempt=1))  # the second is undone
    assert runs.attempt(run) == done
    stored = runs.get(run.id)
    assert stored is not None
    assert runs.attempt(stored) == done


def test_a_run_that_is_not_there_has_no_newest_attempt(runs: RunStore) -> None:
    assert runs.attempt(a_run("nobody", attempt=1)) is None


def test_a_transition_from_an_old_version_is_a_conflict_and_writes_nothing(runs: RunStore) -> None:
    run = born(runs)
    now = runs.transition(moved(run, State.QUEUED))
    attempt = Attempt(run_id=run.id, number=1, compute="c", name="n", slot=0, claimed=START)
    with pytest.raises(ConflictError, match="version 2"):
        runs.transition(moved(run, State.CANCELED, row=attempt))
    assert runs.get(run.id) == now
    assert len(runs.history(run.id)) == 2
    assert list(runs.attempts(run.id)) == []


def test_of_many_transitions_from_one_version_one_wins(runs: RunStore) -> None:
    run = born(runs)

    def attempt(number: int) -> bool:
        try:
            runs.transition(moved(run, State.QUEUED, display_name=str(number)))
        except ConflictError:
            return False
        return True

    assert sum(at_once(8, attempt)) == 1
    assert len(runs.history(run.id)) == 2


def test_a_transition_sent_again_after_a_lost_reply_returns_the_stored_run(runs: RunStore) -> None:
    run = born(runs)
    change = moved(run, State.QUEUED)
    first = runs.transition(change)
    assert runs.transition(change) == first
    assert len(runs.history(run.id)) == 2


def test_a_transition_sent_again_is_known_even_when_others_followed(runs: RunStore) -> None:
    change = moved(born(runs), State.QUEUED)
    newest = runs.transition(moved(runs.transition(change), State.STARTING, compute="x"))
    assert runs.transition(change) == newest


def test_another_change_of_the_same_length_is_not_taken_for_the_lost_one(runs: RunStore) -> None:
    run = born(runs)
    runs.transition(moved(run, State.QUEUED))
    with pytest.raises(ConflictError):
        runs.transition(moved(run, State.QUEUED))


def test_a_transition_of_an_unknown_run_says_so(runs: RunStore) -> None:
    with pytest.raises(NotFoundError, match="exp_1700000000_one"):
        runs.transition(moved(a_birth().after, State.QUEUED))


def test_runs_are_listed_newest_first_and_by_id_among_equals(runs: RunStore) -> None:
    for name, created in (("a", 1.0), ("c", 2.0), ("b", 2.0), ("d", 0.5)):
        born(runs, name, created=START + created)
    assert ids(runs) == ["c", "b", "a", "d"]


def test_pages_join_without_gaps_or_repeats_even_while_runs_arrive(runs: RunStore) -> None:
    for number in range(7):
        born(runs, f"{number}", created=START + number // 2)
    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = runs.list(Query(limit=3, after=cursor))
        seen += [run.id[-1] for run in page.runs]
        cursor, pages = page.next, pages + 1
        born(runs, f"new{pages}", created=START + 100 + pages)
    assert seen == list("6543210")
    assert pages == 3


def test_the_last_page_has_no_cursor(runs: RunStore) -> None:
    assert runs.list(Query()).next is None
    born(runs, "a")
    born(runs, "b")
    assert runs.list(Query(limit=2)).next is None
    assert runs.list(Query(limit=1)).next is not None


@pytest.fixture
def mixed(runs: RunStore) -> RunStore:
    born(runs, "new", created=START + 1)
    runs.transition(moved(born(runs, "queued", created=START + 2, target="gpu", compute="gpu"), State.QUEUED))
    ended(runs, "failed", created=START + 3, target="alias", compute="gpu")
    ended(runs, "done", State.COMPLETED, created=START + 4, target="gpu", compute="gpu", experiment="other")
    ended(runs, "canceled", State.CANCELED, created=START + 5, cancel_requested=True)
    born(runs, "wanted", created=START + 6, cancel_requested=True, experiment="other")
    starting = born(runs, "starting", created=START, target="gpu", compute="gpu")
    runs.transition(moved(starting, State.QUEUED, State.STARTING))
    return runs


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["wanted", "canceled", "done", "failed", "queued", "new", "starting"]),
        ({"statuses": frozenset({"NotStarted"})}, ["new"]),
        ({"statuses": frozenset({"CancelRequested"})}, ["wanted"]),
        ({"statuses": frozenset({"Canceled"})}, ["canceled"]),
        ({"statuses": frozenset({"Completed", "Failed", "Queued"})}, ["done", "failed", "queued"]),
        ({"statuses": frozenset({"Running"})}, []),
        ({"experiment": "other"}, ["wanted", "done"]),
        ({"experiment": "nobody"}, []),
        ({"target": "gpu"}, ["done", "failed", "queued", "starting"]),
        ({"target": "alias"}, ["failed"]),
        ({"target": "gpu", "experiment": "other"}, ["done"]),
        ({"target": "gpu", "statuses": frozenset({"Failed", "Queued"})}, ["failed", "queued"]),
        ({"experiment": "other", "statuses": frozenset({"CancelRequested", "Completed"})}, ["wanted", "done"]),
        ({"experiment": "other", "statuses": frozenset({"Running", "Queued"})}, []),
        ({"target": "gpu", "statuses": frozenset({"Starting", "Running"})}, ["starting"]),
        ({"target": "alias", "statuses": frozenset({"Starting", "Failed"})}, ["failed"]),
        ({"created_before": START + 1, "statuses": frozenset({"Starting", "Queued"})}, ["starting"]),
        ({"created_before": START + 3}, ["queued", "new", "starting"]),
        ({"created_before": START + 6, "limit": 1}, ["canceled"]),
    ],
)
def test_a_query_finds_what_it_names(mixed: RunStore, query: dict[str, Any], expected: list[str]) -> None:
    assert ids(mixed, **query) == expected


def test_pages_of_a_filtered_query_join_too(mixed: RunStore) -> None:
    query = Query(target="gpu", statuses=frozenset({"Completed", "Failed", "Queued"}), limit=1)
    seen = []
    while True:
        page = mixed.list(query)
        seen += [run.id.rsplit("_", 1)[1] for run in page.runs]
        if page.next is None:
            break
        query = replace(query, after=page.next)
    assert seen == ["done", "failed", "queued"]


def test_a_change_of_target_and_state_is_seen_by_the_filters(runs: RunStore) -> None:
    run = runs.transition(moved(born(runs), State.QUEUED, target="cpu", compute="local"))
    assert ids(runs, target="local") == ids(runs, target="cpu") == ["one"]
    runs.transition(moved(run, State.FAILED))
    assert ids(runs, statuses=frozenset({"Failed"})) == ["one"]
    assert ids(runs, statuses=frozenset({"Queued"})) == []


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "bm8", "W10", "ü"])
def test_a_cursor_that_no_page_gave_is_refused(runs: RunStore, cursor: str) -> None:
    with pytest.raises(ConfigError, match="cursor"):
        runs.list(Query(after=cursor))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_size_out_of_range_is_refused(runs: RunStore, limit: int) -> None:
    with pytest.raises(ConfigError, match="1000"):
        runs.list(Query(limit=limit))


def test_a_deleted_run_is_gone_but_its_event_never_runs_again(runs: RunStore) -> None:
    run = ended(runs)
    runs.delete(run.id, at=START + 10)
    assert runs.get(run.id) is None
    assert list(runs.history(run.id)) == []
    assert list(runs.attempts(run.id)) == []
    assert runs.list(Query()).runs == ()
    assert runs.find(run.identity) == run.id
    again = a_birth()
    assert runs.create(again) == (again.after, False)
    assert runs.get(run.id) is None


def test_a_run_that_has_not_ended_is_not_deleted(runs: RunStore) -> None:
    run = born(runs)
    with pytest.raises(ConflictError, match="NotStarted"):
        runs.delete(run.id, at=START)
    assert runs.get(run.id) == run


def test_deleting_a_run_twice_or_one_that_never_was_does_nothing(runs: RunStore) -> None:
    run = ended(runs)
    runs.delete("nobody", at=START)
    runs.delete(run.id, at=START + 10)
    runs.delete(run.id, at=START + 99)
    assert runs.forget(START + 11) == 1


def test_tombstones_are_forgotten_by_age(runs: RunStore) -> None:
    for name, at in (("a", 1.0), ("b", 2.0)):
        runs.delete(ended(runs, name).id, at=START + at)
    living = born(runs, "c")
    assert runs.forget(START + 2) == 1
    assert runs.find(identity("a")) is None
    assert runs.find(identity("b")) is not None
    assert runs.find(living.identity) == living.id
    assert runs.create(a_birth("a"))[1]
