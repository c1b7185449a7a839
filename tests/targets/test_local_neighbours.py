"""One run can never stop its neighbours, whatever its snapshot holds and its script does to the files around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runyard.errors import TransientError
from runyard.ports import Ended, Running, Unreachable
from runyard.runner import build, register, result
from runyard.runner.keep import HARMLESS
from runyard.runs.model import Handle
from tests.targets.house import PATIENCE, House, end, make_zip

WAITING = """\
import os, sys, time
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""
FOLDER = "import os, sys\nfolder = os.path.dirname(os.environ['RUNYARD_METRICS'])\n"


@pytest.fixture
def neighbour(house: House, tmp_path: Path) -> Handle:
    """A run that goes on until its gate is there."""
    handle = house.start(WAITING, arguments=(str(tmp_path / "gate"),))
    house.running(handle, printed=b"ready")
    return handle


def assert_unharmed(house: House, neighbour: Handle, gate: Path) -> None:
    gate.touch()
    assert house.ended(neighbour).exit_code == 0


def test_a_very_deep_snapshot_fails_its_run_alone(house: House, neighbour: Handle, tmp_path: Path) -> None:
    supervisor = house.supervisor()
    ended = house.run({"train.py": "pass", "d/" * 2000 + "x": ""})
    assert (ended.outcome, ended.error_class) == ("failed", "config")
    assert "in the snapshot has 2001 parts; at most 200 are allowed" in ended.error
    assert len(ended.error) < 300
    assert house.supervisor() == supervisor
    assert_unharmed(house, neighbour, tmp_path / "gate")


IN_THE_WAY = {
    "a folder": "os.makedirs(path + '/x')",
    "a link": "os.symlink('/etc/passwd', path)",
    "a link to itself": "os.symlink(path, path)",
    "a pipe": "os.mkfifo(path)",
    "garbage": "open(path, 'wb').write(b'\\xff' * 100)",
    "deep garbage": "open(path, 'w').write('[' * 100000)",
    "half a result": """open(path, 'w').write('{"outcome": "exited"}')""",
}


@pytest.mark.parametrize("name", ["result.json", "result.json.new", "azureml-logs/70_driver_log.txt"])
@pytest.mark.parametrize("what", IN_THE_WAY)
def test_what_is_put_where_a_file_belongs_stops_nothing(house: House, tmp_path: Path, name: str, what: str) -> None:
    script = (
        f"{FOLDER}path = folder + '/{name}'\nif os.path.lexists(path):\n    os.unlink(path)\n{IN_THE_WAY[what]}\n"
        "open(sys.argv[1], 'w').close()\nimport time\ntime.sleep(0.2)\n"
    )
    bad = house.start(script, arguments=(str(tmp_path / "done"),))
    while not (tmp_path / "done").exists():
        time.sleep(0.01)
    good = house.start("print('good')")
    house.target.logs(bad, 0)
    [seen] = house.new_target().poll([bad])  # a host that knows nothing but the files
    assert isinstance(seen, Running)
    assert house.ended(bad).exit_code == 0
    assert house.ended(good).exit_code == 0
    [seen] = house.new_target().poll([bad])
    assert isinstance(seen, Ended)


@pytest.mark.parametrize("what", [*IN_THE_WAY, "nothing"])
def test_what_is_put_in_the_place_of_a_register_stops_nothing(house: House, tmp_path: Path, what: str) -> None:
    script = f"""\
import os, sys, time
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
path = sys.argv[2]
os.unlink(path)
{IN_THE_WAY.get(what, "pass")}
"""
    plan = house.plan(script)
    path = house.root / "local" / "registers" / plan.name
    arguments = [str(tmp_path / "gate"), str(path)]
    handle = house.target.submit(replace(plan, request={**plan.request, "arguments": arguments}))
    house.running(handle, printed=b"ready")
    (tmp_path / "gate").touch()
    assert house.ended(handle).exit_code == 0
    decided = register.read(str(path))
    assert decided is not None
    assert decided.word == register.STARTED
    assert house.run("pass").exit_code == 0


def test_a_spoilt_register_does_not_keep_the_next_supervisor_from_the_others(
    house: House, neighbour: Handle, tmp_path: Path
) -> None:
    plan = house.plan(WAITING, arguments=(str(tmp_path / "gate"),))
    bad = house.target.submit(plan)
    house.running(bad, printed=b"ready")
    path = house.root / "local" / "registers" / plan.name
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], '{"pid": "me", "boot": 1}']) + "\n")
    end(house.supervisor())
    house.running(bad)
    house.running(neighbour)
    (tmp_path / "gate").touch()
    assert isinstance(house.ended(bad), Ended)
    assert isinstance(house.ended(neighbour), Ended)


def test_a_job_whose_files_cannot_be_read_is_unreachable_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = (house.start("pass") for _ in range(2))
    house.ended(good)
    house.ended(bad)
    target = house.new_target()
    look = target._ending

    def broken(handle: Handle) -> Ended | None:
        if handle == bad:
            raise OSError(5, "Input/output error")
        return look(handle)

    monkeypatch.setattr(target, "_ending", broken)
    seen = target.poll([bad, good])
    assert isinstance(seen[0], Unreachable)
    assert "Input/output error" in seen[0].detail
    assert isinstance(seen[1], Ended)


def test_a_removed_socket_comes_back(house: House, neighbour: Handle, tmp_path: Path) -> None:
    supervisor = house.supervisor()
    house.target.close()
    (house.root / "local" / "supervisor.sock").unlink()
    house.target = house.new_target()
    deadline = time.monotonic() + 15
    while isinstance(house.poll(neighbour), Unreachable) and time.monotonic() < deadline:
        time.sleep(0.1)
    house.running(neighbour)
    assert house.supervisor() == supervisor
    assert_unharmed(house, neighbour, tmp_path / "gate")


@pytest.mark.parametrize("known", [True, False], ids=["connected", "another host"])
def test_a_supervisor_that_does_not_answer_holds_up_a_cancel_for_5_s_at_most(
    house: House, neighbour: Handle, tmp_path: Path, known: bool
) -> None:
    target = house.target if known else house.new_target()
    os.kill(house.supervisor(), signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(TransientError, match=rf"the local supervisor \(pid {house.supervisor()}\) does not answer"):
            target.cancel(neighbour)
        assert time.monotonic() - begun < 5
    finally:
        os.kill(house.supervisor(), signal.SIGCONT)
    target.close()
    assert_unharmed_or_canceled(house, neighbour, tmp_path / "gate")


def assert_unharmed_or_canceled(house: House, neighbour: Handle, gate: Path) -> None:
    gate.touch()
    house.target = house.new_target()
    assert house.ended(neighbour).outcome in {"exited", "canceled"}


@pytest.mark.parametrize("number", HARMLESS)
def test_a_stray_signal_does_not_end_the_supervisor(
    house: House, neighbour: Handle, tmp_path: Path, number: int
) -> None:
    supervisor = house.supervisor()
    os.kill(supervisor, number)
    ended = house.run("grep SigIgn /proc/self/status", interpreter="/bin/sh")  # Python itself ignores PIPE
    ignored = int(house.log(ended.handle).split()[1], 16)
    assert not [each for each in HARMLESS if ignored >> (each - 1) & 1], "scripts have the defaults"
    assert house.supervisor() == supervisor
    assert_unharmed(house, neighbour, tmp_path / "gate")


def test_an_error_that_nobody_foresaw_is_the_end_of_its_run_alone(tmp_path: Path) -> None:
    snapshot = tmp_path / "a.zip"
    snapshot.write_bytes(make_zip({"train.py": "import time\ntime.sleep(60)"}))
    record = {"name": "ry-a-1", "run": "exp_1_a", "attempt": 1, "script": "train.py", "interpreter": sys.executable}
    record |= {"snapshot": str(snapshot), "max_duration": "long"}
    (tmp_path / "job.json").write_text(json.dumps(record))
    program = tmp_path / "runner.pyz"
    build.build_zipapp(str(program))
    command = [sys.executable, str(program), "run", "--root", str(tmp_path / "root"), str(tmp_path / "job.json")]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert b"exp_1_a: Traceback" in done.stderr
    found = result.read(str(tmp_path / "root" / "runs" / "exp_1_a" / "1" / "result.json"))
    assert found is not None
    assert (found["outcome"], found["error"]) == (
        "failed",
        "the run could not be prepared (TypeError); local/supervisor.log in the root says more",
    )
