"""A runner far away, as a real process, from its token to its result."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runyard.api.app import create_app
from runyard.attempts import issue, registers
from runyard.dispatch.cancel import request_cancel
from tests.fakes import runconfig
from tests.interpreters import oldest_interpreter
from tests.remote import Far, start_runner
from tests.standins.listening import listening

# Their runs have the same id: a runner takes another's script for its own, and ends what is left of it.
pytestmark = pytest.mark.xdist_group("remote runners")

LOOK = """
import os, sys
print("hello from", sys.argv[1:], os.environ["GREETING"])
found = [name for name, value in os.environ.items() if "rya1" in value or "ATTEMPT_TOKEN" in name]
pid = os.getpid()
while pid > 1:
    for name in ("environ", "cmdline"):
        data = open("/proc/%d/%s" % (pid, name), "rb").read()
        if b"rya1." in data:
            found.append((pid, name))
    pid = int(open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[1])
print("found", found)
os.makedirs("outputs/deep", exist_ok=True)
open("outputs/deep/model.bin", "wb").write(bytes(range(256)) * 40000)
open("outputs/empty", "w").close()
print("ß" * 10)
"""


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.mark.parametrize("which", ["this", "oldest"])
def test_a_script_runs_far_away_and_leaves_everything_in_its_blobs(far: Far, tmp_path: Path, which: str) -> None:
    interpreter = sys.executable if which == "this" else oldest_interpreter()
    if interpreter is None:
        pytest.skip("there is no older Python here")
    environment = {
        "python": {"userManagedDependencies": True, "interpreterPath": "python"},
        "environmentVariables": {"GREETING": "salut"},
    }
    run = far.begin({"train.py": LOOK}, runconfig(arguments=["--x", "1"], environment=environment))
    with far.listening() as address:
        runner = start_runner(tmp_path, address, far.token(), interpreter)
        said, _ = runner.communicate(timeout=60)
    assert (runner.returncode, said) == (0, "")
    log = far.text("azureml-logs/70_driver_log.txt")
    assert log.splitlines() == ["hello from ['--x', '1'] salut", "found []", "ß" * 10]
    assert len(b"".join(far.blobs.stream("runs", f"{run.id}/1/outputs/deep/model.bin"))) == 256 * 40000
    assert far.text("outputs/empty") == ""
    result = json.loads(far.text("result.json"))
    assert (result["outcome"], result["exit_code"], result["run"], result["attempt"]) == ("exited", 0, run.id, 1)
    assert (result["log_bytes"], result["log_complete"]) == (len(log.encode()), True)
    decided = registers.decision(far.blobs, run.id, 1)
    assert decided is not None
    assert decided.word == "started"


def test_a_second_runner_with_the_same_token_is_refused(far: Far, tmp_path: Path) -> None:
    far.begin({"train.py": "print('once')\n"})
    with far.listening() as address:
        first = start_runner(tmp_path, address, far.token())
        assert first.communicate(timeout=60)[0] == ""
        second = start_runner(tmp_path, address, far.token())
        said, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "another runner" in said
    assert far.text("azureml-logs/70_driver_log.txt") == "once\n"


def test_a_runner_whose_start_was_voided_does_nothing(far: Far, tmp_path: Path) -> None:
    run = far.begin({"train.py": "print('never')\n"})
    assert registers.void(far.blobs, run.id, 1, "it took too long")
    with far.listening() as address:
        runner = start_runner(tmp_path, address, far.token())
        said, _ = runner.communicate(timeout=60)
    assert runner.returncode == 0
    assert "does nothing here" in said
    assert [] == list(far.blobs.list("runs"))
    assert far.blobs.list("registers")[0].name == f"{run.id}/1"


class Faulty:
    """Every address fails in each of these ways once: refused, done and unanswered, done twice, done and answered by an error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()
        self.happened: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = f"{scope['method']} {scope['path']} {scope['query_string'].decode()}"
        with self._lock:
            number = self._seen[key] = self._seen.get(key, 0) + 1
        how = {1: "busy", 2: "lost", 3: "twice", 4: "hidden"}.get(number, "")
        self.happened.append(how)
        body = await _whole(receive)
        if how in {"busy", "hidden"}:
            if how == "hidden":
                await self._app(scope, _again(body), _nowhere)
            headers = [(b"retry-after", b"0"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 429 if how == "busy" else 503, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        elif how == "lost":
            await self._app(scope, _again(body), _nowhere)
            headers = [(b"content-length", b"10")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            raise ConnectionAbortedError
        else:
            if how == "twice":
                await self._app(scope, _again(body), _nowhere)
            await self._app(scope, _again(body), send)


async def _whole(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes) -> Receive:
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:  # nobody hangs up
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(message: Message) -> None:
    pass


def test_lost_and_doubled_replies_change_nothing(far: Far, tmp_path: Path) -> None:
    script = "import os\nprint('once')\nos.makedirs('outputs', exist_ok=True)\nopen('outputs/a', 'w').write('a')\n"
    far.begin({"train.py": script})
    faulty = Faulty(create_app(lambda: far.services))
    with listening(faulty, log_level="critical") as address:
        runner = start_runner(tmp_path, address, far.token())
        said, _ = runner.communicate(timeout=100)
    assert (runner.returncode, said) == (0, "")
    assert far.text("azureml-logs/70_driver_log.txt") == "once\n"
    assert far.text("outputs/a") == "a"
    assert json.loads(far.text("result.json"))["outcome"] == "exited"
    assert {"busy", "lost", "twice", "hidden"} <= set(faulty.happened)


def test_a_cancel_reaches_a_runner_that_has_begun(far: Far, tmp_path: Path) -> None:
    run = far.begin({"train.py": "import time\nprint('on my way', flush=True)\ntime.sleep(600)\n"})
    request_cancel(far.house.ports, run.id, who="test")
    with far.listening() as address:
        runner = start_runner(tmp_path, address, far.token())
        said, _ = runner.communicate(timeout=60)
    assert (runner.returncode, said) == (0, "")
    assert json.loads(far.text("result.json"))["outcome"] == "canceled"


def test_a_log_can_be_read_while_the_script_runs(far: Far, tmp_path: Path) -> None:
    far.begin({"train.py": "import time\nprint('first', flush=True)\ntime.sleep(600)\n"})
    with far.listening() as address:
        runner = start_runner(tmp_path, address, far.token())
        until = time.monotonic() + 60
        while "first" not in _log(far):
            assert time.monotonic() < until, _log(far)
            time.sleep(0.05)
        runner.terminate()
        said, _ = runner.communicate(timeout=60)
    assert (runner.returncode, said) == (0, "")
    assert json.loads(far.text("result.json"))["outcome"] == "canceled"


def _log(far: Far) -> str:
    info = far.blobs.head("runs", f"{far.run.id}/1/azureml-logs/70_driver_log.txt")
    return "" if info is None else far.text("azureml-logs/70_driver_log.txt")


def test_a_snapshot_that_changed_ends_the_attempt_with_a_reason(far: Far, tmp_path: Path) -> None:
    run = far.begin({"train.py": "print('never')\n"})
    assert run.snapshot is not None
    far.blobs.put("snapshots", run.snapshot.name, b"another")
    with far.listening() as address:
        runner = start_runner(tmp_path, address, far.token())
        said, _ = runner.communicate(timeout=60)
    assert (runner.returncode, said) == (0, "")
    result = json.loads(far.text("result.json"))
    assert (result["outcome"], result["error_class"], result["started"]) == ("failed", "config", None)
    assert "changed since the run was accepted" in result["error"]


def test_the_token_can_come_in_a_file_that_goes(far: Far, tmp_path: Path) -> None:
    far.begin({"train.py": "print('hello')\n"})
    path = tmp_path / "token"
    path.write_text(far.token() + "\n")
    with far.listening() as address:
        runner = start_runner(tmp_path, address, "", arguments=("--token-file", str(path)))
        said, _ = runner.communicate(timeout=60)
    assert (runner.returncode, said) == (0, "")
    assert not path.exists()


def test_a_token_of_nobody_starts_nothing_and_is_not_repeated(far: Far, tmp_path: Path) -> None:
    far.begin({"train.py": "print('never')\n"})
    token = issue(far.services.keyring, "exp_1_00000000", 1)
    with far.listening() as address:
        for held in (token, "not-a-token", ""):
            runner = start_runner(tmp_path, address, held)
            said, _ = runner.communicate(timeout=60)
            assert runner.returncode == (0 if held else 2)
            assert not held or held not in said
    runner = start_runner(tmp_path, "http://yard.example.org", token)
    said, _ = runner.communicate(timeout=60)
    assert (runner.returncode, "over https only" in said, token in said) == (3, True, False)
    assert [] == list(far.blobs.list("runs"))


PEEK = """
import importlib.util, os, sys
spec = importlib.util.spec_from_loader("token", None)
space = {}
exec(sys.stdin.read(), space)
space["close_memory"]()
parent = os.getpid()
if os.fork() == 0:
    for name in ("mem", "environ", "maps"):
        try:
            open("/proc/%d/%s" % (parent, name), "rb").read(0)
            print(name)
        except OSError:
            pass
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""


def test_no_other_process_of_the_same_user_reads_the_runners_memory() -> None:
    source = Path(sys.modules["runyard.runner"].__file__ or "").parent / "remote" / "token.py"
    options: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run(
        ["/usr/bin/python3", "-c", PEEK],
        input=source.read_text(), capture_output=True, text=True, timeout=30, cwd="/", env={}, check=False, **options,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
