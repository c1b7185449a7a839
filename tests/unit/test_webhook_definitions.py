"""Defining, trying and rotating webhooks: what could never work is refused, and no secret is ever shown."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import httpx
import pytest

from runyard.events.signatures import SCHEMES, STANDARD, Signing
from runyard.ports import Ports, Webhook
from tests.fakes import snapshot
from tests.served import Served
from tests.unit.hooked import add, runs, send, served
from tests.webhooks import SECRET, STANDARD_SECRET, cloud_event, signed, structured

NEWER = "the-newer-secret-of-the-tests"


__all__ = ["served"]  # a fixture


def asked(served: Served, **changes: Any) -> httpx.Response:
    submission = {"experiment": "hooked", "snapshot": "uploads/a.zip"}
    body = {"name": "hook", "secret": SECRET, "submission": submission, **changes}
    return served.http.post("/api/webhooks", json={key: value for key, value in body.items() if value is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "gitlab"},
        {"kind": "github", "scheme": "stripe"},
        {"kind": "eventgrid", "scheme": STANDARD},
        {"kind": "hmac", "scheme": "rsa"},
        {"kind": "hmac", "algorithm": "sha1"},
        {"kind": "hmac", "encoding": "base32"},
        {"kind": "hmac", "toleranceSeconds": 0},
        {"kind": "hmac", "toleranceSeconds": "nan"},
        {"kind": "hmac", "scheme": "body", "toleranceSeconds": 60},
        {"kind": "hmac", "scheme": "stripe", "timestampHeader": "X-Time"},
        {"kind": "hmac", "scheme": STANDARD, "secret": STANDARD_SECRET, "algorithm": "sha512"},
        {"kind": "hmac", "scheme": STANDARD, "secret": STANDARD_SECRET, "encoding": "hex"},
        {"kind": "cloudevents", "algorithm": "sha256"},
        {"kind": "github", "toleranceSeconds": 60},
        {"kind": "hmac", "secretHeader": "X-Key"},
        {"kind": "hmac", "scheme": "secret-header"},
        {"kind": "hmac", "signatureHeader": "a b"},
        {"kind": "hmac", "signatureHeader": "Content-Type"},
        {"kind": "hmac", "idHeader": "X:Id"},
        {"kind": "hmac", "idPointer": "id"},
        {"kind": "hmac", "idPointer": "/a b"},
        {"kind": "hmac", "idHeader": "X-Id", "idPointer": "/id"},
        {"kind": "hmac", "subjectPrefix": "a"},
        {"kind": "hmac", "scheme": STANDARD},  # whose secret has a form of its own
        {"kind": "cloudevents", "idHeader": "X-Id"},
        {"kind": "cloudevents", "secretHeader": "Host"},
        {"kind": "cloudevents", "secret": "with a space in it"},
        {"kind": "cloudevents", "secret": "m\u00fcsli-m\u00fcsli"},
        {"kind": "cloudevents", "blobDrops": True},
        {"kind": "eventgrid", "blobDrops": True},  # and a submission
        {"kind": "hmac", "openHandshake": True},
        {"kind": "github", "secret": "shrt"},
        {"kind": "eventgrid", "submission": None},
    ],
)
def test_what_could_never_work_is_refused_in_one_sentence_without_the_secret(
    served: Served, changes: dict[str, Any]
) -> None:
    answer = asked(served, **changes)
    assert 400 == answer.status_code, answer.text
    assert "\n" not in answer.json()["error"]["message"]
    assert changes.get("secret", SECRET) not in answer.text
    assert ([], []) == (served.http.get("/api/webhooks").json()["webhooks"], list(served.house.ports.secrets.names()))


def test_a_field_that_there_is_not_is_refused_without_an_echo(served: Served) -> None:
    answer = asked(served, secretly=SECRET)
    assert (422, False) == (answer.status_code, SECRET in answer.text)


def test_a_definition_is_shown_whole_but_for_its_secret(served: Served) -> None:
    made = asked(served, kind="hmac", scheme="stripe", idPointer="/id", events=["push"]).json()
    assert made == served.http.get("/api/webhooks/hook").json()
    assert {
        "scheme": "stripe",
        "header": "Stripe-Signature",
        "timestampHeader": None,
        "algorithm": "sha256",
        "encoding": "hex",
        "toleranceSeconds": 300.0,
    } == made["proof"]
    assert ("hmac", ["push"], "/id", 1 << 20) == (made["kind"], made["events"], made["idPointer"], made["maxBytes"])
    assert SECRET not in served.http.get("/api/webhooks").text + served.http.get("/api/webhooks/hook/secrets").text


def rotate(served: Served, secret: str = NEWER, keep: float | None = 60.0) -> httpx.Response:
    return served.http.post("/api/webhooks/hook/rotate", json={"secret": secret, "keepOldSeconds": keep})


def proven(served: Served, secret: str, ident: str = "1") -> bool:
    return send(served, structured(cloud_event(ident), secret)).status_code == 202


def secret_ids(served: Served) -> list[tuple[str, bool]]:
    found = served.http.get("/api/webhooks/hook/secrets").json()["secrets"]
    return [(each["id"], each["valid"]) for each in found]


def test_while_a_secret_rotates_both_prove_and_then_the_new_one_alone(served: Served) -> None:
    add(served, "cloudevents")
    answer = rotate(served)
    assert (200, False) == (answer.status_code, NEWER in answer.text)
    assert [("2", True), ("1", True)] == secret_ids(served)
    assert (True, True) == (proven(served, SECRET), proven(served, NEWER))
    used = {
        each["id"]: each["lastUsedTimeUtc"] for each in served.http.get("/api/webhooks/hook/secrets").json()["secrets"]
    }
    assert None not in used.values()
    served.house.clock.advance(60)
    assert (False, True) == (proven(served, SECRET), proven(served, NEWER))
    assert [("2", True), ("1", False)] == secret_ids(served)
    assert 1 == len(runs(served))


def test_an_old_secret_may_stay_until_it_is_removed(served: Served) -> None:
    add(served, "cloudevents")
    rotate(served, keep=None)
    served.house.clock.advance(10_000_000)
    assert proven(served, SECRET)
    assert 204 == served.http.delete("/api/webhooks/hook/secrets/1").status_code
    assert (False, True) == (proven(served, SECRET, "2"), proven(served, NEWER, "3"))
    assert ["webhook2-hook"] == list(served.house.ports.secrets.names())
    assert 404 == served.http.delete("/api/webhooks/hook/secrets/1").status_code
    assert 400 == served.http.delete("/api/webhooks/hook/secrets/2").status_code


def test_a_secret_that_leaked_ends_at_once(served: Served) -> None:
    add(served, "cloudevents")
    rotate(served, keep=0)
    assert (False, True) == (proven(served, SECRET), proven(served, NEWER))
    assert ["webhook2-hook"] == list(served.house.ports.secrets.names())


def test_at_most_two_secrets_are_valid_at_a_time(served: Served) -> None:
    add(served, "cloudevents")
    rotate(served)
    refused = rotate(served, "a-third-secret-0123")
    assert (409, True) == (refused.status_code, "--remove 1" in refused.json()["error"]["message"])
    served.house.clock.advance(61)
    assert 200 == rotate(served, "a-third-secret-0123").status_code
    assert [("3", True), ("2", True)] == secret_ids(served)
    assert ["webhook2-hook", "webhook3-hook"] == list(served.house.ports.secrets.names())


@pytest.mark.parametrize("secret", ["shrt", SECRET, "with a space in it"])
def test_a_secret_that_cannot_be_the_next_one_is_refused(served: Served, secret: str) -> None:
    add(served, "cloudevents")
    answer = rotate(served, secret)
    assert 400 == answer.status_code
    assert secret not in answer.text
    assert [("1", True)] == secret_ids(served)


def test_webhooks_whose_names_look_alike_keep_their_secrets_apart(served: Served) -> None:
    add(served, "cloudevents")
    add(served, "cloudevents", name="hook-2")
    add(served, "cloudevents", name="2-hook")
    rotate(served, keep=0)
    assert ["webhook-2-hook", "webhook-hook-2", "webhook2-hook"] == list(served.house.ports.secrets.names())
    assert 204 == served.http.delete("/api/webhooks/hook").status_code
    assert ["webhook-2-hook", "webhook-hook-2"] == list(served.house.ports.secrets.names())


def test_a_webhook_whose_secret_is_gone_refuses_everything(served: Served) -> None:
    add(served, "cloudevents")
    served.house.ports.secrets.remove("webhook-hook")
    answer = send(served, structured(cloud_event(), ""))
    assert (401, True) == (answer.status_code, "rotate" in answer.json()["error"]["message"])


@pytest.mark.parametrize("name", ["nobody", "No%20Name"])
@pytest.mark.parametrize("path", ["", "/secrets"])
def test_a_webhook_that_there_is_not_is_not_shown(served: Served, name: str, path: str) -> None:
    assert 404 == served.http.get(f"/api/webhooks/{name}{path}").status_code


def try_out(served: Served, **asked: Any) -> httpx.Response:
    return served.http.post("/api/webhooks/hook/test", json=asked)


KINDS = [
    ("github", {}),
    *(("hmac", {"scheme": scheme}) for scheme in SCHEMES),
    ("hmac", {"idHeader": "X-Id"}),
    ("hmac", {"events": ["model.released"]}),
    ("hmac", {"idPointer": "/event/id"}),
    ("cloudevents", {}),
    ("cloudevents", {"scheme": STANDARD}),
    ("cloudevents", {"secretHeader": "Authorization", "events": ["a.b"], "subjectPrefix": "x/", "subjectSuffix": ".y"}),
    ("eventgrid", {}),
    ("eventgrid", {"events": ["a.b"], "subjectPrefix": "x/"}),
]


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_a_trial_is_proven_and_taken_like_any_delivery(served: Served, kind: str, more: dict[str, Any]) -> None:
    add(served, kind, **more)
    dry = try_out(served, dryRun=True)
    assert 200 == dry.status_code, dry.text
    (event,) = dry.json()["events"]
    assert ("would start", ["--alpha=sample"]) == (event["outcome"], event["submission"]["arguments"])
    assert [] == runs(served)
    real = try_out(served, payload=None)
    assert ("ok", "started") == (real.json()["signature"], real.json()["events"][0]["outcome"])
    assert [("--alpha=sample",)] == runs(served)
    assert served.house.only().id == real.json()["events"][0]["runId"]
    for answer in (dry, real):
        assert SECRET not in answer.text
        assert STANDARD_SECRET not in answer.text


def test_a_trial_may_bring_its_own_payload(served: Served) -> None:
    add(served, "cloudevents")
    assert "started" == try_out(served, payload={"alpha": 7}).json()["events"][0]["outcome"]
    assert "started" == try_out(served, payload=cloud_event("mine")).json()["events"][0]["outcome"]
    assert "found" == try_out(served, payload=cloud_event("mine")).json()["events"][0]["outcome"]
    assert [("--alpha=0.25",), ("--alpha=7",)] == sorted(runs(served))
    missing = try_out(served, payload={"beta": 7}, dryRun=True)
    assert (400, True) == (missing.status_code, "/data/alpha" in missing.json()["error"]["message"])


def test_a_trial_of_an_event_that_is_left_out_says_so(served: Served) -> None:
    add(served, "github", pointer="/alpha", events=["push"])
    assert "ignored" == try_out(served, event="issues").json()["events"][0]["outcome"]
    assert [] == try_out(served, event="ping").json()["events"]
    assert [] == runs(served)


def test_a_trial_of_blob_drops_takes_a_blob_that_is_there(served: Served) -> None:
    definition = {"name": "hook", "kind": "eventgrid", "secret": SECRET, "blobDrops": True}
    assert 201 == served.http.post("/api/webhooks", json=definition).status_code
    assert 400 == try_out(served).status_code
    served.house.ports.blobs.put("snapshots", "ridge/a.zip", snapshot())
    served.house.ports.blobs.put("snapshots", "ridge/b.zip", snapshot())
    assert {"snapshot": "snapshots/ridge/a.zip"}.items() <= try_out(served, dryRun=True).json()["events"][0][
        "submission"
    ].items()
    assert "started" == try_out(served, payload={"blob": "snapshots/ridge/b.zip"}).json()["events"][0]["outcome"]
    served.settle()
    assert "snapshots/ridge/b.zip" == served.house.only().origin.name


def test_a_paused_webhook_is_tried_only_dry(served: Served) -> None:
    add(served, "cloudevents")
    served.http.post("/api/webhooks/hook/pause")
    refused = try_out(served)
    assert (409, True) == (refused.status_code, "--dry-run" in refused.json()["error"]["message"])
    assert 200 == try_out(served, dryRun=True).status_code


def example(served: Served, secret: str) -> tuple[bytes, dict[str, str]]:
    """What the example's curl would send: its lines run in a shell whose curl prints its arguments."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is needed to run the examples; install it")
        pytest.skip("openssl is needed to run the examples; install it")
    script = (
        'curl() { for each in "$@"; do printf "%s\\0" "$each"; done; }\n'
        + served.http.get("/api/webhooks/hook").json()["example"]
    )
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", "SECRET": secret, "URL": "http://h"},
        capture_output=True,
        check=True,
    )
    said = done.stdout.decode().rstrip("\0").split("\0")
    named = dict(said[at + 1].split(": ", 1) for at, each in enumerate(said) if each == "-H")
    assert "http://h/api/webhooks/hook" == said[-1]
    return said[said.index("--data-binary") + 1].encode(), named


@pytest.mark.parametrize(("kind", "more"), [*KINDS, ("hmac", {"algorithm": "sha512", "encoding": "base64"})])
def test_the_example_is_a_delivery_that_is_believed(
    served: Served, kind: str, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setattr(served.house.clock, "now", time.time)
    add(served, kind, pointer="/data/it's a $HOME `way`", **more)
    sent = example(served, STANDARD_SECRET if more.get("scheme") == STANDARD else SECRET)
    assert 202 == (answer := send(served, sent)).status_code, answer.text
    assert [("--alpha=sample",)] == runs(served)


def test_a_newer_kind_is_refused_by_an_older_version(served: Served) -> None:
    ports: Ports = served.house.ports
    ports.webhooks.put(Webhook(name="hook", kind="carrier-pigeon"))
    answer = send(served, signed(b"{}", Signing(), 0))
    assert (400, True) == (answer.status_code, "upgrade" in answer.json()["error"]["message"])
