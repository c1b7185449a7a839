"""Secrets reach the script, and nothing on the way keeps them."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runyard.errors import ConfigError, TransientError
from runyard.ports import Ended, Job, Plan
from runyard.runconfig.redact import MASK
from runyard.runner import process, register, wire
from runyard.runner.places import Places
from runyard.runs.identity import secret_name
from runyard.runs.kept import Kept, encode
from runyard.runs.model import SnapshotRef
from tests.targets.house import COMPUTE, House, end, make_run, make_zip

CANARY = "canary-5b0e"
PRINTS = "import os, sys\nprint(os.environ['HF_TOKEN'] == 'canary-' + '5b0e', sys.argv[1:] == ['--password', 'canary-' + '5b0e'])\n"


def plan(house: House, source: str, spec: dict[str, Any], kept: dict[str, Any] | None = None) -> Plan:
    """The plan of a run whose row shows ``spec``, and whose secret keeps ``kept``."""
    path = house.root / "snapshots" / "s.zip"
    path.write_bytes(make_zip({"train.py": source}))
    status = path.stat()
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    snapshot = SnapshotRef(container="snapshots", name=path.name, etag=etag, size=status.st_size)
    run = make_run(f"exp_{int(time.time())}_{os.urandom(4).hex()}", snapshot, **spec)
    house.runs.append(run.id)
    if kept is not None:
        run = replace(run, secret=secret_name(run.id))
        house.secrets.set(run.secret, encode(Kept(run=run.id, at=0.0, spec=kept)))
    return house.target.plan(Job(run=run, compute=COMPUTE, attempt=1, slot=0))


SPEC: dict[str, Any] = {"environment_variables": {"HF_TOKEN": MASK}, "arguments": ("--password", MASK)}
KEPT = {"/environment_variables/HF_TOKEN": CANARY, "/arguments/1": CANARY}


def everything(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_script_sees_its_secrets_and_no_file_does(house: House) -> None:
    made = plan(house, PRINTS, SPEC, KEPT)
    assert CANARY not in repr(made)
    handle = house.target.submit(made)
    assert house.ended(handle).exit_code == 0
    assert b"True True\n" == house.log(handle)
    assert CANARY.encode() not in everything(house.root)


def test_while_it_runs_its_register_holds_the_masked_record(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = (
        f"import os, time\nprint('on', flush=True)\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
    )
    made = plan(house, source, SPEC, KEPT)
    handle = house.target.submit(made)
    house.running(handle, printed=b"on")
    decision = register.read(Places(str(house.root), made.run_id, 1, made.name).register)
    assert decision is not None
    assert {"HF_TOKEN": MASK} == decision.records[0]["environment_variables"]
    assert sorted(KEPT) == decision.records[0]["concealed"]
    for pid in (house.supervisor(), house.keeper()):
        for name in ("environ", "cmdline"):
            assert CANARY.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert CANARY.encode() not in everything(house.root)
    gate.touch()
    house.ended(handle)


def test_a_stored_secret_of_a_user_is_read_when_the_job_is_handed_over(house: House) -> None:
    source = "import os\nprint(os.environ['MY_VALUE'] == 'canary-' + '5b0e')\n"
    house.secrets.set("user-mine", "older")
    made = plan(house, source, {"secrets": {"MY_VALUE": "mine"}})
    assert ({"MY_VALUE": MASK}, {"MY_VALUE": "mine"}) == (
        made.request["environment_variables"],
        made.request["secrets"],
    )
    house.secrets.set("user-mine", CANARY)
    handle = house.target.submit(made)
    assert house.ended(handle).exit_code == 0
    assert b"True\n" == house.log(handle)
    assert CANARY.encode() not in everything(house.root)


def test_a_missing_secret_is_the_answer_for_its_job_alone(house: House) -> None:
    lacking = plan(house, PRINTS, SPEC, KEPT)
    house.secrets.remove(str(lacking.request["secret"]))
    unknown = plan(house, PRINTS, {"secrets": {"MY_VALUE": "nowhere"}})
    whole = plan(house, "print(1)\n", {})
    first, second, third = house.target.submit_many([lacking, unknown, whole])
    assert isinstance(first, ConfigError)
    assert "are gone" in first.message
    assert isinstance(second, ConfigError)
    assert "'nowhere'" in second.message
    assert not isinstance(third, Exception)
    assert house.ended(third).exit_code == 0


def test_a_message_about_a_job_does_not_repeat_its_secrets(house: House) -> None:
    made = plan(house, "", {"script": MASK}, {"/script": f"{CANARY}.py"})
    ended = house.ended(house.target.submit(made))
    assert ("failed", "config") == (ended.outcome, ended.error_class)
    assert "is not in the snapshot" in ended.error
    assert CANARY.encode() not in everything(house.root) + ended.error.encode()


def frozen_before_its_script(house: House, spec: dict[str, Any], kept: dict[str, Any] | None) -> Any:
    """Hand a job to a supervisor and kill that between the register and the script, as a power cut might."""
    house.target.prepare(plan(house, "", {}))
    made = plan(house, PRINTS, spec, kept)
    # What a killed supervisor leaves: the register with the record, and the working directory.
    places = Places(str(house.root), made.run_id, 1, made.name)
    Path(places.work).mkdir(parents=True)
    pid = house.supervisor()
    start = process.ident_of(pid)
    record = {**made.request, "snapshot": str(house.root / "snapshots" / "s.zip")}
    if kept:
        record["concealed"] = sorted(kept)
    keeper = process.ident_of(house.keeper())
    won = register.Won(process.boot_id(), process.ticks(), start, keeper)
    assert register.win(places.register, register.started_by(won), record)
    end(pid, signal.SIGKILL)
    return made.handle


def test_a_job_whose_supervisor_died_before_the_script_is_tried_again_by_another_attempt(house: House) -> None:
    handle = frozen_before_its_script(house, SPEC, KEPT)
    ended = house.ended(handle)
    assert ("failed", "transient", None) == (ended.outcome, ended.error_class, ended.started)
    assert "its secrets with it" in ended.error


def test_a_job_without_secrets_is_prepared_anew_by_the_next_supervisor(house: House) -> None:
    spec = {"environment_variables": {"HF_TOKEN": CANARY}, "arguments": ("--password", CANARY)}
    handle = frozen_before_its_script(house, spec, None)
    assert house.ended(handle).exit_code == 0
    assert b"True True\n" == house.log(handle)


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_supervisor_of_another_version_is_asked_to_leave(
    house: House, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has nothing to do leaves at once; one that carries runs first ends those, and takes no new ones."""
    asked = []
    path = house.root / "local" / "supervisor.sock"
    path.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr("runyard.targets.local.supervisor.PROMPT", 2.0)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                asked.append(request["do"])
                if request["do"] == "hello":
                    reply = {"id": request["id"], "error": "this supervisor speaks protocol 1"}
                else:
                    reply = {"id": request["id"], "ok": not jobs}
                    path.unlink(missing_ok=True)
                connection.sendall(wire.encode(reply))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        made = plan(house, PRINTS, SPEC, KEPT)
        answer = house.target.submit_many([made])[0]
        thread.join(10)
    assert ["hello", "retire"] == asked
    if jobs:
        assert isinstance(answer, TransientError)
        assert "of another version" in answer.message
    else:
        assert not isinstance(answer, Exception)
        ended = house.ended(answer)
        assert isinstance(ended, Ended)
        assert ended.exit_code == 0
