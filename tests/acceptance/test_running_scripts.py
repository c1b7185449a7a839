"""What a script gets, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runyard.computes import put
from runyard.dispatch import request_cancel
from runyard.runs.model import Run
from tests.acceptance.yard import Yard, running
from tests.processes import living


def started(yard: Yard, experiment: str) -> Run:
    """A run of the experiment once its script has printed something."""

    def look() -> Run | None:
        for run in yard.runs(experiment):
            if (
                run.attempt
                and (yard.root / "runs" / run.id / "1" / "azureml-logs" / "70_driver_log.txt").exists()
                and yard.log(run)
            ):
                return run
        return None

    return yard.wait(look)


def test_the_script_has_a_fresh_interpreter(yard: Yard) -> None:
    script = (
        "import json, os, sys\n"
        "print(json.dumps({'modules': sorted(sys.modules), 'executable': sys.executable, 'argv': sys.argv,\n"
        "  'leader': os.getpgrp() == os.getpid() == os.getsid(0), 'cwd': os.listdir('.'),\n"
        "  'env': {k: v for k, v in os.environ.items() if k.startswith('AZUREML')}}))\n"
    )
    run = yard.run(script, arguments=["--x", "a b", ""])
    told = json.loads(yard.log(run))
    assert told["leader"]
    assert sys.executable == told["executable"]
    assert ["train.py", "--x", "a b", ""] == told["argv"]
    assert not {"runyard", "azureml", "zipfile", "subprocess"} & set(told["modules"])
    assert {"outputs", "logs", "train.py", "aml_config"} == set(told["cwd"])
    assert (run.id, "exp") == (told["env"]["AZUREML_RUN_ID"], told["env"]["AZUREML_ARM_PROJECT_NAME"])


def test_a_script_that_flees_and_ignores_term_is_gone_after_cancel(yard: Yard) -> None:
    script = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        print('fled', flush=True)\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "time.sleep(600)\n"
    )
    put(yard.ports, "local", options={"grace": 0.3})
    yard.drop(script, "flee/a.zip")
    run = started(yard, "flee")
    assert living(run.id)
    request_cancel(yard.ports, run.id, who="test")
    ended = yard.ended(run.id)
    assert "Canceled" == ended.status, ended.reason
    assert [] == living(run.id)


def test_a_failing_script_fails_with_its_code_and_keeps_its_log_and_outputs(yard: Yard) -> None:
    run = yard.run("open('outputs/part.txt', 'w').write('x')\nprint('so far')\nraise SystemExit(3)\n")
    assert ("Failed", 3) == (run.status, run.exit_code)
    assert b"so far\n" == yard.log(run)
    assert (yard.root / "runs" / run.id / "1" / "outputs" / "part.txt").exists()


def test_a_script_over_its_maximum_duration_is_ended(yard: Yard) -> None:
    run = yard.run("import time\nprint('on', flush=True)\ntime.sleep(600)\n", maxRunDurationSeconds=1)
    assert "Failed" == run.status
    assert run.error is not None
    assert "MaxDurationExceeded" == run.error.code
    assert [] == living(run.id)


def test_much_and_odd_output_harms_nothing(yard: Yard) -> None:
    script = (
        "import os, sys\n"
        "block = b'\\xff\\xfe\\x00\\x1b[31m\\x1b]0;title\\x07\\r' + b'x' * 1015\n"
        "for _ in range(20 * 1024):\n    os.write(1, block)\n"
    )
    run = yard.run(script)
    assert "Completed" == run.status
    assert 20 * 1024 * 1024 <= (run.log_bytes or 0)
    assert len(yard.log(run)) == run.log_bytes


def test_following_a_log_neither_loses_nor_repeats_a_byte(yard: Yard) -> None:
    script = (
        "import os, time\n"
        "for number in range(400):\n"
        "    os.write(1, (f'{number:06d} ' + 'y' * (number % 97) + '\\n').encode())\n"
        "    if number % 40 == 0:\n        time.sleep(0.03)\n"
    )
    yard.drop(script, "follow/a.zip")
    run = started(yard, "follow")
    got, offset, complete = b"", 0, False
    with yard.client() as client:
        while not complete:
            answer = client.get(f"/api/runs/{run.id}/logs", params={"offset": offset, "limit": 700, "wait": 5})
            assert answer.is_success, answer.text
            got += answer.content
            offset = int(answer.headers["X-Next-Offset"])
            complete = answer.headers["X-Log-Complete"] == "true"
    assert got == yard.log(yard.ended(run.id))
    assert 400 == got.count(b"\n")


def test_the_limit_of_a_compute_is_kept(yard: Yard) -> None:
    with yard.client() as client:
        assert client.put("/api/computes/local", json={"limit": 2}).is_success
    script = (
        "import os, time, pathlib\n"
        "here = pathlib.Path(os.environ['PLACE'])\n"
        "mine = here / str(os.getpid())\n"
        "mine.touch()\ntime.sleep(0.15)\nprint(len(list(here.iterdir())))\nmine.unlink()\n"
    )
    place = yard.root / "place"
    place.mkdir()
    environment = {
        "environmentVariables": {"PLACE": str(place)},
        "python": {"userManagedDependencies": True, "interpreterPath": "python"},
    }
    for number in range(6):
        yard.drop(script, f"limit/{number}.zip", environment=environment)
    yard.wait(lambda: len([r for r in yard.runs("limit") if r.has_ended]) == 6 or None)
    seen = [int(yard.log(run)) for run in yard.runs("limit")]
    assert max(seen) <= 2
    assert {"Completed"} == {run.status for run in yard.runs("limit")}


def test_runs_go_on_while_no_host_is_there(root: Path) -> None:
    with running(root) as yard:
        yard.drop("import time\nprint('on', flush=True)\ntime.sleep(1.0)\nprint('over')\n", "long/a.zip")
        run = started(yard, "long")
    with running(root) as yard:
        ended = yard.ended(run.id)
        assert ("Completed", b"on\nover\n", 1) == (ended.status, yard.log(ended), ended.attempt)


@pytest.mark.slow
def test_a_killed_host_loses_nothing(root: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tests.acceptance.yard import Yard\n"
        "yard = Yard(Path(sys.argv[1]))\nyard.up()\nprint('up', flush=True)\ntime.sleep(600)\n"
    )
    where = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{where}{os.pathsep}{where / 'shared'}"}
    first = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, env=environment)
    assert first.stdout is not None
    assert b"up\n" == first.stdout.readline()
    outside = Yard(root)
    ledger = root / "ledger"
    script = "import os, time\ntime.sleep(0.2)\nopen(os.environ['LEDGER'], 'a').write(os.environ['AZUREML_RUN_ID'] + '\\n')\n"
    environment_section = {
        "environmentVariables": {"LEDGER": str(ledger)},
        "python": {"userManagedDependencies": True, "interpreterPath": "python"},
    }
    for number in range(12):
        outside.drop(script, f"crash/{number}.zip", environment=environment_section)
    time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    with running(root) as yard:
        yard.wait(lambda: len([r for r in yard.runs("crash") if r.has_ended]) == 12 or None)
        assert {"Completed"} == {run.status for run in yard.runs("crash")}
        lines = ledger.read_text().split()
        assert sorted(run.id for run in yard.runs("crash")) == sorted(lines)
