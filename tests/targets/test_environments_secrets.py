"""A canary in each place of a wish that may hold a credential is found nowhere else."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from runyard.runner.environments import explain, list_environments
from tests.targets.channel import Channel
from tests.targets.environments import Builders, make_wheel, says

CANARY = "canary/7f3a+0c"
IN_URL = quote(CANARY, safe="")


class _Guarded(SimpleHTTPRequestHandler):
    """Files of a folder, for those who send the canary as a password."""

    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """A guarded folder on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = partial(_Guarded, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://user:{IN_URL}@{self.host}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    wheel = make_wheel(folder / "simple" / "greeting", "greeting", "1.2")
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    made = Server(folder)
    yield made
    made.close()


class Watcher:
    """Reads the arguments of every process over and over, from start to end."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        me = str(os.getpid())
        while not self._done.wait(0.01):
            for each in Path("/proc").iterdir():
                try:
                    if each.name.isdigit() and each.name != me:
                        self.seen.add((each / "cmdline").read_bytes())
                except OSError:
                    continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def forms() -> list[bytes]:
    basic = base64.b64encode(f"user:{CANARY}".encode()).decode()
    return [each.encode() for each in {CANARY, IN_URL, quote(CANARY), basic}]


def assert_nowhere(builders: Builders, output: str, watcher: Watcher) -> None:
    for path in builders.cache.rglob("*"):
        assert not [form for form in forms() if form in os.fsencode(path)]
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            assert not [form for form in forms() if form in data], path
    assert not [form for form in forms() if form in output.encode()]
    assert len([argv for argv in watcher.seen if builders.pyz.name.encode() in argv]) >= 1
    assert not [argv for argv in watcher.seen if any(form in argv for form in forms())]


def settings(server: Server, how: str) -> tuple[list[str], dict[str, str]]:
    index = f"{server.url}/simple"
    return {
        "index": ([f"--index-url {index}", "greeting"], {}),
        "extra": ([f"--index-url http://{server.host}/none", f"--extra-index-url {index}", "greeting"], {}),
        "links": (["--no-index", f"--find-links {index}/greeting/index.html", "greeting"], {}),
        "link": (["--no-index", f"greeting @ {index}/greeting/greeting-1.2-py2.py3-none-any.whl"], {}),
        "variable": (
            [f"--index-url http://user:${{PASSWORD}}@{server.host}/simple", "greeting"],
            {"PASSWORD": IN_URL},
        ),
        "configured": (["greeting"], {"PIP_INDEX_URL": index}),
    }[how]


@pytest.mark.parametrize("how", ["index", "links", "link", "variable", "configured"])
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_index_with_credentials_serves_and_leaves_none(
    builders: Builders, server: Server, tool: str, how: str
) -> None:
    entries, variables = settings(server, how)
    asked = builders.record(
        pip=entries, resolver=tool, source=f"{server.url}/x", conda={"variables": {"API_TOKEN": CANARY}}
    )
    with Watcher() as watcher:
        told = builders.build(asked, **variables)
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")
    shown = repr([list_environments(str(builders.cache)), explain(builders.wish(asked), "")])
    assert_nowhere(builders, told.output + told.errors + shown, watcher)


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_failure_tells_no_credentials(builders: Builders, server: Server, tool: str) -> None:
    asked = builders.record(pip=[f"--index-url {server.url}/simple", "nosuchthing"], resolver=tool)
    with Watcher() as watcher:
        told = builders.build(asked)
    assert ("user", True) == (told.problem[0], "nosuchthing" in told.problem[1])
    assert_nowhere(builders, told.output + told.errors, watcher)


def test_credentials_that_are_refused_are_the_configurations_matter(builders: Builders, server: Server) -> None:
    wrong = f"http://user:wrong{IN_URL}@{server.host}/simple"
    for tool in ("uv", "pip"):
        told = builders.build(builders.record(pip=[f"--index-url {wrong}", "greeting"], resolver=tool))
        kind, sentence = told.problem
        assert ("config", True) == (kind, "refused" in sentence), told.output
        assert IN_URL not in sentence


@pytest.mark.slow
def test_a_channel_with_credentials_serves_and_leaves_none(builders: Builders, server: Server) -> None:
    channel = Channel(server.folder / "channel")
    channel.add_python()
    channel.add_module("greeting", "1.2")
    asked = builders.record("greeting", channels=[f"{server.url}/channel"], policy="exact", resolver="rattler")
    with Watcher() as watcher:
        told = builders.build(asked)
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")
    assert_nowhere(builders, told.output + told.errors, watcher)
