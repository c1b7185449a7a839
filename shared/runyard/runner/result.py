"""The result of an attempt: a small JSON file, written last and in one step."""

import json
import os
from typing import Any, Dict, Optional, Sequence, Tuple

from .durable import sync_folders
from .job import Job
from .places import write_all
from .plain import open_plain, read_plain, set_aside
from .problems import NO_ROOM
from .verdict import Verdict

SCHEMA = 1

OUTCOMES = ("exited", "timeout", "canceled", "interrupted", "failed")
"""How an attempt ends, in a word.

``exited``: the script ended by itself (also by a signal: exit code ``-N``). ``timeout``, ``canceled``: it was ended.
``interrupted``: it started, is gone, and how it ended is not known. ``failed``: it could not be prepared.
"""

Result = Dict[str, Any]

_MOST = 1 << 20
"""Bytes: a longer file is none of ours."""
_MOST_NOTES, _LONGEST_NOTE = 200, 1000
"""Notes of a result, and characters of each."""
_LARGEST = 1 << 53
"""Of any number in it."""
_NONE = type(None)
_MISSING = object()
_FORMS: Tuple[Tuple[str, Any], ...] = (
    ("exit_code", (int, _NONE)),
    ("error", str),
    ("error_class", str),
    ("started", (int, float, _NONE)),
    ("ended", (int, float)),
    ("log_bytes", int),
    ("log_complete", bool),
)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def make(
    job: Job,
    verdict: Verdict,
    code: Optional[int],
    started: Optional[float],
    ended: float,
    notes: Sequence[str] = (),
) -> Result:
    """The result of an attempt that ended; how much log there is follows when it is all there."""
    made: Result = {
        "schema": SCHEMA,
        "run": job.run,
        "attempt": job.attempt,
        "outcome": verdict.outcome,
        "exit_code": code,
        "error": verdict.message,
        "error_class": verdict.error_class,
        "started": started,
        "ended": ended,
        "log_bytes": 0,
        "log_complete": True,
    }
    if notes:
        made["notes"] = [note[:_LONGEST_NOTE] for note in notes[:_MOST_NOTES]]
    return made


def write(path: str, result: Result) -> None:
    """Write a result so that readers see all of it or nothing. What the script left in its place is moved aside.

    It is on disk when this returns, and so are the folders ``runs/<run id>/<attempt>`` that it is in: what is told of
    an ending is true after a power cut.

    Raises:
        OSError: if there is no room, or the disk fails; then it is to be written again, whatever is there.
    """
    temporary = path + ".new"
    try:
        descriptor = open_plain(temporary, _NEW_FILE, 0o644)
    except OSError as error:
        if error.errno in NO_ROOM or not os.path.lexists(temporary):
            raise
        set_aside(temporary)
        descriptor = open_plain(temporary, _NEW_FILE, 0o644)
    try:
        try:
            write_all(descriptor, json.dumps(result).encode())
        except OSError:
            os.unlink(temporary)
            raise
        try:
            os.rename(temporary, path)
        except IsADirectoryError:
            set_aside(path)
            os.rename(temporary, path)
        # Synced under its own name: file systems with a journal then write both at once, and the folders with them. What
        # a power cut leaves of a file before that is torn, and none.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folders(path, 3)


def confirm(path: str) -> None:
    """See that a result that is there is on disk: whoever wrote it may have been killed before it was.

    Raises:
        OSError: if it cannot be written.
    """
    descriptor = open_plain(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folders(path, 3)


def read(path: str) -> Optional[Result]:
    """The result, or ``None`` if there is none: a file that a power cut left torn, or that is not ours, is none.

    Raises:
        OSError: if the system cannot read files now.
    """
    data = read_plain(path, _MOST)
    if data is None:
        return None
    try:
        found = json.loads(data.decode())
        return found if isinstance(found, dict) and _is_whole(found) else None
    except (ValueError, RecursionError):
        return None


def _is_whole(found: Result) -> bool:
    """Whether every field is there and of its form."""
    if found.get("outcome") not in OUTCOMES:
        return False
    for name, allowed in _FORMS:
        value = found.get(name, _MISSING)
        if not isinstance(value, allowed) or isinstance(value, bool) != (allowed is bool):
            return False
        if isinstance(value, (int, float)) and not -_LARGEST < value < _LARGEST:
            return False
        if isinstance(value, str):
            value.encode()  # a ValueError for half of a surrogate pair
    return _are_notes(found.get("notes", []))


def _are_notes(found: Any) -> bool:
    """Whether it is what :func:`make` writes of what was done otherwise; results without are older, or have none."""
    if not isinstance(found, list) or not all(isinstance(note, str) for note in found):
        return False
    for note in found:
        note.encode()
    return True
