"""``runyard webhook``: what each command prints, and that no secret is printed twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runyard.cli import outcome
from runyard.events.signatures import STANDARD, Signing, check_secret
from tests.fakes import snapshot
from tests.served import Served
from tests.unit.hooked import send
from tests.unit.test_cli_commands import Invoke, cli, served
from tests.webhooks import cloud_event, structured

__all__ = ["cli", "served"]  # fixtures


@pytest.fixture(autouse=True)
def _a_snapshot(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNYARD_WEBHOOK_SECRET", raising=False)
    served.house.ports.blobs.put("uploads", "a.zip", snapshot())


def add(cli: Invoke, *more: str, name: str = "hook", kind: str = "cloudevents") -> dict[str, Any]:
    words = ["webhook", "add", name, "--kind", kind, "--snapshot", "uploads/a.zip", *more, "--json"]
    found: dict[str, Any] = json.loads(cli(*words).stdout)
    return found


def show(cli: Invoke, name: str = "hook") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("webhook", "show", name, "--json").stdout)
    return found


def test_every_option_of_add_reaches_the_webhook(cli: Invoke) -> None:
    found = add(
        cli,
        "--scheme=timestamped",
        "--signature-header=X-Sig",
        "--timestamp-header=X-Time",
        "--algorithm=sha512",
        "--encoding=base64",
        "--tolerance=2m",
        "--id-header=X-Id",
        "--event=push",
        "--type=pull",
        kind="hmac",
    )
    assert {
        "scheme": "timestamped",
        "header": "X-Sig",
        "timestampHeader": "X-Time",
        "algorithm": "sha512",
        "encoding": "base64",
        "toleranceSeconds": 120.0,
    } == found["proof"]
    assert ("X-Id", ["push", "pull"]) == (found["idHeader"], found["events"])
    other = add(
        cli, "--subject-prefix=a/", "--subject-suffix=.b", "--secret-header=X-Key", "--open-handshake", name="two"
    )
    assert ("a/", ".b", "X-Key", True) == (
        other["subjectPrefix"],
        other["subjectSuffix"],
        other["proof"]["header"],
        other["openHandshake"],
    )
    assert "/id" == add(cli, "--scheme=stripe", "--id-pointer=/id", name="three", kind="hmac")["idPointer"]


def test_a_made_secret_has_the_form_of_its_scheme(cli: Invoke) -> None:
    check_secret(Signing(scheme=STANDARD), add(cli, f"--scheme={STANDARD}")["secret"])


def test_add_tells_where_the_secret_belongs_and_how_to_try(cli: Invoke) -> None:
    said = cli("webhook", "add", "hook", "--kind", "eventgrid", "--snapshot", "uploads/a.zip")
    secret = said.stdout.split("secret")[1].strip()
    assert "X-Runyard-Key" in said.stderr
    assert "$SECRET" in said.stderr
    assert "curl" in said.stderr
    assert secret not in said.stderr


def test_show_prints_the_definition_the_deliveries_and_a_command(cli: Invoke, served: Served) -> None:
    secret = add(cli, "--type=com.example.someevent", "--subject-prefix=models/")["secret"]
    assert 202 == send(served, structured(cloud_event(), secret)).status_code
    assert 401 == send(served, structured(cloud_event(), "wrong-secret")).status_code
    # the commands' own services count for themselves, as a host does
    text = cli("webhook", "show", "hook").stdout
    for word in (
        "cloudevents",
        "secret-header in X-Runyard-Key",
        "models/",
        "com.example.someevent",
        "curl",
        "$SECRET",
    ):
        assert word in text
    assert secret not in text
    assert "taken 1, runs started 1, refused 1" in text
    assert "not that of this webhook" in text


def test_blob_drops_need_no_snapshot_and_take_nothing_else(cli: Invoke) -> None:
    words = ["webhook", "add", "drops", "--kind", "eventgrid", "--blob-drops"]
    cli(*words, "--snapshot", "uploads/a.zip", code=outcome.USAGE)
    cli(*words, "--arg=x", code=outcome.USAGE)
    cli("webhook", "add", "drops", "--kind", "eventgrid", code=outcome.USAGE)
    cli(*words)
    assert show(cli, "drops")["blobDrops"]
    assert "the blob's" in cli("webhook", "list").stdout
    assert "the run of the blob" in cli("webhook", "show", "drops").stdout


def test_rotate_makes_a_secret_and_keeps_the_old_one_for_a_day(cli: Invoke, tmp_path: Path) -> None:
    first = add(cli)["secret"]
    said = cli("webhook", "rotate", "hook")
    second = said.stdout.split()[1]
    assert first != second
    assert "goes on to prove until" in said.stderr
    newer, older = json.loads(cli("webhook", "secrets", "hook", "--json").stdout)["secrets"]
    assert (None, True) == (newer["validUntilTimeUtc"], older["validUntilTimeUtc"] is not None)
    listed = cli("webhook", "secrets", "hook").stdout
    assert (False, False) == (first in listed, second in listed)
    cli("webhook", "secrets", "hook", "--remove", "1")
    file = tmp_path / "secret"
    file.write_text("from-the-file-1234\n")
    third = cli("webhook", "rotate", "hook", "--secret-file", str(file), "--keep-old", "until-removed", "--json")
    assert "from-the-file-1234" not in third.output
    assert [None, None] == [each["validUntilTimeUtc"] for each in json.loads(third.stdout)["secrets"]]
    cli("webhook", "rotate", "hook", code=outcome.FAILED)
    cli("webhook", "rotate", "hook", "--keep-old", "0s")
    assert 1 == len(show(cli)["secrets"])
    cli("webhook", "rotate", "hook", "--keep-old", "soon", code=outcome.USAGE)


def test_pausing_and_resuming_are_shown(cli: Invoke) -> None:
    add(cli)
    assert "come again" in cli("webhook", "pause", "hook").stderr
    assert "paused" in cli("webhook", "list").stdout
    assert "paused" in cli("webhook", "show", "hook").stdout
    cli("webhook", "resume", "hook")
    assert not show(cli)["paused"]
    for command in ("pause", "resume", "show", "rotate", "secrets", "test", "remove"):
        cli("webhook", command, "nobody", code=outcome.NOT_FOUND)


def test_a_trial_prints_what_came_out(cli: Invoke, served: Served, tmp_path: Path) -> None:
    secret = add(cli, "--arg=--alpha={/data/alpha}")["secret"]
    dry = cli("webhook", "test", "hook", "--dry-run").stdout
    assert "--alpha=sample" in dry
    assert "would start" in dry
    assert [] == served.house.runs()
    file = tmp_path / "event.json"
    file.write_text(json.dumps(cloud_event()))
    for payload in (str(file), '{"alpha": 3}'):
        said = cli("webhook", "test", "hook", "--payload", payload, "--event", "a.b")
        assert "started" in said.stdout
        assert secret not in said.output
    found = json.loads(cli("webhook", "test", "hook", "--payload", '{"alpha": 4}', "--json").stdout)
    assert ["--alpha=4"] == found["events"][0]["submission"]["arguments"]
    served.settle()
    assert 3 == len(served.house.runs())


@pytest.mark.parametrize("payload", ["{", "[1", "no-such-file.json"])
def test_a_payload_that_cannot_be_read_is_said_to_be_so(cli: Invoke, payload: str) -> None:
    add(cli)
    cli("webhook", "test", "hook", "--payload", payload, code=outcome.FAILED)


def test_a_secret_that_is_no_text_is_refused_in_one_sentence(cli: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe-not-text")
    for words in (("webhook", "add", "other", "--snapshot", "uploads/a.zip"), ("webhook", "rotate", "hook")):
        if words[1] == "rotate":
            add(cli)
        result = cli(*words, "--secret-file", str(file), code=outcome.FAILED)
        assert f"runyard: {file} is not UTF-8 text; put the secret into it as text, in base64 say\n" == result.stderr


def test_a_payload_that_is_no_text_is_not_json(cli: Invoke, tmp_path: Path) -> None:
    add(cli)
    file = tmp_path / "payload.json"
    file.write_bytes(b"\xff{}")
    assert "is not JSON" in cli("webhook", "test", "hook", "--payload", str(file), code=outcome.FAILED).stderr
