"""The keeper: every script's ending is on record as it was, whatever kills the supervisor."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.ports import Compute
from runyard.runner import build, codes, hunt, keep, process, register, unnoted
from runyard.runner.loop import Loop
from runyard.runner.watched import Script
from runyard.runs.model import Handle
from runyard.targets.local.jobs import record_of
from tests.interpreters import oldest_interpreter
from tests.processes import living
from tests.targets.house import PATIENCE, House, end, end_all, runners

WAITING = """\
import os, sys, time
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
raise SystemExit(int(sys.argv[2]))
"""
STUBBORN = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def tells_exit_codes_of_strangers() -> bool:
    """Whether this system says how a process ended that is no child of ours (Linux 6.15)."""
    major, minor = os.uname().release.split(".")[:2]
    return hasattr(os, "pidfd_open") and (int(major), int(minor)) >= (6, 15)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.01)


def is_over(pid: int) -> bool:
    found = process.read_stat(pid)
    return found is None or found.state == "Z"


def result_of(house: House, handle: Handle) -> dict[str, object]:
    """The result file, once it is there: no host looks after the run."""
    path = house.folder(handle) / "result.json"
    wait_until(path.exists)
    found: dict[str, object] = json.loads(path.read_text())
    return found


def waiting(house: House, gate: Path, code: int, **spec: object) -> tuple[Handle, int]:
    """A run that goes on until its gate is there, and its script's process id."""
    handle = house.start(WAITING, arguments=(str(gate), str(code)), **spec)
    house.running(handle, printed=b"ready")
    [pid] = living(handle.id.partition("/")[0])
    return handle, pid


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def successor(house: House, former: int) -> int:
    """The next supervisor, once it has the lock."""
    wait_until(lambda: (house.root / "local" / "supervisor.lock").read_text() not in {"", f"{former}\n"})
    return house.supervisor()


def test_a_script_that_ended_while_no_supervisor_ran_is_on_record_as_it_ended(house: House, tmp_path: Path) -> None:
    handle, pid = waiting(house, tmp_path / "gate", 7)
    house.target.close()
    with stopped(house.keeper()):  # it starts no other meanwhile
        end(house.supervisor())
        (tmp_path / "gate").touch()
        wait_until(lambda: is_over(pid))
        gone = time.time()
    found = result_of(house, handle)
    assert (found["outcome"], found["exit_code"], found["error"]) == ("exited", 7, "")
    assert isinstance(found["ended"], float)
    assert found["ended"] == pytest.approx(gone, abs=PATIENCE)
    wait_until(lambda: not list((house.root / "local" / "codes").iterdir()))


def test_an_ending_that_the_supervisor_had_not_yet_seen_is_on_record(house: House, tmp_path: Path) -> None:
    handle, pid = waiting(house, tmp_path / "gate", 9)
    house.target.close()
    supervisor = house.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    (tmp_path / "gate").touch()
    wait_until(lambda: is_over(pid))
    end(supervisor)
    assert result_of(house, handle)["exit_code"] == 9


def test_a_script_is_reaped_only_when_its_result_is_written(tmp_path: Path) -> None:
    loop = Loop(sys.stderr.write)
    seen: list[int | None] = []
    script = Script(loop, hunt.Quarry("run", 1, str(tmp_path), str(tmp_path / "log")), seen.append, lambda _: None)
    script.launch([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), str(tmp_path), str(tmp_path / "log"))
    pid = script.pid
    while not seen:
        loop.step()
    assert seen == [3]
    found = process.read_stat(pid)
    assert found is not None
    assert (found.state, process.decode(found.exit_status)) == ("Z", 3)
    script.release()
    assert process.read_stat(pid) is None


def test_a_script_whose_process_was_not_noted_is_on_record_as_it_ended(house: House, tmp_path: Path) -> None:
    other, _ = waiting(house, tmp_path / "gate", 1)
    handle, pid = waiting(house, tmp_path / "gate", 8)
    house.target.close()
    with stopped(house.keeper()):
        end(house.supervisor())
        path = next(
            path for path in (house.root / "local" / "registers").iterdir() if f'"pid": {pid},' in path.read_text()
        )
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
        (tmp_path / "gate").touch()
        wait_until(lambda: is_over(pid))
    assert result_of(house, handle)["exit_code"] == 8
    assert result_of(house, other)["exit_code"] == 1


def test_the_maximum_duration_holds_though_supervisor_was_killed_and_no_host_is_there(
    house: House, tmp_path: Path
) -> None:
    handle, _ = waiting(house, tmp_path / "never", 0, max_duration=1.0)
    house.target.close()
    end(house.supervisor())
    found = result_of(house, handle)
    assert found["outcome"] == "timeout"
    assert living(handle.id.partition("/")[0]) == []


def test_why_a_script_was_ended_is_known_to_the_next_supervisor(house: House) -> None:
    compute = Compute(name="local", kind="local", limit=1, options={"grace": 0.3})
    handle = house.start(STUBBORN, compute=compute)
    house.running(handle, printed=b"ready")
    house.target.cancel(handle, grace=60)
    house.target.close()
    end(house.supervisor())
    found = result_of(house, handle)
    assert (found["outcome"], found["exit_code"]) == ("canceled", -signal.SIGKILL)


def test_a_supervisor_whose_keeper_was_killed_becomes_the_keeper(house: House, tmp_path: Path) -> None:
    handle, _ = waiting(house, tmp_path / "gate", 5)
    former = house.supervisor()
    end(house.keeper())
    successor(house, former)
    assert former in runners(house.root)
    house.running(handle)
    (tmp_path / "gate").touch()
    assert house.ended(handle).exit_code == 5


@pytest.mark.parametrize("hosted", [True, False], ids=["with a host", "with no host"])
def test_keeper_and_then_supervisor_killed(house: House, tmp_path: Path, hosted: bool) -> None:
    handle, pid = waiting(house, tmp_path / "gate", 6)
    if not hosted:
        house.target.close()
    former = house.supervisor()
    end(house.keeper())
    end(successor(house, former))
    (tmp_path / "gate").touch()
    found = result_of(house, handle)
    assert (found["outcome"], found["exit_code"]) == ("exited", 6)
    wait_until(lambda: process.read_stat(pid) is None)  # it is reaped once its result is written


def test_keeper_and_supervisor_killed_at_once(house: House, tmp_path: Path) -> None:
    handle, _ = waiting(house, tmp_path / "gate", 4)
    end_all(house.root)
    house.running(handle)
    (tmp_path / "gate").touch()
    ended = house.ended(handle)
    expected = ("exited", 4) if tells_exit_codes_of_strangers() else ("interrupted", None)
    assert (ended.outcome, ended.exit_code) == expected


def test_fifty_short_scripts_end_as_they_ended_whatever_kills_the_supervisor(house: House) -> None:
    script = "import sys, time\ntime.sleep(float(sys.argv[1]) / 500)\nraise SystemExit(int(sys.argv[1]))"
    handles = []
    for number in range(50):
        handles.append(house.start(script, arguments=(str(number),)))
        if number % 7 == 6:
            time.sleep(0.002 * (number % 5))
            end(house.supervisor())
    assert [house.ended(handle).exit_code for handle in handles] == list(range(50))
    assert {house.ended(handle).outcome for handle in handles} == {"exited"}


def test_an_ending_on_record_is_not_changed_by_the_next_supervisor(house: House) -> None:
    plan = house.plan("raise SystemExit(4)")
    handle = house.target.submit(plan)
    house.ended(handle)
    house.target.close()
    end_all(house.root)
    # As if it had been killed after it wrote the result, before it cleared the register.
    path = house.root / "local" / "registers" / plan.name
    register.add(str(path), dict(plan.request))
    register.add(str(path), {"pid": 1 << 22, "start": 1, "started": 1.0, "boot": process.boot_id()})
    (house.root / "local" / "work" / plan.name).mkdir(exist_ok=True)
    before = (house.folder(handle) / "result.json").read_bytes()
    house.target = house.new_target()
    house.run("pass")
    assert (house.folder(handle) / "result.json").read_bytes() == before
    assert len(path.read_text().splitlines()) == 1


def test_nothing_is_left_when_everything_has_ended(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "command", functools.partial(keep.command, linger=0.3))
    handle, pid = waiting(house, tmp_path / "gate", 0)
    former, keeper = house.supervisor(), house.keeper()
    end(former)
    successor(house, former)
    (tmp_path / "gate").touch()
    house.ended(handle)
    house.target.close()
    wait_until(lambda: not runners(house.root) and is_over(keeper))  # it is init's to reap
    assert [process.read_stat(each) for each in (pid, former)] == [None] * 2
    assert not (house.root / "local" / "supervisor.sock").exists()


def test_a_new_build_replaces_an_idle_keeper(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.run("pass")
    former = house.keeper()
    house.target.close()
    sources = list(build._sources())
    monkeypatch.setattr(build, "_sources", lambda: [*sources, ("runyard_runner/more.py", b"")])
    house.target = house.new_target()
    house.run("pass")
    wait_until(lambda: process.read_stat(former) is None)
    assert house.keeper() != former
    assert len(list((house.root / "local").glob("runner-*.pyz"))) == 2


@pytest.mark.parametrize("number", keep.HARMLESS)
def test_a_stray_signal_does_not_end_the_keeper(house: House, number: int) -> None:
    house.run("pass")
    keeper = house.keeper()
    os.kill(keeper, number)
    assert house.run("pass").exit_code == 0
    assert house.keeper() == keeper


def test_the_keeper_holds_nothing_of_the_supervisor(house: House) -> None:
    house.run("pass")
    held = [str(path.readlink()) for path in Path(f"/proc/{house.keeper()}/fd").iterdir()]
    assert [path for path in held if "supervisor.lock" in path or "socket" in path] == []
    assert len(held) == 5, held  # the three standard ones, and the pipe that signals wake it by


def test_a_supervisor_that_dies_at_once_is_started_with_growing_pauses(tmp_path: Path) -> None:
    keeper = keep.Keeper(str(tmp_path), "", 1.0)
    pauses = []
    for _ in range(keep._MOST_TRIES - 1):
        keeper._started = time.monotonic()
        keeper._decide(-signal.SIGKILL)
        assert keeper._due is not None
        pauses.append(round(keeper._due - time.monotonic()))
    assert pauses == [0, 1, 2, 4, 8]
    keeper._decide(-signal.SIGKILL)
    assert keeper._due is None, "there are no scripts to take over"


@pytest.mark.parametrize("code", [0, keep.LOCKED, 1])
def test_a_supervisor_that_left_with_no_script_behind_is_not_replaced(tmp_path: Path, code: int) -> None:
    keeper = keep.Keeper(str(tmp_path), "", 1.0)
    keeper._decide(code)
    assert keeper._due is None


def test_a_note_is_of_one_boot_and_goes_when_it_is_nobodys(tmp_path: Path) -> None:
    root = str(tmp_path)
    (tmp_path / "local").mkdir()
    found = codes.Code(3, 12.5, 100)
    codes.write(root, (7, 50), "now", found)
    codes.write(root, (8, 60), "before", found)
    assert codes.read(root, (7, 50), "now") == found
    assert codes.read(root, (7, 51), "now") is None
    assert codes.read(root, (8, 60), "now") is None
    codes.sweep(root, "now", [])
    assert [path.name for path in (tmp_path / "local" / "codes").iterdir()] == ["7-50"]
    os.utime(tmp_path / "local" / "codes" / "7-50", (0, 0))
    codes.sweep(root, "now", [(7, 50)])
    assert codes.read(root, (7, 50), "now") == found
    codes.sweep(root, "now", [])
    assert list((tmp_path / "local" / "codes").iterdir()) == []


SINCE = register.Won("now", 40, (0, 0), (0, 0))
BEFORE = codes.Code(3, 12.5, 100)


@pytest.mark.parametrize(
    ("noted", "claimed", "expected"),
    [
        ({}, (), unnoted.Finding("unclear")),
        ({(7, 50): BEFORE}, (), unnoted.Finding("ended", (7, 50))),
        ({(7, 50): BEFORE}, ((7, 50),), unnoted.Finding("unclear")),
        ({(7, 30): BEFORE}, (), unnoted.Finding("unclear")),
        ({(7, 50): BEFORE, (9, 101): BEFORE}, (), unnoted.Finding("ended", (7, 50))),
        ({(7, 50): BEFORE, (8, 60): BEFORE}, (), unnoted.Finding("unclear")),
        ({(7, 50): BEFORE, (8, 90): BEFORE}, (), unnoted.Finding("ended", (7, 50))),
    ],
    ids=[
        "none",
        "one",
        "another attempt's",
        "too old",
        "one after the supervisor's death",
        "two",
        "one of the next supervisor",
    ],
)
def test_a_note_is_taken_for_an_unnoted_script_only_if_no_other_fits(
    tmp_path: Path, noted: dict[codes.Ident, codes.Code], claimed: Sequence[codes.Ident], expected: unnoted.Finding
) -> None:
    (tmp_path / "local").mkdir()
    for ident, code in noted.items():
        codes.write(str(tmp_path), ident, "now", code)
    quarry = hunt.Quarry("exp_1_nobody", 1, str(tmp_path), str(tmp_path / "log"))
    assert unnoted.look(quarry, SINCE, 80, str(tmp_path), lambda ident: ident in claimed) == expected


def test_a_keeper_without_children_is_a_witness_that_no_script_was_started(tmp_path: Path) -> None:
    quarry = hunt.Quarry("exp_1_nobody", 1, str(tmp_path), str(tmp_path / "log"))
    with subprocess.Popen(["sleep", "60"]) as keeper:
        found = process.read_stat(keeper.pid)
        assert found is not None
        won = register.Won("now", 40, (0, 0), (keeper.pid, found.start))
        assert unnoted.look(quarry, won, 80, str(tmp_path), lambda _: False).word == unnoted.NEVER
        undead = register.Won("now", 40, process.ident_of(os.getpid()), won.keeper)
        assert unnoted.look(quarry, undead, 80, str(tmp_path), lambda _: False).word == unnoted.UNCLEAR
        keeper.kill()
    assert unnoted.look(quarry, won, 80, str(tmp_path), lambda _: False).word == unnoted.UNCLEAR


def test_a_script_that_was_about_to_be_started_is_started_by_the_next_supervisor(house: House, tmp_path: Path) -> None:
    other, _ = waiting(house, tmp_path / "gate", 1)
    plan = house.plan("print('once')")
    house.target.close()
    pid = house.keeper()
    keeper = process.read_stat(pid)
    assert keeper is not None
    with stopped(pid):
        end(house.supervisor())
        # As if it had been killed after it made the log, before it started the script.
        who = register.Won(process.boot_id(), process.ticks(), (0, 0), (pid, keeper.start))
        job = dict(record_of(plan, house.root))
        assert register.win(str(house.root / "local" / "registers" / plan.name), register.started_by(who), job)
        (house.root / "local" / "work" / plan.name).mkdir()
        assert plan.handle is not None
        log = house.folder(plan.handle) / "azureml-logs" / "70_driver_log.txt"
        log.parent.mkdir(parents=True)
        log.touch()
    assert result_of(house, plan.handle)["exit_code"] == 0
    assert log.read_text() == "once\n"
    (tmp_path / "gate").touch()
    assert result_of(house, other)["exit_code"] == 1


def test_the_oldest_interpreter_keeps_as_well(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pidfds and posix_spawn: ends are polled for, and the exit code of an adopted script is in the note."""
    oldest = oldest_interpreter()
    if oldest is None:
        pytest.skip("no older interpreter is installed here")
    command = keep.command
    monkeypatch.setattr(keep, "command", lambda program, root, build: [oldest, *command(program, root, build, 0.3)[1:]])
    handle, _ = waiting(house, tmp_path / "gate", 5)
    former = house.supervisor()
    end(former)
    end(house.keeper() if successor(house, former) else 0)
    house.running(handle)
    (tmp_path / "gate").touch()
    assert house.ended(handle).exit_code == 5
    house.target.close()
    wait_until(lambda: not runners(house.root))
