"""The result of an attempt: a small JSON file, written last and in one step."""

import json
import os
from typing import Any, Dict, Optional

from .places import write_all

SCHEMA = 1

OUTCOMES = ("exited", "timeout", "canceled", "interrupted", "failed")
"""How an attempt ends, in a word.

``exited``: the script ended by itself (also by a signal: exit code ``-N``). ``timeout``, ``canceled``: it was ended.
``interrupted``: it started, is gone, and how it ended is not known. ``failed``: it could not be prepared.
"""

Result = Dict[str, Any]


def write(path: str, result: Result) -> None:
    """Write a result so that readers see all of it or nothing.

    Raises:
        OSError: if there is no room; nothing is left behind then.
    """
    temporary = path + ".new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o644)
    try:
        write_all(descriptor, json.dumps(result).encode())
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def read(path: str) -> Optional[Result]:
    """The result, or ``None`` if there is none (a file that a power cut left torn is none)."""
    try:
        with open(path, "rb") as stream:
            found = json.loads(stream.read().decode())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("outcome") in OUTCOMES else None
