"""What of a submission is secret is in the service's secrets, and in no row."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from runyard.accept import accept, resubmit, submit
from runyard.accept.acceptor import accept_run
from runyard.accept.doors import send
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError, ConflictError
from runyard.events.submission import Submission
from runyard.ports import kept_of
from runyard.reconcile import prune, sweep_secrets
from runyard.reconcile.secrets import LOOKED_AT, ORPHANED
from runyard.runconfig.redact import MASK
from runyard.runs.identity import OF_RUN, secret_name
from runyard.runs.kept import Kept, encode
from runyard.runs.model import Origin, Run
from runyard.runs.states import State
from tests.fakes import runconfig, snapshot
from tests.unit.house import House

API = Origin(source="api", name="test")
CANARY = "canary-7d1f"


def submission(**changes: Any) -> Submission:
    return Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip", **changes})


def house() -> House:
    made = House()
    made.ports.blobs.put("uploads", "a.zip", snapshot())
    return made


def rows(made: House) -> str:
    """All that is stored of runs, and all that waits."""
    runs = [made.ports.runs.get(run.id) for run in made.runs()]
    events = [made.ports.runs.history(run.id) for run in made.runs()]
    queues = [made.ports.queue.peek(queue, most=99) for queue in made.ports.queue.counts()]
    waiting = [message.body.decode() for messages in queues for message in messages]
    return msgspec.json.encode((runs, events, waiting)).decode()


def of_runs(made: House) -> list[str]:
    return [name for name in made.ports.secrets.names() if name.startswith(OF_RUN)]


def fresh(made: House, run: Run) -> Run:
    found = made.ports.runs.get(run.id)
    assert found is not None
    return found


def values(made: House, run: Run) -> Kept:
    return kept_of(made.ports.secrets, run.secret, run.id)


def test_a_run_without_secrets_has_none() -> None:
    made = house()
    run, _ = submit(made.ports, submission(arguments=["--alpha", "1"]), origin=API)
    made.settle()
    assert ("", [], ["--alpha", "1"]) == (fresh(made, run).secret, of_runs(made), fresh(made, run).request["arguments"])


def test_the_secrets_of_a_submission_are_kept_apart_from_its_row_and_its_job() -> None:
    made = house()
    variables = {"HF_TOKEN": CANARY, "A": "b"}
    inline = {"script": "train.py", "environment": {"docker": {"baseImageRegistry": {"password": CANARY}},
              "python": {"userManagedDependencies": True}}}  # fmt: skip
    asked = submission(
        environmentVariables=variables, runconfig=inline, arguments=["--password", CANARY], tags={"token": CANARY}
    )
    run, _ = submit(made.ports, asked, origin=API)
    assert CANARY not in rows(made)
    made.settle()
    after = fresh(made, run)
    assert after.state is State.STARTING
    assert after.spec is not None
    assert CANARY not in rows(made)
    assert {"HF_TOKEN": MASK, "A": "b"} == after.spec.environment_variables
    assert ("--password", MASK) == after.spec.arguments
    assert {"token": MASK} == after.tags
    assert {"/environment_variables/HF_TOKEN": CANARY, "/arguments/1": CANARY} == values(made, after).spec
    assert [after.secret] == of_runs(made)


def test_a_dropped_snapshots_runconfig_is_treated_alike() -> None:
    made = house()
    environment = {
        "environmentVariables": {"API_KEY": CANARY, "PLAIN": CANARY},
        "python": {"userManagedDependencies": True},
    }
    made.drop(data=snapshot(config=runconfig(environment=environment, runyard={"secret_variables": ["PLAIN"]})))
    made.deliver(SUBMISSIONS)
    run = made.only()
    assert State.QUEUED is run.state
    assert CANARY not in rows(made)
    assert {"/environment_variables/API_KEY": CANARY, "/environment_variables/PLAIN": CANARY} == values(made, run).spec


def test_a_mark_in_the_snapshot_counts_for_what_the_event_said() -> None:
    made = house()
    made.ports.blobs.put("uploads", "a.zip", snapshot(config=runconfig(runyard={"secret_variables": ["PLAIN"]})))
    run, _ = submit(made.ports, submission(environmentVariables={"PLAIN": CANARY}), origin=API)
    made.settle()
    assert CANARY not in rows(made)
    assert {"/environmentVariables/PLAIN": CANARY} == values(made, fresh(made, run)).request


def test_a_mark_in_the_event_counts_for_what_the_snapshot_says() -> None:
    made = house()
    made.ports.blobs.put("uploads", "a.zip", snapshot(config=runconfig(environmentVariables={"PLAIN": CANARY})))
    submit(made.ports, submission(secretVariables=["PLAIN"]), origin=API)
    made.settle()
    assert CANARY not in rows(made)


def test_resubmit_says_the_secrets_again_under_a_name_of_its_own() -> None:
    made = house()
    run, _ = submit(made.ports, submission(environmentVariables={"HF_TOKEN": CANARY}), origin=API)
    made.settle()
    again = resubmit(made.ports, run.id, who="test")
    made.settle()
    first, second = fresh(made, run), fresh(made, again)
    assert first.secret != second.secret
    assert values(made, first).spec == values(made, second).spec == {"/environment_variables/HF_TOKEN": CANARY}
    assert CANARY not in rows(made)


@pytest.mark.parametrize("gone", ["removed", "of another run"])
def test_a_run_whose_secrets_are_gone_says_so(gone: str) -> None:
    made = house()
    run, _ = submit(made.ports, submission(environmentVariables={"HF_TOKEN": CANARY}), origin=API)
    made.ports.secrets.remove(run.secret)
    if gone == "of another run":
        made.ports.secrets.set(run.secret, encode(Kept(run="exp_1_00000000", at=0.0, request={"/script": "x.py"})))
    made.settle()
    after = fresh(made, run)
    assert (State.FAILED, "config") == (after.state, after.error.error_class if after.error else "")
    assert "the secrets of" in after.reason
    with pytest.raises(ConfigError, match="are gone"):
        resubmit(made.ports, run.id, who="test")


def test_a_repeated_key_with_other_secrets_leaves_those_of_the_run_that_exists() -> None:
    made = house()
    run, _ = submit(made.ports, submission(environmentVariables={"HF_TOKEN": "first"}), origin=API, key="k")
    submit(made.ports, submission(environmentVariables={"HF_TOKEN": "second"}), origin=API, key="k")
    assert [run.secret] == of_runs(made)
    made.settle()
    assert {"/environment_variables/HF_TOKEN": "first"} == values(made, fresh(made, run)).spec
    assert 1 == len(of_runs(made))


def test_a_message_delivered_twice_leaves_one_secret() -> None:
    made = house()
    made.send({"experiment": "exp", "snapshot": "uploads/a.zip", "environmentVariables": {"HF_TOKEN": CANARY}})
    (message,) = made.ports.queue.receive(SUBMISSIONS, most=1, lock=60)
    first = accept(made.ports, message.body, message_id=message.id, enqueued=message.enqueued)
    again = accept(made.ports, message.body, message_id=message.id, enqueued=message.enqueued)
    assert first.secret == again.secret
    assert [first.secret] == of_runs(made)


def test_a_cancel_between_the_reads_and_the_write_leaves_one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    made = house()
    run, _ = submit(made.ports, submission(environmentVariables={"HF_TOKEN": CANARY}), origin=API)
    transition = made.ports.runs.transition
    calls = []

    def conflict(*args: Any, **more: Any) -> Run:
        calls.append(1)
        if len(calls) == 1:
            raise ConflictError("somebody was first")
        return transition(*args, **more)

    monkeypatch.setattr(made.ports.runs, "transition", conflict)
    accept_run(made.ports, run.id)
    assert [fresh(made, run).secret] == of_runs(made)


def test_a_submission_that_fails_at_once_has_its_secrets_apart_too() -> None:
    made = house()
    made.send({"experiment": "exp", "snapshot": "uploads/no.zip", "environmentVariables": {"HF_TOKEN": CANARY}})
    made.settle()
    run = made.only()
    assert State.FAILED is run.state
    assert CANARY not in rows(made)
    made.ports.blobs.put("uploads", "no.zip", snapshot())
    again = resubmit(made.ports, run.id, who="test")
    made.settle()
    assert {"/environment_variables/HF_TOKEN": CANARY} == values(made, fresh(made, again)).spec


def test_secrets_go_with_their_run() -> None:
    made = house()
    run, _ = submit(made.ports, submission(environmentVariables={"HF_TOKEN": CANARY}), origin=API)
    made.settle()
    made.target.end(f"{run.id}/1")
    made.pass_time(60)
    assert fresh(made, run).has_ended
    assert 1 == len(of_runs(made))
    made.clock.advance(10)
    assert 1 == prune(made.ports, runs_older_than=1).runs
    assert [] == of_runs(made)


def test_secrets_that_no_row_names_go_after_an_hour_and_others_stay() -> None:
    made = house()
    run, _ = submit(made.ports, submission(environmentVariables={"HF_TOKEN": CANARY}), origin=API)
    orphan = secret_name(run.id)
    made.ports.secrets.set(orphan, encode(Kept(run=run.id, at=made.clock.now())))
    made.ports.secrets.set("user-run-away", CANARY)
    made.ports.secrets.set("run-of-somebody", "no form of ours")
    assert 0 == sweep_secrets(made.ports)
    made.clock.advance(ORPHANED + 1)
    assert 1 == sweep_secrets(made.ports)
    assert sorted(["user-run-away", "run-of-somebody", run.secret]) == list(made.ports.secrets.names())


def test_a_round_of_the_sweep_is_bounded_and_all_come_in_turn() -> None:
    made = house()
    count = 3 * LOOKED_AT + 5
    for number in range(count):
        made.ports.secrets.set(secret_name(f"exp_1_{number:08x}"), encode(Kept(run=f"exp_1_{number:08x}", at=0.0)))
    found = []
    for _ in range(12):
        found.append(sweep_secrets(made.ports))
        made.clock.advance(300)
    assert max(found) <= LOOKED_AT
    assert count == sum(found)


def test_a_sent_submission_with_a_secret_becomes_a_row_at_once_and_the_message_names_it() -> None:
    made = house()
    body = json.dumps({"experiment": "exp", "snapshot": "uploads/a.zip", "environmentVariables": {"HF_TOKEN": CANARY}})
    send(made.ports, SUBMISSIONS, body.encode())
    assert CANARY not in rows(made)
    made.settle()
    run = made.only()
    assert ("queue", State.STARTING) == (run.origin.source, run.state)
    assert {"/environment_variables/HF_TOKEN": CANARY} == values(made, run).spec


def test_a_sent_submission_with_an_id_finds_the_run_that_exists() -> None:
    made = house()
    document = {
        "experiment": "exp",
        "snapshot": "uploads/a.zip",
        "id": "night-7",
        "environmentVariables": {"HF_TOKEN": CANARY},
    }
    for _ in range(2):
        send(made.ports, SUBMISSIONS, json.dumps(document).encode())
    made.send(document)
    made.settle()
    assert 1 == len(made.runs())


@pytest.mark.parametrize(
    ("queue", "delay", "body"),
    [
        (
            SUBMISSIONS,
            5.0,
            {"experiment": "exp", "snapshot": "uploads/a.zip", "environmentVariables": {"HF_TOKEN": CANARY}},
        ),
        ("mine", 0.0, {"password": CANARY}),
        (SUBMISSIONS, 0.0, {"password": CANARY}),
    ],
)
def test_a_message_that_would_keep_a_secret_is_refused_without_it(
    queue: str, delay: float, body: dict[str, Any]
) -> None:
    made = house()
    with pytest.raises(ConfigError) as caught:
        send(made.ports, queue, json.dumps(body).encode(), delay=delay)
    assert CANARY not in str(caught.value)
    assert 0 == sum(made.ports.queue.counts().values())


def test_a_missing_secret_of_a_user_is_named_when_the_run_is_accepted() -> None:
    made = house()
    config = runconfig(runyard={"secrets": {"HF_TOKEN": "hf-token"}})
    made.drop(data=snapshot(config=config))
    made.settle()
    (run,) = made.runs()
    assert (State.FAILED, "config") == (run.state, run.error.error_class if run.error else "")
    assert "'hf-token'" in run.reason
    assert "HF_TOKEN" in run.reason
    made.ports.secrets.set("user-hf-token", CANARY)
    made.drop("exp/b.zip", snapshot(config=config))
    made.settle()
    ready = next(each for each in made.runs() if each.id != run.id)
    assert ready.spec is not None
    assert ({"HF_TOKEN": "hf-token"}, {}, "") == (ready.spec.secrets, ready.spec.environment_variables, ready.secret)


@pytest.mark.parametrize("name", ["Has Spaces", "webhook_x", "", CANARY + "/x"])
def test_what_is_no_name_of_a_secret_is_refused_and_not_repeated(name: str) -> None:
    made = house()
    made.drop(data=snapshot(config=runconfig(runyard={"secrets": {"FOO": name}})))
    made.settle()
    (run,) = made.runs()
    assert State.FAILED is run.state
    assert "runyard.secrets.FOO names what no secret can be called; a name has 1 to 100 lower-case" in run.reason
    assert CANARY not in rows(made)
