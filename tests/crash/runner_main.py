"""The runner's program with an assassin in it: a process is killed before or after its n-th call of the system, once.

It takes the place of ``__main__.py`` in the archive that hosts start (see :mod:`tests.crash.zygote`). Every call that changes what
others can see is counted, apart in the keeper and in the supervisor; files ``kill-<process>-<call>-<number>-<moment>`` beside the root
say where to kill.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = (
    "link",
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
    "posix_spawn",
    "ftruncate",
    "fsync",
    "write",
    "waitpid",
)
IS_BUILDER = "build-environment" in sys.argv
"""A builder of environments: what it does is tried elsewhere."""
FOLDER = "" if IS_BUILDER else str(Path(sys.argv[sys.argv.index("--root") + 1]).parent)
COUNTS: "Counter[tuple[str, str]]" = Counter()
LOCK = threading.RLock()
_open, _write, _close, _unlink = os.open, os.write, os.close, os.unlink


def role() -> str:
    """Which process this is: the keeper forks supervisors, and has none of their code."""
    return "supervisor" if "runyard_runner.serve" in sys.modules else "keeper"


def at(name: str, number: int, moment: str) -> None:
    """Kill this process, if it is to be killed here; each order is carried out once."""
    order = f"{FOLDER}/kill-{role()}-{name}-{number}-{moment}"
    try:
        _unlink(order)
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Count, and perhaps kill."""

    def counted(*args: Any, **more: Any) -> Any:
        if name == "write" and args[0] <= 2:
            return call(*args, **more)
        with LOCK:
            COUNTS[role(), name] += 1
            number = COUNTS[role(), name]
        descriptor = _open(FOLDER + "/runner-journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        _write(descriptor, (json.dumps([role(), name, number]) + "\n").encode())
        _close(descriptor)
        at(name, number, "before")
        answer = call(*args, **more)
        at(name, number, "after")
        return answer

    return counted


if not IS_BUILDER:
    for each in CALLS:
        setattr(os, each, around(each, getattr(os, each)))
    vars(subprocess)["Popen"] = around("Popen", subprocess.Popen)

from runyard_runner.__main__ import main  # type: ignore[import-not-found]  # noqa: E402

sys.exit(main())
