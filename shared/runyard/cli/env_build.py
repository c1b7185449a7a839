"""Building an environment in the foreground, by the same builder that runs have."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runyard.cli.env_problems import as_ours, error_of
from runyard.cli.outcome import say
from runyard.cli.show import colourless
from runyard.errors import TransientError
from runyard.runner import build
from runyard.runner.environments import Ready, Wish, builder_command, find
from runyard.runner.problems import Problem
from runyard.targets.local.inherit import inherited


@dataclass(frozen=True, slots=True)
class Built:
    """An environment that is there now."""

    ready: Ready
    is_new: bool
    seconds: float


def have(wish: Wish) -> Built:
    """Find an environment, or build it; what is done is shown on stderr.

    Raises:
        RunyardError: in one sentence, why it cannot be built.
    """
    with as_ours():
        found = find(wish)
    if found is not None:
        return Built(found, is_new=False, seconds=0.0)
    began = time.monotonic()
    with _progress(wish) as tell:
        ready = _build(wish, tell)
    return Built(ready, is_new=True, seconds=time.monotonic() - began)


def _build(wish: Wish, tell: Callable[[str], None]) -> Ready:
    ending: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="runyard-") as folder:
        program = Path(folder) / "runner.pyz"
        build.build_zipapp(str(program))
        command = builder_command(sys.executable, str(program))
        with subprocess.Popen(  # noqa: S603 - this very interpreter and our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=inherited(), start_new_session=True
        ) as builder:
            try:
                ending = _talk(builder, wish, tell)
            finally:
                builder.kill()  # what it started goes with it; nothing, if it is done
    if "ready" in ending:
        return Ready.from_record(ending["ready"], wish)
    if "problem" in ending:
        raise error_of(Problem(ending["problem"], ending.get("class", "user")))
    raise TransientError("the environment's builder was ended before it was done; try again")


def _talk(builder: subprocess.Popen[bytes], wish: Wish, tell: Callable[[str], None]) -> dict[str, Any]:
    """Hand the wish over and pass on what the builder says; returns its last message."""
    assert builder.stdin is not None
    assert builder.stdout is not None
    try:
        builder.stdin.write(json.dumps(wish.record).encode())
        builder.stdin.close()
    except BrokenPipeError:
        return {}
    message: dict[str, Any] = {}
    for line in builder.stdout:
        message = json.loads(line)
        text = message.get("line") or message.get("note")
        if text:
            tell(text)
    builder.wait()
    return message if message.keys() & {"ready", "problem"} else {}


@contextmanager
def _progress(wish: Wish) -> Iterator[Callable[[str], None]]:
    """A line that moves on a terminal, over the lines so far; lines alone elsewhere."""
    begins = f"preparing the environment {wish.key[:12]}"
    if colourless():
        say(begins)
        yield say
        return
    from rich.console import Console  # noqa: PLC0415 - 60 ms

    from runyard.cli.terminal import plain  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    with console.status(begins) as status:

        def tell(text: str) -> None:
            console.print(plain(text), markup=False)
            status.update(f"{begins}: {_escaped(plain(text))}")

        yield tell


def _escaped(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    return escape(text[:100])
