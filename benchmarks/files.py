"""What run configurations and snapshots cost: Runyard against the plain parser and the zipfile module, side by side.

Usage: files.py [--rounds 9] [--json] [--only parse save accept make unpack]

In every round each contender does the same work once, one after the other in changing order; what is shown is the median of
each, and the median of the rounds' ratios of ours to theirs. Files that are read or written are in the page cache. The run
configurations are real ones, in ``runconfigs/`` of the folder that RUNYARD_REFERENCE names (``../shared`` by default); without
them their figures are left out.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import os
import random
import shutil
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from runyard.runconfig.files import load, save
from runyard.runconfig.job import job_spec
from runyard.runconfig.locate import choose, is_candidate, keeper
from runyard.runconfig.read import parse
from runyard.runner.unpack import unpack
from runyard.snapshot.archive import open_archive
from runyard.snapshot.make import make_snapshot
from runyard.stores.embedded import FolderBlobs

REFERENCE = Path(os.environ.get("RUNYARD_REFERENCE", Path(__file__).parents[2] / "shared")) / "runconfigs"
TREES = {"50 files, 1 MB": (50, 1 << 20), "2,000 files, 100 MB": (2000, 100 << 20)}
RUNCONFIG = b"""script: f0.py
arguments:
- --alpha
- 0.5
target: local
framework: Python
communicator: None
maxRunDurationSeconds:
nodeCount: 1
environment:
  name: bench
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
  python:
    userManagedDependencies: true
    interpreterPath: python
  docker:
    enabled: false
    baseImage: mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04
    sharedVolumes: true
    arguments: []
history:
  outputCollection: true
  snapshotProject: true
  directoriesToWatch:
  - logs
"""

Work = Callable[[], object]


@dataclass
class Figure:
    """One thing to do, and what it took."""

    what: str
    of: str
    unit: str
    ours: float
    others: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    """Ours by theirs: below 1 we are faster."""


@dataclass(frozen=True)
class Contest:
    """The same work by several contenders; ours is the first."""

    what: str
    of: str
    works: Mapping[str, Work]
    per: int = 1
    """How many things one call does."""
    after: Callable[[], object] = lambda: None
    """Cleans up, outside the measured time."""
    scale: tuple[float, str] = (1e3, "ms")

    def run(self, rounds: int) -> Figure:
        for work in self.works.values():
            work()
            self.after()
        taken: dict[str, list[float]] = {name: [] for name in self.works}
        names = list(self.works)
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                gc.collect()
                begin = time.perf_counter()
                self.works[name]()
                taken[name].append(time.perf_counter() - begin)
                self.after()
        factor, unit = self.scale
        ours, *others = names
        medians = {name: statistics.median(times) * factor / self.per for name, times in taken.items()}
        ratios = {
            name: statistics.median(a / b for a, b in zip(taken[ours], taken[name], strict=True)) for name in others
        }
        return Figure(self.what, self.of, unit, medians[ours], {name: medians[name] for name in others}, ratios)


def real_files() -> list[Path]:
    """Every real run configuration."""
    return [
        path
        for path in sorted(REFERENCE.glob("*/*/*/*"))
        if is_candidate("/".join(path.parts[-2:])) and path.parent.name in {"aml_config", ".azureml"}
    ]


def of_folder(path: Path) -> Callable[[str], bytes | None]:
    """Gives the other files of a project, as the snapshot does."""
    root = path.parents[1]
    return lambda name: (root / name).read_bytes() if (root / name).is_file() else None


def parsing(files: Sequence[Path]) -> Contest:
    contents = [(path.read_bytes(), path.name, of_folder(path)) for path in files]

    def ours() -> None:
        for data, name, look in contents:
            parse(data, name, files=look)

    def plain() -> None:
        for data, _, _ in contents:
            yaml.load(data, yaml.CSafeLoader)

    def round_trip() -> None:
        for data, _, _ in contents:
            YAML().load(data)

    works = {"runyard": ours, "PyYAML, C, untyped": plain, "ruamel, round trip": round_trip}
    return Contest("parse", f"{len(files)} real files", works, per=len(files), scale=(1e6, "us"))


def saving(files: Sequence[Path], base: Path) -> Contest:
    """Load, change the target, save."""
    copies = []
    for number, path in enumerate(files):
        project = base / "projects" / str(number)
        shutil.copytree(path.parents[1], project, copy_function=shutil.copyfile)
        copies.append(project / path.parent.name / path.name)
    numbers = count()

    def ours() -> None:
        for path in copies:
            config = load(path)
            config.target = f"target{next(numbers)}"
            save(config)

    def round_trip() -> None:
        for path in copies:
            yaml12 = YAML()
            document = yaml12.load(path.read_bytes())
            document["target"] = f"target{next(numbers)}"
            out = io.BytesIO()
            yaml12.dump(document, out)
            path.write_bytes(out.getvalue())

    works = {"runyard": ours, "ruamel, round trip": round_trip}
    return Contest("load, change, save", f"{len(files)} real files", works, per=len(files), scale=(1e6, "us"))


def build(folder: Path, files: int, size: int) -> Path:
    """A project: its files are as large as each other, in folders of some twenty."""
    rest = random.Random(files)
    for index in range(files):
        path = (
            folder / f"f{index}.py"
            if index < 20
            else folder / f"pkg{index % 10}" / f"sub{index % 97}" / f"f{index}.bin"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rest.randbytes(size // files))
    (folder / "aml_config").mkdir()
    (folder / "aml_config" / "local.runconfig").write_bytes(RUNCONFIG)
    return folder


def accepting(of: str, base: Path, zipped: Path) -> Contest:
    container = base / "root" / "snapshots"
    container.mkdir(parents=True, exist_ok=True)
    path = container / zipped.name
    os.link(zipped, path)
    blobs = FolderBlobs(base / "root")

    def ours() -> None:
        with closing(blobs.open("snapshots", path.name)) as reader:
            archive = open_archive(reader.read, reader.info.size, name=path.name, keep=keeper())
            name = choose(archive.names)
            job_spec(parse(archive.read(archive.entries[name], 1 << 20), name), name)

    def module() -> None:
        with zipfile.ZipFile(path) as archive:
            (name,) = [
                name for name in archive.namelist() if name.startswith("aml_config/") and name.endswith("config")
            ]
            yaml.load(archive.read(name), yaml.CSafeLoader)

    return Contest("accept", of, {"runyard": ours, "zipfile + PyYAML": module}, scale=(1e6, "us"))


def making(of: str, base: Path, folder: Path) -> Contest:
    out = base / "out.zip"

    def module() -> None:
        with zipfile.ZipFile(out, "w") as archive:
            for above, folders, files in os.walk(folder):
                for name in (*folders, *files):
                    path = os.path.join(above, name)  # noqa: PTH118
                    archive.write(path, os.path.relpath(path, folder))

    def module_and_digest() -> None:
        module()
        with out.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    works = {
        "runyard": lambda: make_snapshot(folder, out),
        "zipfile": module,
        "zipfile + SHA-256": module_and_digest,
    }
    return Contest("make", of, works, after=lambda: out.unlink(missing_ok=True))


def unpacking(of: str, base: Path, zipped: Path) -> Contest:
    folder = base / "unpacked"

    def ours() -> None:
        folder.mkdir()
        unpack(str(zipped), "", str(folder))

    def module() -> None:
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(folder)

    works = {"runyard": ours, "zipfile": module}
    return Contest("unpack", of, works, after=lambda: shutil.rmtree(folder, ignore_errors=True))


def contests(base: Path, only: Sequence[str]) -> Iterator[Contest]:
    files = real_files()
    if files and "parse" in only:
        yield parsing(files)
    if files and "save" in only:
        yield saving(files, base)
    for number, (of, (amount, size)) in enumerate(TREES.items()):
        if not {"accept", "make", "unpack"}.intersection(only):
            return
        folder, zipped = build(base / f"tree{number}", amount, size), base / f"tree{number}.zip"
        make_snapshot(folder, zipped)
        if "accept" in only:
            yield accepting(of, base, zipped)
        if "make" in only:
            yield making(of, base, folder)
        if "unpack" in only:
            yield unpacking(of, base, zipped)


def rounds_of(contest: Contest, rounds: int) -> int:
    """More rounds where one is short."""
    begin = time.perf_counter()
    contest.works["runyard"]()
    took = time.perf_counter() - begin
    contest.after()
    return max(rounds, min(20 * rounds, int(0.5 / max(took, 1e-6))))


def show(figure: Figure) -> None:
    print(f"{figure.what}, {figure.of}: {figure.ours:,.1f} {figure.unit}")
    for name, value in figure.others.items():
        print(f"    {name:<22}{value:>12,.1f} {figure.unit}{figure.ratios[name]:>8.2f} of it")


def as_json(figures: Sequence[Figure]) -> str:
    shown: list[dict[str, Any]] = [asdict(figure) for figure in figures]
    return json.dumps({"cpus": len(os.sched_getaffinity(0)), "figures": shown}, indent=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    every = ("parse", "save", "accept", "make", "unpack")
    parser.add_argument("--rounds", type=int, default=9, help="at least; short work is done more often")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", choices=every, default=every)
    args = parser.parse_args()
    figures = []
    if not args.json and not real_files():
        print(
            f"no real run configurations at {REFERENCE} (RUNYARD_REFERENCE names another place): their figures are left out"
        )
    with tempfile.TemporaryDirectory(prefix="runyard-bench-") as base:
        for contest in contests(Path(base), args.only):
            figures.append(contest.run(rounds_of(contest, args.rounds)))
            if not args.json:
                show(figures[-1])
    if args.json:
        print(as_json(figures))


if __name__ == "__main__":
    main()
