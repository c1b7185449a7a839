"""What the client does when a service is busy. Nobody waits here: what would have been waited is written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from runyard.errors import ConfigError, ThrottledError
from runyard.sdk.connection import Connection, error_of
from runyard.sdk.patience import LONGEST
from runyard.sdk.submitting import Asked, post_run, post_snapshot
from tests.fakes import snapshot

BUSY = {"error": {"code": "ThrottledError", "message": "10,000 submissions wait; send it again in 10 s"}}
KEY = {"Idempotency-Key": "k"}


class Service:
    """Answers 429 so many times, then as it is told; remembers what came."""

    def __init__(self, busy: int, after: str | None = "10", then: httpx.Response | None = None) -> None:
        self.busy = busy
        self.after = after
        self.then = then or httpx.Response(200, json={"ok": True})
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        self.keys.append(request.headers.get("Idempotency-Key"))
        if len(self.bodies) <= self.busy:
            return httpx.Response(429, json=BUSY, headers={} if self.after is None else {"Retry-After": self.after})
        return self.then

    @property
    def connection(self) -> Connection:
        http = httpx.Client(transport=httpx.MockTransport(self), base_url="http://x")
        return Connection(http, pause=self.pauses.append)


CALLS: dict[str, Callable[[Connection], object]] = {
    "get": lambda connection: connection.get("/api/runs"),
    "put": lambda connection: connection.put("/api/computes/c", {"limit": 2}),
    "delete": lambda connection: connection.delete("/api/webhooks/h"),
    "submission with a key": lambda connection: connection.request("POST", "/api/runs", json={}, headers=KEY),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_busy_service_is_asked_again_when_it_said(name: str) -> None:
    service = Service(busy=2)
    CALLS[name](service.connection)
    assert 3 == len(service.bodies)
    assert 1 == len(set(service.bodies))
    assert 2 == len(service.pauses)
    assert all(10.0 <= pause <= 12.5 for pause in service.pauses)


def test_a_service_that_does_not_say_is_asked_again_soon() -> None:
    service = Service(busy=1, after=None)
    service.connection.get("/api/runs")
    assert 2.0 <= service.pauses[0] <= 2.5


def test_what_must_not_be_sent_twice_is_not_sent_again() -> None:
    service = Service(busy=1)
    with pytest.raises(ThrottledError, match="send it again in 10 s"):
        service.connection.post("/api/runs/r/resubmit")
    assert (1, []) == (len(service.bodies), service.pauses)


def test_patience_ends_with_a_sentence_that_says_so() -> None:
    service = Service(busy=1000)
    with pytest.raises(ThrottledError) as caught:
        service.connection.get("/api/runs")
    assert (
        "the service stayed too busy for 120 s; try again later (10,000 submissions wait; send it again in 10 s)"
        == caught.value.message
    )
    assert sum(service.pauses) <= LONGEST < sum(service.pauses) + 12.5


@pytest.mark.parametrize("after", ["3600", "99999999"])
def test_a_pause_of_an_hour_is_not_waited_for(after: str) -> None:
    service = Service(busy=1000, after=after)
    with pytest.raises(ThrottledError):
        service.connection.get("/api/runs")
    assert 1 == len(service.pauses)
    assert sum(service.pauses) <= LONGEST


def test_another_error_after_the_wait_is_told_as_it_is() -> None:
    error = httpx.Response(400, json={"error": {"code": "ConfigError", "message": "no such target"}})
    with pytest.raises(ConfigError, match="no such target"):
        Service(busy=1, then=error).connection.get("/api/runs")


def test_a_submission_is_sent_again_whole_and_under_its_key(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(snapshot())
    service = Service(busy=2, then=httpx.Response(202, json={"runId": "r", "snapshot": None}))
    posted = post_run(service.connection, path, Asked(experiment="e"), key=None, progress=None)
    assert posted.created
    assert 3 == len(service.bodies)
    parts = [body.partition(b"\r\n")[2] for body in service.bodies]
    assert all(snapshot()[:4] in part for part in parts)
    assert 1 == len({len(body) for body in service.bodies})
    assert service.keys[0] is not None
    assert 1 == len(set(service.keys))


def test_a_snapshot_is_sent_again_since_its_bytes_are_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(snapshot())
    service = Service(busy=1, then=httpx.Response(201, json={"container": "uploads", "name": "x.zip"}))
    assert {"container": "uploads", "name": "x.zip"} == post_snapshot(service.connection, path)
    assert 2 == len(service.bodies)


def test_a_429_of_somebody_in_between_is_known_by_its_status() -> None:
    assert isinstance(error_of(httpx.Response(429, text="slow down")), ThrottledError)
