"""Secrets that users keep in the service: over HTTP, from Python and at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from runyard.cli import outcome
from runyard.cli import secret as commands
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.ports.queue import DEAD_LETTERS
from tests.served import Served, client_over
from tests.unit.test_cli_commands import Invoke, cli, served

__all__ = ["cli", "served"]  # fixtures

CANARY = "canary-c0de"


def test_a_secret_goes_in_and_never_comes_out(served: Served) -> None:
    client = client_over(served)
    assert "hf-token" == client.secrets.set("hf-token", CANARY)["name"]
    assert CANARY == served.house.ports.secrets.get("user-hf-token")
    served.house.ports.secrets.set("webhook-train", "another's")
    (found,) = client.secrets.list()
    assert ("hf-token", "2001-09-09T01:46:40.000000Z") == (found["name"], found["changedTimeUtc"])
    client.secrets.remove("hf-token")
    assert [] == client.secrets.list()
    assert 404 == served.http.delete("/api/secrets/hf-token").status_code
    assert "another's" == served.house.ports.secrets.get("webhook-train")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("Has_Underscore", {"value": CANARY}, 400),
        (CANARY.upper(), {"value": "x"}, 400),
        ("x" * 101, {"value": CANARY}, 400),
        ("a", {"value": CANARY + "\0"}, 400),
        ("a", {"value": ""}, 422),
        ("a", {"value": [CANARY]}, 422),
        ("a", {"value": CANARY * 5000}, 422),
        ("a", {"other": CANARY}, 422),
    ],
)
def test_what_cannot_be_kept_is_refused_without_it(
    served: Served, name: str, body: dict[str, Any], status: int
) -> None:
    answer = served.http.put(f"/api/secrets/{name}", json=body)
    assert status == answer.status_code
    assert CANARY not in answer.text
    assert CANARY.upper() not in answer.text
    assert [] == list(served.house.ports.secrets.names())


def test_a_value_comes_from_standard_input_or_a_file_without_its_last_newline(
    cli: Invoke, served: Served, tmp_path: Path
) -> None:
    said = cli("secret", "set", "one", stdin=f"{CANARY}\n".encode())
    assert CANARY not in said.output
    assert "runyard: {secrets: {VARIABLE: one}}" in said.stderr
    (tmp_path / "key.pem").write_text("-----BEGIN\nx\n-----END\n\n")
    shown = json.loads(cli("secret", "set", "two", "--file", str(tmp_path / "key.pem"), "--json").stdout)
    assert "two" == shown["name"]
    get = served.house.ports.secrets.get
    assert (CANARY, "-----BEGIN\nx\n-----END\n") == (get("user-one"), get("user-two"))
    listed = cli("secret", "list")
    assert ["SECRET AGE", "one", "two"] == [
        " ".join(line.split()[: 2 - bool(n)]) for n, line in enumerate(listed.stdout.splitlines())
    ]
    assert ["one", "two"] == [each["name"] for each in json.loads(cli("secret", "list", "--json").stdout)["secrets"]]
    cli("secret", "remove", "one")
    cli("secret", "remove", "one", code=outcome.NOT_FOUND)
    assert get("user-one") is None


def test_at_a_terminal_the_value_is_asked_for_without_echo(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def prompt(text: str, **how: Any) -> str:
        asked.append({"text": text, **how})
        return CANARY

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", prompt)
    commands.set_secret("asked", root=tmp_path)
    assert [{"text": "value of asked", "hide_input": True, "err": True}] == asked
    assert CANARY == served.house.ports.secrets.get("user-asked")


@pytest.mark.parametrize(("data", "sentence"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "not UTF-8")])
def test_a_value_that_is_none_is_one_sentence(cli: Invoke, served: Served, data: bytes, sentence: str) -> None:
    result = cli("secret", "set", "none", stdin=data, code=outcome.FAILED)
    assert sentence in result.stderr
    assert [] == list(served.house.ports.secrets.names())


def test_the_template_of_a_webhook_shows_and_stores_no_secret(served: Served) -> None:
    served.submit()
    stored = served.house.ports.blobs.list("uploads")[0].name
    submission = {
        "experiment": "exp",
        "snapshot": f"uploads/{stored}",
        "arguments": ["--password", f"{CANARY}{{/n}}"],
        "environmentVariables": {"A_TOKEN": CANARY},
    }
    body = {"name": "train", "secret": "12345678", "submission": submission}
    assert 201 == served.http.post("/api/webhooks", json=body).status_code
    (webhook,) = served.house.ports.webhooks.list()
    assert CANARY not in repr(webhook)
    assert ["template-train", "webhook-train"] == list(served.house.ports.secrets.names())
    assert 204 == served.http.delete("/api/webhooks/train").status_code
    assert [] == list(served.house.ports.secrets.names())


def test_looking_at_messages_masks_what_looks_like_a_secret(served: Served) -> None:
    queue = served.house.ports.queue
    queue.send(SUBMISSIONS, json.dumps({"environmentVariables": {"A_TOKEN": CANARY}, "n": 1.0}).encode())
    queue.send(SUBMISSIONS, f"no JSON, password={CANARY}".encode())
    queue.send(SUBMISSIONS, b'{ "n": 1.50 }')
    for message in queue.receive(SUBMISSIONS, most=1, lock=60):
        queue.dead_letter(message, reason="failed", description=f"login with token={CANARY} failed")
    answers = [served.http.get(f"/api/queues/{name}/messages") for name in (SUBMISSIONS, DEAD_LETTERS)]
    bodies = [message["body"] for answer in answers for message in answer.json()["messages"]]
    assert CANARY not in "".join(answer.text for answer in answers)
    assert ["no JSON, password=********", '{ "n": 1.50 }'] == bodies[:2]
    assert {"environmentVariables": {"A_TOKEN": "********"}, "n": 1.0} == json.loads(bodies[2])
    assert "login with token=******** failed" == answers[1].json()["messages"][0]["deadLetterDescription"]


@pytest.mark.parametrize(("queue", "status"), [(SUBMISSIONS, 400), ("mine", 400), (DEAD_LETTERS, 400)])
def test_a_message_that_would_keep_a_secret_is_refused(served: Served, queue: str, status: int) -> None:
    answer = served.http.post(f"/api/queues/{queue}/messages", content=json.dumps({"password": CANARY}))
    assert status == answer.status_code
    assert CANARY not in answer.text
    assert {} == {name: count for name, count in served.house.ports.queue.counts().items() if count}


@pytest.mark.parametrize("name", ["Bad_Name", "../x", "a/b"])
def test_a_name_that_cannot_be_is_told_in_words_that_no_mask_hides(cli: Invoke, served: Served, name: str) -> None:
    for words in (("set", name), ("remove", name)):
        said = cli("secret", *words, stdin=b"value", code=outcome.FAILED).stderr
        assert "no secret can have this name; it needs 1 to 100 lower-case letters" in said


def test_a_value_that_is_too_long_is_counted_in_characters(cli: Invoke, served: Served) -> None:
    said = cli("secret", "set", "big", stdin=b"x" * 25_001, code=outcome.FAILED).stderr
    assert "runyard: body.value: must have at most 25,000 characters\n" == said
