"""The supervisor of one machine: carries every attempt under one root, outlives the hosts, and tells them.

One per root, by a lock. Its heartbeat is the lock file's modification time, every 10 s. If it is killed the scripts go
on, and the next one, which its keeper starts, adopts them. It leaves when the last attempt has ended and no host has
been connected for a while.
"""

import fcntl
import functools
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import codes, process, register, wire
from .attempt import Attempt
from .job import Job, read_job
from .keep import HARMLESS, LINGER, LOCKED, turn_into
from .places import WORK, Places, lay_out
from .plain import set_aside
from .problems import Problem
from .yard import Yard

HEARTBEAT = 10.0
_GARBAGE_AFTER = 50 * 1000
_SETTLE, _SETTLE_TIMES = 0.01, 200
"""Seconds between looks whether what is ending has ended, before the supervisor becomes a keeper, and how many."""


class Supervisor:
    """Serves hosts over a Unix socket."""

    def __init__(self, root: str, lock: int, build: str, linger: float = LINGER, keeper: int = 0) -> None:
        """Listen; ``keeper`` is the process id of our parent if it is a keeper."""
        self._lock = lock
        self._build = build
        self._linger = linger
        self._peers: List[wire.Peer] = []
        self._idle_since = time.monotonic()
        self._leaving = False
        self._acts: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
            "hello": self._hello,
            "ping": lambda _: {"ok": True},
            "start": self._start,
            "cancel": self._cancel,
            "list": self._list,
            "settle": self._settle,
            "retire": self._retire,
        }
        self._waiting: List[Job] = []
        self._keeper = keeper
        self.yard = Yard(root, complain, keeper)
        self.yard.tell = self._tell
        self._path = root + "/local/supervisor.sock"
        self._listen()
        self._watch_keeper()
        self._beat()

    def _listen(self) -> None:
        self._socket = _listen(self._path)
        self._node = _node(self._path)
        self.yard.loop.watch(self._socket, selectors.EVENT_READ, self._accept)

    def adopt(self) -> None:
        """Take over what an earlier supervisor left."""
        root = self.yard.root
        begun = []
        try:
            names = sorted(os.listdir(root + "/" + WORK))
        except FileNotFoundError:
            return  # the root was removed: there is nothing to be the supervisor of
        for name in names:
            records = pending(root, name)
            begun.append((register.process_of(records or []) is None, name, records))
        # Those whose process was noted come first: what the keeper noted and is none of theirs may be another's.
        for _, name, records in sorted(begun, key=lambda one: one[:2]):
            self.yard.loop.call(functools.partial(self._adopt_one, name, records))
        codes.sweep(root, self.yard.boot, [attempt.script.ident for attempt in self.yard.attempts.values()])

    def _adopt_one(self, name: str, records: Optional[List[Any]]) -> None:
        folder = self.yard.root + "/" + WORK + "/" + name
        if records is None:
            try:
                os.rmdir(folder)  # empty: whoever begins the attempt makes it anew
            except OSError as error:
                complain("%s is nothing of ours: %s\n" % (folder, error.strerror))
        elif not records:
            self.yard.trash.add(folder)
            control = Places(self.yard.root, "", 0, name).control
            if os.path.isdir(control):
                self.yard.trash.add(control)
        else:
            try:
                self.yard.adopt(read_job(records[0]), records)
            except Problem as problem:
                complain("%s could not be taken over: %s\n" % (name, problem.message))

    def run(self) -> None:
        """Serve until there is nothing more to do."""
        while not self._is_done():
            # One new job at a time: between two, the ends that came are told, as others wait for their slots.
            self.yard.loop.step(block=not self._waiting)
            if self._waiting:
                self.yard.loop.call(functools.partial(self.yard.start, self._waiting.pop(0)))
        if not self._is_orphaned():
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    def _is_orphaned(self) -> bool:
        """Whether the root was removed, and perhaps made anew: then what is there now is another's."""
        return os.fstat(self._lock).st_nlink == 0

    def _is_done(self) -> bool:
        if self.yard.attempts or self._waiting or not self.yard.trash.is_empty:
            self._idle_since = time.monotonic()
            return False
        if self._leaving:
            return True
        if self._peers:
            self._idle_since = time.monotonic()
        return time.monotonic() - self._idle_since > self._linger

    def _watch_keeper(self) -> None:
        """Learn at once when the keeper is killed, where the system tells; else the heartbeat looks."""
        if self._keeper:
            try:
                pidfd = process.open_pidfd(self._keeper)
            except ProcessLookupError:
                pidfd = None
            if pidfd is not None:
                self.yard.loop.watch(pidfd, selectors.EVENT_READ, functools.partial(self._follow_keeper, pidfd))

    def _follow_keeper(self, pidfd: int) -> None:
        self.yard.loop.unwatch(pidfd)
        os.close(pidfd)
        # A turn later: what ended at the same time is to be seen first, as nobody else knows how any more.
        self.yard.loop.call_after(0.0, lambda: self._replace_keeper(_SETTLE_TIMES))

    def _replace_keeper(self, patience: int = 0) -> None:
        """Become the keeper, now that there is none, so that the scripts stay somebody's children.

        Attempts that are just ending come first, so many times.
        """
        if self._keeper and os.getppid() != self._keeper and not self._is_orphaned():
            if patience and any(attempt.is_ending for attempt in self.yard.attempts.values()):
                self.yard.loop.call_after(_SETTLE, lambda: self._replace_keeper(patience - 1))
                return
            try:
                turn_into(self.yard.root, self._build, self._linger)
            except OSError as error:  # we go on without, and try again with the next heartbeat
                complain("there is no keeper, and it cannot be replaced: %s\n" % error.strerror)

    def _beat(self) -> None:
        self.yard.loop.call_after(min(HEARTBEAT, self._linger / 2), self._beat)
        self._replace_keeper()
        os.utime(self._lock)
        if self._is_orphaned():
            self._leaving = True
        elif _node(self._path) != self._node:
            # Something that clears up /tmp, say, removed the socket: hosts must find us again.
            self.yard.loop.unwatch(self._socket)
            self._socket.close()
            self._listen()

    def _accept(self) -> None:
        connection, _ = self._socket.accept()
        self._peers.append(wire.Peer(self.yard.loop, connection, self._asked, self._peers.remove))

    def _asked(self, peer: wire.Peer, line: bytes) -> None:
        try:
            request = json.loads(line.decode())
            act = self._acts[request["do"]]
            number = request["id"]
        except (ValueError, KeyError, TypeError):
            peer.close()
            return
        try:
            reply = act(request)
        except Problem as problem:
            reply = {"error": problem.message}
        except (KeyError, TypeError, ValueError) as error:
            reply = {"error": "the request %r is not complete: %s" % (request["do"], error)}
        except OSError as error:
            reply = {"error": "the request %r met an error: %s" % (request["do"], error)}
        reply["id"] = number
        peer.send(reply)

    def _hello(self, request: Dict[str, Any]) -> Dict[str, Any]:
        if request["protocol"] != wire.PROTOCOL:
            raise Problem("this supervisor speaks protocol %d" % wire.PROTOCOL)
        self.yard.environment = request["environment"]
        return {"ok": True, "build": self._build, "pid": os.getpid(), "jobs": self._jobs()}

    def _start(self, request: Dict[str, Any]) -> Dict[str, Any]:
        answers = []
        secrets = request["secrets"]
        for record in request["jobs"]:
            try:
                self._waiting.append(read_job(record, secrets.get(record["name"])))
                answers.append("")
            except Problem as problem:
                answers.append(problem.message)
        return {"ok": answers}

    def _cancel(self, request: Dict[str, Any]) -> Dict[str, Any]:
        attempt = self.yard.attempts.get(request["name"])
        if attempt is not None:
            attempt.cancel(float(request["grace"]))
        return {"ok": attempt is not None}

    def _list(self, _: Dict[str, Any]) -> Dict[str, Any]:
        return {"ok": True, "jobs": self._jobs()}

    def _jobs(self) -> List[Dict[str, Any]]:
        waiting = [{"name": job.name, "compute": job.compute, "phase": "accepted"} for job in self._waiting]
        return waiting + [attempt.describe() for attempt in self.yard.attempts.values()]

    def _settle(self, request: Dict[str, Any]) -> Dict[str, Any]:
        name = request["name"]
        if name not in self.yard.attempts and all(job.name != name for job in self._waiting):
            records = pending(self.yard.root, name)
            self.yard.adopt(*_job_of(records or [], request))
        return {"ok": True}

    def _retire(self, _: Dict[str, Any]) -> Dict[str, Any]:
        self._leaving = True
        return {"ok": not self.yard.attempts and not self._waiting}

    def _tell(self, news: str, attempt: Attempt) -> None:
        if not self._peers:
            return
        message = attempt.describe()
        message["news"] = news
        message["result"] = attempt.result
        line = wire.encode(message)
        for peer in list(self._peers):
            peer.send_line(line)


def _job_of(records: List[Any], request: Dict[str, Any]) -> Tuple[Job, List[Any]]:
    """The job that a register keeps, and its records; what the host knows of the job, if the register is spoilt."""
    try:
        job = read_job(records[0])
        if job.name == request["name"]:
            return job, records
    except (IndexError, Problem):
        pass  # no file of ours any more: what is left of the script is found by its variables
    return read_job(request), []


def pending(root: str, name: str) -> Optional[List[Any]]:
    """The records of an attempt that was begun: its job, and its process if there was one.

    None are left once it has its result. ``None`` if it was not begun.
    """
    decision = register.read(Places(root, "", 0, name).register)
    return None if decision is None else decision.records


def complain(text: str) -> None:
    """Write to the supervisor's log what nobody else can be told of."""
    try:
        os.write(
            2,
            ("%s %s" % (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text)).encode("utf-8", "backslashreplace"),
        )
    except OSError:
        pass  # the disk is full, and there is no other place


def _listen(path: str) -> socket.socket:
    try:
        os.unlink(path)  # its owner is gone: we hold the lock
    except FileNotFoundError:
        pass
    except OSError:
        set_aside(path)
    listener = socket.socket(socket.AF_UNIX)
    short, descriptor = wire.short_path(path)
    try:
        listener.bind(short)
    finally:
        if descriptor is not None:
            os.close(descriptor)
    os.chmod(path, 0o600)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def _node(path: str) -> Optional[Tuple[int, int]]:
    """Tells a file from a later one at the same path."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def take_lock(root: str) -> Optional[int]:
    """The descriptor that holds the root's lock, or ``None`` if another supervisor does."""
    descriptor = os.open(root + "/local/supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())  # for people: who it is
    except OSError:
        pass  # a full disk is no reason not to take over what runs
    return descriptor


def serve(root: str, build: str, linger: float = LINGER, keeper: int = 0, announce: bool = True) -> int:
    """Be the supervisor of a root, in the foreground.

    Args:
        root: The root folder.
        build: What hosts tell this program from another by.
        linger: Seconds to stay with nothing to do.
        keeper: The process id of our parent, if it is a keeper; else nobody starts another supervisor after us.
        announce: Whether to print ``ready`` once hosts can connect.

    Returns:
        The exit code: 0, or :data:`LOCKED`.
    """
    lay_out(root)
    lock = take_lock(root)
    if lock is None:
        return LOCKED
    for number in HARMLESS:
        # A handler and not SIG_IGN, which scripts would inherit.
        signal.signal(number, lambda *_: None)
    os.chdir(root)
    supervisor = Supervisor(root, lock, build, linger, keeper)
    gc.set_threshold(_GARBAGE_AFTER)  # hardly anything here refers to itself
    if announce:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    if keeper:
        os.dup2(2, 1)
    supervisor.adopt()
    supervisor.run()
    return 0
