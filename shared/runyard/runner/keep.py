"""The keeper: the supervisor's parent, and the heir of its scripts.

When the supervisor is killed the system makes its scripts the keeper's children, as it is the nearest subreaper
(PR_SET_CHILD_SUBREAPER, prctl(2)). The keeper starts another supervisor, which takes them over, and notes how each
ends before it reaps it. It does nothing else, so that there is little to go wrong. When the keeper itself is killed the
supervisor turns into a keeper in place (:func:`turn_into`): a process that executes another program keeps its number
and its children.
"""

import os
import select
import signal
import sys
import time
import traceback
from typing import List, Optional

from . import codes, hunt, process

LINGER = 10.0
"""Seconds without attempts and hosts after which a supervisor leaves."""

HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)
"""Signals that mean nothing to the keeper and the supervisor; by default each ends a program."""

LOCKED = 3
"""Exit code of a supervisor that found another one on its root."""

_STEADY = 10.0
"""Seconds that a supervisor must have lived for its death to be no sign of more to come."""
_LONGEST_PAUSE = 30.0
_MOST_TRIES = 6
"""Supervisors in a row that died young, after which there is no other if there are no scripts either."""
_RETRY = 1.0
"""Seconds between tries to note an end while the disk is full."""
_SILENT = 60.0
"""Seconds without a heartbeat after which the supervisor that we lost the root to may be gone; it beats every 10."""


class Keeper:
    """Starts supervisors of a root, one at a time, and waits."""

    def __init__(self, root: str, build: str, linger: float) -> None:
        self._root = root
        self._build = build
        self._linger = linger
        self._boot = process.boot_id()
        self._supervisor = 0
        """Its process id; 0 = there is none."""
        self._started = 0.0
        self._died = process.ticks()
        """When the last supervisor was seen dead, in clock ticks since boot."""
        self._young = 0
        self._due: Optional[float] = 0.0
        """When to start the next; ``None`` = not at all."""
        self._code = 0
        self._stuck = False
        """Whether an end could not be noted."""
        self._wake, self._bell = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._bell, False)

    def run(self) -> int:
        """Keep until nothing is left to be kept; returns the exit code of the last supervisor."""
        signal.set_wakeup_fd(self._bell)
        while True:
            self._reap()
            if not self._supervisor and self._due is not None and time.monotonic() >= self._due:
                self._start()
            if not self._supervisor and self._due is None and not process.children():
                return self._code
            select.select([self._wake], [], [], self._patience())
            try:
                os.read(self._wake, 4096)
            except BlockingIOError:
                self._look_after_the_other()

    def _patience(self) -> Optional[float]:
        if self._stuck:
            return _RETRY
        if self._supervisor:
            return None
        return _SILENT if self._due is None else max(0.0, self._due - time.monotonic())

    def _start(self) -> None:
        me = os.getpid()
        try:
            self._supervisor = os.fork()
        except OSError:  # no memory, or too many processes: later perhaps
            self._due = time.monotonic() + _RETRY
            return
        first = not self._started
        self._started = time.monotonic()
        if self._supervisor:
            if first:
                os.dup2(2, 1)  # the host that waits for "ready" must learn when nobody is left who could say it
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._wake)
            os.close(self._bell)
            from .serve import serve  # noqa: PLC0415 - what the supervisor needs is not to be in the keeper's memory

            code = serve(self._root, self._build, self._linger, keeper=me, announce=first)
        except BaseException:  # the process's boundary: recorded in the supervisor's log
            traceback.print_exc()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """See who ended: first the supervisor, then whom it left."""
        self._stuck = False
        if self._supervisor:
            code = process.peek(self._supervisor)
            if code is not None:
                self._died = process.ticks()
                hunt.reap_quietly(self._supervisor)
                self._supervisor = 0
                self._decide(code)
        while True:
            pid = process.ended_child()
            if not pid or pid == self._supervisor:
                return
            if not self._note(pid):
                self._stuck = True
                return
            hunt.reap_quietly(pid)

    def _note(self, pid: int) -> bool:
        """Note how a child ended, if it can have been a script: those lead their sessions. Whether it may be reaped."""
        found = process.read_stat(pid)
        if found is None or found.session != pid:
            return True
        tag = process.tag_of(pid)
        if tag == process.BUILDER_TAG:
            return True
        code = process.peek(pid)
        if code is None:
            return False
        # It may be seen before its supervisor is: the system hands children on first.
        orphaned = self._died if self._died >= found.start else process.ticks()
        try:
            noted = codes.Code(code, time.time(), orphaned, tag)
            codes.write(self._root, (pid, found.start), self._boot, noted)
        except OSError as error:
            # It stays a zombie, of which a supervisor can read how it ended; unless the root itself is gone.
            return isinstance(error, FileNotFoundError)
        return True

    def _decide(self, code: int) -> None:
        """What to do when the supervisor has ended with an exit code."""
        self._code = code
        if code in (0, LOCKED):
            self._due = None  # nothing is to be done, or another does it
            return
        lived = time.monotonic() - self._started
        self._young = self._young + 1 if lived < _STEADY else 0
        if not process.children() and (code > 0 or self._young >= _MOST_TRIES):
            self._due = None  # a host that needs one starts it
            return
        pause = min(_LONGEST_PAUSE, 2.0 ** (self._young - 2)) if self._young > 1 else 0.0
        self._due = time.monotonic() + pause

    def _look_after_the_other(self) -> None:
        """Another supervisor has our children: should it be gone, too, with its keeper, we start one again."""
        if self._supervisor or self._due is not None or self._code != LOCKED:
            return
        try:
            silent = time.time() - os.stat(self._root + "/local/supervisor.lock").st_mtime
        except OSError:
            return
        if silent > _SILENT:
            self._due = 0.0


def keep(root: str, build: str, linger: float = LINGER, in_place: bool = False) -> int:
    """Be the keeper of a root: in the background, unless ``in_place``, where this process has children to keep.

    The supervisor prints ``ready`` once hosts can connect.

    Returns:
        The exit code: that of the last supervisor.
    """
    if not in_place and os.fork():
        os._exit(0)  # our parent is not to wait for us, and we are nobody's child
    process.become_subreaper()
    for number in HARMLESS + (signal.SIGCHLD,):
        # A handler and not SIG_IGN, which the supervisor's scripts would inherit.
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HARMLESS)
    os.chdir("/")
    if not in_place:
        os.setsid()  # a signal to the host's group is not for us
    return Keeper(root, build, linger).run()


def turn_into(root: str, build: str, linger: float) -> None:
    """Become the keeper: our children stay ours, our descriptors are closed, the next supervisor takes over.

    Returns only if that cannot be.

    Raises:
        OSError: if the program cannot be started.
    """
    program = os.path.abspath(sys.argv[0])
    if not os.path.isfile(program):
        raise FileNotFoundError(2, "the program is not there any more", program)
    signal.pthread_sigmask(signal.SIG_BLOCK, HARMLESS)  # until the keeper has its handlers
    try:
        os.execv(sys.executable, command(program, root, build, linger) + ["--in-place"])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HARMLESS)


def command(program: str, root: str, build: str, linger: float = LINGER) -> List[str]:
    """How a keeper is started. Neither variables nor packages of the host reach it: it needs the standard library."""
    start = [sys.executable, "-I", "-S", program, "keep", "--root", root, "--build", build]
    return start + (["--linger", repr(linger)] if linger != LINGER else [])
