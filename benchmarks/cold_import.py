"""What a cold start of the Functions app costs in Python: importing it, then opening Azure's services, each in a fresh interpreter.

``python benchmarks/cold_import.py`` prints medians, and the modules whose own code takes longest. Aim: below 1 s.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1]
TIMES = 7
AIM = 1.0
BIGGEST = 12
SETTINGS = {
    "Storage": "UseDevelopmentStorage=true",
    "ServiceBus": "Endpoint=sb://127.0.0.1;SharedAccessKeyName=k;SharedAccessKey=a;UseDevelopmentEmulator=true;",
    "Runyard__secretsFolder": f"{tempfile.gettempdir()}/runyard-cold-import",
}
IMPORT = "import sys, time; sys.path[:0] = ['shared', '.']; t = time.perf_counter(); import function_app"
OPEN = """
from runyard.errors import UnsupportedError
imported = time.perf_counter()
try:
    from runyard.services import current
    current()
    opened = ""
except UnsupportedError as missing:
    opened = str(missing)
print(imported - t, time.perf_counter() - imported, opened, sep="\\t")
"""
LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


def run(*options: str, code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True, env={**os.environ, **SETTINGS})


def main() -> None:
    """Measure and print."""
    run(code=IMPORT)  # the byte code is written once, as a deployment has it
    rows = [run(code=IMPORT + OPEN).stdout.rstrip("\n").split("\t") for _ in range(TIMES)]
    imported, opened = (statistics.median(float(row[number]) for row in rows) for number in (0, 1))
    version = ".".join(map(str, sys.version_info[:3]))
    print(
        f"Python {version}, median of {TIMES}: import {imported:.2f} s, open Azure's services {opened:.2f} s (aim < {AIM:.0f} s)"
    )
    if rows[0][2]:
        print(f"not opened whole: {rows[0][2]}")
    own = [
        (int(found[1]), found[3])
        for found in map(LINE.match, run("-X", "importtime", code=IMPORT).stderr.splitlines())
        if found
    ]
    for micros, name in sorted(own, reverse=True)[:BIGGEST]:
        print(f"{micros / 1000:7.1f} ms  {name}")


if __name__ == "__main__":
    main()
