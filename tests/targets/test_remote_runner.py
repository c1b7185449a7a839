"""A runner far away, as a real process, from its token to its result."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runyard.attempts import registers
from tests.fakes import runconfig
from tests.interpreters import oldest_interpreter
from tests.remote import Far, start_runner

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
