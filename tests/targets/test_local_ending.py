"""Ending a script: cancel, the maximum duration, and what scripts leave behind."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from runyard.errors import TransientError
from runyard.ports import Absent, Compute, Ended, Plan
from runyard.runner import register
from runyard.runner.places import Places
from runyard.runs.model import Attempt
from tests.processes import living
from tests.targets.house import House

FLEEING = """\
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for step in range(2):
    if os.fork():
        if step:
            os._exit(0)
        time.sleep(0.05)
        print("ready", flush=True)
        while True:
            time.sleep(60)
    os.setsid()
    os.chdir("/")
while True:
    time.sleep(60)
"""
"""Forks twice, each time into a session of its own, elsewhere, and ignores TERM."""

STRIPPED = """\
import os, subprocess, sys
code = "import os, time; os.setsid(); os.chdir('/'); print('ready', flush=True); os.close(1); os.close(2); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", code], env={"MARK": os.environ["MARK"]})
"""
"""Leaves a process with nothing of the run on it: no variables, no folder, no log, no session."""


def test_a_canceled_script_ends_by_term(house: House) -> None:
    handle = house.start(
        """\
import signal, sys, time
def leave(*_):
    print("bye", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""
    )
    house.running(handle, printed=b"ready")
    house.target.cancel(handle)
    ended = house.ended(handle)
    assert ended.outcome == "canceled"
    assert ended.exit_code == 3
    assert house.log(handle) == b"ready\nbye\n"


def test_a_script_that_flees_and_ignores_term_is_gone_after_cancel(house: House) -> None:
    handle = house.start(FLEEING)
    house.running(handle, printed=b"ready")
    run = handle.id.partition("/")[0]
    assert len(living(run)) == 2
    began = time.monotonic()
    house.target.cancel(handle, grace=0.3)
    ended = house.ended(handle)
    assert living(run) == []
    assert ended.outcome == "canceled"
    assert ended.exit_code == -9
    assert 0.3 <= time.monotonic() - began < 5


def test_a_shorter_grace_counts(house: House) -> None:
    handle = house.start(FLEEING)
    house.running(handle, printed=b"ready")
    house.target.cancel(handle, grace=60)
    house.target.cancel(handle, grace=0.05)
    house.target.cancel(handle, grace=60)
    assert house.ended(handle).outcome == "canceled"


def test_others_of_the_group_have_the_grace_too(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    child = f"""\
import signal, sys, time
def leave(*_):
    time.sleep(0.2)
    open({str(mark)!r}, "w").write("saved")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""
    handle = house.start(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])")
    house.running(handle, printed=b"ready")
    house.target.cancel(handle, grace=10)
    assert house.ended(handle).outcome == "canceled"
    assert mark.read_text() == "saved"


def test_what_a_script_leaves_behind_ends_with_it(house: House) -> None:
    handle = house.start(FLEEING.replace("while True:\n            time.sleep(60)", "raise SystemExit(0)", 1))
    ended = house.ended(handle)
    assert (ended.outcome, ended.exit_code) == ("exited", 0)
    assert living(handle.id.partition("/")[0]) == []


def test_a_process_without_any_mark_of_the_run_ends_with_it(house: House) -> None:
    mark = f"mark-{time.time_ns()}"
    handle = house.start(STRIPPED + "import time; time.sleep(0.2)", environment_variables={"MARK": mark})
    assert house.ended(handle).exit_code == 0
    assert living(mark) == []


def test_a_left_process_of_one_run_does_not_end_with_another(house: House) -> None:
    keeper = house.start(
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import os, time; os.setsid(); time.sleep(1)'])\n"
        "print('ready', flush=True)\n"
        "raise SystemExit(p.wait())"
    )
    house.running(keeper, printed=b"ready")
    assert house.run("pass").exit_code == 0
    assert house.ended(keeper).exit_code == 0


def test_the_maximum_duration_ends_a_script(house: House) -> None:
    compute = Compute(name="local", kind="local", limit=1, options={"grace": 0.1})
    handle = house.start(FLEEING, compute=compute, max_duration=0.3)
    ended = house.ended(handle)
    assert ended.outcome == "timeout"
    assert (
        ended.error
        == "the script ran longer than its maximum duration of 0.3 s and was ended; maxRunDurationSeconds sets it"
    )
    assert ended.error_class == "user"
    assert ended.started is not None
    assert ended.ended is not None
    assert 0.3 <= ended.ended - ended.started < 3
    assert living(handle.id.partition("/")[0]) == []


def test_a_start_that_was_voided_never_happens(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    plan = house.plan(f"open({str(mark)!r}, 'w')")
    places = Places(str(house.root), plan.run_id, 1, plan.name)
    house.target.prepare(plan)
    assert register.win(places.register, "void the deadline passed")
    assert not register.win(places.register, "started")
    handle = house.target.submit(plan)
    ended = house.ended(handle)
    assert ended.outcome == "void"
    assert ended.error == "the deadline passed"
    assert ended.exit_code is None
    assert house.target.logs(handle, 0).complete is True
    assert house.run("pass").exit_code == 0
    assert Path(places.refused).read_text() == "the deadline passed\n"
    assert not mark.exists()


def attempt_of(plan: Plan) -> Attempt:
    return Attempt(run_id=plan.run_id, number=1, compute="local", name=plan.name, slot=0, claimed=0.0)


def test_a_start_can_be_voided_before_the_job_is_there_and_again(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    plan = house.plan(f"open({str(mark)!r}, 'w')")
    assert house.target.void(attempt_of(plan), "the deadline passed") is True
    assert house.new_target().void(attempt_of(plan), "another reason") is True
    ended = house.ended(house.target.submit(plan))
    assert (ended.outcome, ended.error) == ("void", "the deadline passed")
    assert house.run("pass").exit_code == 0
    assert not mark.exists()


@pytest.mark.parametrize("links", [True, False], ids=["", "without hard links"])
def test_a_register_is_won_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "ry-a-1"
    assert register.win(str(path), "void it was late") is True
    assert register.win(str(path), "started") is False
    assert path.read_text() == "void it was late\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_started_cannot_be_voided(house: House) -> None:
    plan = house.plan("raise SystemExit(2)")
    handle = house.target.submit(plan)
    assert house.ended(handle).exit_code == 2
    assert house.target.void(attempt_of(plan), "too late") is False
    assert house.ended(handle).exit_code == 2


def test_a_void_that_cannot_be_written_is_said_so(house: House) -> None:
    plan = house.plan("pass")
    (house.root / "local").mkdir()
    (house.root / "local" / "registers").write_text("in the way")
    with pytest.raises(TransientError, match="could not be voided"):
        house.target.void(attempt_of(plan), "the deadline passed")


def test_a_forgotten_attempt_leaves_no_register(house: House) -> None:
    plan = house.plan("pass")
    house.target.void(attempt_of(plan), "the deadline passed")
    house.ended(house.target.submit(plan))
    house.run("pass")  # by now the supervisor has noted that it refused the first
    registers = house.root / "local" / "registers"
    assert {plan.name, f"{plan.name}.refused"} <= {path.name for path in registers.iterdir()}
    for _ in range(2):
        house.target.forget(attempt_of(plan))
    assert [path.name for path in registers.iterdir() if path.name.startswith(plan.name)] == []


def test_canceling_before_the_start_voids_it(house: House) -> None:
    plan = house.plan("print('never')")
    assert plan.handle is not None
    house.target.cancel(plan.handle)
    house.target.cancel(plan.handle)
    assert house.tells == ["local"]
    assert isinstance(house.poll(plan.handle), Ended)
    ended = house.ended(house.target.submit(plan))
    assert ended.outcome == "void"
    assert ended.error == "canceled before it started"
    assert house.log(plan.handle) == b""


def test_canceling_what_has_ended_changes_nothing(house: House) -> None:
    handle = house.start("pass")
    before = house.ended(handle)
    house.target.cancel(handle)
    assert house.poll(handle) == before


def test_a_large_snapshot_can_be_canceled_while_it_is_unpacked(house: House) -> None:
    handle = house.start({"train.py": "print('never')", "zeros": bytes(200 << 20), "noise": noise(2 << 20)})
    house.target.cancel(handle)
    ended = house.ended(handle)
    assert ended.outcome in {"canceled", "void"}
    assert ended.exit_code is None or ended.exit_code < 0


def test_the_answer_to_nothing_is_absent(house: House) -> None:
    handle = house.plan("pass").handle
    assert handle is not None
    assert isinstance(house.poll(handle), Absent)


@pytest.mark.parametrize("text", ["", "started 1.0\n"])
def test_a_start_of_which_nothing_is_left_is_interrupted(house: House, text: str) -> None:
    plan = house.plan("pass")
    assert plan.handle is not None
    house.run("pass")
    Path(Places(str(house.root), plan.run_id, 1, plan.name).register).write_text(text)
    ended = house.ended(plan.handle)
    assert ended.outcome == "interrupted"
    assert ended.exit_code is None
    assert "supervisor was killed" in ended.error
    assert house.ended(house.target.submit(plan)) == ended


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


def test_a_shell_in_the_working_directory_is_left_alone(house: House) -> None:
    handle = house.start("import time; print('ready'); time.sleep(60)")
    house.running(handle, printed=b"ready")
    work = next((house.root / "local" / "work").iterdir())
    with subprocess.Popen(["sleep", "60"], cwd=work) as shell:
        house.target.cancel(handle)
        assert house.ended(handle).outcome == "canceled"
        assert shell.poll() is None
        shell.kill()
