"""Running tools: each in its own session, its words masked and passed on, and never outliving the builder."""

import ctypes
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from typing import IO, Any, Callable, Deque, Dict, List, NamedTuple, Optional, Tuple

from .. import process
from ..problems import Problem
from .masking import Masker
from .rattler_part import ANSWER

_PR_SET_PDEATHSIG = 1
_TAIL = 20
"""Lines of a tool that a problem comes with."""
_KEPT = 4000
"""Lines of a tool that are looked through for what went wrong."""
_LONGEST_LINE = 4000
_DRAIN = 1.0
"""Seconds that what a tool left behind may hold its output open."""


class Outcome(NamedTuple):
    """How a tool ended."""

    code: int
    lines: List[str]
    """The last that it said, masked."""

    @property
    def tail(self) -> List[str]:
        """What a problem comes with."""
        return [line for line in self.lines if line.strip()][-_TAIL:]

    @property
    def text(self) -> str:
        """All lines in one."""
        return "\n".join(self.lines)


class Shop:
    """Where tools are run for one wish."""

    def __init__(
        self,
        masker: Masker,
        say: Callable[[str], None],
        keep: Tuple[int, ...] = (),
        leaving: Optional[threading.Event] = None,
    ) -> None:
        """``say(line)`` passes a masked line on; tools inherit the descriptors ``keep``, which are locks.

        ``leaving`` is set when the builder is killed: what a tool then ended with says nothing.
        """
        self.masker = masker
        self.say = say
        self._keep = keep
        self._leaving = leaving
        self._libc = ctypes.CDLL(None)

    def run(
        self,
        argv: List[str],
        environment: Dict[str, str],
        stdin: bytes = b"",
        quiet: bool = False,
        seconds: Optional[float] = None,
        files: Tuple[int, ...] = (),
    ) -> Outcome:
        """Run a tool to its end.

        Args:
            argv: What everybody on the machine may read: no secrets.
            environment: All its variables.
            stdin: What it reads; at most what a pipe takes (64 KB) is sure not to block.
            quiet: Whether its words are kept to ourselves.
            files: Descriptors that it gets under the same numbers.
            seconds: After which it is ended; its code is then -9.

        Raises:
            Problem: if it cannot be started.
        """
        child = self._start(argv, environment, stdin, files)
        lines: Deque[str] = deque(maxlen=_KEPT)
        assert child.stdout is not None
        try:
            for line in _lines(child, child.stdout, seconds):
                masked = self.masker(line)
                lines.append(masked)
                if masked and not quiet and not masked.startswith(ANSWER):
                    self.say(masked)
        finally:
            _end_session(child)
        code = child.wait()
        child.stdout.close()
        while self._leaving is not None and self._leaving.is_set():
            time.sleep(1.0)  # another thread kills this process
        return Outcome(code, list(lines))

    def _start(
        self, argv: List[str], environment: Dict[str, str], stdin: bytes, files: Tuple[int, ...]
    ) -> "subprocess.Popen[bytes]":
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
                pass_fds=self._keep + files,
                preexec_fn=self._die_with_parent,  # noqa: PLW1509 - the one other thread holds no locks
            )
        except OSError as error:
            raise Problem("%s could not be started: %s" % (argv[0], error.strerror)) from error
        if stdin and child.stdin is not None:
            try:
                child.stdin.write(stdin)
                child.stdin.close()
            except BrokenPipeError:
                pass  # it ended without reading; its code tells
        return child

    def _die_with_parent(self) -> None:
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _lines(child: Any, stream: IO[bytes], seconds: Optional[float]) -> Any:
    """The lines of a child's output until it ends, even if something that it left holds the output open."""
    deadline = None if seconds is None else time.monotonic() + seconds
    ended: Optional[float] = None
    unread = b""
    while True:
        ready, _, _ = select.select([stream], [], [], 0.2)
        if ready:
            data = os.read(stream.fileno(), 1 << 16)
            if not data:
                break
            *whole, unread = (unread + data.replace(b"\r", b"\n")).split(b"\n")
            for line in whole:
                yield line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip()
            unread = unread[-(1 << 20) :]
            continue
        now = time.monotonic()
        if child.poll() is not None:
            ended = now if ended is None else ended
            if now - ended > _DRAIN:
                break
        elif deadline is not None and now > deadline:
            process.send_group(child.pid, signal.SIGKILL)
    if unread:
        yield unread[:_LONGEST_LINE].decode("utf-8", "replace").rstrip()


def _end_session(child: Any) -> None:
    """End what a tool started and left in its session."""
    process.send_group(child.pid, signal.SIGKILL) if child.poll() is None else None
    for pid in process.every_pid():
        found = process.read_stat(pid)
        if found is not None and found.session == child.pid and pid != os.getpid():
            process.send(pid, signal.SIGKILL)


def kill_descendants(rounds: int = 100) -> None:
    """Kill all that we started, and what that started. As a subreaper we inherit those whose parents die."""
    for _ in range(rounds):
        pids = [pid for pid in _descendants(os.getpid()) if pid != os.getpid()]
        if not pids:
            return
        for pid in pids:
            process.send(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.01)


def _descendants(pid: int) -> List[int]:
    found = process.children(pid)
    return found + [other for each in found for other in _descendants(each)]


def tool_environment(environment: Dict[str, str]) -> Dict[str, str]:
    """The variables that a tool gets: ours, with the settings of indexes and proxies, less what would lead it astray."""
    result = {name: value for name, value in environment.items() if name not in _ASTRAY}
    result.update(
        {
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "NO_COLOR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PIP_PROGRESS_BAR": "off",
            "GIT_TERMINAL_PROMPT": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }
    )
    return result


_ASTRAY = frozenset(
    "PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS PYTHONUSERBASE VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV __PYVENV_LAUNCHER__ "
    "PIP_TARGET PIP_PREFIX PIP_USER PIP_ROOT PIP_REQUIRE_VIRTUALENV PIP_REQUIREMENT PIP_CONSTRAINT UV_PYTHON UV_SYSTEM_PYTHON "
    "UV_PROJECT_ENVIRONMENT UV_TARGET UV_PREFIX LD_PRELOAD".split()
)
