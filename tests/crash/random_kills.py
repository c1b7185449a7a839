"""Many runs on one root while its host, its supervisor and the supervisor's keeper are killed at random.

``make crash-test`` runs it in full: 1,000 runs, at least 20 kills. The seed that it prints repeats who is killed in which order;
when is a matter of timing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runyard.runs.model import Run
from tests.crash.yard import KillingYard, Zygote, lives, processes_of, yard
from tests.fakes import snapshot

SCRIPT: Final = """
import os, sys, time
line = os.environ["AZUREML_RUN_ID"] + " " + os.environ["RUNYARD_ATTEMPT"] + " {number}\\n"
descriptor = os.open({ledger!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(descriptor, line.encode())
time.sleep({seconds})
sys.exit({code})
"""
LIMIT: Final = 4
VICTIMS: Final = (("host",), ("supervisor",), ("keeper",), ("host", "supervisor"), ("host", "keeper"))


@dataclass
class Report:
    """What happened."""

    runs: int
    seconds: float
    kills: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        who = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return f"{self.runs} runs in {self.seconds:.0f} s, {sum(self.kills.values())} kills ({who}): none lost, none twice, all true"


def code_of(number: int) -> int:
    """The exit code of a run's script."""
    return number % 7


def lead(folder: Path, zygote: Zygote, *, runs: int, kills: int, seed: int) -> Report:
    """Have so many runs carried out under so many kills, and check every one.

    Raises:
        AssertionError: if a run is missing, ran twice, or is not on record as it ended.
    """
    chance = random.Random(seed)
    began = time.monotonic()
    with yard(folder, zygote) as made:
        made.start()
        made.open().gates.configure("local", limit=LIMIT)
        for number in range(runs):
            drop(made, number, chance)
        report = Report(runs, 0.0)
        while not is_done(made, runs) or sum(report.kills.values()) < kills:
            assert time.monotonic() - began < 60 + runs, made.tell()
            time.sleep(chance.uniform(0.05, 0.6))
            kill(made, chance.choice(VICTIMS), report)
            if not made.host_lives():
                made.start()
            if sum(report.kills.values()) >= kills:
                made.wait(lambda: is_done(made, runs) or None, 60 + runs)
        check(made, runs)
        report.seconds = time.monotonic() - began
    return report


def drop(made: KillingYard, number: int, chance: random.Random) -> None:
    """Put a zip into the drop folder in one step."""
    seconds = chance.choice((0.0, 0.0, 0.02, 0.2, 1.0))
    script = SCRIPT.format(number=number, ledger=str(made.ledger), code=code_of(number), seconds=seconds)
    part = made.root / "snapshots" / "exp" / f"{number}.part"
    part.write_bytes(snapshot({"train.py": script}))
    part.rename(part.with_suffix(".zip"))


def is_done(made: KillingYard, runs: int) -> bool:
    """Whether all have ended and nothing is held."""
    if not made.host_lives():
        made.start()
    there = made.runs()
    return len(there) >= runs and all(run.has_ended for run in there) and made.is_quiet()


def kill(made: KillingYard, victims: tuple[str, ...], report: Report) -> None:
    """Kill them all at once. Keeper and supervisor never go in the same instant: one of them is the other's witness."""
    pids = {"host": made.host, "supervisor": supervisor_of(made), "keeper": keeper_of(made)}
    if "keeper" in victims and not (pids["supervisor"] and pids["keeper"]):
        return
    there = [victim for victim in victims if lives(pids[victim])]
    for victim in there:
        with suppress(ProcessLookupError):
            os.kill(pids[victim], signal.SIGKILL)
            report.kills[victim] += 1
    if "keeper" in there:
        made.wait(lambda: has_another_keeper(made, pids["keeper"]) or None)


def has_another_keeper(made: KillingYard, old: int) -> bool:
    """Whether the next one is there, or there is nothing to keep."""
    return keeper_of(made) not in {0, old} or not processes_of(made.root)


def supervisor_of(made: KillingYard) -> int:
    """Its process id; 0 if there is none now."""
    try:
        pid = int((made.root / "local" / "supervisor.lock").read_text())
    except (OSError, ValueError):
        return 0
    return pid if lives(pid) else 0


def keeper_of(made: KillingYard) -> int:
    """The supervisor's parent; 0 if it has none that keeps it."""
    pid = supervisor_of(made)
    with suppress(OSError, IndexError, ValueError):
        parent = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[1]) if pid else 0
        if parent > 1 and b"\0keep\0" in Path(f"/proc/{parent}/cmdline").read_bytes():
            return parent
    return 0


def check(made: KillingYard, runs: int) -> None:
    """None missing, none twice, all on record as they ended."""
    executed = [line.split() for line in made.ledger.read_text().splitlines()]
    twice = [line for line, count in Counter((run, attempt) for run, attempt, _ in executed).items() if count > 1]
    assert [] == twice, made.tell()
    numbers = Counter(int(number) for _, _, number in executed)
    assert {} == {number: count for number, count in numbers.items() if count != 1}, made.tell()
    assert set(range(runs)) == set(numbers), sorted(set(range(runs)) - set(numbers))
    by_id: dict[str, Run] = {run.id: run for run in made.runs()}
    assert runs == len(by_id)
    wrong = [
        f"{run}: {by_id[run].status}, {by_id[run].exit_code} and not {code_of(int(number))}: {by_id[run].reason}"
        for run, _, number in executed
        if by_id[run].exit_code != code_of(int(number))
        or by_id[run].status != ("Failed" if code_of(int(number)) else "Completed")
    ]
    assert [] == wrong, "\n".join(wrong)
    for run in by_id.values():
        made.check(run)


def main() -> None:
    """In full."""
    parser = argparse.ArgumentParser(description="Runs on one root while its processes are killed at random.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    zygote = Zygote()
    try:
        with tempfile.TemporaryDirectory(prefix="runyard-") as folder:
            report = lead(Path(folder) / "yard", zygote, runs=asked.runs, kills=asked.kills, seed=asked.seed)
    finally:
        zygote.close()
    sys.stdout.write(f"{report}\n")


if __name__ == "__main__":
    main()
