"""``runyard notify`` over the in-process service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.cli import outcome
from runyard.events.signatures import STANDARD, new_secret
from runyard.ports import Receipt
from runyard.sdk.client import Client
from runyard.testing import MemoryCourier
from tests.served import Served, client_over, serving
from tests.unit.test_cli_commands import Invoke, cli, project

__all__ = ["cli", "project"]

URL = "https://ear.example/in"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("RUNYARD_NOTIFY_SECRET", raising=False)
    with serving() as made:
        monkeypatch.setattr(Client, "connect", lambda *_, **__: client_over(made))
        yield made


def courier(served: Served) -> MemoryCourier:
    found = served.house.ports.courier
    assert isinstance(found, MemoryCourier)
    return found


def told(cli: Invoke, *args: str, **how: Any) -> Any:
    return json.loads(cli("notify", *args, "--json", **how).stdout)


def test_add_shows_a_secret_that_it_made_once(cli: Invoke, served: Served) -> None:
    result = cli("notify", "add", "ear", "--url", f"{URL}?token=canary", "--state", "Completed,Failed", "--tag", "a=b")
    assert result.stdout.startswith(f"ear  {URL}?…\nsecret  whsec_")
    secret = result.stdout.split()[-1]
    assert secret == served.house.ports.secrets.get("notify-secret-ear")
    shown = cli("notify", "show", "ear").stdout + cli("notify", "list").stdout + json.dumps(told(cli, "show", "ear"))
    assert "Completed,Failed a=b" in shown
    assert secret not in shown
    assert "canary" not in shown


def test_add_takes_the_secret_and_the_url_from_files(cli: Invoke, served: Served, tmp_path: Path) -> None:
    secret = new_secret(STANDARD)
    (tmp_path / "secret").write_text(secret + "\n")
    (tmp_path / "url").write_text(f"{URL}?token=canary\n")
    shown = told(cli, "add", "ear", "--url-file", str(tmp_path / "url"), "--secret-file", str(tmp_path / "secret"))
    assert "secret" not in shown
    assert secret == served.house.ports.secrets.get("notify-secret-ear")
    assert f"{URL}?token=canary" == served.house.ports.secrets.get("notify-url-ear")


@pytest.mark.parametrize(
    "args",
    [
        ("add", "ear"),
        ("add", "ear", "--url", URL, "--queue", "mine"),
        ("add", "ear", "--url", URL, "--snapshot", "uploads/a.zip"),
        ("add", "ear", "--url", URL, "--url-file", "x"),
        ("add", "ear", "--url", URL, "--tag", "no-equals"),
    ],
)
def test_options_that_do_not_go_together_are_refused(cli: Invoke, served: Served, args: tuple[str, ...]) -> None:
    cli("notify", *args, code=2)
    assert not served.house.ports.subscriptions.any()


def test_a_chain_is_added_with_a_directory_and_arguments(cli: Invoke, served: Served, project: Path) -> None:
    options = ("--target-experiment", "train", "--arg=--from={/data/runId}", "--max-hops", "3")
    shown = told(cli, "add", "chain", "--queue", "submissions", "--snapshot", str(project), *options)
    assert ("train", ["--from={/data/runId}"], 3) == (
        shown["template"]["experiment"],
        shown["template"]["arguments"],
        shown["maxHops"],
    )
    assert served.house.ports.blobs.head("uploads", shown["template"]["snapshot"]["name"]) is not None


def test_a_template_file_is_a_submission_with_pointers(cli: Invoke, served: Served, tmp_path: Path) -> None:
    served.house.ports.blobs.put("uploads", "a.zip", b"zip")
    file = tmp_path / "t.json"
    file.write_text('{"snapshot": "uploads/a.zip", "tags": {"after": "{/data/runId}"}}')
    shown = told(cli, "add", "chain", "--queue", "submissions", "--template", str(file))
    assert {"after": "{/data/runId}"} == shown["template"]["tags"]
    assert "chain" == shown["template"]["experiment"]
    file.write_text("no json")
    assert "is not JSON" in cli("notify", "add", "b", "--queue", "submissions", "--template", str(file), code=1).stderr


def test_a_test_says_what_came_of_it(cli: Invoke, served: Served) -> None:
    cli("notify", "add", "ear", "--url", URL)
    assert "delivered in 0.00 s: 204\n" == cli("notify", "test", "ear").stdout
    courier(served).usual = Receipt(error="ear.example did not answer within 10 s")
    result = cli("notify", "test", "ear", code=1)
    assert "the test was not delivered: ear.example did not answer within 10 s" in result.stderr
    assert not told(cli, "test", "ear", code=1)["delivered"]


def test_deliveries_are_shown_and_dead_ones_sent_once_more(cli: Invoke, served: Served) -> None:
    cli("notify", "add", "ear", "--url", URL)
    assert "there are none" in cli("notify", "dead").stderr
    courier(served).usual = Receipt(status=404)
    run = served.ended()
    served.house.pass_time(2 * 3600, step=60)
    (dead,) = told(cli, "dead", "ear")["deliveries"]
    assert (f"{run.id}/completed", "dead", 4, "the receiver answered 404") == (
        dead["id"],
        dead["state"],
        dead["tries"],
        dead["error"],
    )
    assert "the receiver answered 404" in cli("notify", "dead").stdout
    assert (0, 1) == tuple(told(cli, "list")["subscriptions"][0][name] for name in ("pending", "dead"))
    courier(served).usual = Receipt(status=200)
    assert {"redriven": 1} == told(cli, "redrive", "ear")
    served.house.settle()
    (delivered,) = told(cli, "deliveries", "ear", "--state", "delivered")["deliveries"]
    assert [404, 404, 404, 404, 200] == [each["status"] for each in delivered["history"]]
    assert "there are none" in cli("notify", "redrive").stderr


def test_pause_resume_rotate_and_remove(cli: Invoke, served: Served) -> None:
    cli("notify", "add", "ear", "--url", URL)
    cli("notify", "pause", "ear", "--reason", "moving")
    assert "paused" in cli("notify", "list").stdout
    assert "paused: moving" in cli("notify", "show", "ear").stdout
    served.ended()
    assert "ear goes on: 1 were kept" in cli("notify", "resume", "ear").stderr
    served.house.settle()
    assert 1 == len(courier(served).parcels)
    before = served.house.ports.secrets.get("notify-secret-ear")
    rotated = told(cli, "rotate", "ear")
    assert rotated["secret"] == served.house.ports.secrets.get("notify-secret-ear") != before
    assert rotated["earlierSecretUntilTimeUtc"] is not None
    cli("notify", "remove", "ear")
    assert [] == told(cli, "list")["subscriptions"]
    for command in ("show", "remove", "pause", "resume", "rotate", "test", "deliveries", "redrive"):
        assert "there is no subscription 'ear'" in cli("notify", command, "ear", code=4).stderr


def test_the_api_wants_the_token_and_echoes_no_secret(served: Served) -> None:
    bad = {"name": "ear", "url": "http://ear.example/?token=canary", "secret": "whsec_canary", "extra": "canary"}
    for body in (bad, {name: value for name, value in bad.items() if name != "extra"}):
        answer = served.http.post("/api/subscriptions", json=body)
        assert answer.status_code in {400, 422}, answer.text
        assert "canary" not in answer.text
    assert 401 == served.http.get("/api/subscriptions", headers={"Authorization": ""}).status_code
    assert 404 == served.http.get("/api/subscriptions/none").status_code
    assert "runId" in served.http.get("/api/schemas/run-ended.json").json()["properties"]


def test_a_file_that_is_no_text_is_refused_in_one_sentence(cli: Invoke, served: Served, tmp_path: Path) -> None:
    file = tmp_path / "held"
    file.write_bytes(b"\xff\xfe")
    for words in (("--url", URL, "--secret-file"), ("--url-file",), ("--queue", "submissions", "--template")):
        result = cli("notify", "add", "ear", *words, str(file), code=outcome.FAILED)
        assert (True, 1) == ("not UTF-8 text" in result.stderr, len(result.stderr.splitlines()))
