"""Environments of the kind ``local``: real builders, packages made here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.ports import Compute, Ended, Running
from runyard.runner import keep, process
from runyard.runner.environments import list_environments, prune
from runyard.runs.model import EnvironmentSpec, Handle
from runyard.runs.states import State
from tests.interpreters import oldest_interpreter
from tests.targets.environments import make_wheel
from tests.targets.house import House, end, runners
from tests.targets.index import Index, served
from tests.targets.test_local_keeper import is_over, result_of, stopped, wait_until

SHOW = "import sys, tiny; print(tiny.VERSION, sys.prefix)"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "environments"


@pytest.fixture
def compute(cache: Path) -> Compute:
    return Compute(name="local", kind="local", limit=8, options={"environments": str(cache), "resolver": "uv"})


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "tiny", "1.0")
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[Index]:
    with served(wheels) as made:
        yield made


def packages(*entries: str, **more: Any) -> EnvironmentSpec:
    """An environment of pip packages on the Python that runs the tests."""
    return EnvironmentSpec(conda={"dependencies": [{"pip": list(entries)}]}, source="conda.yml", **more)


def local(wheels: Path, *entries: str, **more: Any) -> EnvironmentSpec:
    return packages("--no-index", f"--find-links {wheels}", *entries, **more)


def preparation(house: House, handle: Handle) -> str:
    path = house.folder(handle) / "azureml-logs" / "20_image_build_log.txt"
    return path.read_text() if path.exists() else ""


def preparing(house: House, handle: Handle, index: Index) -> None:
    """Wait until its builder waits at the index."""
    wait_until(index.asked.is_set)
    seen = house.poll(handle)
    assert isinstance(seen, Running), seen
    assert seen.phase is State.PREPARING


def builders() -> list[int]:
    """The builders of environments that are children of a supervisor, not their workers."""
    found = [pid for pid in process.every_pid() if _is_builder(pid)]
    return [pid for pid in found if not _is_builder(_parent(pid))]


def _parent(pid: int) -> int:
    stat = process.read_stat(pid)
    return stat.parent if stat is not None else 0


def _is_builder(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"build-environment" in words


def of(house: House) -> list[int]:
    """The builders of a house."""
    return [pid for pid in builders() if _parent(pid) in {house.supervisor(), house.keeper()}]


def test_the_first_run_builds_and_the_second_reuses(house: House, compute: Compute, wheels: Path, cache: Path) -> None:
    spec = local(wheels, "tiny", note="no file lists packages")
    first = house.start(SHOW, compute=compute, environment=spec)
    ended = house.ended(first)
    [made] = list_environments(str(cache))
    key = made["key"][:12]
    assert (ended.exit_code, house.log(first).decode()) == (0, f"1.0 {made['prefix']}\n")
    assert ended.notes[0] == "no file lists packages"
    assert ended.notes[-1].startswith(f"the environment {key} was built in ")
    log = preparation(house, first)
    assert "installing tiny" in log
    assert f"preparing the environment {key} (exp: conda.yml)\n" in log
    second = house.start(SHOW, compute=compute, environment=spec)
    assert house.ended(second).notes[-1] == f"the environment {key} was reused"
    assert preparation(house, second).splitlines()[-1] == f"the environment {key} was reused"


def test_the_notes_are_told_while_the_script_runs_and_after_its_supervisor_was_killed(
    house: House, compute: Compute, wheels: Path
) -> None:
    handle = house.start(
        "import time; print('ready', flush=True); time.sleep(60)", compute=compute, environment=local(wheels, "tiny")
    )
    seen = house.running(handle, printed=b"ready")
    assert seen.notes[-1].startswith("the environment ")
    end(house.supervisor())
    again = house.running(handle)
    assert again.notes == seen.notes
    house.target.cancel(handle, grace=0.1)
    assert house.ended(handle).notes == seen.notes


def test_an_environment_is_not_removed_under_a_script_whoever_supervises_it(
    house: House, compute: Compute, wheels: Path, cache: Path
) -> None:
    handle = house.start(
        "import time; print('ready', flush=True); time.sleep(60)", compute=compute, environment=local(wheels, "tiny")
    )
    house.running(handle, printed=b"ready")
    with stopped(house.keeper()):
        end(house.supervisor())
        assert [each["removed"] for each in prune(str(cache), older_than=0)] == [False]
    house.running(handle)
    assert [each["removed"] for each in prune(str(cache), older_than=0)] == [False]
    house.target.cancel(handle, grace=0.1)
    house.ended(handle)
    wait_until(lambda: not list_environments(str(cache))[0]["in_use"])
    assert [each["removed"] for each in prune(str(cache), older_than=0)] == [True]


def test_eight_runs_of_a_new_environment_build_it_once(
    house: House, compute: Compute, index: Index, cache: Path
) -> None:
    spec = packages(index.option, "tiny")
    handles = [house.start(SHOW, compute=compute, environment=spec) for _ in range(8)]
    wait_until(lambda: all("preparing the environment" in preparation(house, handle) for handle in handles))
    preparing(house, handles[0], index)
    assert len(of(house)) == 1
    index.gate.set()
    ended = [house.ended(handle) for handle in handles]
    assert [each.exit_code for each in ended] == [0] * 8
    [made] = list_environments(str(cache))
    assert Path(made["log"]).read_text().count("making the environment") == 1
    logs = [preparation(house, handle) for handle in handles]
    assert ["installing tiny" in log for log in logs] == [True] * 8


def test_two_builders_at_a_time_and_the_next_when_one_is_done(
    house: House, compute: Compute, index: Index, wheels: Path
) -> None:
    for name in ("tinier", "tiniest"):
        make_wheel(wheels, name, "1.0")
    handles = [
        house.start("", compute=compute, environment=packages(index.option, name))
        for name in ("tiny", "tinier", "tiniest")
    ]
    wait_until(lambda: len(of(house)) == 2)
    wait_until(lambda: "waits its turn" in preparation(house, handles[2]))
    assert len(of(house)) == 2
    index.gate.set()
    assert [house.ended(handle).exit_code for handle in handles] == [0, 0, 0]


def test_a_changed_package_builds_anew(house: House, compute: Compute, wheels: Path, cache: Path) -> None:
    make_wheel(wheels, "tiny", "2.0")
    for version in ("1.0", "2.0"):
        handle = house.start(SHOW, compute=compute, environment=local(wheels, f"tiny=={version}"))
        assert house.ended(handle).exit_code == 0
        assert house.log(handle).decode().split()[0] == version
    assert len(list_environments(str(cache))) == 2


def test_a_package_that_cannot_be_had_fails_the_run_with_its_name_and_what_the_tool_said(
    house: House, compute: Compute, wheels: Path
) -> None:
    handle = house.start("print()", compute=compute, environment=local(wheels, "tiny", "no-such-package-here==3.1"))
    ended = house.ended(handle)
    assert (ended.outcome, ended.error_class, ended.started) == ("failed", "user", None)
    assert "no-such-package-here" in ended.error
    log = preparation(house, handle)
    assert log.splitlines()[-1] == ended.error
    assert log.count("no-such-package-here") > 2


def test_an_environment_that_may_not_be_built_is_an_error_until_it_is_there(
    house: House, compute: Compute, wheels: Path
) -> None:
    unbuilt = local(wheels, "tiny", auto_prepare=False)
    ended = house.run("", compute=compute, environment=unbuilt)
    assert (ended.outcome, ended.error_class) == ("failed", "config")
    assert "auto_prepare_environment is false" in ended.error
    assert house.run("", compute=compute, environment=local(wheels, "tiny")).exit_code == 0
    assert house.run("", compute=compute, environment=unbuilt).exit_code == 0


def test_exact_makes_a_substitution_an_error(house: House, compute: Compute, wheels: Path) -> None:
    conda = {"dependencies": ["python=3.6.1.9", {"pip": ["--no-index", f"--find-links {wheels}", "tiny"]}]}
    ended = house.run("", compute=compute, environment=EnvironmentSpec(conda=conda, policy="exact"))
    assert (ended.outcome, ended.error_class) == ("failed", "config")
    assert "python=3.6.1.9" in ended.error


def test_a_canceled_run_leaves_at_once_and_its_builder_is_ended(house: House, compute: Compute, index: Index) -> None:
    handle = house.start("", compute=compute, environment=packages(index.option, "tiny"))
    preparing(house, handle, index)
    house.target.cancel(handle)
    ended = house.ended(handle)
    assert (ended.outcome, ended.started) == ("canceled", None)
    wait_until(lambda: not of(house))


def test_a_builder_goes_on_for_those_who_still_wait(house: House, compute: Compute, index: Index) -> None:
    spec = packages(index.option, "tiny")
    first, second = (house.start(SHOW, compute=compute, environment=spec) for _ in range(2))
    wait_until(lambda: "preparing the environment" in preparation(house, second))
    preparing(house, first, index)
    [builder] = of(house)
    house.target.cancel(first)
    assert house.ended(first).outcome == "canceled"
    assert of(house) == [builder]
    index.gate.set()
    assert house.ended(second).exit_code == 0


def test_a_builder_that_reads_the_files_of_a_canceled_run_is_started_again_for_the_others(
    house: House, compute: Compute, index: Index
) -> None:
    files = {"train.py": SHOW, "needs/all.txt": "tiny\n"}
    spec = packages(index.option, "-r needs/all.txt")
    first, second = (house.start(files, compute=compute, environment=spec) for _ in range(2))
    wait_until(lambda: "preparing the environment" in preparation(house, second))
    preparing(house, first, index)
    house.target.cancel(first)
    assert house.ended(first).outcome == "canceled"
    index.gate.set()
    assert house.ended(second).exit_code == 0
    assert "started again" in preparation(house, second)


def test_a_killed_builder_is_started_again(house: House, compute: Compute, index: Index) -> None:
    handle = house.start(SHOW, compute=compute, environment=packages(index.option, "tiny"))
    preparing(house, handle, index)
    [builder] = of(house)
    os.kill(builder, signal.SIGKILL)
    wait_until(lambda: "the builder was ended by signal 9; it is started again" in preparation(house, handle))
    index.gate.set()
    assert house.ended(handle).exit_code == 0
    assert is_over(builder)


def test_a_builder_that_is_killed_each_time_fails_the_run_for_now(house: House, compute: Compute, index: Index) -> None:
    handle = house.start("", compute=compute, environment=packages(index.option, "tiny"))
    killed: set[int] = set()
    while not isinstance(house.poll(handle), Ended):
        for pid in set(of(house)) - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
    ended = house.ended(handle)
    assert (ended.outcome, ended.error_class, len(killed)) == ("failed", "transient", 3)
    assert ended.error == "the environment's builder was ended 3 times before it was done"


@pytest.mark.parametrize("with_builder", [False, True], ids=["alone", "with its builder"])
def test_a_run_whose_supervisor_was_killed_during_the_build_is_prepared_by_the_next(
    house: House, compute: Compute, index: Index, cache: Path, with_builder: bool
) -> None:
    handle = house.start(SHOW, compute=compute, environment=packages(index.option, "tiny"))
    preparing(house, handle, index)
    [builder] = of(house)
    house.target.close()
    end(house.supervisor())
    if with_builder:
        os.kill(builder, signal.SIGKILL)
    wait_until(lambda: preparation(house, handle).count("preparing the environment") == 2)
    index.gate.set()
    found = result_of(house, handle)
    assert (found["outcome"], found["exit_code"]) == ("exited", 0)
    assert [each["state"] for each in list_environments(str(cache))] == ["ready"]
    wait_until(lambda: is_over(builder))


def test_a_run_whose_keeper_was_killed_during_the_build_is_prepared_by_the_next(
    house: House, compute: Compute, index: Index
) -> None:
    handle = house.start(SHOW, compute=compute, environment=packages(index.option, "tiny"))
    preparing(house, handle, index)
    end(house.keeper())
    wait_until(lambda: preparation(house, handle).count("preparing the environment") == 2)
    index.gate.set()
    assert house.ended(handle).exit_code == 0


def test_a_script_that_is_user_managed_inherits_no_descriptor_and_keeps_its_interpreter(house: House) -> None:
    handle = house.start("import os, sys; print(sys.executable, os.path.exists('/proc/self/fd/4'))")
    assert house.ended(handle).exit_code == 0
    assert house.log(handle).decode() == f"{sys.executable} False\n"
    assert preparation(house, handle) == ""


def test_variables_of_the_run_configuration_win_and_the_environments_programs_come_first(
    house: House, compute: Compute, wheels: Path
) -> None:
    conda = {
        "dependencies": [{"pip": ["--no-index", f"--find-links {wheels}", "tiny"]}],
        "variables": {"FROM_FILE": "file", "BOTH": "file"},
    }
    script = "import os; print(*(os.environ[name] for name in ('FROM_FILE', 'BOTH', 'PATH', 'VIRTUAL_ENV')), sep='|')"
    handle = house.start(
        script,
        compute=compute,
        environment=EnvironmentSpec(conda=conda),
        environment_variables={"BOTH": "run", "PATH": "/usr/bin:/bin"},
    )
    assert house.ended(handle).exit_code == 0, house.log(handle)
    from_file, both, path, prefix = house.log(handle).decode().strip().split("|")
    assert (from_file, both, path) == ("file", "run", f"{prefix}/bin:/usr/bin:/bin")


def test_the_oldest_interpreter_prepares_as_well(
    house: House, compute: Compute, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor has neither pidfds nor posix_spawn, and its builder is of the same age."""
    oldest = oldest_interpreter()
    if oldest is None:
        pytest.skip("no older interpreter is installed here")
    command = keep.command
    monkeypatch.setattr(keep, "command", lambda program, root, build: [oldest, *command(program, root, build, 0.3)[1:]])
    handles = [
        house.start(
            "import os, tiny; print(tiny.VERSION, 'locks' in ' '.join(os.readlink(f'/proc/self/fd/{fd}') "
            "for fd in os.listdir('/proc/self/fd') if os.path.islink(f'/proc/self/fd/{fd}')))",
            compute=compute,
            environment=packages(index.option, "tiny"),
        )
        for _ in range(2)
    ]
    preparing(house, handles[0], index)
    index.gate.set()
    assert [house.ended(handle).exit_code for handle in handles] == [0, 0]
    assert [house.log(handle).decode() for handle in handles] == ["1.0 True\n"] * 2
    house.target.close()
    wait_until(lambda: not runners(house.root))
