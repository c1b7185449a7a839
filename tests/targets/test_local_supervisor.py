"""The supervisor: one per root, outlives hosts, and is replaced when it is killed."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.ports import Ended, Running, Unreachable
from runyard.runner import build, process
from runyard.runner.keep import LOCKED
from runyard.runs.states import State
from runyard.targets.local import connection
from tests.processes import living
from tests.targets.house import PATIENCE, House, end, end_all, make_zip

WAITING = """\
import os, sys, time
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print("went on", flush=True)
raise SystemExit(int(sys.argv[2]))
"""


@contextmanager
def heir() -> Iterator[None]:
    """Make orphans children of this process."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    try:
        yield
    finally:
        assert libc.prctl(36, 0, 0, 0, 0) == 0


def test_a_script_outlives_its_host_and_is_found_by_the_next(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = house.start(WAITING, arguments=(str(gate), "4"))
    house.running(handle, printed=b"ready")
    house.target.close()
    house.target = house.new_target()
    seen = house.poll(handle)
    assert isinstance(seen, Running)
    assert seen.phase is State.RUNNING
    gate.touch()
    assert house.ended(handle).exit_code == 4


def test_a_script_outlives_its_supervisor_and_is_adopted_by_the_next(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = house.start(WAITING, arguments=(str(gate), "5"))
    started = house.running(handle, printed=b"ready").started
    killed = house.supervisor()
    end(killed)
    while house.supervisor() == killed:  # the host notices, and starts another
        assert house.running(handle).started == started
        time.sleep(0.01)
    assert house.running(handle).started == started
    gate.touch()
    ended = house.ended(handle)
    assert house.log(handle) == b"ready\nwent on\n"
    assert (ended.outcome, ended.exit_code) == ("exited", 5)


def test_an_adopted_script_can_be_canceled(house: House, tmp_path: Path) -> None:
    handle = house.start(WAITING, arguments=(str(tmp_path / "never"), "0"))
    house.running(handle, printed=b"ready")
    end(house.supervisor())
    house.target.cancel(handle)
    assert house.ended(handle).outcome == "canceled"
    assert living(handle.id.partition("/")[0]) == []


def test_an_adopted_script_keeps_its_maximum_duration(house: House, tmp_path: Path) -> None:
    handle = house.start(WAITING, arguments=(str(tmp_path / "never"), "0"), max_duration=0.8)
    house.running(handle, printed=b"ready")
    end(house.supervisor())
    assert house.ended(handle).outcome == "timeout"


def test_a_script_that_ended_with_neither_supervisor_nor_keeper_is_interrupted(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with heir():  # and not init, of which nobody knows when it reaps
        handle = house.start(WAITING, arguments=(str(gate), "0"))
        house.running(handle, printed=b"ready")
        house.target.close()
        [script] = living(handle.id.partition("/")[0])
        both = house.keeper(), house.supervisor()
        end_all(house.root)
        gate.touch()
        for pid in (script, *both):
            os.waitpid(pid, 0)
    house.target = house.new_target()
    ended = house.ended(handle)
    assert ended.outcome == "interrupted"
    assert ended.exit_code is None
    assert ended.error_class == "transient"
    assert ended.started is not None
    assert house.log(handle) == b"ready\nwent on\n"


def test_a_script_is_adopted_though_its_process_was_not_noted(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = house.start(WAITING, arguments=(str(gate), "0"))
    house.running(handle, printed=b"ready")
    house.target.close()
    end_all(house.root)
    register = next((house.root / "local" / "registers").iterdir())
    lines = register.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    register.write_text("".join(lines[:2]))
    house.target = house.new_target()
    house.running(handle)
    gate.touch()
    assert house.ended(handle).started is not None


@pytest.mark.parametrize("cut", [False, True], ids=["killed", "power cut"])
def test_what_was_being_prepared_is_prepared_anew_in_the_same_boot(house: House, cut: bool) -> None:
    plan = house.plan("print('once')")
    handle = house.target.submit(plan)
    house.ended(handle)
    house.target.close()
    end_all(house.root)
    # As if it had been killed after it won the register, before the script was started.
    folder = house.folder(handle)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    record = dict(plan.request) | {"snapshot": str(house.root / str(plan.request["snapshot"]))}
    register = next((house.root / "local" / "registers").iterdir())
    boot = "another" if cut else process.boot_id()
    register.write_text(f"started 1.0 {boot} 1 0 0 0 0\n{json.dumps(record)}\n")
    work = house.root / "local" / "work" / plan.name
    work.mkdir(exist_ok=True)
    (work / "half").write_text("unpacked")
    house.target = house.new_target()
    if cut:  # the script may have run, and what it left was not on disk
        assert house.ended(handle).outcome == "interrupted"
        assert house.log(handle) == b""
    else:
        assert house.ended(handle).exit_code == 0
        assert house.log(handle) == b"once\n"


def test_jobs_the_killed_supervisor_had_not_begun_are_handed_over_again(house: House) -> None:
    house.run("pass")
    os.kill(house.supervisor(), signal.SIGSTOP)
    killer = threading.Timer(0.2, lambda: os.kill(house.supervisor(), signal.SIGKILL))
    killer.start()
    handle = house.start("print('ran')")
    killer.join()
    assert house.ended(handle).exit_code == 0
    assert house.log(handle) == b"ran\n"


def test_kills_at_random_lose_nothing_and_repeat_nothing(house: House, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    script = "import os, time; open(os.path.join({!r}, os.environ['AZUREML_RUN_ID']), 'a').write('x'); time.sleep(0.02)"
    handles = []
    for number in range(12):
        handles.append(house.start(script.format(str(marks))))
        if number % 4 == 3:
            time.sleep(0.003 * number)
            end(house.supervisor())
    ended = [house.ended(handle) for handle in handles]
    assert {(seen.outcome, seen.exit_code) for seen in ended} == {("exited", 0)}
    for handle in handles:
        assert (marks / handle.id.partition("/")[0]).read_text() == "x"


def test_a_second_supervisor_on_the_root_leaves(house: House) -> None:
    house.run("pass")
    program = next((house.root / "local").glob("runner-*.pyz"))
    command = [sys.executable, "-I", str(program), "serve", "--root", str(house.root)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert second.returncode == LOCKED
    assert second.stdout == ""
    assert house.run("pass").exit_code == 0


def test_a_supervisor_with_nothing_to_do_leaves(tmp_path: Path) -> None:
    program = tmp_path / "runner.pyz"
    build.build_zipapp(str(program))
    command = [sys.executable, "-I", "-S", str(program), "serve", "--root", str(tmp_path / "root"), "--foreground"]
    done = subprocess.run([*command, "--linger", "0.1"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")
    assert not (tmp_path / "root" / "local" / "supervisor.sock").exists()


def test_a_supervisor_leaves_when_its_root_was_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    program = tmp_path / "runner.pyz"
    build.build_zipapp(str(program))
    command = [
        sys.executable,
        "-I",
        "-S",
        str(program),
        "serve",
        "--root",
        str(root),
        "--foreground",
        "--linger",
        "0.5",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == b"ready\n"
        shutil.rmtree(root)
        _, errors = serving.communicate(timeout=PATIENCE)
    assert (serving.returncode, errors) == (0, b"")


def test_a_stopped_supervisor_is_unreachable_and_no_failure(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    handle = house.start(WAITING, arguments=(str(gate), "0"))
    house.running(handle, printed=b"ready")
    assert house.target._supervisor._connection is not None
    os.kill(house.supervisor(), signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(connection, "TIMEOUT", 0.2)
            patch.setattr(house.target._supervisor._connection, "heard", 0.0)
            seen = house.poll(handle)
    finally:
        os.kill(house.supervisor(), signal.SIGCONT)
    assert isinstance(seen, Unreachable)
    assert f"the local supervisor (pid {house.supervisor()}) does not answer" in seen.detail
    gate.touch()
    assert isinstance(house.ended(handle), Ended)


def test_a_runner_carries_one_attempt_in_the_foreground(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(make_zip({"train.py": "print('alone')\nraise SystemExit(2)"}))
    record = {
        "name": "ry-a-1",
        "run": "exp_1_a",
        "attempt": 1,
        "script": "train.py",
        "interpreter": sys.executable,
        "snapshot": str(tmp_path / "a.zip"),
    }
    (tmp_path / "job.json").write_text(json.dumps(record))
    program = tmp_path / "runner.pyz"
    build.build_zipapp(str(program))
    root = tmp_path / "root"
    command = [sys.executable, str(program), "run", "--root", str(root), str(tmp_path / "job.json")]
    for _ in range(2):  # the second time it finds the result
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    folder = root / "runs" / "exp_1_a" / "1"
    assert json.loads((folder / "result.json").read_text())["exit_code"] == 2
    assert (folder / "azureml-logs" / "70_driver_log.txt").read_bytes() == b"alone\n"
    assert list((root / "local" / "work").iterdir()) == []
