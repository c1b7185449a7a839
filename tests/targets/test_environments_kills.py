"""Builders that are killed: nothing of them lives on, nothing half is found, the next builds anew."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runyard.runner import process as processes
from runyard.runner.environments import cache as caches
from runyard.runner.environments import find, list_environments, prune
from tests.targets.environments import Builders, make_wheel, says

PATIENCE = 30.0
SLOW_TOOL = """\
#!/bin/sh
[ "$1" = --version ] && exit 0
setsid sh -c 'echo $$ >> "$0/pids"; while :; do echo half >> "$1/half"; sleep 0.01; done' "{folder}" "{folder}/written" &
for last; do :; done
mkdir -p "$last/bin" && echo half > "$last/bin/python"
echo $$ >> "{folder}/pids"
echo 'half way'
sleep 600
"""


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A tool that stops half way, with a descendant in another session that goes on writing."""
    folder = tmp_path / "tool"
    (folder / "written").mkdir(parents=True)
    (folder / "uv").write_text(SLOW_TOOL.format(folder=folder))
    (folder / "uv").chmod(0o755)
    return folder


def half_way(builders: Builders, tool: Path, asked: dict[str, object]) -> subprocess.Popen[bytes]:
    """A builder whose tool is half way."""
    builders.python = os.path.realpath(builders.python)
    process = builders.start(asked, PATH=f"{tool}:{os.environ['PATH']}", HOME=str(tool))
    assert process.stdout
    for line in process.stdout:
        if json.loads(line).get("line") == "half way":
            break
    until(lambda: len(pids_of(tool)) == 2)
    return process


def until(holds: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        os.sched_yield()


def pids_of(tool: Path) -> list[int]:
    path = tool / "pids"
    return [int(each) for each in path.read_text().split()] if path.exists() else []


def is_gone(pid: int) -> bool:
    found = processes.read_stat(pid)
    return found is None or found.state in ("Z", "X")


@pytest.mark.parametrize("victim", ["builder", "worker", "group"])
def test_a_killed_builder_takes_its_tools_with_it_and_the_next_builds_anew(
    builders: Builders, tool: Path, victim: str
) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    python = builders.python
    asked = builders.local("greeting", python=os.path.realpath(python), resolver="auto")
    wish = builders.wish(asked)
    process = half_way(builders, tool, asked)
    (worker,) = processes.children(process.pid)
    if victim == "builder":
        process.kill()
    elif victim == "worker":
        os.kill(worker, signal.SIGKILL)
    else:
        process.terminate()
    process.communicate(timeout=PATIENCE)  # its output is closed when the last of them is gone
    until(lambda: all(is_gone(pid) for pid in [*pids_of(tool), worker]))
    assert find(wish) is None
    assert ["broken"] == [each["state"] for each in list_environments(wish.cache)]
    lock = caches.open_lock(wish.cache, wish.key, "build")
    fcntl.flock(lock, fcntl.LOCK_EX)
    size = (tool / "written" / "half").stat().st_size
    os.close(lock)
    builders.python = python
    told = builders.build(asked)
    assert "an earlier build was cut short; it is begun anew" == told.lines[0]
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")
    assert size == (tool / "written" / "half").stat().st_size


def test_a_killed_worker_is_a_problem_that_may_pass(builders: Builders, tool: Path) -> None:
    asked = builders.local("greeting", python=os.path.realpath(builders.python), resolver="auto")
    process = half_way(builders, tool, asked)
    (worker,) = processes.children(process.pid)
    os.kill(worker, signal.SIGKILL)
    assert process.stdout
    last = json.loads(process.stdout.read().splitlines()[-1])
    process.communicate(timeout=PATIENCE)
    assert {"problem": "the builder was killed by signal 9", "class": "transient", "tail": []} == last


@pytest.mark.parametrize("after", range(1, 8))
def test_killed_after_any_of_its_lines_nothing_half_is_found(builders: Builders, after: int) -> None:
    make_wheel(builders.wheels, "greeting", "1.2")
    asked = builders.local("greeting")
    wish = builders.wish(asked)
    process = builders.start(asked)
    assert process.stdout
    for _ in range(after):
        process.stdout.readline()
    process.kill()
    process.communicate(timeout=PATIENCE)
    ready = find(wish)
    if ready is not None:
        assert "1.2" == says(ready.interpreter, "import greeting; print(greeting.VERSION)")
    told = builders.build(asked)
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")
    assert ["ready"] == [each["state"] for each in list_environments(wish.cache)]


@pytest.mark.parametrize("victim", ["builder", "worker"])
def test_what_a_conda_tool_reads_does_not_outlive_the_builder(builders: Builders, tool: Path, victim: str) -> None:
    (tool / "uv").rename(tool / "conda")
    channels = ["https://user:canary-value@channel.example/c"]
    asked = builders.record("python=3.6", channels=channels, resolver="conda")
    process = half_way(builders, tool, asked)
    (wanted,) = builders.cache.glob("*.wanted.yml")
    assert "canary-value" in wanted.read_text()
    os.kill(process.pid if victim == "builder" else processes.children(process.pid)[0], signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert not wanted.exists()
    assert [] == [path for path in builders.cache.rglob("*") if path.is_file() and b"canary-value" in path.read_bytes()]


def test_what_a_killed_build_left_can_be_pruned(builders: Builders, tool: Path) -> None:
    asked = builders.local("greeting", python=os.path.realpath(builders.python), resolver="auto")
    process = half_way(builders, tool, asked)
    wish = builders.wish(asked)
    assert ["building"] == [each["state"] for each in list_environments(wish.cache)]
    assert [] == prune(wish.cache)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert [(wish.key, True)] == [(each["key"], each["removed"]) for each in prune(wish.cache)]
    assert [] == list_environments(wish.cache)
