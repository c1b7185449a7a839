"""What an environment costs that is there already, and what building one does, with each resolver that is here.

Usage: python -m benchmarks.environments [--rounds N]. Builds a small environment in a temporary cache: one wheel, made here, no index asked.
The second use is what a run pays in the supervisor: reading the wish, its key, finding the environment and holding it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from runyard.runner.build import build_zipapp
from runyard.runner.environments import builder_command, find, hold, read_wish, release
from tests.targets.environments import make_wheel


def record_of(folder: Path, resolver: str) -> dict[str, Any]:
    """A wish of the size that real ones have: twenty packages, of which one is not left out."""
    lines = [f"azureml-package-{number}==1.0.{number}" for number in range(19)]
    pip = ["--no-index", f"--find-links {folder / 'wheels'}", "greeting", *lines]
    conda = {"channels": ["conda-forge"], "dependencies": [{"pip": pip}], "variables": {"OMP_NUM_THREADS": "4"}}
    return {"conda": conda, "cache": str(folder / "cache"), "python": sys.executable, "resolver": resolver}


def use(text: str) -> None:
    """What a run does whose environment is there."""
    ready = find(read_wish(json.loads(text)))
    assert ready is not None
    held = hold(ready, inheritable=True)
    assert held is not None
    release(held)


def timed(rounds: int, work: Any) -> list[float]:
    """Milliseconds of each round."""
    result = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        result.append((time.perf_counter() - began) * 1000)
    return sorted(result)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_wheel(folder / "wheels", "greeting", "1.2")
        build_zipapp(str(folder / "runner.pyz"))
        command = builder_command(sys.executable, str(folder / "runner.pyz"))
        for resolver in ("uv", "pip"):
            text = json.dumps(record_of(folder, resolver))
            began = time.perf_counter()
            done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
            if done.returncode:
                print(f"{resolver}: {json.loads(done.stdout.splitlines()[-1])['problem']}")
                continue
            print(f"build with {resolver}: {time.perf_counter() - began:.2f} s")
            spent = timed(rounds, lambda text=text: use(text))
            figures = (statistics.median(spent), spent[int(rounds * 0.99)], spent[-1])
            print("second use: median {:.3f} ms, 99 % below {:.3f} ms, longest {:.3f} ms".format(*figures))
        began = time.perf_counter()
        subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        print(f"the builder, asked for what is there: {(time.perf_counter() - began) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
