"""Finds what an attempt's script left behind: processes that forked twice, called setsid, or changed their folder."""

import hashlib
import os
import signal
from typing import List, Set, Tuple

from . import process

RUN_VARIABLE = "AZUREML_RUN_ID"
ATTEMPT_VARIABLE = "RUNYARD_ATTEMPT"


class Quarry:
    """How the processes of one attempt are known: by session or group, by the run's variables, by folder or log."""

    __slots__ = ("leader", "tag", "_log", "_marks", "_work")

    def __init__(self, run: str, attempt: int, work: str, log: str, mark: str = "") -> None:
        """``mark`` is a variable (``NAME=value``) to know its processes by, instead of the run's."""
        self.leader = 0
        """The script's process id, which is its session's and its group's too; 0 = not known."""
        marks = [mark] if mark else ["%s=%s" % (RUN_VARIABLE, run), "%s=%d" % (ATTEMPT_VARIABLE, attempt)]
        self._marks = tuple(os.fsencode("\0%s\0" % each) for each in marks)
        self.tag = int(hashlib.sha256(os.fsencode(work)).hexdigest()[:15], 16) or 1
        """What the script and its descendants carry (:func:`.process.tag_of`); of this attempt on this root alone."""
        self._work = work
        self._log = log

    def owns(self, pid: int, found: process.Stat) -> bool:
        """Whether the process is of this attempt, whoever's child it is; ``found`` is its stat."""
        if self.leader and self.leader in (found.session, found.group):
            return True
        return self.is_marked(pid)

    def is_marked(self, pid: int) -> bool:
        """Whether the run's variables are in its environment."""
        try:
            with open("/proc/%d/environ" % pid, "rb") as stream:
                environment = b"\0" + stream.read() + b"\0"
        except OSError:
            return False
        return all(mark in environment for mark in self._marks)

    def is_at_home(self, pid: int) -> bool:
        """Whether the process is where the script was, or writes to its log.

        To be asked of our descendants alone: a user's shell may be there too.
        """
        if (_link("/proc/%d/cwd" % pid) + "/").startswith(os.path.realpath(self._work) + "/"):
            return True
        return os.path.realpath(self._log) in (_link("/proc/%d/fd/1" % pid), _link("/proc/%d/fd/2" % pid))


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def find_all(quarry: Quarry) -> List[int]:
    """Every living process of the attempt on this machine, by a walk through /proc. A few ms."""
    return [pid for pid in process.every_pid() if _lives(pid, quarry)]


def _lives(pid: int, quarry: Quarry) -> bool:
    if pid <= 1 or pid == os.getpid():
        return False
    found = process.read_stat(pid)
    return found is not None and found.state not in ("Z", "X") and quarry.owns(pid, found)


def find_script(quarry: Quarry) -> Tuple[int, int]:
    """(process id, start time) of the script itself, which leads its session; (0, 0) if it does not run."""
    for pid in process.every_pid():
        found = process.read_stat(pid)
        if found is not None and found.session == pid and found.state != "Z" and quarry.is_marked(pid):
            return pid, found.start
    return 0, 0


def group_of(pid: int) -> int:
    """The group that a process is in; 0 if it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def kill_orphans(quarry: Quarry, scripts: Set[int], alone: bool, keeper: int = 0) -> int:
    """Kill those of our children that are no scripts and belong to the attempt; reap the dead ones.

    The orphans of an adopted script become our parent's, the keeper's: those that belong to the attempt are killed, too.

    As every orphan among our descendants becomes our child, doing this until nothing is found leaves nothing behind.

    Args:
        quarry: Of the attempt.
        scripts: The process ids of all scripts that we carry.
        alone: Whether there is no other attempt: then an orphan that shows nobody's marks belongs to this one.
        keeper: The process id of the keeper, if the script was adopted; else 0.

    Returns:
        How many were still there.
    """
    count = 0
    for pid in process.children():
        if pid in scripts:
            continue
        found = process.read_stat(pid)
        if found is None or found.state == "Z":
            reap_quietly(pid)
        elif alone or quarry.owns(pid, found) or quarry.is_at_home(pid):
            count += process.send(pid, signal.SIGKILL)
    for pid in process.children(keeper) if keeper and keeper == os.getppid() else ():
        found = process.read_stat(pid) if pid not in scripts and pid != os.getpid() else None
        if found is not None and found.state != "Z" and (quarry.owns(pid, found) or quarry.is_at_home(pid)):
            count += process.send(pid, signal.SIGKILL)
    return count


def reap_quietly(pid: int) -> None:
    """Reap a dead child whose exit code is known, or wanted by nobody; one that is gone, or lives, is left alone."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def reap_orphans(scripts: Set[int]) -> None:
    """Reap the dead among our children that are no scripts."""
    for pid in process.children():
        if pid not in scripts:
            reap_quietly(pid)
