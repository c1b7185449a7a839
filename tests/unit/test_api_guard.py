"""Who may come in, and what is said to who may not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from runyard.api import guard
from runyard.api.app import create_app
from runyard.api.guard import COOKIE, MAX_BODY, cookie_of
from runyard.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    ConflictError,
    NotFoundError,
    RunyardError,
    StorageFullError,
    ThrottledError,
)
from tests.served import AUTH, TOKEN, Served, serving


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


def get(served: Served, path: str = "/api/runs", **headers: str) -> httpx.Response:
    """A GET without the client's own token."""
    request = served.http.build_request(
        "GET", path, headers=[(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
    )
    if "Authorization" not in headers:
        del request.headers["Authorization"]
    return served.http.send(request)


def test_the_token_opens_the_api(served: Served) -> None:
    assert get(served, Authorization=f"Bearer {TOKEN}").status_code == 200


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \u00ff"])
def test_without_the_right_token_nothing_is_shown(served: Served, shown: str) -> None:
    answer = get(served, **({"Authorization": shown} if shown else {}))
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthError"
    assert TOKEN not in answer.text


def test_without_a_token_of_its_own_the_service_lets_nobody_in(served: Served) -> None:
    served.services.token = None
    assert get(served, Authorization="Bearer None").status_code == 401
    assert get(served, Authorization="Bearer ").status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7071", "127.0.0.1.evil.example", "localhost@evil", "[::2]"]
)
def test_a_rebound_name_is_refused_even_with_the_token(served: Served, host: str) -> None:
    assert get(served, **AUTH, Host=host).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "LOCALHOST:7071", "[::1]:7071"])
def test_loopback_names_are_taken(served: Served, host: str) -> None:
    assert get(served, **AUTH, Host=host).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:7071"])
def test_pages_of_other_origins_are_refused(served: Served, origin: str) -> None:
    assert get(served, **AUTH, Origin=origin).status_code == 403


def test_a_page_of_our_own_is_taken(served: Served) -> None:
    assert get(served, **AUTH, Origin="http://127.0.0.1:7071").status_code == 200


def test_health_and_version_are_public(served: Served) -> None:
    assert get(served, "/api/health").json() == {"status": "ok"}
    assert get(served, "/api/version").json()["name"] == "runyard"


def test_the_one_time_link_works_once_and_its_cookie_is_not_the_token(served: Served) -> None:
    first = get(served, "/?token=once")
    assert first.status_code == 303
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    served.http.cookies.clear()
    assert get(served, "/?token=once").status_code == 403


def test_a_wrong_code_opens_nothing_and_uses_nothing_up(served: Served) -> None:
    assert get(served, "/?token=twice").status_code == 403
    assert get(served, "/?token=once").status_code == 303


def test_the_page_is_for_who_has_the_cookie(served: Served) -> None:
    run = served.running("page")
    assert get(served, "/").status_code == 401
    page = get(served, "/", Cookie=f"{COOKIE}={cookie_of(TOKEN)}")
    assert page.status_code == 200
    assert run.id in page.text
    assert get(served, "/", Cookie=f"{COOKIE}=wrong").status_code == 401


def test_the_page_escapes_what_users_wrote(served: Served) -> None:
    answer = served.submit("page", target="<script>alert(1)</script>")
    assert answer.status_code == 202
    served.settle()
    page = get(served, "/", Cookie=f"{COOKIE}={cookie_of(TOKEN)}")
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_cookie_alone_changes_nothing_without_an_origin(served: Served) -> None:
    run = served.running()
    cookie = {"Cookie": f"{COOKIE}={cookie_of(TOKEN)}"}

    def post(**headers: str) -> int:
        request = served.http.build_request("POST", f"/api/runs/{run.id}/cancel", headers=headers)
        del request.headers["Authorization"]
        return served.http.send(request).status_code

    assert post(**cookie) == 401
    assert post(**cookie, Origin="http://127.0.0.1:7071") == 202


def test_every_answer_says_nosniff_and_is_not_kept(served: Served) -> None:
    for answer in (get(served, "/api/health"), get(served), get(served, "/nowhere", **AUTH)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_an_invalid_request_is_not_echoed(served: Served) -> None:
    secret = "hunter2-very-secret"
    body = {"name": "w", "secret": secret, "submission": secret, "surprise": secret}
    answer = served.http.post("/api/webhooks", json=body)
    assert answer.status_code == 422
    assert secret not in answer.text
    assert "body.submission" in answer.json()["error"]["message"]
    broken = served.http.post(
        "/api/webhooks", content=f'{{"secret": "{secret}"', headers={"Content-Type": "application/json"}
    )
    assert (broken.status_code, secret not in broken.text) == (422, True)
    assert secret not in served.http.get(f"/api/runs?limit={secret}").text


def test_a_body_is_refused_by_its_announced_and_by_its_real_size(served: Served) -> None:
    headers = {"Content-Type": "application/json"}
    announced = served.http.post("/api/prune", content=b"x" * (MAX_BODY + 1), headers=headers)
    assert announced.status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * (1 << 16)

    real = served.http.post("/api/prune", content=pieces(), headers=headers)
    assert real.status_code == 413


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("a"), 404),
        (ConflictError("a"), 409),
        (AuthError("a"), 403),
        (ConfigError("a"), 400),
        (StorageFullError("a"), 507),
        (ThrottledError("a", 2.3), 429),
        (CapacityError("a"), 503),
        (RunyardError("a"), 500),
    ],
)
def test_errors_have_their_status(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: RunyardError, status: int
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(served.house.ports.runs, "list", fail)
    answer = served.http.get("/api/runs")
    assert status == answer.status_code
    assert {"error": {"code": type(error).__name__, "message": "a"}} == answer.json()
    if status in {429, 503}:
        assert {429: "3", 503: "5"}[status] == answer.headers["retry-after"]


def test_a_bug_is_logged_and_not_shown(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise ValueError("inner secret")

    monkeypatch.setattr(served.house.ports.runs, "list", fail)
    caplog.set_level(logging.INFO, "runyard")
    answer = served.http.get("/api/runs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "InternalError")
    assert [record.message for record in caplog.records if record.levelno >= logging.INFO] == [
        "GET /api/runs failed: ValueError"
    ]
    caplog.set_level(logging.DEBUG, "runyard")
    assert "inner secret" not in served.http.get("/api/runs").text
    assert "inner secret" in caplog.text


def test_an_answer_that_breaks_off_is_not_raised_again(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> Iterator[bytes]:
        yield b"a"
        raise ValueError("inner")

    run = served.ended(files={"outputs/a": b"abc"})
    monkeypatch.setattr(served.house.ports.blobs, "stream", broken)
    with pytest.raises(httpx.RemoteProtocolError):
        served.http.get(f"/api/runs/{run.id}/files/outputs/a")
    assert f"GET /api/runs/{run.id}/files/outputs/a failed: ValueError" in caplog.text


def test_unknown_addresses_and_methods_are_told(served: Served) -> None:
    assert served.http.get("/api/nothing").status_code == 404
    refused = served.http.delete("/api/runs")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert served.http.head("/api/snapshots").headers["allow"] == "POST"


def test_head_is_answered_like_get_without_its_body(served: Served) -> None:
    run = served.ended(files={"outputs/a": b"abc" * 1_000_000})
    for path in ("/api/health", "/api/runs", f"/api/runs/{run.id}", f"/api/runs/{run.id}/files", "/"):
        head, got = served.http.head(path), served.http.get(path)
        assert (head.status_code, head.headers["content-length"], head.content) == (
            got.status_code, got.headers["content-length"], b"",
        )  # fmt: skip
    file = served.http.head(f"/api/runs/{run.id}/files/outputs/a")
    assert (file.status_code, file.headers["content-length"], file.content) == (200, "3000000", b"")
    assert served.http.head("/", params={"token": "once"}).status_code == 200  # HEAD does not use the link up
    assert served.http.get("/", params={"token": "once"}).status_code == 303
    served.http.cookies.clear()
    del served.http.headers["Authorization"]
    assert (served.http.head("/api/runs").status_code, served.http.head("/api/health").status_code) == (401, 200)


def test_a_client_that_goes_away_harms_nothing() -> None:
    """A body that ends in a disconnect: no answer, no error."""
    sent: list[Any] = []

    async def call() -> None:
        app = create_app(lambda: pytest.fail("not reached"), lambda: TOKEN)

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
        scope = {
            "type": "http", "method": "POST", "path": "/api/webhooks/x", "headers": headers, "query_string": b"",
            "scheme": "http", "raw_path": b"/", "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        await guard.Guard(_reads_its_body, get_token=lambda: TOKEN)(scope, receive, send)
        del app

    asyncio.run(call())
    assert sent == []


async def _reads_its_body(scope: Any, receive: Any, send: Any) -> None:
    await Request(scope, receive, send).body()
