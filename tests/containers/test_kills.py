"""Containers and kills: whoever dies, the run ends as it should, once, and its container is gone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from runyard.ports import Ended
from runyard.runner import process
from runyard.runs.model import Handle
from tests.containers.engine import Engine
from tests.containers.house import contained, engine, yard
from tests.targets.house import PATIENCE, House, end, end_all

__all__ = ["engine", "yard"]

WAITING = """\
import os, sys, time
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
print("gone on", flush=True)
sys.exit(5)
"""


def waiting(house: House, **changes: object) -> Handle:
    handle = house.start(**contained(house, WAITING, **changes))
    house.running(handle, printed=b"ready")
    return handle


def go(house: House, handle: Handle) -> None:
    """Let the script end."""
    [work] = (house.root / "local" / "work").iterdir()
    (work / "go").touch()


def shepherds(house: House) -> list[int]:
    found = []
    for pid in process.every_pid():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"shepherd" in words and any(word.startswith(os.fsencode(house.root)) for word in words):
            found.append(pid)
    return found


def as_it_should(house: House, handle: Handle, ended: Ended) -> None:
    assert ("exited", 5, "") == (ended.outcome, ended.exit_code, ended.error)
    assert b"ready\ngone on\n" == house.log(handle)


def test_its_shepherd_is_replaced(yard: House) -> None:
    handle = waiting(yard)

    for pid in shepherds(yard):
        end(pid)
    go(yard, handle)

    as_it_should(yard, handle, yard.ended(handle))


def test_the_next_supervisor_goes_on_with_it(yard: House) -> None:
    handle = waiting(yard)

    end(yard.supervisor())
    go(yard, handle)

    as_it_should(yard, handle, yard.ended(handle))


def test_it_goes_on_when_all_of_ours_are_killed(yard: House) -> None:
    handle = waiting(yard)

    end_all(yard.root)
    for pid in shepherds(yard):
        end(pid)
    go(yard, handle)
    time.sleep(0.3)  # it ends while nobody looks

    as_it_should(yard, handle, yard.ended(handle))


def test_a_canceled_one_is_canceled_though_its_supervisor_is_killed(yard: House) -> None:
    handle = waiting(yard)

    yard.target.cancel(handle, grace=30.0)
    end_all(yard.root)
    ended = yard.ended(handle)

    assert "canceled" == ended.outcome


def test_one_that_somebody_else_removes_is_told(yard: House, engine: Engine) -> None:
    handle = waiting(yard)

    engine.docker("rm", "--force", *engine.containers())
    ended = yard.ended(handle)

    assert ("interrupted", None, "transient") == (ended.outcome, ended.exit_code, ended.error_class)
    assert "removed by somebody else" in ended.error


def test_one_whose_first_process_is_killed_is_told_and_not_run_again(yard: House, engine: Engine) -> None:
    handle = waiting(yard)

    engine.docker("kill", *engine.containers())
    ended = yard.ended(handle)

    assert ("exited", -9) == (ended.outcome, ended.exit_code)
    assert b"ready\n" == yard.log(handle)


def test_a_container_that_is_started_again_runs_nothing(yard: House, engine: Engine) -> None:
    handle = waiting(yard)
    [name] = engine.containers()

    for pid in [*shepherds(yard)]:
        os.kill(pid, signal.SIGSTOP)
    go(yard, handle)
    engine.docker("wait", name)
    engine.docker("start", name)
    engine.docker("wait", name)
    for pid in shepherds(yard):
        os.kill(pid, signal.SIGCONT)

    as_it_should(yard, handle, yard.ended(handle))


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.2, 0.4, 0.6, 0.9])
def test_a_kill_of_all_at_any_time_of_the_start_runs_it_once(yard: House, after: float) -> None:
    handle = yard.start(**contained(yard, "print('once', flush=True)\nraise SystemExit(5)"))

    time.sleep(after)
    end_all(yard.root)
    for pid in shepherds(yard):
        end(pid)
    ended = yard.ended(handle)

    assert ("exited", 5) == (ended.outcome, ended.exit_code), ended
    assert b"once\n" == yard.log(handle)
    deadline = time.monotonic() + PATIENCE
    while shepherds(yard) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [] == shepherds(yard)
