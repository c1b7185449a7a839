"""Webhooks of every kind over real HTTP: forged, replayed, stale, too large, of another type, repeated, out of order."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runyard.events.github import sign as github_sign
from runyard.events.signatures import STANDARD, STRIPE, TIMESTAMPED, Signing
from tests.acceptance.yard import Yard
from tests.fakes import snapshot
from tests.webhooks import (
    CODE,
    ORIGIN,
    Sent,
    batched,
    binary,
    blob_created,
    cloud_event,
    grid,
    grid_event,
    packed,
    shown,
    signed,
    structured,
    validation_event,
)

SECRET = "the-canary-in-the-webhooks-secret-91c5"
STANDARD_SECRET = "whsec_Y2FuYXJ5LWluLXRoZS13ZWJob29rcy1zZWNyZXQ="
SCRIPT = "import sys\nprint(sys.argv[1:])\n"
Make = Callable[[str, Any, str], Sent]
"""A delivery of an event of this id with this value, signed or shown with this secret."""


def _github(ident: str, alpha: Any, secret: str) -> Sent:
    body = packed({"alpha": alpha})
    names = {"X-GitHub-Event": "push", "X-GitHub-Delivery": ident, "X-Hub-Signature-256": github_sign(secret, body)}
    return body, {"Content-Type": "application/json", **names}


def _by(scheme: str) -> Make:
    def make(ident: str, alpha: Any, secret: str) -> Sent:
        if scheme == STANDARD and secret == SECRET:
            secret = STANDARD_SECRET
        elif scheme == STANDARD:
            secret = "whsec_" + "QUFB" * 10
        body = packed({"id": ident, "alpha": alpha})
        return signed(body, Signing(scheme=scheme), int(time.time()), secret=secret, ident=ident)

    return make


def _signed_cloud_event(ident: str, alpha: Any, secret: str) -> Sent:
    secret = STANDARD_SECRET if secret == SECRET else "whsec_" + "QUFB" * 10
    body = packed(cloud_event(ident, data={"alpha": alpha}))
    kind = "application/cloudevents+json"
    return signed(
        body, Signing(scheme=STANDARD), int(time.time()), secret=secret, ident=f"try-{time.time_ns()}", kind=kind
    )


KINDS: dict[str, tuple[dict[str, Any], str, Make]] = {
    "github": ({"kind": "github"}, "/alpha", _github),
    "timestamped": ({"kind": "hmac", "idPointer": "/id"}, "/alpha", _by(TIMESTAMPED)),
    "stripe": ({"kind": "hmac", "scheme": STRIPE}, "/alpha", _by(STRIPE)),
    "standard": ({"kind": "hmac", "scheme": STANDARD}, "/alpha", _by(STANDARD)),
    "structured": (
        {"kind": "cloudevents"},
        "/data/alpha",
        lambda ident, alpha, secret: structured(cloud_event(ident, data={"alpha": alpha}), secret),
    ),
    "binary": (
        {"kind": "cloudevents"},
        "/data/alpha",
        lambda ident, alpha, secret: binary(cloud_event(ident, data={"alpha": alpha}), secret),
    ),
    "signed-cloud": ({"kind": "cloudevents", "scheme": STANDARD}, "/data/alpha", _signed_cloud_event),
    "eventgrid": (
        {"kind": "eventgrid"},
        "/data/alpha",
        lambda ident, alpha, secret: grid([grid_event(ident, data={"alpha": alpha})], secret),
    ),
    "eventgrid-cloud": (
        {"kind": "eventgrid"},
        "/data/alpha",
        lambda ident, alpha, secret: structured(cloud_event(ident, data={"alpha": alpha}), secret),
    ),
}


@pytest.fixture
def door(yard: Yard) -> Iterator[httpx.Client]:
    with stranger(yard) as made:
        yield made


@contextlib.contextmanager
def stranger(yard: Yard) -> Iterator[httpx.Client]:
    """Who comes by a tunnel with a name of its own."""
    yard.put("uploads", "r.zip", snapshot({"train.py": SCRIPT}))
    with yard.client(token=None) as made:
        made.headers["Host"] = "tunnel.example"
        yield made


def define(yard: Yard, name: str, **more: Any) -> dict[str, Any]:
    secret = STANDARD_SECRET if more.get("scheme") == STANDARD else SECRET
    with yard.client() as client:
        answer = client.post("/api/webhooks", json={"name": name, "secret": secret, **more})
    assert 201 == answer.status_code, answer.text
    made: dict[str, Any] = answer.json()
    return made


def post(door: httpx.Client, sent: Sent, name: str) -> httpx.Response:
    return door.post(f"/api/webhooks/{name}", content=sent[0], headers=sent[1])


def template(pointer: str, experiment: str) -> dict[str, Any]:
    return {"experiment": experiment, "snapshot": "uploads/r.zip", "arguments": [f"--alpha={{{pointer}}}"]}


def test_each_kind_gives_one_run_an_event_or_a_clear_4xx(yard: Yard, door: httpx.Client) -> None:
    for name, (definition, pointer, make) in KINDS.items():
        most = define(yard, name, submission=template(pointer, name), **definition)["maxBytes"]
        answers = [post(door, make(ident, alpha, SECRET), name) for ident, alpha in (("2", 2), ("1", 1), ("2", 2))]
        assert [202] * 3 == [answer.status_code for answer in answers], (name, answers[0].text)
        assert answers[0].json()["runId"] == answers[2].json()["runId"] != answers[1].json()["runId"]
        assert 401 == post(door, make("3", 3, "forged-secret-0123"), name).status_code, name
        body, headers = make("4", 4, SECRET)
        wrong = door.post(f"/api/webhooks/{name}", content=body, headers={**headers, "Content-Type": "text/xml"})
        assert (400 if name == "binary" else 415) == wrong.status_code, name  # binary events may be of any type
        for content in (b"x" * (most + 1), iter([b"x" * most, b"x"])):
            with contextlib.suppress(httpx.WriteError):  # it may be answered before all of it is sent
                assert 413 == door.post(f"/api/webhooks/{name}", content=content, headers=headers).status_code, name
    for name in KINDS:
        ended = yard.wait(lambda name=name: _ended(yard, name, 2))  # type: ignore[misc]
        assert {b"['--alpha=1']\n", b"['--alpha=2']\n"} == {yard.log(run) for run in ended}, name


def _ended(yard: Yard, experiment: str, count: int) -> list[Any] | None:
    runs = yard.runs(experiment)
    return runs if len(runs) == count and all(run.has_ended for run in runs) else None


def test_what_is_stale_is_refused_and_what_is_replayed_finds_its_run(yard: Yard, door: httpx.Client) -> None:
    for scheme in (TIMESTAMPED, STRIPE, STANDARD):
        name = f"stale-{scheme}"
        define(yard, name, kind="hmac", scheme=scheme, submission=template("/alpha", name))
        secret = STANDARD_SECRET if scheme == STANDARD else SECRET
        for off in (-400, 400):
            stale = signed(b'{"alpha": 1}', Signing(scheme=scheme), int(time.time()) + off, secret=secret)
            answer = post(door, stale, name)
            assert (401, 1) == (answer.status_code, len(answer.json()["error"]["message"].splitlines()))
        sent = signed(b'{"alpha": 1}', Signing(scheme=scheme), int(time.time()), secret=secret)
        assert 1 == len({post(door, sent, name).json()["runId"] for _ in range(3)})
        assert 1 == len(yard.wait(lambda name=name: _ended(yard, name, 1)))  # type: ignore[misc]


def test_batches_are_durable_when_they_are_answered_and_repeatable(yard: Yard, door: httpx.Client) -> None:
    define(yard, "grid", kind="eventgrid", submission=template("/data/alpha", "grid"))
    define(yard, "cloud", kind="cloudevents", submission=template("/data/alpha", "cloud"))
    for name, sent in (
        ("grid", grid([grid_event(str(each), data={"alpha": each}) for each in range(5)], SECRET)),
        ("cloud", batched([cloud_event(str(each), data={"alpha": each}) for each in range(5)], SECRET)),
    ):
        first = post(door, sent, name).json()["runs"]
        assert {each["runId"] for each in first} == {run.id for run in yard.runs(name)}
        assert first[0]["runId"] == post(door, sent, name).json()["runs"][0]["runId"]
        assert 5 == len(yard.wait(lambda name=name: _ended(yard, name, 5)))  # type: ignore[misc]


def test_handshakes_are_answered_to_who_shows_the_secret(yard: Yard, door: httpx.Client) -> None:
    define(yard, "grid", kind="eventgrid", submission=template("/data/alpha", "grid"))
    answer = post(door, grid([validation_event()], SECRET), "grid")
    assert (200, {"validationResponse": CODE}) == (answer.status_code, answer.json())
    assert 401 == post(door, grid([validation_event()], "wrong"), "grid").status_code
    asked = door.options("/api/webhooks/grid", headers={**ORIGIN, "X-Runyard-Key": SECRET})
    assert ("eventgrid.azure.net", "120") == (
        asked.headers["WebHook-Allowed-Origin"],
        asked.headers["WebHook-Allowed-Rate"],
    )
    refused = door.options("/api/webhooks/grid", headers=ORIGIN)
    assert (401, False) == (refused.status_code, "WebHook-Allowed-Origin" in refused.headers)
    assert [] == yard.runs()


def test_a_blobs_event_and_the_folder_that_saw_it_too_make_one_run(yard: Yard, door: httpx.Client) -> None:
    define(yard, "drops", kind="eventgrid", blobDrops=True)
    yard.drop(SCRIPT, "ridge/a.zip")
    info = yard.ports.blobs.head("snapshots", "ridge/a.zip")
    assert info is not None
    for api in ("CreateFile", "PutBlockList", "PutBlockList"):
        answer = post(door, grid([blob_created("ridge/a.zip", info.etag, api=api)], SECRET), "drops")
        assert (200 if api == "CreateFile" else 202) == answer.status_code
    (run,) = yard.wait(lambda: _ended(yard, "ridge", 1))
    assert "Completed" == run.status
    assert answer.json()["runId"].endswith(run.id.rpartition("_")[2])


def test_a_webhooks_secret_is_nowhere_but_in_its_place(
    yard: Yard, door: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    replies = []
    for name, (definition, pointer, make) in KINDS.items():
        made = define(yard, name, submission=template(pointer, name), **definition)
        replies.append(str(made))
        replies.append(post(door, make("1", 1, SECRET), name).text)
        replies.append(post(door, shown(b"{", "application/json", SECRET), name).text)
        with yard.client() as client:
            replies.extend(client.get(f"/api/webhooks/{path}").text for path in ("", name, f"{name}/secrets"))
            replies.append(client.post(f"/api/webhooks/{name}/test", json={"dryRun": True}).text)
            rotated = {"secret": STANDARD_SECRET[:-6] + "ZXJz", "keepOldSeconds": 5}
            replies.append(client.post(f"/api/webhooks/{name}/rotate", json=rotated).text)
    runs = [run for name in KINDS for run in yard.wait(lambda name=name: _ended(yard, name, 1))]  # type: ignore[misc]
    with yard.client() as client:
        replies.extend(client.get(f"/api/runs/{run.id}").text for run in runs)
    canaries = [SECRET, STANDARD_SECRET, STANDARD_SECRET.removeprefix("whsec_"), STANDARD_SECRET[:-6] + "ZXJz"]
    places = [*replies, caplog.text, *yard.lines, *_files(yard.root)]
    assert [] == [place[:200] for place in places for canary in canaries if canary in place]
    kept = {path.name for path in (yard.root / "secrets").iterdir()}
    assert {f"webhook-{name}" for name in KINDS} <= kept


def _files(root: Path) -> Iterator[str]:
    """The content of every file of the root but the secrets."""
    for folder, _, names in os.walk(root):
        if Path(folder) == root / "secrets":
            continue
        for name in names:
            path = Path(folder) / name
            if path.is_file():
                yield f"{path}\n{path.read_bytes().decode('latin-1')}"
