"""Runs every fuzz target: ``python -m tests.fuzz --seconds 60``; exits with 1 after a finding, which it tells how to repeat."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

TARGETS = ("fuzz_runconfig", "fuzz_zip")
HERE = Path(__file__).parents[2]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--folder", type=Path, default=HERE / ".fuzz", help="where findings and inputs are kept")
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(
            "fuzzing needs atheris, which has no build for this Python and system: `pip install atheris`\n"
        )
        return 2
    each = max(1, arguments.seconds // len(TARGETS))
    failed = [name for name in TARGETS if not passes(name, each, arguments.seed, arguments.folder)]
    return 1 if failed else 0


def passes(name: str, seconds: int, seed: int, folder: Path) -> bool:
    """Run one target; tell of its findings."""
    before = findings(name, folder)
    options = ["--seconds", str(seconds), "--seed", str(seed), "--folder", str(folder)]
    command = [sys.executable, "-m", f"tests.fuzz.{name}", *options]
    done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, check=False)
    told = (done.stdout + done.stderr).decode(errors="replace")
    lines = told.splitlines()
    new = sorted(findings(name, folder) - before)
    if done.returncode == 0 and not new:
        runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
        sys.stdout.write(f"{name}: {runs} inputs in {seconds} s, nothing found\n")
        return True
    sys.stdout.write("\n".join(lines[-60:]) + f"\n{name}: a finding (exit code {done.returncode})\n")
    for path in new:
        sys.stdout.write(f"repeat it: PYTHONPATH=shared {sys.executable} -m tests.fuzz.{name} {path}\n")
    return False


def findings(name: str, folder: Path) -> set[Path]:
    """The inputs that were written as findings; a slow unit by the engine's own clock is none."""
    return {path for path in folder.glob(f"{name}-*") if "-slow-unit-" not in path.name}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{HERE / 'shared'}:{HERE}"}


if __name__ == "__main__":
    sys.exit(main())
