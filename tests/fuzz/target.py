"""One fuzz target: inputs from a coverage-guided engine, and what counts as a finding.

A finding is any exception but those that a target names, an input that takes more than a second, and one that makes the process
grow by more than 64 MB.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 1.0
"""Of one input, measured a second time without the engine's instruments, which slow Python down severalfold."""
GROWTH = 64 << 20
"""Bytes that one input may add to the process."""


class SlowError(AssertionError):
    """An input took too long."""


class GreedyError(AssertionError):
    """An input took too much memory."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is fuzzed."""

    name: str
    """Of the module under ``tests.fuzz``."""
    run: Callable[[bytes], object]
    """Reads an input; raises for a finding, and for nothing else."""
    seeds: Callable[[], Sequence[bytes]]
    words: tuple[bytes, ...] = ()
    """What inputs are made of: the engine puts these in."""
    longest: int = 4096
    """Bytes of an input."""


def check(target: Target, data: bytes) -> None:
    """Run one input.

    Raises:
        SlowError: if it takes too long.
        GreedyError: if it takes too much memory.
        Exception: whatever else the target does not expect.
    """
    before, begin = _memory(), time.process_time()
    target.run(data)
    if time.process_time() - begin > SECONDS:
        begin = time.process_time()
        target.run(data)  # once more, as the first one may have paid for imports
        if (seconds := time.process_time() - begin) > SECONDS:
            raise SlowError(f"{seconds:.1f} s for {len(data)} bytes")
    if (grown := _memory() - before) > GROWTH:
        raise GreedyError(f"{grown / 1e6:.0f} MB for {len(data)} bytes")


def _memory() -> int:
    """Most bytes that the process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fuzz(target: Target, folder: Path, seconds: int, seed: int) -> None:
    """Fuzz for some seconds; the process ends with it, with a status other than 0 after a finding."""
    atheris = engine()
    corpus = folder / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(data)
    words = folder / f"{target.name}.words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={folder}/{target.name}-",
        f"-dict={words}",
        f"-seed={seed}",
        "-timeout=20",
        "-rss_limit_mb=1024",
        "-verbosity=0",
        "-print_final_stats=1",
        str(corpus),
    ]
    atheris.Setup([target.name, *options], lambda data: check(target, data), enable_python_coverage=True)
    atheris.Fuzz()


def engine() -> Any:
    """atheris, which has builds for Linux and the usual Pythons only, and no types."""
    return importlib.import_module("atheris")


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main(load: Callable[[], Target], names: tuple[str, ...]) -> int:
    """The command of one target: ``python -m tests.fuzz.<name> --seconds 60``, or ``… FILE`` to repeat a finding.

    Args:
        load: Makes the target; it imports what is fuzzed.
        names: The modules that are to be instrumented as they are imported.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path, help="an input to run once")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="where findings and inputs are kept")
    arguments = parser.parse_args()
    if arguments.file is not None:
        check(load(), arguments.file.read_bytes())
        return 0
    with engine().instrument_imports(include=list(names), enable_loader_override=False):
        target = load()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    fuzz(target, arguments.folder, arguments.seconds, arguments.seed)
    return 0
