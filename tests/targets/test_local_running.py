"""What a script that runs on this machine sees, and what is kept of it."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from runyard.ports import Absent, Compute, Ended, Running
from runyard.runner.attempt import PHASES
from runyard.runner.result import OUTCOMES
from runyard.runs.states import State
from runyard.targets.local import target
from tests.targets.house import COMPUTE, House, opened


def test_a_script_runs_to_its_end(house: House) -> None:
    handle = house.start("print('hello')")
    ended = house.ended(handle)
    assert ended.outcome == "exited"
    assert ended.exit_code == 0
    assert ended.error == ""
    assert house.log(handle) == b"hello\n"
    assert ended.log_bytes == 6
    assert ended.started is not None
    assert ended.ended is not None
    assert ended.started <= ended.ended


def test_the_exit_code_is_the_scripts(house: House) -> None:
    assert house.run("raise SystemExit(7)").exit_code == 7


def test_a_signal_is_named(house: House) -> None:
    ended = house.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert ended.outcome == "exited"
    assert ended.exit_code == -9
    assert ended.error == "the script was ended by SIGKILL; perhaps the machine ran out of memory"


def test_the_script_has_a_fresh_interpreter(house: House) -> None:
    handle = house.start(
        """\
import json, os, sys
print(json.dumps({
    "modules": sorted(name for name in sys.modules if name.split(".")[0] in ("runyard", "azureml", "runyard_runner")),
    "executable": sys.executable, "argv": sys.argv, "path": sys.path[0], "cwd": os.getcwd(), "main": __name__,
    "leads": os.getpgrp() == os.getsid(0) == os.getpid(), "stdin": sys.stdin.read(),
    "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3],
}))
""",
        arguments=("--alpha", "0.5", "ä b"),
    )
    house.ended(handle)
    seen = json.loads(house.log(handle))
    assert seen["modules"] == []
    assert seen["executable"] == sys.executable
    assert seen["argv"] == ["train.py", "--alpha", "0.5", "ä b"]
    assert seen["path"] == seen["cwd"]
    assert seen["main"] == "__main__"
    assert seen["leads"]
    assert seen["stdin"] == ""
    assert seen["open"] == [0, 1, 2]


def test_no_descriptor_of_the_supervisor_reaches_the_script(house: House) -> None:
    handle = house.start(
        "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}')])"
    )
    house.ended(handle)
    assert house.log(handle) == b"[]\n"


def test_the_script_sees_the_variables_of_its_run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary")
    monkeypatch.setenv("RUNYARD_TOKEN", "canary")
    monkeypatch.setenv("HF_TOKEN", "mine")
    monkeypatch.setenv("AZUREML_RUN_TOKEN", "of somewhere else")
    monkeypatch.setenv("MLFLOW_RUN_ID", "of somewhere else")
    plan = house.plan(
        "import json, os; print(json.dumps(dict(os.environ)))",
        environment_variables={"EPOCHS": "3", "PYTHONUNBUFFERED": ""},
        compute=Compute(name="gpus", kind="local", limit=4, options={"gpus": 2}),
        slot=3,
    )
    handle = house.target.submit(plan)
    house.ended(handle)
    seen = json.loads(house.log(handle))
    expected = {
        "AZUREML_RUN_ID": plan.run_id,
        "AZUREML_ARM_PROJECT_NAME": "exp",
        "AZUREML_OUTPUT_DIRECTORY": "./outputs",
        "AZUREML_LOGDIRECTORY_PATH": "azureml-logs",
        "AZUREML_TARGET_TYPE": "local",
        "AZUREML_FRAMEWORK": "Python",
        "AZUREML_NODE_COUNT": "1",
        "AZUREML_COMMUNICATOR": "None",
        "AZUREML_ROOT_RUN_ID": plan.run_id,
        "MLFLOW_TRACKING_URI": "runyard://run",
        "RUNYARD_COMPUTE": "gpus",
        "RUNYARD_ATTEMPT": "1",
        "RUNYARD_METRICS": str(house.folder(handle) / "metrics.jsonl"),
        "CUDA_VISIBLE_DEVICES": "1",
        "EPOCHS": "3",
        "PYTHONUNBUFFERED": "",
        "HF_TOKEN": "mine",
    }
    assert expected.items() <= seen.items()
    assert not {"canary", "of somewhere else"} & set(seen.values())


def test_a_tracking_store_that_the_user_names_is_his(house: House) -> None:
    text = "import os; print(os.environ['MLFLOW_TRACKING_URI'], os.environ['MLFLOW_RUN_ID'])"
    mine = {"MLFLOW_TRACKING_URI": "https://mine.example", "MLFLOW_RUN_ID": "r"}
    handle = house.start(text, environment_variables=mine)
    house.ended(handle)
    assert b"https://mine.example r\n" == house.log(handle)


def test_the_log_grows_while_the_script_runs(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = house.start(
        f"import os, time\nprint('first')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nprint('second')"
    )
    house.running(handle, printed=b"first\n")
    chunk = house.target.logs(handle, 0)
    assert chunk.data == b"first\n"
    assert not chunk.complete
    gate.touch()
    house.ended(handle)
    rest = house.target.logs(handle, chunk.next_offset)
    assert rest.data == b"second\n"
    assert rest.complete
    assert house.target.logs(handle, 2, 3).data == b"rst"


def test_much_output_that_is_not_utf_8_is_kept_byte_by_byte(house: House) -> None:
    handle = house.start("import sys\nfor n in range(20): sys.stdout.buffer.write(bytes(range(256)) * 4096)")
    ended = house.ended(handle)
    assert ended.log_bytes == 20 << 20
    offset, pieces = 0, 0
    while not (chunk := house.target.logs(handle, offset)).complete or chunk.data:
        assert chunk.data == bytes(range(256)) * (len(chunk.data) // 256)
        offset, pieces = chunk.next_offset, pieces + 1
    assert offset == 20 << 20
    assert pieces == 20


def test_stderr_is_in_the_log_in_order(house: House) -> None:
    handle = house.start("import sys\nfor n in range(50): print(n, file=(sys.stdout, sys.stderr)[n % 2])")
    house.ended(handle)
    assert house.log(handle) == "".join(f"{n}\n" for n in range(50)).encode()


def test_outputs_and_logs_are_kept_also_of_a_script_that_failed(house: House) -> None:
    handle = house.start(
        """\
import os
assert os.path.isdir("outputs") and os.path.isdir("logs") and os.path.isdir("deep/er")
os.makedirs("outputs/models")
for name in ("outputs/models/m.pkl", "logs/a.log", "deep/er/x", "azureml-logs/azureml.log", "other.txt"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "w").write(name)
raise SystemExit(1)
""",
        watched_directories=("logs", "deep/er", "../out", "/etc"),
    )
    assert house.ended(handle).exit_code == 1
    folder = house.folder(handle)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == [
        "azureml-logs/70_driver_log.txt",
        "azureml-logs/azureml.log",
        "deep/er/x",
        "logs/a.log",
        "outputs/models/m.pkl",
        "result.json",
    ]


def test_the_same_attempt_submitted_again_is_the_same_job(house: House, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    plan = house.plan(f"open({str(marks)!r}, 'a').write('x')")
    handle = house.target.submit(plan)
    assert [house.target.submit(plan) for _ in range(3)] == [handle] * 3
    assert plan.handle == handle
    house.ended(handle)
    assert house.target.submit(plan) == handle
    other = house.new_target()
    try:
        assert other.submit(plan) == handle
        assert isinstance(other.poll([handle])[0], Ended)
    finally:
        other.close()
    house.run("pass")  # whatever was submitted before it has been looked at
    assert marks.read_text() == "x"


def test_several_jobs_run_side_by_side_and_are_polled_with_one_request(house: House) -> None:
    plans = [house.plan(f"import time; time.sleep(0.05); print({n})") for n in range(6)]
    handles = house.target.submit_many(plans)
    for number, handle in enumerate(handles):
        assert not isinstance(handle, Exception)
        assert house.ended(handle).exit_code == 0
        assert house.log(handle) == f"{number}\n".encode()


def test_a_job_that_nobody_submitted_is_absent(house: House) -> None:
    handle = house.plan("pass").handle
    assert handle is not None
    assert isinstance(house.poll(handle), Absent)
    assert house.target.logs(handle, 0).data == b""
    assert not house.target.logs(handle, 0).complete


def test_news_are_told_once_until_the_next_poll(house: House) -> None:
    handles = [house.start("pass") for _ in range(4)]
    for handle in handles:
        house.ended(handle)
    house.tells.clear()
    house.told.clear()
    more = [house.start("pass") for _ in range(3)]
    results = [house.folder(handle) / "result.json" for handle in more]
    deadline = threading.Event()
    for _ in range(500):
        if all(path.exists() for path in results):
            break
        deadline.wait(0.01)
    deadline.wait(0.05)
    assert house.tells == ["local"]
    for handle in more:
        house.ended(handle)


def test_the_working_directory_goes_and_the_register_stays(house: House) -> None:
    handle = house.start(
        {"train.py": "import os; os.mkdir('locked'); open('locked/x', 'w'); os.chmod('locked', 0o500)"}
    )
    house.ended(handle)
    house.target.cleanup(handle)
    house.target.cleanup(handle)
    work = house.root / "local" / "work"
    for _ in range(1000):
        if not list(work.iterdir()):
            break
        threading.Event().wait(0.01)
    assert list(work.iterdir()) == []
    assert len(list((house.root / "local" / "registers").iterdir())) == 1
    assert isinstance(house.poll(handle), Ended)


def test_what_the_register_keeps_of_a_job_goes_with_its_end(house: House) -> None:
    handle = house.start("pass", environment_variables={"KEY": "canary"})
    house.ended(handle)
    for path in house.root.rglob("*"):
        if path.is_file() and path.suffix != ".zip":
            assert b"canary" not in path.read_bytes(), path


def test_an_interpreter_by_its_name_is_found_on_the_path(house: House) -> None:
    compute = Compute(name="local", kind="local", limit=1, options={"interpreter": "python3"})
    handle = house.start("import sys; print(sys.version_info.major)", compute=compute, interpreter="python")
    assert house.ended(handle).exit_code == 0
    assert house.log(handle) == b"3\n"


def test_a_large_snapshot_does_not_hold_up_the_others(house: House) -> None:
    large = house.start({"train.py": "print('large')", **{f"data/{n}": os.urandom(1 << 20) for n in range(8)}})
    small = house.start("print('small')")
    assert house.ended(small).exit_code == 0
    assert house.ended(large).exit_code == 0
    assert house.log(large) == b"large\n"


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    with opened(tmp_path / ("x" * 120) / "root") as house:
        assert house.run("pass").exit_code == 0


def test_prepare_has_the_supervisor_ready(house: House) -> None:
    plan = house.plan("pass")
    house.target.prepare(plan)
    assert Path("/proc", str(house.supervisor())).exists()
    assert isinstance(house.poll(house.target.submit(plan)), Running | Ended)


def test_phases_and_outcomes_are_mapped_completely() -> None:
    assert set(target.PHASES) == set(PHASES)
    assert set(target.PHASES.values()) <= {State.STARTING, State.PROVISIONING, State.PREPARING, State.RUNNING}
    assert set(target.OUTCOMES) == set(OUTCOMES)
    assert COMPUTE.kind == target.LocalTarget.kind
