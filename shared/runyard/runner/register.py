"""The start register: one file per attempt, made by create-if-absent. Who creates it decides whether the script starts.

The runner writes ``started`` before it does anything else; the control plane writes ``void <reason>``. It is never
removed with the attempt's other files, so that a repeated submission meets it.

While the attempt goes on, the lines after the first hold what a later supervisor needs to take it over: the job, then
the script's process, then the verdict if it is being ended. They go when the result is there.

Whoever won is on disk before anything is done about it, so that a power cut does not let another win.
"""

import errno
import json
import os
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .durable import sync_folder
from .places import write_all
from .plain import open_plain, read_plain, set_aside
from .verdict import Verdict

STARTED = "started"
VOID = "void"

Record = Dict[str, Any]

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK)
"""What file systems without hard links answer."""
_MOST = 64 << 20
"""Bytes of a register that are read."""


class Decision(NamedTuple):
    """What a register says."""

    word: str
    """``started`` or ``void``."""
    reason: str
    records: List[Record]
    """The job, then the process; empty once the attempt has its result."""


class Process(NamedTuple):
    """A script's process, as its register has it."""

    pid: int
    start: int
    """Clock ticks since boot."""
    started: float
    """Seconds since the epoch."""
    boot: str


def process_of(records: List[Any]) -> Optional[Process]:
    """The process in a register's records; ``None`` if it was not noted, or not in a form that we write."""
    for known in records[1:]:
        try:
            found = Process(int(known["pid"]), int(known["start"]), float(known["started"]), str(known["boot"]))
        except (LookupError, TypeError, ValueError, OverflowError):
            continue
        if 1 < found.pid < 1 << 31 and abs(found.started) < 1 << 53:
            return found
    return None


def sought_at(records: List[Any]) -> Optional[int]:
    """When, in clock ticks since boot, the first supervisor after the one that prepared it last looked for the script."""
    found = None
    for record in records[1:]:
        if isinstance(record, dict) and "again" in record:
            found = None
        elif isinstance(record, dict) and isinstance(record.get("sought"), int) and found is None:
            found = int(record["sought"])
    return found


def verdict_of(records: List[Any]) -> Optional[Verdict]:
    """Why the script was being ended, if it was: noted before it was told so, as its supervisor may be killed meanwhile."""
    for record in records[1:]:
        try:
            found = Verdict(*record["verdict"])
        except (LookupError, TypeError):
            continue
        if found.outcome in ("timeout", "canceled") and all(isinstance(text, str) for text in found):
            return found
    return None


class Won(NamedTuple):
    """Who won a register that says ``started``, and when."""

    boot: str
    tick: int
    """Clock ticks since boot."""
    supervisor: Tuple[int, int]
    """Its process id and start."""
    keeper: Tuple[int, int]
    """The supervisor's keeper: process id and start; (0, 0) if it had none."""


def started_by(won: Won) -> str:
    """The text to win a register with."""
    return "%s %.3f %s %d %d %d %d %d" % ((STARTED, time.time(), won.boot, won.tick) + won.supervisor + won.keeper)


def won_at(path: str) -> Won:
    """What :func:`started_by` said, or, if it was prepared again by another supervisor, what that said.

    An empty boot if the register does not say.
    """
    decision = read(path)
    words = decision.reason.split() if decision is not None else []
    for record in decision.records if decision is not None else []:
        if isinstance(record, dict) and isinstance(record.get("again"), str):
            words = record["again"].split()[1:]
    try:
        _, boot, *numbers = words
        tick, pid, start, keeper, keeper_start = map(int, numbers)
        return Won(boot, tick, (pid, start), (keeper, keeper_start))
    except ValueError:
        return Won("", 0, (0, 0), (0, 0))


def win(path: str, text: str, record: Optional[Record] = None, durable: bool = True) -> bool:
    """Create the register with ``text`` and, on a line of its own, ``record``; whether it was this call that did.

    If it was, a power cut does not undo it any more: the file and its name are on disk. Not so without ``durable``:
    then nothing may be done about it before :func:`confirm`.

    Raises:
        OSError: if it cannot be written; nothing is decided then.
    """
    data = (text + "\n" + (json.dumps(record) + "\n" if record is not None else "")).encode()
    folder = os.path.dirname(path)
    # It appears with its text, in one step: a program that is killed in the act has won, and said so, or has not.
    temporary = "%s/.%d-%d.new" % (folder, os.getpid(), threading.get_ident())
    try:
        _write(temporary, os.O_TRUNC, data, durable)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            try:
                _write(path, os.O_EXCL, data, durable)
            except FileExistsError:
                return False
    finally:
        _remove(temporary)
    if durable:
        try:
            sync_folder(folder)
        except OSError:
            _remove(path)
            raise
    return True


def _write(path: str, flag: int, data: bytes, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flag | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    except OSError:
        _remove(path)
        raise
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def confirm(path: str) -> None:
    """See that a register that is there is on disk: whoever made it may have been killed before it was.

    Raises:
        OSError: if it cannot be written.
    """
    descriptor = open_plain(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(os.path.dirname(path))


def add(path: str, record: Record) -> None:
    """Add a record."""
    descriptor = open_plain(path, os.O_WRONLY | os.O_APPEND)
    try:
        write_all(descriptor, json.dumps(record).encode() + b"\n")
    finally:
        os.close(descriptor)


def drop_records(path: str) -> None:
    """Keep the decision alone. Where the script removed the register, or put something else there, it is made anew."""
    try:
        descriptor = open_plain(path, os.O_RDWR)
    except OSError:
        if os.path.lexists(path):
            set_aside(path)
        win(path, STARTED)
        return
    with os.fdopen(descriptor, "r+b") as stream:
        stream.truncate(len(stream.readline(_MOST)))


def read(path: str) -> Optional[Decision]:
    """``None`` if nobody decided yet.

    A register without its text was won by a program that died in the act. As nothing starts before the text is
    there, and nobody else can win it any more, it counts as started: gone, with no result. So does what is no file.
    """
    data = read_plain(path, _MOST)
    if data is None and not os.path.lexists(path):
        return None
    lines = (data or b"").decode("utf-8", "replace").split("\n")
    word, _, reason = lines[0].partition(" ")
    records = []
    for line in lines[1:]:
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError):
            break  # the end, or a line that was being written when its writer died
    return Decision(VOID if word == VOID else STARTED, reason, records)
