"""Processes of this machine: starting one, telling it from a later one of the same number, learning how it ended."""

import errno
import os
import signal
import struct
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .plain import open_plain
from .problems import Problem


class Stat(NamedTuple):
    """A line of ``/proc/PID/stat`` (proc(5))."""

    state: str
    parent: int
    group: int
    session: int
    start: int
    """Clock ticks since boot."""
    exit_status: int
    """As ``wait`` gives it; of a zombie."""


TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second."""
BUILDER_TAG = 0x52594255494C44
"""What the builders of environments and all that they start carry (:func:`tag_of`): they are nobody's scripts."""
_NO_STAT = Stat("", 0, 0, 0, 0, 0)
_RESET = [
    s
    for s in (
        getattr(signal, n, None) for n in ("SIGPIPE", "SIGXFSZ", "SIGXFZ", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
    )
    if s
]
_PR_SET_CHILD_SUBREAPER = 36
_KEPT = 3
"""The number under which a program has the descriptor that it inherits."""
_LOCKS = 10  # RLIMIT_LOCKS, asm-generic/resource.h
_CLOCK_BOOTTIME = 7  # clock_gettime(2); time.CLOCK_BOOTTIME is there from Python 3.7 on
_PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info), Linux 6.13, linux/pidfd.h
_PIDFD_INFO_EXIT = 8  # Linux 6.15
_INFO = struct.Struct("<QQ11Ii")


def spawn(
    argv: List[str], environment: Dict[str, str], folder: str, log: str, tag: int = 0, keep: Optional[int] = None
) -> int:
    """Start a program in its own session, with stdin empty and both outputs appended to the file ``log``.

    Args:
        argv: The program's path, and its arguments.
        environment: All its variables.
        folder: Where it starts.
        log: Made if it is not there.
        tag: What :func:`tag_of` tells of it and of its descendants, where the system can; 0 = nothing.
        keep: A descriptor that it inherits.

    Returns:
        Its process id. It is a child of this process, and not yet reaped.

    Raises:
        OSError: as ``exec`` met it.
    """
    output = open_plain(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.set_blocking(output, True)  # as a shell would give it
        if not hasattr(os, "posix_spawn"):
            return _popen(argv, environment, folder, output, keep)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ]
        if keep is not None:
            actions.append((os.POSIX_SPAWN_DUP2, keep, _KEPT))
        back = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # posix_spawn cannot change the folder. Only the loop's thread starts programs, and workers use full paths.
            os.chdir(folder)
            return _posix_spawn(argv, environment, actions, tag)
        except NotImplementedError:
            return _popen(argv, environment, folder, output, keep)
        finally:
            os.fchdir(back)
            os.close(back)
    finally:
        os.close(output)


def _posix_spawn(argv: List[str], environment: Dict[str, str], actions: List[Any], tag: int) -> int:
    with wearing(tag):
        return os.posix_spawn(
            argv[0], argv, environment, file_actions=actions, setsid=True, setsigdef=_RESET, setsigmask=()
        )


@contextmanager
def wearing(tag: int) -> Iterator[None]:
    """What is started meanwhile inherits a tag (:func:`tag_of`), where the system can; 0 = none."""
    before = _wear(tag)
    try:
        yield
    finally:
        if before is not None:
            _wear(before)


def _wear(tag: int) -> Optional[int]:
    """Give this process a tag, which those that it starts inherit; returns the one before, ``None`` if there are none here.

    It is the soft limit of RLIMIT_LOCKS, which Linux 2.4.25 and later ignore (setrlimit(2)), still keep for each process, and
    show until it is reaped: the variables of a process are gone when it ends, this is not.
    """
    if not tag:
        return None
    try:
        import resource  # noqa: PLC0415 - not on every system

        before, most = resource.getrlimit(_LOCKS)
        resource.setrlimit(_LOCKS, (tag, most))
    except (ImportError, ValueError, OSError):
        return None
    return before


def tag_of(pid: int) -> int:
    """The tag of a process, dead ones that are not reaped included; 0 if it has none or that cannot be read."""
    try:
        with open("/proc/%d/limits" % pid, "rb") as stream:
            for line in stream:
                if line.startswith(b"Max file locks"):
                    soft = line.split()[3]
                    return int(soft) if soft.isdigit() else 0
    except OSError:
        pass  # it is gone
    return 0


def _popen(argv: List[str], environment: Dict[str, str], folder: str, output: int, keep: Optional[int]) -> int:
    import subprocess  # noqa: PLC0415 - large, and needed on old systems only

    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=folder,
        env=environment,
        pass_fds=() if keep is None else (keep,),
        start_new_session=True,
    )
    process.returncode = 0  # reaped by us, not by it
    return process.pid


def read_stat(pid: int) -> Optional[Stat]:
    """What ``/proc/PID/stat`` says, or ``None`` if there is no such process (a zombie is one)."""
    try:
        descriptor = os.open("/proc/%d/stat" % pid, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(descriptor, 1024)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # The second field is the program's name in brackets, and may hold anything.
    fields = data[data.rindex(b")") + 2 :].split()
    return Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), int(fields[49]))


def is_alive(pid: int, start: int) -> bool:
    """Whether the process that began at ``start`` (clock ticks since boot) is there and no zombie."""
    found = read_stat(pid)
    return found is not None and found.start == start and found.state not in ("Z", "X")


def ident_of(pid: int) -> Tuple[int, int]:
    """A process's number and its start; (0, 0) if there is none."""
    found = read_stat(pid) if pid else None
    return (pid, found.start) if found is not None else (0, 0)


def is_there(pid: int, start: int) -> bool:
    """As :func:`is_alive`, but a zombie of which threads are left is there, too: its children are still its own."""
    found = read_stat(pid) if pid else None
    if found is None or found.start != start:
        return False
    try:
        return found.state not in ("Z", "X") or len(os.listdir("/proc/%d/task" % pid)) > 1
    except OSError:
        return False


def boot_id() -> str:
    """Tells one boot of the machine from another: process numbers and start times mean nothing across them."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def ticks() -> int:
    """Now, in clock ticks since boot, as :attr:`Stat.start` counts; 0 where the system does not tell."""
    try:
        return int(time.clock_gettime(_CLOCK_BOOTTIME) * TICKS)
    except (OSError, AttributeError):
        return 0


def tick_of(moment: float) -> int:
    """A time in seconds since the epoch as clock ticks since boot."""
    return ticks() - int((time.time() - moment) * TICKS)


def wall_clock(tick: int) -> float:
    """A time in clock ticks since boot as seconds since the epoch."""
    return time.time() - (ticks() - tick) / TICKS


def open_pidfd(pid: int) -> Optional[int]:
    """A descriptor that turns readable when the process ends; ``None`` where there is no such thing (it is polled).

    Raises:
        ProcessLookupError: if there is no such process.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return None
        raise


def reap(pid: int) -> Optional[int]:
    """The exit code of a child that ended (``-N`` = by signal N); ``None`` if it has not.

    Raises:
        ChildProcessError: if it is no child of ours.
    """
    found, status = os.waitpid(pid, os.WNOHANG)
    return None if found == 0 else decode(status)


def peek(pid: int) -> Optional[int]:
    """As :func:`reap`, but the child stays a zombie, where the system has ``waitid``: how it ended is not lost with us."""
    if not hasattr(os, "waitid"):
        return reap(pid)
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def ended_child() -> int:
    """A child that ended and is not yet reaped; 0 if there is none."""
    if not hasattr(os, "waitid"):
        return next((pid for pid in children() if (read_stat(pid) or _NO_STAT).state == "Z"), 0)
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return found.si_pid if found is not None else 0


def decode(status: int) -> int:
    """A wait status as Python's exit code."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def exit_code_of(pid: int, start: int, pidfd: Optional[int]) -> Optional[int]:
    """The exit code of an ended process that is no child of ours, or ``None`` if the system does not tell.

    Linux tells through the descriptor since 6.15, once its parent reaped it; before that, while it is a zombie.
    """
    found = read_stat(pid)
    if found is not None and found.start == start and found.state == "Z":
        return decode(found.exit_status)
    if pidfd is None:
        return None
    import fcntl  # noqa: PLC0415 - only after a crash

    block = bytearray(_INFO.size)
    struct.pack_into("<Q", block, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, block)
    except OSError:
        return None
    fields = _INFO.unpack(bytes(block))
    return decode(fields[-1]) if fields[0] & _PIDFD_INFO_EXIT else None


def become_subreaper() -> bool:
    """Make orphans among our descendants our children, so that none gets out of sight; whether that worked."""
    try:
        import ctypes  # noqa: PLC0415 - once, and not everywhere

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def children(parent: int = 0) -> List[int]:
    """The process ids of our children, or of another's, zombies too."""
    me = parent or os.getpid()
    try:
        with open("/proc/%d/task/%d/children" % (me, me)) as stream:
            return [int(pid) for pid in stream.read().split()]
    except OSError:
        stats = ((pid, read_stat(pid)) for pid in every_pid())
        return [pid for pid, found in stats if found is not None and found.parent == me]


def every_pid() -> List[int]:
    """All process ids; none where there is no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def send(pid: int, number: int) -> bool:
    """Send a signal to one process; whether it was there. Never to 1 or to groups."""
    if pid <= 1:
        return False
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def send_group(leader: int, number: int) -> None:
    """Send a signal to the group that ``leader`` leads; it must not be reaped yet, or the number may be another's."""
    if leader <= 1:
        return
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass


def start_problem(error: OSError, interpreter: str) -> Problem:
    """Why an interpreter could not be started, as a sentence."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Problem(
            "the interpreter %s does not exist here; set interpreterPath, or the compute's option interpreter"
            % interpreter
        )
    if error.errno in (errno.EACCES, errno.ENOEXEC, errno.EISDIR):
        return Problem("the interpreter %s is no program that may be run (%s)" % (interpreter, error.strerror))
    if error.errno == errno.E2BIG:
        return Problem(
            "the arguments and environment variables together are too long for this system; put them into a file"
        )
    return Problem("the interpreter %s could not be started: %s" % (interpreter, error.strerror), "transient")
