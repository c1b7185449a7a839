"""The start register: one file per attempt, made by create-if-absent. Who creates it decides whether the script starts.

The runner writes ``started`` before it does anything else; the control plane writes ``void <reason>``. It is never
removed with the attempt's other files, so that a repeated submission meets it.

While the attempt goes on, the lines after the first hold what a later supervisor needs to take it over: the job, then
the script's process. They go when the result is there.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional

from .places import write_all

STARTED = "started"
VOID = "void"

Record = Dict[str, Any]


class Decision(NamedTuple):
    """What a register says."""

    word: str
    """``started`` or ``void``."""
    reason: str
    records: List[Record]
    """The job, then the process; empty once the attempt has its result."""


def win(path: str, text: str, record: Optional[Record] = None) -> bool:
    """Create the register with ``text`` and, on a line of its own, ``record``; whether it was this call that did.

    Raises:
        OSError: if it cannot be written; nothing is decided then.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        return False
    lines = text + "\n" + (json.dumps(record) + "\n" if record is not None else "")
    try:
        write_all(descriptor, lines.encode())
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    return True


def add(path: str, record: Record) -> None:
    """Add a record."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        write_all(descriptor, json.dumps(record).encode() + b"\n")
    finally:
        os.close(descriptor)


def drop_records(path: str) -> None:
    """Keep the decision alone."""
    with open(path, "r+b") as stream:
        stream.truncate(len(stream.readline()))


def read(path: str) -> Optional[Decision]:
    """``None`` if nobody decided yet.

    A register without its text was won by a program that died in the act. As nothing starts before the text is
    there, and nobody else can win it any more, it counts as started: gone, with no result.
    """
    try:
        with open(path, "rb") as stream:
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return None
    word, _, reason = lines[0].partition(" ")
    records = []
    for line in lines[1:]:
        try:
            records.append(json.loads(line))
        except ValueError:
            break  # the end, or a line that was being written when its writer died
    return Decision(VOID if word == VOID else STARTED, reason, records)
