"""A power cut at the moment of an acknowledgement leaves what was acknowledged.

The real programs run under strace(1); what they did is carried out on a file system that forgets what was not synced;
and the real stores open what is left.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runyard.runner import codes, register, result
from runyard.runs.states import State
from runyard.services import Services, open_embedded
from tests.powerloss import trace
from tests.powerloss.disk import Disk

HERE = Path(__file__).parents[2]
SEEDS = 6


@dataclass
class Moment:
    """When something was acknowledged, and what a power cut leaves at that moment: once at worst, then by chance."""

    facts: dict[str, Any]
    left: list[Path] = field(default_factory=list)


class Cinema:
    """Plays scenes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def play(self, scene: str) -> list[Moment]:
        root, acks, path = self.folder / "root", self.folder / "acks", self.folder / "trace"
        root.mkdir(mode=0o700)
        disk = Disk(root)
        trace.record([sys.executable, "-m", "tests.powerloss.scenes", scene, str(root), str(acks)], path, HERE)
        moments = list(self._replay(disk, path, acks))
        self._check(disk, root)
        return moments

    def _replay(self, disk: Disk, path: Path, acks: Path) -> Iterator[Moment]:
        for call in trace.read(path):
            facts = _facts(call, acks) if call.begins else None
            if facts is not None:
                yield self._cut(disk, facts)
            disk.apply(call)

    def _cut(self, disk: Disk, facts: dict[str, Any]) -> Moment:
        moment = Moment(facts)
        for seed in range(SEEDS):
            path = self.folder / f"left-{len(list(self.folder.iterdir()))}"
            moment.left.append(disk.cut(path, random.Random(seed) if seed else None))
        return moment

    def _check(self, disk: Disk, root: Path) -> None:
        """The replay itself is right: with nothing forgotten it has the files that are there."""
        real = {str(path)[len(str(root)) :]: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        mapped = {name for name in {*real, *disk.files()} if name.endswith("-shm")}  # written through memory; rebuilt
        assert {name: data for name, data in disk.files().items() if name not in mapped} == {
            name: data for name, data in real.items() if name not in mapped
        }


def _facts(call: trace.Call, acks: Path) -> dict[str, Any] | None:
    if call.name == "write" and call.path(0) == str(acks):
        found: dict[str, Any] = json.loads(b"".join(call.texts(1)))
        return found
    if call.name == "execve" and any(b"train.py" in b"".join(call.texts(n)) for n in range(1, len(call.words))):
        return {"what": "script"}
    return None


@pytest.fixture
def cinema(tmp_path: Path) -> Cinema:
    if shutil.which("strace") is None:
        assert not os.environ.get("CI"), "CI installs strace"
        pytest.skip("strace is not installed")
    return Cinema(tmp_path)


def opened(path: Path, look: Callable[[Services], None]) -> None:
    services = open_embedded(path)
    try:
        look(services)
    finally:
        services.close()


def test_what_doors_claims_and_starts_acknowledged_is_there_after_a_power_cut(cinema: Cinema) -> None:
    moments = {moment.facts["what"]: moment for moment in cinema.play("host")}
    assert list(moments) == ["door", "message", "script", "ended"] or list(moments) == [
        "door",
        "script",
        "message",
        "ended",
    ]
    run_id = moments["door"].facts["run"]
    message = moments["message"].facts["id"]

    def has_run(services: Services) -> None:
        run = services.ports.runs.get(run_id)
        assert run is not None
        assert run.snapshot is None or services.ports.blobs.head(run.snapshot.container, run.snapshot.name)

    def has_message(services: Services) -> None:
        assert [each.id for each in services.ports.queue.peek("mine")] == [message]

    def has_claim(services: Services) -> None:
        run = services.ports.runs.get(run_id)
        assert run is not None
        assert (run.attempt, [each.number for each in services.ports.runs.attempts(run_id)]) == (1, [1])
        assert run.state is not State.QUEUED

    for path in moments["door"].left:
        opened(path, has_run)
    for path in moments["message"].left:
        opened(path, has_message)
    for path in moments["script"].left:
        opened(path, has_claim)
        [name] = [each.name for each in (path / "local" / "registers").iterdir()]
        decided = register.read(str(path / "local" / "registers" / name))
        assert decided is not None
        assert (decided.word, decided.records[0]["name"]) == (register.STARTED, name)
    for path in moments["ended"].left:
        found = result.read(str(path / "runs" / run_id / "1" / "result.json"))
        assert found is not None
        assert (found["outcome"], found["exit_code"]) == ("exited", 3)


def test_a_register_that_was_won_is_there_after_a_power_cut(cinema: Cinema) -> None:
    [moment] = cinema.play("win")
    for path in moment.left:
        decided = register.read(str(path / "local" / "registers" / "ry-a-1"))
        assert decided == register.Decision("started", "1.0 boot", [{"name": "ry-a-1"}])


def test_a_start_that_is_void_is_void_after_a_power_cut(cinema: Cinema) -> None:
    moments = cinema.play("void")
    reasons = ["the deadline passed", "it was late"]
    for moment, reason in zip(moments, reasons, strict=True):
        for path in moment.left:
            decided = register.read(str(path / "local" / "registers" / moment.facts["name"]))
            assert decided == register.Decision("void", reason, [])


def test_how_a_script_ended_is_there_after_a_power_cut(cinema: Cinema) -> None:
    [moment] = cinema.play("note")
    for path in moment.left:
        assert codes.read(str(path), (7, 50), "boot") == codes.Code(3, 12.5, 100)
