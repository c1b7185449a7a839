"""Runyard on one machine against the floor (floor.py), side by side in one run.

Usage: local.py [--pairs 10] [--runs 200] [--slots 2] [--latency 40]

Throughput and CPU: the same snapshots with as many slots, in alternating pairs; the median of the pairs' ratios and
their range. Latency on an idle host: from the file's close, and from the queue's send, to the script's first line; for
the floor from having the file to the script's first line. CPU of a process that ended is counted too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

HERE = Path(__file__).resolve().parent
RUNYARD = str(Path(sys.executable).with_name("runyard"))
SCRIPT = 'import time\nprint(f"{time.time():.6f}")\nprint("step 1 of 1")\n'
RUNCONFIG = """script: train.py
arguments: []
target: local
framework: Python
environment:
  python:
    userManagedDependencies: true
    interpreterPath: python
"""
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 120.0


@dataclass(frozen=True)
class Figure:
    """What one pass over the snapshots took."""

    seconds: float
    cpu: float


def make_snapshot(path: Path) -> None:
    """A small snapshot, as a training folder has it: a script, a helper, a run configuration."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.py", SCRIPT)
        archive.writestr("mylib.py", "def alphas():\n    return [0.1, 0.2]\n")
        archive.writestr("aml_config/local.runconfig", RUNCONFIG)


def cpu_of(pids: Sequence[int]) -> float:
    """User and system seconds of processes and of their children that ended."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def processes_of(root: Path, host: int) -> list[int]:
    """The host, the supervisor of this root and its keeper."""
    found = [host]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != host:
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"keep" in line and os.fsencode(str(root)) in line:
                found.append(int(entry.name))
    return found


class System:
    """A running host on a root of its own."""

    def __init__(self, root: Path, slots: int) -> None:
        self.root = root
        subprocess.run(
            [RUNYARD, "--root", str(root), "compute", "set", "local", "--limit", str(slots)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with (root / "host.out").open("wb") as out:
            self.host = subprocess.Popen([RUNYARD, "--root", str(root), "up", "--port", "0"], stdout=out, stderr=out)
        deadline = time.monotonic() + 20
        while not (root / "host.json").exists():
            if time.monotonic() > deadline or self.host.poll() is not None:
                sys.exit((root / "host.out").read_text())
            time.sleep(0.02)
        self.info = json.loads((root / "host.json").read_text())
        self.table = sqlite3.connect(f"file:{root}/runyard.db?mode=ro", uri=True, isolation_level=None)

    def stop(self) -> None:
        self.table.close()
        self.host.send_signal(signal.SIGINT)
        self.host.wait(30)

    def ended(self, experiment: str) -> dict[str, str]:
        """Ended runs of an experiment: id to ending."""
        query = "SELECT id, ending FROM runs WHERE experiment = ? AND ending <> ''"
        return dict(self.table.execute(query, (experiment,)))

    def wait(self, experiment: str, count: int) -> dict[str, str]:
        query = "SELECT count(*) FROM runs WHERE experiment = ? AND ending <> ''"
        deadline = time.monotonic() + PATIENCE
        while (ended := self.table.execute(query, (experiment,)).fetchone()[0]) < count:
            if time.monotonic() > deadline:
                sys.exit(f"{ended} of {count} runs of {experiment} ended in {PATIENCE} s")
            time.sleep(0.01 if count > 1 else 0.002)
        found = self.ended(experiment)
        if set(found.values()) != {"Completed"}:
            sys.exit(f"not all runs of {experiment} completed: {found}")
        return found

    def throughput(self, staged: Path, experiment: str) -> Figure:
        """Move every staged zip into the drop folder and wait for the last ending."""
        folder = self.root / "snapshots" / experiment
        folder.mkdir()
        pids = processes_of(self.root, self.host.pid)
        zips = sorted(staged.glob("*.zip"))
        before, began = cpu_of(pids), time.time()
        for path in zips:
            path.rename(folder / path.name)
        self.wait(experiment, len(zips))
        return Figure(time.time() - began, cpu_of(pids) - before)

    def first_line(self, experiment: str) -> float:
        (run,) = self.wait(experiment, 1)
        log = self.root / "runs" / run / "1" / "azureml-logs" / "70_driver_log.txt"
        return float(log.read_text().splitlines()[0])

    def latency_of_close(self, source: Path, experiment: str) -> float:
        folder = self.root / "snapshots" / experiment
        folder.mkdir()
        data = source.read_bytes()
        time.sleep(0.1)
        with (folder / "a.zip").open("wb") as file:
            file.write(data)
        closed = time.time()
        return self.first_line(experiment) - closed

    def latency_of_send(self, client: httpx.Client, source: Path, experiment: str) -> float:
        uploads = self.root / "uploads"
        uploads.mkdir(exist_ok=True)
        shutil.copy(source, uploads / f"{experiment}.zip")
        body = {"experiment": experiment, "snapshot": f"uploads/{experiment}.zip"}
        time.sleep(0.1)
        sent = time.time()
        client.post("/api/queues/submissions/messages", json=body).raise_for_status()
        return self.first_line(experiment) - sent


def floor(staged: Path, slots: int, work: Path) -> Figure:
    """The same zips through bare threads."""
    work.mkdir()
    command = [sys.executable, str(HERE / "floor.py"), str(staged), str(slots), str(work)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Figure(result["seconds"], result["cpu"])


def floor_latency(source: Path, work: Path) -> float:
    """From having the file to the script's first line, in this process (it is warm, as the host is)."""
    work.mkdir()
    time.sleep(0.1)
    began = time.time()
    with zipfile.ZipFile(source) as archive:
        archive.extractall(work)
    with (work / "stdout.txt").open("wb") as out:
        subprocess.call([sys.executable, "train.py"], cwd=work, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    return float((work / "stdout.txt").read_text().splitlines()[0]) - began


def stage(base: Path, source: Path, count: int) -> Path:
    """So many copies of a snapshot, in a new folder on the same file system.

    Nothing is removed between passes: ext4 makes creating files slow for half a minute after files were deleted.
    """
    folder = Path(tempfile.mkdtemp(prefix="staged-", dir=base))
    for number in range(count):
        shutil.copy(source, folder / f"s{number:04d}.zip")
    return folder


@contextmanager
def workplace() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="runyard-bench-"))
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def spread(name: str, values: Sequence[float], unit: str = "", digits: int = 2) -> None:
    print(
        f"{name:<46} median {statistics.median(values):8.{digits}f}{unit}   {min(values):.{digits}f} to {max(values):.{digits}f}"
    )


def compare_throughput(system: System, base: Path, source: Path, args: argparse.Namespace) -> None:
    throughput, cpu, extra, rate = [], [], [], []
    for pair in range(args.pairs):

        def ours(pair: int = pair) -> Figure:
            return system.throughput(stage(base, source, args.runs), f"t{pair}")

        def bare(pair: int = pair) -> Figure:
            return floor(stage(base, source, args.runs), args.slots, base / f"floor{pair}")

        first, second = (ours, bare) if pair % 2 else (bare, ours)
        figures = {first.__name__: first(), second.__name__: second()}
        mine, theirs = figures["ours"], figures["bare"]
        throughput.append(theirs.seconds / mine.seconds)
        cpu.append(mine.cpu / theirs.cpu)
        extra.append((mine.cpu - theirs.cpu) / args.runs * 1000)
        rate.append(args.runs / mine.seconds)
        print(f"  pair {pair + 1}: {mine.seconds:.2f} s against {theirs.seconds:.2f} s", file=sys.stderr)
    spread("throughput, of the floor's", throughput)
    spread("runs a second", rate, digits=0)
    spread("CPU, of the floor's", cpu)
    spread("CPU above the floor, a run", extra, " ms")


def compare_latency(system: System, base: Path, source: Path, count: int) -> None:
    headers = {"Authorization": f"Bearer {system.info['token']}"}
    close, send, bare = [], [], []
    with httpx.Client(base_url=system.info["url"], headers=headers) as client:
        for number in range(count):
            bare.append(floor_latency(source, base / f"l{number}") * 1000)
            close.append(system.latency_of_close(source, f"c{number}") * 1000)
            send.append(system.latency_of_send(client, source, f"q{number}") * 1000)
    spread("floor: file to first line", bare, " ms")
    spread("file's close to first line", close, " ms")
    spread("queue's send to first line", send, " ms")
    spread("file's close, of the floor's", [a / b for a, b in zip(close, bare, strict=True)])
    spread("queue's send, of the floor's", [a / b for a, b in zip(send, bare, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--latency", type=int, default=40, help="samples of each latency")
    args = parser.parse_args()
    with workplace() as base:
        source = base / "source.zip"
        make_snapshot(source)
        root = base / "root"
        root.mkdir(mode=0o700)
        system = System(root, args.slots)
        try:
            system.throughput(stage(base, source, 20), "warm")
            compare_throughput(system, base, source, args)
            compare_latency(system, base, source, args.latency)
        finally:
            system.stop()


if __name__ == "__main__":
    main()
