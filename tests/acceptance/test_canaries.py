"""A canary in every secret place is found nowhere else: not in the root, a log, a reply, an error or an argument list."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from runyard.accept import acceptor
from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.targets.local.options import default_environments
from tests.acceptance import yard as yards
from tests.acceptance.canaries import IN_RUNCONFIG, IN_SUBMISSION, Canaries, marks, merged
from tests.acceptance.ears import Ears, watched_processes
from tests.acceptance.yard import Yard, running
from tests.fakes import snapshot

SEEN = """\
import hashlib, os, sys, time
mark = lambda text: hashlib.sha256(text.encode()).hexdigest()
print("on", flush=True)
with open("outputs/seen.txt", "w") as seen:
    seen.write("\\n".join(map(mark, [*os.environ.values(), *sys.argv[1:]])))
while "--hang" in sys.argv:
    time.sleep(0.05)
raise SystemExit("--fail" in sys.argv)
"""
"""Writes digests of all that it was given, and nothing of that itself."""

BASE: dict[str, Any] = {
    "script": "train.py",
    "target": "local",
    "framework": "Python",
    "environment": {"python": {"userManagedDependencies": True, "interpreterPath": "python"}},
}


@dataclass
class Scene:
    """A host, its canaries, and all that was said."""

    yard: Yard
    canaries: Canaries
    token: str
    said: list[tuple[str, bytes]] = field(default_factory=list)
    """Everything that came out of the host: what was asked, what was answered."""

    def http(self) -> httpx.Client:
        client = self.yard.client(self.token)
        client.event_hooks = {"response": [self._hear]}
        return client

    def _hear(self, response: httpx.Response) -> None:
        if "text/event-stream" not in response.headers.get("content-type", ""):
            response.read()
            data = repr(response.headers).encode() + response.content
            self.said.append((f"{response.request.method} {response.request.url.path} {response.status_code}", data))

    def leaks(self) -> dict[str, list[str]]:
        """Where a canary is that should be nowhere."""
        found = {what: self.canaries.found_in(data) for what, data in self.said}
        return {what: places for what, places in found.items() if places} | self.canaries.under(self.yard.root)

    def submission(self, **changes: Any) -> dict[str, Any]:
        return {"experiment": "exp", "snapshot": "uploads/plain.zip", **changes}

    def submit(self, **changes: Any) -> str:
        with self.http() as http:
            answer = http.post("/api/runs", json=self.submission(**changes))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["runId"])

    def seen(self, run: Run) -> set[str]:
        return set((self.yard.root / "runs" / run.id / str(run.attempt) / "outputs" / "seen.txt").read_text().split())


@pytest.fixture
def scene(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    canaries = Canaries()
    token = canaries.new("token of the API")
    monkeypatch.setattr(yards, "TOKEN", token)
    with running(root) as yard:
        made = Scene(yard, canaries, token)
        yard.ports.blobs.put("uploads", "plain.zip", snapshot({"train.py": SEEN}, config=json.dumps(BASE)))
        ears = Ears(made.said)
        logger = logging.getLogger()
        before = logger.level
        logger.addHandler(ears)
        logger.setLevel(logging.DEBUG)
        try:
            with watched_processes(made.said):
                yield made
        finally:
            unfinished = [run.id for run in yard.runs() if not run.has_ended] if yard.host is not None else []
            for ident in unfinished:  # of a test that failed
                request_cancel(yard.ports, ident, who="test")
            for ident in unfinished:
                yard.ended(ident)
            logger.removeHandler(ears)
            logger.setLevel(before)
        made.said += [("console", line.encode()) for line in yard.lines]


def inline(scene: Scene, where: str, **more: Any) -> dict[str, Any]:
    """A submission with every canary there is a place for."""
    config = merged(BASE, scene.canaries.fill(IN_RUNCONFIG, where))
    return scene.submission(**merged(scene.canaries.fill(IN_SUBMISSION, where), {"runconfig": config, **more}))


def over_the_api(scene: Scene) -> str:
    with scene.http() as http:
        answer = http.post("/api/runs", json=inline(scene, "API"), headers={"Idempotency-Key": "once"})
        again = http.post("/api/runs", json=inline(scene, "API, key again"), headers={"Idempotency-Key": "once"})
    assert (202, answer.json()["runId"]) == (answer.status_code, again.json()["runId"])
    return str(answer.json()["runId"])


def over_a_queue(scene: Scene) -> str:
    body = json.dumps(inline(scene, "queue", id="queued"))
    with scene.http() as http:
        answer = http.post(f"/api/queues/{SUBMISSIONS}/messages", content=body)
        assert answer.status_code == 202, answer.text
    return next(run.id for run in scene.yard.runs() if run.origin.event_id == "queued")


def over_a_cloud_event(scene: Scene) -> str:
    event = {"specversion": "1.0", "id": "e-1", "source": "/s", "type": "t", "data": inline(scene, "CloudEvent")}
    with scene.http() as http:
        assert 202 == http.post(f"/api/queues/{SUBMISSIONS}/messages", content=json.dumps(event)).status_code
    return next(run.id for run in scene.yard.runs() if run.origin.event_id == "e-1")


def over_a_webhook(scene: Scene) -> str:
    secret = scene.canaries.new("secret of a webhook")
    template = inline(scene, "template")
    with scene.http() as http:
        made = http.post("/api/webhooks", json={"name": "hook", "secret": secret, "submission": template})
        assert made.status_code == 201, made.text
        signature = "sha256=" + hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": signature}
        answer = http.post("/api/webhooks/hook", content=b"{}", headers=headers)
        http.post("/api/webhooks/hook", content=b"{}", headers=headers | {"X-Hub-Signature-256": signature[:-1] + "x"})
    return str(answer.json()["runId"])


def in_a_snapshot(scene: Scene) -> str:
    config = merged(BASE, scene.canaries.fill(IN_RUNCONFIG, "snapshot"))
    path = scene.yard.root / "snapshots" / "exp" / "night.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(snapshot({"train.py": SEEN}, config=json.dumps(config)))
    part.rename(path)
    return scene.yard.wait(
        lambda: next((run.id for run in scene.yard.runs() if run.origin.name.endswith("night.zip")), None)
    )


DOORS: dict[str, Callable[[Scene], str]] = {
    "API": over_the_api,
    "queue": over_a_queue,
    "CloudEvent": over_a_cloud_event,
    "template": over_a_webhook,
    "snapshot": in_a_snapshot,
}


@pytest.mark.parametrize("door", DOORS)
def test_a_run_sees_its_secrets_and_nothing_else_does(scene: Scene, door: str) -> None:
    run = scene.yard.ended(DOORS[door](scene))
    assert State.COMPLETED is run.state, run.reason
    values = [value for place, value in scene.canaries.values.items() if place.endswith(f"({door})")]
    given = {
        place: value for place, value in scene.canaries.values.items() if value in values and reaches_the_script(place)
    }
    wanted = set(marks([as_given(place, value) for place, value in given.items()]))
    assert len(wanted) >= 7
    assert wanted <= scene.seen(run)
    with scene.http() as http:
        again = http.post(f"/api/runs/{run.id}/resubmit", json={})
        assert again.status_code == 202, again.text
    repeated = scene.yard.ended(again.json()["runId"])
    assert wanted <= scene.seen(repeated)
    crawl(scene)
    assert {} == scene.leaks()
    assert [] == scene.canaries.open_keepers(scene.yard.root)


def reaches_the_script(place: str) -> bool:
    return place.startswith(("variable", "URL", "argument", "connection"))


def as_given(place: str, value: str) -> str:
    """The whole text that the script gets."""
    if place.startswith("URL in a variable"):
        return f"postgresql://me:{value}@db/x"
    if place.startswith("argument with its flag"):
        return f"--token={value}"
    if place.startswith("connection string"):
        return f"AccountName=a;AccountKey={value};EndpointSuffix=e"
    return value


def test_endings_of_every_kind_tell_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = scene.submit(**merged(inline(scene, "fails"), {"arguments": ["--fail"]}))
    assert 1 == scene.yard.ended(failing).exit_code
    lacking = scene.submit(**inline(scene, "no script", script="other.py"))
    assert State.FAILED is scene.yard.ended(lacking).state
    unprepared = inline(scene, "environment")
    python = unprepared["runconfig"]["environment"]["python"]
    python["userManagedDependencies"] = False
    python["condaDependencies"] = merged(
        python["condaDependencies"], {"dependencies": [{"pip": ["no-such-package-4711"]}]}
    )
    preparing = scene.submit(**unprepared)
    scene.yard.wait(lambda: scene.yard.ports.runs.get(preparing).state is State.PREPARING)  # type: ignore[union-attr]
    tools = (b"pip", b"uv")
    scene.yard.wait(
        lambda: any(any(tool in argv for tool in tools) and b"install" in argv for _, argv in list(scene.said))
    )
    assert {} == scene.leaks() | scene.canaries.under(Path(default_environments()))  # while it is built
    with scene.http() as http:
        http.post(f"/api/runs/{preparing}/cancel")
    assert State.CANCELED is scene.yard.ended(preparing).state
    assert {} == scene.canaries.under(Path(default_environments()))
    canceled = scene.submit(**merged(inline(scene, "canceled"), {"arguments": ["--hang"]}))
    scene.yard.wait(lambda: scene.yard.ports.runs.get(canceled).state is State.RUNNING)  # type: ignore[union-attr]
    assert {} == scene.leaks()  # while it runs
    with scene.http() as http:
        http.post(f"/api/runs/{canceled}/cancel")
    assert State.CANCELED is scene.yard.ended(canceled).state
    broken = scene.canaries.new("text of an error")
    monkeypatch.setattr(acceptor, "resolve", raising(f"cannot log in with password={broken}"))
    unlucky = scene.submit(**inline(scene, "handler fails"))
    scene.yard.wait(lambda: scene.yard.ports.queue.counts().get("buried"), 60)
    scene.yard.ended(unlucky)
    crawl(scene)
    assert {} == scene.leaks()


def raising(text: str) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(text)

    return fail


def test_a_killed_supervisor_and_its_successor_tell_nothing(scene: Scene) -> None:
    ident = scene.submit(**merged(inline(scene, "supervisor"), {"arguments": ["--hang"]}))
    scene.yard.wait(lambda: scene.yard.ports.runs.get(ident).state is State.RUNNING)  # type: ignore[union-attr]
    lock = scene.yard.root / "local" / "supervisor.lock"
    killed = int(lock.read_text())
    os.kill(killed, signal.SIGKILL)
    scene.yard.wait(lambda: lock.read_text().strip() not in {"", str(killed)})
    assert {} == scene.leaks()
    with scene.http() as http:
        http.post(f"/api/runs/{ident}/cancel")
    assert State.CANCELED is scene.yard.ended(ident).state
    after = scene.yard.ended(scene.submit(**inline(scene, "successor")))
    assert State.COMPLETED is after.state
    assert {} == scene.leaks()


def test_a_secret_that_the_service_keeps_reaches_the_script_alone(scene: Scene) -> None:
    kept = scene.canaries.new("secret of a user")
    config = merged(BASE, {"runyard": {"secrets": {"MY_VALUE": "my-value"}}})
    with scene.http() as http:
        assert 200 == http.put("/api/secrets/my-value", json={"value": kept}).status_code
        assert ["my-value"] == [each["name"] for each in http.get("/api/secrets").json()["secrets"]]
    run = scene.yard.ended(scene.submit(runconfig=config))
    assert set(marks([kept])) <= scene.seen(run)
    crawl(scene)
    assert {} == scene.leaks()


def test_what_lay_in_the_database_for_a_while_is_overwritten(scene: Scene) -> None:
    """A message that went past the API, as from another program, and a variable that only the snapshot's file marks."""
    body = json.dumps(inline(scene, "past the API", id="past"))
    scene.yard.ports.queue.send(SUBMISSIONS, body.encode(), durable=True)
    config = merged(BASE, {"runyard": {"secret_variables": ["QUIET"]}})
    scene.yard.ports.blobs.put("uploads", "marks.zip", snapshot({"train.py": SEEN}, config=json.dumps(config)))
    quiet = scene.canaries.new("variable that the snapshot marks")
    asked = {"snapshot": "uploads/marks.zip", "environmentVariables": {"QUIET": quiet}}
    assert set(marks([quiet])) <= scene.seen(scene.yard.ended(scene.submit(**asked)))
    scene.yard.wait(
        lambda: [run for run in scene.yard.runs() if run.origin.event_id == "past" and run.has_ended] or None
    )
    crawl(scene)
    scene.yard.down()  # the log of what was written goes with its last user
    assert {} == scene.leaks()


def test_refusals_repeat_nothing_that_was_sent(scene: Scene) -> None:
    """Every address that takes a document gets secrets in the wrong form, the wrong place, and no form at all."""
    with scene.http() as http:
        paths = http.get("/api/openapi.json").json()["paths"]
        for path, methods in paths.items():
            for method in sorted({"post", "put", "delete"} & set(methods)):
                for body in bodies(scene.canaries.new(f"refused by {method} {path}")):
                    http.request(method.upper(), filled_path(scene, path), content=body)
                    headers = {"Content-Type": "application/json"}
                    http.request(method.upper(), filled_path(scene, path), content=body, headers=headers)
    assert {"GET /api/openapi.json 200"} < {what for what, _ in scene.said}
    assert 20 < sum(" 4" in what for what, _ in scene.said)
    assert {} == scene.leaks()


def bodies(canary: str) -> list[bytes]:
    """Documents that no address takes."""
    wrong: list[Any] = [
        {"password": canary},
        {"secret": canary, "name": {"token": canary}, "value": [canary]},
        {"experiment": {"token": canary}, "snapshot": [canary], "environmentVariables": canary},
        {"experiment": "exp", "snapshot": "uploads/none.zip", "environmentVariables": {"A_TOKEN": canary}},
        {
            "experiment": "exp",
            "snapshot": "uploads/plain.zip",
            "environmentVariables": {"LD_A": canary, "B_TOKEN": canary},
        },
        {"experiment": "exp", "snapshot": "uploads/plain.zip", "password": canary, "priority": canary},
        {"options": {"password": canary}, "limit": canary},
        [f"token={canary}"],
    ]
    return [json.dumps(each).encode() for each in wrong] + [f'{{"password": "{canary}"'.encode()]


def filled_path(scene: Scene, path: str) -> str:
    known = {"run_id": next((run.id for run in scene.yard.runs()), "none_1_00000000"), "name": "exp"}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: known.get(match[1], "none"), path)


def crawl(scene: Scene) -> None:
    """Read every address that can be read, of every run, queue and compute; and say the same at the command line."""
    names = {
        "run_id": [run.id for run in scene.yard.runs()],
        "name": ["local", "hook", "my-value", SUBMISSIONS, "buried", "deadletters", "dispatch-local", "watch"],
    }
    with scene.http() as http:
        paths = http.get("/api/openapi.json").json()["paths"]
        reads = [path for path, methods in paths.items() if "get" in methods]
        assert {"/api/runs/{run_id}", "/api/runs/{run_id}/why", "/api/doctor", "/api/secrets"} <= set(reads)
        for path in ["/", *reads]:
            for filled in all_paths(path, names):
                with http.stream("GET", filled, timeout=5) as response:
                    if "text/event-stream" in response.headers.get("content-type", ""):
                        scene.said.append((f"GET {filled}", next(response.iter_bytes(), b"")))
        for run in scene.yard.runs():
            for name in http.get(f"/api/runs/{run.id}").json()["logFiles"]:
                http.get(f"/api/runs/{run.id}/files/{name}")
    latest = ["show", "why", "history", "logs"]
    commands = [[command, "latest", *more] for command in latest for more in ((), ("--json",))]
    commands += [
        ["runs", "--json"],
        ["doctor"],
        ["secret", "list"],
        ["webhook", "list", "--json"],
        ["queue", "peek", "buried"],
    ]
    for command in commands:
        argv = [sys.executable, "-m", "runyard.cli.main", "--root", str(scene.yard.root), *command]
        done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
        scene.said.append((f"command {command}", done.stdout + done.stderr))


def all_paths(path: str, names: dict[str, list[str]]) -> list[str]:
    """The path with every name that may stand in it; none if it has a part that is not ours to fill."""
    wanted = re.findall(r"\{(\w+)(?::\w+)?\}", path)
    if any(name not in names for name in wanted):
        return []
    filled = [path]
    for name in wanted:
        filled = [
            re.sub(r"\{" + name + r"(?::\w+)?\}", value, each, count=1) for each in filled for value in names[name]
        ]
    return filled
