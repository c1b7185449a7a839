"""What an operator does at the command line: why, drain, pause and resume, force, events as they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runyard.cli import drain as drain_command
from runyard.cli import outcome
from runyard.computes import put
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError
from runyard.sdk.client import Client
from tests.fakes import sleep_by
from tests.served import Served, client_over
from tests.unit.test_cli_commands import Invoke, cli, project, served

__all__ = ["cli", "project", "served"]  # fixtures


@pytest.fixture
def hosted(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A host serves."""

    def connect(*_: object, **__: object) -> Client:
        client = client_over(served)
        client.embedded = False
        return client

    monkeypatch.setattr(Client, "connect", connect)
    monkeypatch.setattr(drain_command, "PAUSE", 0.0)
    served.services.take_over()
    return served


def test_why_prints_aligned_lines_with_times_to_come(cli: Invoke, hosted: Served) -> None:
    hosted.submit()
    for message in hosted.house.ports.queue.receive(SUBMISSIONS, most=1, lock=60):
        hosted.house.ports.queue.complete(message)
    lines = cli("why", "latest").stdout.splitlines()
    assert ["run", "status", "reason", "waits for", "next", "to do"] == [
        line[:9].strip() for line in lines if not line.startswith(" ")
    ]
    assert {len(line) - len(line[11:].lstrip()) for line in lines} == {11}
    assert "(in 1m00s): the reconciler sends its message again" in "\n".join(lines)
    found = json.loads(cli("why", "latest", "--json").stdout)
    assert ("NotStarted", True) == (found["status"], found["served"])


def test_why_without_a_host_says_how_to_start_one(cli: Invoke, served: Served) -> None:
    served.submit()
    assert "runyard up" in cli("why", "latest").stdout


def test_why_of_an_unknown_run_is_one_sentence(cli: Invoke) -> None:
    result = cli("why", "nothing_1_00000000", code=outcome.NOT_FOUND)
    assert "there is no run" in result.stderr
    assert 1 == len(result.stderr.splitlines())


def test_what_others_wrote_is_neutralised_in_why(cli: Invoke, served: Served) -> None:
    run = served.submit().json()["runId"]
    served.house.deliver("submissions")
    put(served.house.ports, "local", paused=True, paused_reason="\x1b[2Jgone")
    text = cli("why", run).stdout
    assert "\x1b" not in text
    assert "\\x1b[2Jgone" in text


def test_force_ends_the_record_and_says_what_may_go_on(cli: Invoke, hosted: Served) -> None:
    run = hosted.running()
    assert f"{run.id} CancelRequested" == cli("cancel", run.id).stdout.strip()
    result = cli("cancel", run.id, "--force")
    assert f"{run.id} Canceled" == result.stdout.strip()
    where = f"it may still be running on local (handle fake://local/{run.id}/1)"
    assert where in result.stderr
    assert where in cli("show", run.id).stdout
    assert where in cli("why", run.id).stdout
    assert "script may still be running" in " ".join(cli("cancel", "--help").stdout.split())


def test_a_cancel_that_is_not_forced_asks_for_none(
    cli: Invoke, hosted: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = hosted.running()

    def refuse(_ports: object, _run_id: str, *, who: str, force: bool = False) -> Any:
        raise ConfigError(f"{who} {force}")

    monkeypatch.setattr("runyard.api.runs.request_cancel", refuse)
    assert "False" in cli("cancel", run.id, code=outcome.FAILED).stderr
    body = hosted.http.post(f"/api/runs/{run.id}/cancel", json={"force": True, "more": 1})
    assert 422 == body.status_code


def test_pause_and_resume_say_why(cli: Invoke, served: Served) -> None:
    assert "paused: new disks" in cli("compute", "pause", "local", "--reason", "new disks").stdout
    assert "paused: new disks" in cli("compute", "list").stdout
    assert "paused" not in cli("compute", "resume", "local").stdout
    shown = json.loads(cli("compute", "pause", "local", "--json").stdout)
    assert (True, "") == (shown["paused"], shown["pausedReason"])
    assert "there are: local" in cli("compute", "pause", "gpu", code=outcome.NOT_FOUND).stderr
    cli("compute", "resume", "gpu", code=outcome.NOT_FOUND)
    compute = served.house.ports.computes.get("local")
    assert compute is not None
    assert compute.paused


def test_compute_list_shows_what_holds_a_compute(cli: Invoke, served: Served) -> None:
    ports = served.house.ports
    ports.gates.block("local", until=ports.clock.now() + 60, reason="no room in the region")
    ports.gates.drain(on=True)
    text = cli("compute", "list").stdout
    assert "draining; blocked until" in text
    assert "no room in the region" in text
    assert "draining, blocked for 60 s (no room in the region)" in cli("doctor", code=outcome.FAILED).stdout
    found = json.loads(cli("compute", "list", "--json").stdout)["computes"][0]
    assert (True, "no room in the region") == (found["draining"], found["blockedReason"])
    assert found["blockedUntilTimeUtc"].endswith("Z")
    served.house.clock.advance(61)
    assert json.loads(cli("compute", "list", "--json").stdout)["computes"][0]["blockedUntilTimeUtc"] is None


def test_spot_and_deadlines_are_set_and_taken_back(cli: Invoke) -> None:
    text = cli("compute", "set", "local", "--spot", "--deadline", "preparing=2h", "--deadline", "FINALIZING=90s").stdout
    assert "Preparing 2h00m, Finalizing 1m30s, spot" in text
    found = json.loads(cli("compute", "set", "local", "--no-spot", "--deadline", "Preparing=default", "--json").stdout)
    assert (False, {"Finalizing": 90.0}) == (found["spot"], found["deadlines"])


@pytest.mark.parametrize(
    ("deadline", "word"),
    [
        ("Running=1h", "Provisioning, Preparing, Finalizing"),
        ("Preparing=0s", "1 second to 366 days"),
        ("Preparing=400d", "Preparing=default"),
    ],
)
def test_a_deadline_that_cannot_be_is_refused(cli: Invoke, deadline: str, word: str) -> None:
    assert word in cli("compute", "set", "local", "--deadline", deadline, code=outcome.FAILED).stderr


def test_a_deadline_needs_a_state_and_an_age(cli: Invoke) -> None:
    cli("compute", "set", "local", "--deadline", "Preparing", code=outcome.USAGE)
    cli("compute", "set", "local", "--deadline", "Preparing=soon", code=outcome.USAGE)


def test_a_reason_needs_a_pause(served: Served) -> None:
    with pytest.raises(ConfigError, match="not paused"):
        put(served.house.ports, "local", paused_reason="why not")
    with pytest.raises(ConfigError, match="at most 500"):
        put(served.house.ports, "local", paused=True, paused_reason="x" * 501)


def test_a_drain_waits_until_nothing_runs(cli: Invoke, hosted: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run = hosted.running()
    waiting = hosted.submit("later").json()["runId"]
    looks = 0
    look = Client.drained

    def drained(self: Client) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            hosted.house.target.end(f"{run.id}/1")
            hosted.settle(60)
        return look(self)

    monkeypatch.setattr(Client, "drained", drained)
    result = cli("drain")
    assert f"1 run is still running: {run.id} (Running on local)" in result.stderr
    assert "draining: nothing new starts; nothing runs any more; 1 waiting" == result.stdout.strip()
    assert "draining" in cli("why", waiting).stdout
    assert "the drain is over" in cli("drain", "--undo").stdout
    hosted.settle()
    assert "Running" in cli("why", waiting).stdout


def test_a_drain_whose_time_is_up_says_who_still_runs(cli: Invoke, hosted: Served) -> None:
    run = hosted.running()
    result = cli("drain", "--timeout", "0s", code=outcome.TIMED_OUT)
    assert "the time is up" in result.stderr
    found = json.loads(cli("drain", "--no-wait", "--json").stdout)
    assert {
        "draining": True,
        "running": 1,
        "runs": [{"runId": run.id, "status": "Running", "compute": "local"}],
        "waiting": 0,
    } == found


def test_a_drain_that_somebody_ended_waits_no_longer(
    cli: Invoke, hosted: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosted.running()
    monkeypatch.setattr(Client, "drained", Client.undrain)
    assert "ended by somebody else" in cli("drain", code=outcome.TIMED_OUT).stderr


def test_a_drain_needs_a_host(cli: Invoke, served: Served) -> None:
    assert "nothing runs" in cli("drain").stderr
    run = served.running()
    assert run.id in cli("drain", code=outcome.UNREACHABLE).stderr
    assert not json.loads(cli("drain", "--json", code=outcome.UNREACHABLE).stdout)["draining"]


@pytest.mark.parametrize(
    "options",
    [["--undo", "--stop"], ["--undo", "--no-wait"], ["--no-wait", "--stop"], ["--no-wait", "--timeout", "1m"]],
)
def test_drain_refuses_what_does_not_go_together(cli: Invoke, options: list[str]) -> None:
    cli("drain", *options, code=outcome.USAGE)


def test_a_host_that_starts_ends_a_drain(served: Served) -> None:
    assert served.http.post("/api/drain").json()["draining"]
    served.submit()
    served.settle()
    assert [] == served.house.target.submitted
    served.services.take_over()
    assert served.services.drain_ended
    served.settle()
    assert 1 == len(served.house.target.submitted)
    served.services.take_over()
    assert not served.services.drain_ended


def test_a_compute_made_during_a_drain_starts_nothing_either(served: Served) -> None:
    served.http.post("/api/drain")
    put(served.house.ports, "gpu", kind="fake")
    gate = served.house.ports.gates.get("gpu")
    assert gate is not None
    assert gate.draining
    assert not served.http.delete("/api/drain").json()["draining"]


def test_events_show_the_attempts_and_follow_to_the_end(
    cli: Invoke, hosted: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = hosted.running()
    monkeypatch.setattr("runyard.sdk.runs._PAUSE", 0.0)
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        hosted.house.target.end(f"{run.id}/1", 3)
        hosted.settle(60)

    sleep_by(monkeypatch, "runyard.sdk.runs", sleep)
    lines = cli("events", "-f", run.id).stdout.splitlines()
    states = [line.split()[2] for line in lines[: lines.index("")]]
    assert ["NotStarted", "Queued", "Starting", "Running", "Finalizing", "Failed"] == states
    assert [0.0] == sleeps
    assert lines[-1].split()[-2:] == ["exited", f"fake://local/{run.id}/1"]
    each = [json.loads(line) for line in cli("events", "-f", run.id, "--json").stdout.splitlines()]
    assert states == [event["status"] for event in each]
    shown = json.loads(cli("events", run.id, "--json").stdout)
    assert (each, 3) == (shown["events"], shown["attempts"][0]["exitCode"])
    assert "OUTCOME" in cli("events", run.id).stdout


def test_without_a_host_the_end_of_a_drain_says_who_starts_what_waits(cli: Invoke) -> None:
    assert "the drain is over: `runyard up` starts what waits" == cli("drain", "--undo").stdout.strip()


def test_a_run_without_attempts_has_no_table_of_them(cli: Invoke, served: Served) -> None:
    served.submit()
    assert "ATTEMPT" not in cli("events", "latest").stdout


def test_up_says_that_it_ended_a_drain(tmp_path: Path) -> None:
    from runyard.services import open_embedded

    services = open_embedded(tmp_path / "root")
    try:
        services.ports.gates.drain(on=True)
        services.take_over()
        assert services.drain_ended
        assert services.hosted
    finally:
        services.close()
