"""Schedules over HTTP, in the client and at the command line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runyard.cli import outcome
from runyard.errors import ConfigError
from runyard.schedule import fire_due
from tests.fakes import snapshot
from tests.served import Served, client_over
from tests.unit.test_cli_commands import Invoke, cli, project, served

__all__ = ["cli", "project", "served"]  # fixtures

NIGHTLY = {"name": "nightly", "cron": "30 2 * * *", "zone": "Europe/Madrid"}
ASKED = {"experiment": "exp", "snapshot": "uploads/a.zip", "arguments": ["--date={/date}"]}


@pytest.fixture(autouse=True)
def stored(served: Served) -> None:
    served.house.ports.blobs.put("uploads", "a.zip", snapshot())


def define(served: Served, **said: Any) -> Any:
    return served.http.post("/api/schedules", json={**NIGHTLY, "submission": ASKED, **said})


def test_a_schedule_is_defined_shown_held_up_and_removed(served: Served) -> None:
    made = define(served)
    assert (201, "/api/schedules/nightly") == (made.status_code, made.headers["Location"])
    found = served.http.get("/api/schedules/nightly").json()
    assert made.json() == found
    assert ("30 2 * * * Europe/Madrid", "last", False, None, "") == tuple(
        found[key] for key in ("timing", "catchUp", "paused", "lastRunId", "lastError")
    )
    first, *others = found["next"]
    assert {
        "timeUtc": "2001-09-10T00:30:00.000000Z",
        "local": "2001-09-10T02:30:00+02:00",
        "zone": "Europe/Madrid",
    } == first
    assert 4 == len(others)
    assert served.http.post("/api/schedules/nightly/pause").json()["paused"]
    assert not served.http.post("/api/schedules/nightly/resume").json()["paused"]
    assert 7 == len(served.http.get("/api/schedules/nightly/next?n=7").json()["times"])
    assert ["nightly"] == [each["name"] for each in served.http.get("/api/schedules").json()["schedules"]]
    assert 204 == served.http.delete("/api/schedules/nightly").status_code
    for method, path in (("DELETE", ""), ("GET", ""), ("GET", "/next"), ("POST", "/run"), ("POST", "/pause")):
        answer = served.http.request(method, f"/api/schedules/nightly{path}")
        assert (404, True) == (answer.status_code, "there is no schedule" in answer.text), (method, path)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"cron": "0 0 30 2 *"}, 400),
        ({"every": 60}, 400),
        ({"zone": "Nowhere"}, 400),
        ({"catchUp": "some"}, 422),
        ({"grace": -1}, 422),
        ({"unknown": 1}, 422),
        ({"submission": {**ASKED, "snapshot": "uploads/none.zip"}}, 404),
        ({"submission": {**ASKED, "environmentVariables": {"LD_PRELOAD": "{/name}"}}}, 400),
        ({"name": "x" * 64}, 400),
        ({"submission": {**ASKED, "script": "../train.py"}}, 400),
        ({"submission": {**ASKED, "arguments": ["{/nosuch}"]}}, 400),
    ],
)
def test_what_cannot_be_gets_a_4xx_and_one_sentence(served: Served, said: dict[str, Any], status: int) -> None:
    answer = define(served, **said)
    assert (status in {400, 404, 422}, answer.status_code // 100) == (True, 4), answer.text
    assert [] == served.http.get("/api/schedules").json()["schedules"]


def test_a_second_one_of_a_name_is_a_conflict_unless_it_replaces(served: Served) -> None:
    define(served)
    assert 409 == define(served).status_code
    assert (201, "@daily") != (define(served, cron="@daily", replace=True).status_code, "")
    assert "0 0 * * * Europe/Madrid" == served.http.get("/api/schedules/nightly").json()["timing"]


def test_a_run_now_has_its_key(served: Served) -> None:
    define(served)
    first = served.http.post("/api/schedules/nightly/run", headers={"Idempotency-Key": "k"})
    again = served.http.post("/api/schedules/nightly/run", headers={"Idempotency-Key": "k"})
    assert (202, 200) == (first.status_code, again.status_code)
    assert first.json()["runId"] == again.json()["runId"]
    assert ("schedule", "nightly") == (first.json()["source"]["kind"], first.json()["source"]["name"])


def test_secrets_in_a_submission_are_shown_to_nobody(served: Served) -> None:
    define(served, submission={**ASKED, "environmentVariables": {"API_PASSWORD": "canary-5d1"}})
    for path in ("", "/nightly"):
        assert "canary-5d1" not in served.http.get(f"/api/schedules{path}").text


def test_the_client_does_all_of_it(served: Served) -> None:
    with client_over(served) as client:
        added = client.schedules.add("often", submission=ASKED, every=900, overlap="skip", grace=60.0)
        assert ("every 15 min", "skip", 60.0) == (added["timing"], added["overlap"], added["grace"])
        assert added == client.schedules.get("often")
        assert client.schedules.pause("often")["paused"]
        assert not client.schedules.resume("often")["paused"]
        assert client.schedules.run("often", key="k")["runId"] == client.schedules.run("often", key="k")["runId"]
        assert 3 == len(client.schedules.next("often", 3))
        assert "2001-09-09T03:00:00+00:00" == client.schedules.preview(1, cron="0 3 * * *")[0]["local"]
        with pytest.raises(ConfigError, match="five fields"):
            client.schedules.preview(cron="often")
        client.schedules.remove("often")
        assert [] == client.schedules.list()


def test_the_command_line_defines_shows_and_runs(cli: Invoke, served: Served, project: Path) -> None:
    shown = cli(
        *("schedule", "add", "nightly", "--cron", "30 2 * * *", "--tz", "Europe/Madrid", "--snapshot", str(project)),
        *("--experiment", "exp", "--arg=--date={/date}", "--tag", "for={/local}", "--env", "WHEN={/time}"),
        *("--priority", "5", "--catch-up", "all", "--grace", "2h", "--overlap", "skip"),
    )
    assert "2001-09-10 02:30:00 Europe/Madrid (00:30:00 UTC)" in shown.stdout
    assert "catch up all, overlap skip, grace 2h00m" in shown.stdout
    assert "runyard up" in shown.stderr
    found = json.loads(cli("schedule", "show", "nightly", "--json").stdout)
    assert {"for": "{/local}"} == found["submission"]["tags"]
    assert (5, ["--date={/date}"]) == (found["submission"]["priority"], found["submission"]["arguments"])
    served.house.clock.advance(86_400)
    assert 1 == fire_due(served.house.ports)
    run = served.house.only()
    assert {"for": "2001-09-10T02:30:00+02:00"} == run.tags
    listed = cli("schedule", "list").stdout
    assert ("30 2 * * * Europe/Madrid" in listed, run.id in listed) == (True, True)
    assert 1 == len(json.loads(cli("schedule", "list", "--json").stdout)["schedules"])
    assert run.id in cli("schedule", "show", "nightly").stdout
    assert "paused" in cli("schedule", "pause", "nightly").stderr
    assert "paused" in cli("schedule", "show", "nightly").stdout
    assert "state" in cli("schedule", "resume", "nightly").stdout
    assert (
        cli("schedule", "run", "nightly", "--key", "k").stdout == cli("schedule", "run", "nightly", "--key", "k").stdout
    )
    lines = cli("schedule", "next", "nightly", "-n", "3").stdout.splitlines()
    assert ("Europe/Madrid", 4) == (lines[0].split()[0], len(lines))
    cli("schedule", "remove", "nightly")
    cli("schedule", "remove", "nightly", code=outcome.NOT_FOUND)


def test_preview_looks_ahead_to_a_change_of_clocks(cli: Invoke) -> None:
    words = (
        "schedule",
        "preview",
        "--cron",
        "30 2 * * *",
        "--tz",
        "Europe/Madrid",
        "--from",
        "2027-03-27",
        "-n",
        "3",
        "--json",
    )
    times = json.loads(cli(*words).stdout)["times"]
    assert ["2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"] == [
        each["local"] for each in times
    ]
    refused = cli("schedule", "preview", "--cron", "30 2 * * *", "--from", "soon", code=outcome.FAILED)
    assert "--from is 'soon'; it is a time such as 2027-03-27" in refused.stderr


def test_preview_needs_no_root_and_shows_both_clocks(cli: Invoke) -> None:
    words = ("schedule", "preview", "--cron", "0 8 * * 1-5", "--tz", "America/New_York", "-n", "2")
    lines = cli(*words).stdout.splitlines()
    assert ("America/New_York", 3) == (lines[0].split()[0], len(lines))
    found = json.loads(cli(*words, "--json").stdout)
    assert "0 8 * * 1-5 America/New_York" == found["timing"]
    assert {8} == {datetime.fromisoformat(each["local"]).hour for each in found["times"]}


@pytest.mark.parametrize(
    "words",
    [
        ("--cron", "0 0 30 2 *"),
        ("--cron", "@daily", "--every", "15m"),
        ("--tz", "Europe/Madird", "--cron", "@daily"),
        ("--at", "1999-01-01T00:00"),
        (),
    ],
)
def test_bad_words_get_one_sentence_before_anything_is_sent(
    cli: Invoke, served: Served, project: Path, words: tuple[str, ...]
) -> None:
    result = cli("schedule", "add", "n", "--snapshot", str(project), *words, code=outcome.FAILED)
    assert 1 == len(result.stderr.strip().splitlines())
    assert 1 == len(served.house.ports.blobs.list("uploads"))


def test_a_pointer_to_nothing_is_told_what_there_is(served: Served) -> None:
    answer = define(served, submission={**ASKED, "arguments": ["--day={/day}"]})
    assert "a schedule has nothing at /day; there are /name, /scheduled, /local, /date" in answer.text
