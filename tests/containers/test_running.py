"""Scripts in containers, on a real engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from runyard.ports import Compute
from runyard.runs.model import ContainerSpec
from tests.containers.engine import BASE, Engine
from tests.containers.house import contained, engine, preparation, run, yard
from tests.targets.house import House, opened

__all__ = ["engine", "yard"]

SEEN = """\
import json, os, sys
os.makedirs("outputs", exist_ok=True)
with open("outputs/seen.json", "w") as stream:
    json.dump({"cwd": os.getcwd(), "argv": sys.argv, "variables": dict(os.environ), "uid": os.getuid()}, stream)
print("hello from", os.getcwd(), flush=True)
"""
POLITE = """\
import signal, sys, time
def leave(*_):
    print("leaving", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""
STUBBORN = """\
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
print("ready", flush=True)
time.sleep(60)
"""


def test_a_script_runs_in_its_container_and_its_outputs_are_ours(yard: House) -> None:
    variables = {"A": "1", "LINES": "one\ntwo", "SPACED": " x ", "PATH_LIKE": "$HOME"}
    handle = yard.start(**contained(yard, SEEN, arguments=("--rate", "0.1"), environment_variables=variables))

    ended = yard.ended(handle)

    assert ("exited", 0, "") == (ended.outcome, ended.exit_code, ended.error)
    assert b"hello from /runyard/work\n" == yard.log(handle)
    path = yard.folder(handle) / "outputs" / "seen.json"
    seen = json.loads(path.read_text())
    assert ["train.py", "--rate", "0.1"] == seen["argv"]
    assert variables == {name: seen["variables"].get(name) for name in variables}
    assert handle.id.partition("/")[0] == seen["variables"]["AZUREML_RUN_ID"]
    assert "/runyard/control/home" == seen["variables"]["HOME"]
    assert "PYTEST_CURRENT_TEST" not in seen["variables"]
    assert os.getuid() == path.stat().st_uid == seen["uid"]


def test_metrics_are_logged_from_within(yard: House) -> None:
    source = "from azureml.core import Run\nRun.get_context().log('loss', 0.5)\n"

    ended = run(yard, source)

    assert 0 == ended.exit_code, yard.log(ended.handle)
    assert '"loss"' in (yard.folder(ended.handle) / "metrics.jsonl").read_text()


def test_an_exit_code_of_the_script_is_none_of_the_engines(yard: House) -> None:
    # docker itself says 125, 126 and 127 of what it could not start.
    ended = run(yard, "raise SystemExit(127)")

    assert ("exited", 127) == (ended.outcome, ended.exit_code)


def test_a_script_that_a_signal_ended_is_told_as_on_this_machine(yard: House) -> None:
    ended = run(yard, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert ("exited", -11) == (ended.outcome, ended.exit_code)
    assert "SIGSEGV" in ended.error


def test_a_canceled_script_gets_time_to_leave(yard: House) -> None:
    handle = yard.start(**contained(yard, POLITE))
    yard.running(handle, printed=b"ready")

    yard.target.cancel(handle, grace=10.0)
    ended = yard.ended(handle)

    assert ("canceled", 7) == (ended.outcome, ended.exit_code)
    assert b"ready\nleaving\n" == yard.log(handle)


def test_a_stubborn_script_is_ended_at_its_maximum_duration_with_all_that_it_started(yard: House) -> None:
    ended = run(yard, STUBBORN, max_duration=1.0, options={"grace": 0.2})

    assert ("timeout", "user") == (ended.outcome, ended.error_class)


def test_a_container_out_of_memory_says_so(yard: House) -> None:
    arguments = ("--memory", "48m", "--ulimit", "nofile=512")

    ended = run(yard, "x = b'1' * 500_000_000", container={"arguments": arguments})

    assert ("exited", -9) == (ended.outcome, ended.exit_code)
    assert "ran out of memory" in ended.error
    assert "--memory" in ended.error


def test_shared_memory_is_as_large_as_asked_for(yard: House) -> None:
    source = "import os; s = os.statvfs('/dev/shm'); print(s.f_frsize * s.f_blocks)"

    ended = run(yard, source, container={"shm_size": "96m"})

    assert str(96 << 20).encode() == yard.log(ended.handle).strip()


def test_without_shared_volumes_the_script_works_on_a_copy(yard: House) -> None:
    files = {
        "train.py": "import os; os.makedirs('outputs', exist_ok=True); open('outputs/a.txt', 'w').write('made')\n"
        "open('scratch', 'w').write(open('data.txt').read()); print(os.path.ismount(os.getcwd()))",
        "data.txt": "data",
    }

    ended = run(yard, files, container={"shared_volumes": False})
    assert "" == ended.error

    assert (0, b"False\n") == (ended.exit_code, yard.log(ended.handle))
    assert "made" == (yard.folder(ended.handle) / "outputs" / "a.txt").read_text()


def test_variables_of_docker_arguments_are_no_arguments(
    yard: House, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_MACHINE", "here")
    arguments = ("--env", "TOKEN=canary-4711", "-e", "OF_THE_MACHINE")
    handle = yard.start(**contained(yard, POLITE, container={"arguments": arguments}))
    yard.running(handle, printed=b"ready")

    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True).stdout
    inside = engine.docker("inspect", *engine.containers())
    yard.target.cancel(handle, grace=5.0)
    yard.ended(handle)

    assert "canary-4711" not in shown
    assert "OF_THE_MACHINE=here" in inside


def test_a_missing_interpreter_is_told(yard: House) -> None:
    ended = run(yard, "pass", interpreter="/opt/none/bin/python")

    assert ("failed", "config") == (ended.outcome, ended.error_class)
    assert "has no Python 3.6 or newer" in ended.error
    assert "/opt/none/bin/python" in ended.error


def test_what_the_engine_refuses_is_told(yard: House) -> None:
    ended = run(yard, "pass", container={"arguments": ("--gpus", "all")})

    assert ("failed", "config") == (ended.outcome, ended.error_class)
    assert "starting the container failed" in ended.error
    assert ended.error in preparation(yard, ended)


def test_a_canceled_preparation_leaves_nothing(yard: House, engine: Engine) -> None:
    dockerfile = f"FROM {BASE}\nRUN sleep 30\n"
    handle = yard.start(**contained(yard, "pass", container={"image": "", "dockerfile": dockerfile}))

    yard.target.cancel(handle, grace=0.1)
    ended = yard.ended(handle)

    assert ended.outcome in {"canceled", "void"}


def test_a_base_image_is_built_from_the_text_of_a_dockerfile_once(yard: House) -> None:
    dockerfile = f"FROM {BASE}\nENV MADE_BY=dockerfile\n"
    container = {"image": "", "dockerfile": dockerfile}
    source = "import os; print(os.environ['MADE_BY'])"

    first, second = run(yard, source, container=container), run(yard, source, container=container)

    assert b"dockerfile\n" == yard.log(first.handle) == yard.log(second.handle)
    assert "building the base image" in preparation(yard, first)
    assert not (yard.folder(second.handle) / "azureml-logs" / "20_image_build_log.txt").exists()


class TestAMissingEngine:
    def end(self, folder: Path, **options: object) -> tuple[str, str]:
        with opened(folder / "root") as house:
            compute = Compute(
                name="local", kind="local", limit=1, options={"environments": str(folder / "e"), **options}
            )
            ended = house.run("pass", compute=compute, interpreter="python", container=ContainerSpec(image="x"))
        return ended.error, ended.error_class

    def test_no_docker_is_installed(self, tmp_path: Path) -> None:
        error, word = self.end(tmp_path, docker="no-such-docker")

        assert "there is no no-such-docker here; install it" in error
        assert "config" == word

    def test_the_engine_does_not_run(self, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

        error, word = self.end(tmp_path)

        assert f"does not answer at unix://{tmp_path}/nobody.sock; start it" in error
        assert "config" == word

    def test_the_engine_lets_nobody_in(self, tmp_path: Path) -> None:
        client = tmp_path / "docker"
        said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
        client.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
        client.chmod(0o755)

        error, word = self.end(tmp_path, docker=str(client))

        assert "add the user to the group docker" in error
        assert "config" == word

    def test_the_engine_is_another_machines(
        self, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.9:2375")

        error, _ = self.end(tmp_path)

        assert "DOCKER_HOST is tcp://10.0.0.9:2375" in error
