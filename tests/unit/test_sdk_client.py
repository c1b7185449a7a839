"""The client: which service it talks to, what it makes of answers and faults, and the public names."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import runyard
from runyard._exports import PUBLIC, resolve
from runyard.errors import AuthError, ConfigError, ConflictError, NotFoundError, RunyardError, TransientError
from runyard.events.schema import submission_schema
from runyard.host.lock import HostInfo, HostLock
from runyard.sdk.client import Client, user_name
from runyard.sdk.connection import Connection, error_of
from runyard.sdk.root import default_root
from runyard.sdk.submitting import Asked, Options, experiment_name
from runyard.sdk.transport import InProcessTransport
from tests.fakes import snapshot
from tests.served import Served, client_over, serving


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


def test_the_public_names_are_sorted_and_resolve() -> None:
    assert sorted(runyard.__all__) == runyard.__all__
    for name in runyard.__all__:
        assert getattr(runyard, name) == resolve(name)
    assert set(PUBLIC) | {"__version__"} == set(runyard.__all__)
    with pytest.raises(AttributeError):
        _ = runyard.nothing


def test_a_run_configuration_of_the_library_travels_in_the_submission_with_its_packages(tmp_path: Path) -> None:
    config = runyard.RunConfiguration(script="train.py", arguments=["--lr", "0.1"])
    config.environment.python.conda_dependencies = runyard.CondaDependencies.create(pip_packages=["numpy"])
    said = json.loads(json.dumps(Asked(experiment="e", runconfig=config).as_json()))["runconfig"]
    assert ["--lr", "0.1"] == said["arguments"]
    assert {"pip": ["numpy"]} in said["environment"]["python"]["condaDependencies"]["dependencies"]
    assert said["environment"]["python"]["condaDependenciesFile"] is None
    with serving() as served, client_over(served) as client:
        config.environment.python.user_managed_dependencies = True
        (tmp_path / "train.py").write_text("")
        run = client.submit(tmp_path, experiment="e", runconfig=config)
        assert run["experiment"] == "e"


def test_importing_runyard_is_light() -> None:
    code = (
        "import sys, runyard; sys.exit(len({'httpx', 'msgspec', 'fastapi', 'importlib.metadata'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2] / "shared")
    assert 0 == loaded.returncode


def test_without_a_host_the_root_itself_is_served(tmp_path: Path) -> None:
    with Client.connect(tmp_path / "root") as client:
        assert client.embedded
        assert client.runs.page()["runs"] == []
        assert [each["name"] for each in client.computes.list()] == ["local"]


def test_a_running_host_is_found_by_its_lock_and_file(tmp_path: Path) -> None:
    lock = HostLock(tmp_path)
    lock.acquire()
    lock.publish(HostInfo(url="http://127.0.0.1:9", token="t", pid=1, version="", started=0.0))
    try:
        with Client.connect(tmp_path) as client:
            assert (client.embedded, client.url) == (False, "http://127.0.0.1:9")
            with pytest.raises(TransientError, match="runyard up"):
                client.version()
    finally:
        lock.release()


def test_the_default_root_is_the_variables_else_the_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNYARD_ROOT", "~/here")
    assert default_root() == Path("~/here").expanduser()
    monkeypatch.delenv("RUNYARD_ROOT")
    assert default_root() == Path.home() / ".runyard"


def test_proxies_of_the_environment_never_see_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:1")
    with Client.at("http://127.0.0.1:9", "t") as client, pytest.raises(TransientError, match="nobody answers"):
        client.version()


def test_a_submission_travels_with_its_progress(served: Served, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)\n")
    told: list[tuple[str, int, int]] = []
    with client_over(served) as client:
        run = client.submit(tmp_path, experiment="exp", tags={"a": "b"}, progress=lambda *what: told.append(what))
        assert (run["experiment"], run["tags"]) == ("exp", {"a": "b"})
        assert client.runs.get(run["runId"])["status"] == "NotStarted"
    assert {what for what, _, _ in told} == {"packing", "uploading"}
    assert all(done <= total for _, done, total in told)


def test_listing_goes_through_every_page(served: Served) -> None:
    for number in range(3):
        served.submit(f"e{number}")
        served.house.clock.advance(1)
    with client_over(served) as client:
        assert [run["experiment"] for run in client.runs.all()] == ["e2", "e1", "e0"]


def test_waiting_ends_with_the_run_or_the_time(served: Served) -> None:
    ended = served.ended()
    running = served.running()
    with client_over(served) as client:
        assert client.runs.wait(ended.id)["status"] == "Completed"
        assert client.runs.wait(running.id, timeout=0)["status"] == "Running"
        assert client.runs.attempts(ended.id)[0]["outcome"] == "exited"


def test_following_goes_on_with_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [
            (b"one", 3, "false", 1, 1, "Running"),
            (b"", 3, "true", 1, 1, "Queued"),
            (b"", 3, "true", 1, 2, "Running"),
            (b"two", 3, "true", 2, 2, "Finalizing"),
            (b"", 3, "true", 2, 2, "Completed"),
        ]
    )
    asked: list[tuple[str | None, str | None]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.params.get("attempt"), request.url.params.get("offset")))
        data, following, complete, attempt, newest, status = next(answers)
        headers = {
            "X-Next-Offset": str(following),
            "X-Log-Complete": complete,
            "X-Log-Attempt": str(attempt),
            "X-Run-Attempt": str(newest),
            "X-Run-Status": status,
        }
        return httpx.Response(200, content=data, headers=headers)

    monkeypatch.setattr("runyard.sdk.runs._PAUSE", 0.0)
    with Client(httpx.Client(transport=httpx.MockTransport(handle), base_url="http://x")) as client:
        pieces = list(client.runs.read_log("a_1_00000000", follow=True))
    assert [(piece.attempt, piece.data) for piece in pieces] == [(1, b"one"), (2, b"two")]
    assert asked == [(None, "0"), ("1", "3"), ("1", "3"), ("2", "0"), ("2", "3")]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, '{"error": {"code": "NotFoundError", "message": "m"}}', NotFoundError),
        (409, '{"error": {"code": "IllegalMoveError", "message": "m"}}', ConflictError),
        (401, '{"error": {"code": "Whatever", "message": "m"}}', AuthError),
        (413, '{"error": {"code": "TooLarge", "message": "m"}}', ConfigError),
        (500, '{"error": {"code": "Exception", "message": "m"}}', RunyardError),
        (502, "<html>", RunyardError),
        (500, '{"error": "m"}', RunyardError),
        (404, "[]", NotFoundError),
    ],
)
def test_faults_become_the_errors_they_were(status: int, body: str, kind: type[RunyardError]) -> None:
    error = error_of(httpx.Response(status, text=body))
    assert isinstance(error, kind)
    assert isinstance(error, RunyardError)


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("x"), httpx.ConnectError("x"), httpx.RemoteProtocolError("x")])
def test_a_broken_connection_is_a_transient_error(fault: httpx.HTTPError) -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise fault

    connection = Connection(httpx.Client(transport=httpx.MockTransport(handle), base_url="http://x"))
    with pytest.raises(TransientError):
        connection.get("/api/version")
    connection.close()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("ridge", "ridge"),
        ("My Project!", "My-Project"),
        ("__x__", "x"),
        ("a.zip", "a"),
        ("!!", "default"),
        ("e" * 50, "e" * 36),
    ],
)
def test_experiments_are_named_after_folders(path: str, name: str) -> None:
    assert experiment_name(Path("folder") / path) == name


def test_the_users_name_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "Åsa o'Brien-1")
    assert user_name() == "saoBrien-1"

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert user_name() == "unknown"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Says each piece it gets."""
    del scope
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def test_bodies_stream_both_ways_in_process() -> None:
    pieces = [b"x" * 1000] * 100
    transport = InProcessTransport(_echo)
    with httpx.Client(transport=transport, base_url="http://localhost") as http:
        assert http.post("/", content=iter(pieces)).content == b"".join(pieces)
        with http.stream("POST", "/", content=iter(pieces)) as response:
            assert next(response.iter_raw()) == pieces[0]  # and leave: the rest is not read


def test_an_application_that_breaks_is_an_error_and_not_a_hang() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send
        raise ValueError("inner")

    for asgi in (silent, broken):
        with (
            httpx.Client(transport=InProcessTransport(asgi), base_url="http://localhost") as http,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            http.get("/")


def test_closing_leaves_no_thread_and_may_be_repeated(served: Served) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = client_over(served)
        client.version()
        client.close()
        client.close()


def test_a_zip_in_a_bad_place_is_told(served: Served, tmp_path: Path) -> None:
    with client_over(served) as client:
        with pytest.raises(ConfigError, match="no directory or zip"):
            client.submit(tmp_path / "none.zip")
        (tmp_path / "a.zip").write_bytes(snapshot())
        assert client.upload(tmp_path / "a.zip")["container"] == "uploads"


def test_options_are_what_a_submission_may_say() -> None:
    assert set(Options.__annotations__) | {"experiment"} == {field.name for field in dataclasses.fields(Asked)}
    said = Asked(
        experiment="e", arguments=["a"], environment_variables={"X": "1"}, priority=1, display_name="d"
    ).as_json()
    assert set(said) <= set(submission_schema()["properties"])
