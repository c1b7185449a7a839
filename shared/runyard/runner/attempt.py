"""One attempt, from its start register to its result, as a machine of small steps that never waits.

::

    accepted ──► preparing ──► running ──► ending ──► result.json
        │             └─────────────────────▲
        └► refused (the register says void)

Every step is called by the loop. What the steps do is in the other modules; here is only their order.
"""

import errno
import json
import os
import selectors
import shutil
import signal
import time

from . import collect, hunt, process, register, result, script
from .job import read_job
from .places import PREPARATION_LOG, Places, make_folder, write_all
from .problems import Problem, Stopped, from_os_error
from .unpack import unpack

PHASES = ("accepted", "preparing", "running", "ending")
"""Where an attempt can be; each host maps them to its own states."""

INLINE = 1 << 20
"""Bytes of a snapshot that is unpacked at once; a larger one goes to the worker, as others must not wait for it."""
RETRY = 1.0
"""Seconds between tries while the disk is full."""
_FIRST_LOOK, _SLOWEST_LOOK = 0.001, 0.25
_POLL = 0.05
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_CODE_TRIES = 50


class Attempt:
    """One attempt of a run. ``yard`` carries it: see :class:`.yard.Yard`."""

    def __init__(self, yard, job):
        self.job = job
        self.places = Places(yard.root, job.run, job.attempt, job.name)
        self.phase = "accepted"
        self.started = None
        """When the script started, seconds since the epoch."""
        self.detail = ""
        self.result = None
        self.pid = 0
        """The script's process id while it is ours to reap or watch."""
        self._yard = yard
        self._quarry = hunt.Quarry(job.run, job.attempt, self.places.work, self.places.log)
        self._ours = True
        self._start = 0
        self._pidfd = None
        self._code = None
        self._code_tries = 0
        self._why = None
        self._kill_at = 0.0
        self._look = _FIRST_LOOK
        self._deadline = None
        self._stopped = False

    def describe(self):
        """What a host is told of it."""
        return {
            "name": self.job.name,
            "compute": self.job.compute,
            "phase": self.phase,
            "started": self.started,
            "detail": self.detail,
        }

    def begin(self):
        """Write down what is to be done, win the register, and go on; or learn that the start was refused."""
        try:
            self._write_live(json.dumps(self.job.record), os.O_TRUNC)
            won = register.win(self.places.register, "%s %.3f" % (register.STARTED, time.time()))
        except OSError as error:
            self.detail = "cannot begin: %s" % error.strerror
            self._yard.loop.call_after(RETRY, self.begin)
            return
        if won:
            self._prepare()
        else:
            self._lose()

    def _lose(self):
        word, reason = register.read(self.places.register) or (register.STARTED, "")
        if word == register.VOID:
            with open(self.places.refused, "w") as stream:
                stream.write(reason + "\n")
            self._leave("refused")
            return
        self.result = result.read(self.places.result)
        if self.result is not None:
            self._leave("ended")
        else:
            self.adopt(None)

    def _write_live(self, text, flags):
        descriptor = os.open(self.places.live, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
        try:
            write_all(descriptor, text.encode() + b"\n")
        finally:
            os.close(descriptor)

    # preparing

    def _prepare(self):
        self.phase = "preparing"
        self.detail = ""
        try:
            make_folder(os.path.dirname(self.places.folder))
            make_folder(self.places.folder)
            make_folder(self.places.log_folder)
            os.mkdir(self.places.work)
            size = os.path.getsize(self.job.snapshot)
        except FileNotFoundError:
            self._fail(Problem("the snapshot %s is not there any more" % os.path.basename(self.job.snapshot)))
        except OSError as error:
            self._fail(from_os_error(error, "making the run's folders"))
        else:
            if size > INLINE:
                self._yard.loop.do(self._unpack, self._unpacked)
                self._yard.tell("preparing", self)
                return
            try:
                self._unpack()
            except Problem as problem:
                self._fail(problem)
            else:
                self._launch()

    def _unpack(self):
        unpack(self.job.snapshot, self.job.snapshot_etag, self.places.work, lambda: self._stopped)
        for name in collect.folders_of(self.job):
            try:
                make_folder(self.places.work + "/" + name)
            except OSError as error:
                raise from_os_error(error, "making %s/" % name) from None

    def _unpacked(self, _, error):
        if isinstance(error, Stopped) or self._stopped:
            self._finish()
        elif isinstance(error, Problem):
            self._fail(error)
        elif error is not None:
            self._fail(Problem("unpacking the snapshot failed: %s" % error, "transient"))
        else:
            self._launch()

    def _launch(self):
        job, places = self.job, self.places
        try:
            environment = script.variables(self._yard.environment, job, places, self._yard.hook)
            argv = script.command(job, places.work, environment)
            try:
                pid = process.spawn(argv, environment, places.work, places.log)
            except OSError as error:
                raise process.start_problem(error, argv[0]) from None
            except ValueError as error:
                raise Problem("an environment variable cannot be set: %s" % error) from None
        except Problem as problem:
            self._fail(problem)
            return
        self.started = time.time()
        self._start = getattr(process.read_stat(pid), "start", 0)
        known = {"pid": pid, "start": self._start, "started": self.started, "boot": self._yard.boot}
        try:
            self._write_live(json.dumps(known), os.O_APPEND)
        except OSError as error:  # a later supervisor finds it by its variables
            self._yard.complain("the process record of %s was not written: %s\n" % (job.run, error.strerror))
        self._attend(pid)

    # running

    def adopt(self, known):
        """Take over what an earlier supervisor began.

        Args:
            known: The process record, or ``None`` if that supervisor ended before it wrote one.
        """
        self._ours = False
        pid = 0
        if known is None:
            pid = hunt.find_script(self._quarry)
            self._start = getattr(process.read_stat(pid), "start", 0) if pid else 0
            self.started = time.time() if pid else None
        else:
            self.started = known["started"]
            if known["boot"] == self._yard.boot and process.is_alive(known["pid"], known["start"]):
                pid, self._start = known["pid"], known["start"]
        try:
            if pid:
                self._attend(pid)
                return
        except ProcessLookupError:
            pass  # it ended just now
        self.phase = "ending"
        self._sweep()

    def _attend(self, pid):
        """Wait for the script's end."""
        self._pidfd = process.open_pidfd(pid)
        if not self._ours and not process.is_alive(pid, self._start):
            os.close(self._pidfd) if self._pidfd is not None else None
            self._pidfd = None
            raise ProcessLookupError
        self.pid = self._quarry.leader = pid
        self.phase = "running"
        if self._pidfd is not None:
            self._yard.loop.watch(self._pidfd, selectors.EVENT_READ, self._exited)
        else:
            self._yard.loop.call_after(_POLL, self._poll)
        if self.job.max_duration is not None:
            left = self.started + self.job.max_duration - time.time()
            self._deadline = self._yard.loop.call_after(max(left, 0.0), self._out_of_time)
        self._yard.tell("running", self)

    def _poll(self):
        found = process.read_stat(self.pid)
        if found is None or found.state == "Z" or found.start != self._start:
            self._exited()
        else:
            self._yard.loop.call_after(_POLL, self._poll)

    def _out_of_time(self):
        message = "the script ran longer than its maximum duration of %g s and was ended" % self.job.max_duration
        self._terminate("timeout", message, self.job.grace)

    def cancel(self, grace):
        """End it: TERM to its processes, KILL after ``grace`` seconds. Repeatable; a shorter grace counts."""
        self._terminate("canceled", "canceled", grace)

    def _terminate(self, outcome, message, grace):
        if self.phase == "accepted" or (self.phase == "ending" and self._why is None):
            return
        now = time.monotonic()
        if self._why is not None:
            if now + grace < self._kill_at:
                self._kill_after(grace)
            return
        self._why = (outcome, message, "user")
        if self.phase == "preparing":
            self._stopped = True
            return
        self._kill_after(grace)
        outside = [pid for pid in hunt.find_all(self._quarry) if _group(pid) != self.pid]
        process.send_group(self.pid, signal.SIGTERM)
        for pid in outside:
            process.send(pid, signal.SIGTERM)

    def _kill_after(self, grace):
        self._kill_at = time.monotonic() + grace
        self._yard.loop.call_after(grace, self._kill)

    def _kill(self):
        if self.phase == "running":
            process.send_group(self.pid, signal.SIGKILL)
        if self.result is None:
            for pid in hunt.find_all(self._quarry):
                process.send(pid, signal.SIGKILL)

    # ending

    def _exited(self):
        if self._ours:
            if self._why is None:
                # Before it is reaped: until then no other group can have its number.
                process.send_group(self.pid, signal.SIGKILL)
            self._code = process.reap(self.pid)
            if self._code is None:
                return
        else:
            self._code = process.exit_code_of(self.pid, self._start, self._pidfd)
            self._code_tries += 1
            if self._code is None and self._code_tries < _CODE_TRIES and self._pidfd is not None:
                self._pause()  # the system tells only once its parent has reaped it
                return
        if self._pidfd is not None:
            if self._code_tries <= 1:
                self._yard.loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._deadline is not None:
            self._deadline.cancel()
        self.pid = 0
        self.phase = "ending"
        self._sweep()

    def _pause(self):
        if self._code_tries == 1:
            self._yard.loop.unwatch(self._pidfd)
        self._yard.loop.call_after(0.002, self._exited)

    def _sweep(self):
        """See that nothing of it is left; only then it has ended."""
        if self._left_over():
            self._yard.loop.call_after(self._look, self._sweep)
            self._look = min(self._look * 2, _SLOWEST_LOOK)
        else:
            self._finish()

    def _left_over(self):
        if not self._ours or self._why is not None:
            found = hunt.find_all(self._quarry)
            if found:
                if time.monotonic() >= self._kill_at:
                    for pid in found:
                        process.send(pid, signal.SIGKILL)
                return len(found)
        return hunt.kill_orphans(self._quarry, self._yard.scripts(), self._yard.is_alone(self))

    def _fail(self, problem):
        """It could not be prepared: the sentence goes to the result, and to the log that people look into."""
        self._why = ("failed", problem.message, problem.error_class)
        try:
            with open(self.places.log_folder + "/" + PREPARATION_LOG, "a", encoding="utf-8") as stream:
                stream.write(problem.message + "\n")
        except OSError as error:
            self._yard.complain("%s: %s (%s)\n" % (self.job.run, problem.message, error.strerror))
        self._finish()

    def _finish(self):
        self.phase = "ending"
        outcome, message, error_class = self._why or _ending(self._code, self.started)
        self._store(
            {
                "schema": result.SCHEMA,
                "run": self.job.run,
                "attempt": self.job.attempt,
                "outcome": outcome,
                "exit_code": self._code,
                "error": message,
                "error_class": error_class,
                "started": self.started,
                "ended": time.time(),
                "log_bytes": 0,
                "log_complete": True,
                "detail": "",
            }
        )

    def _store(self, found):
        """Move the files, then write the result; again and again while the disk is full."""
        try:
            try:
                collect.collect(self.job, self.places)
            except (OSError, shutil.Error) as error:
                if getattr(error, "errno", None) in _NO_ROOM:
                    raise
                found["detail"] = "the outputs could not be moved, they are in %s: %s" % (self.places.work, error)
            try:
                found["log_bytes"] = os.stat(self.places.log).st_size
            except FileNotFoundError:
                pass  # the script never started
            make_folder(self.places.folder)
            result.write(self.places.result, found)
        except OSError as error:
            self.detail = "cannot write the result: %s" % error.strerror
            self._yard.loop.call_after(RETRY, lambda: self._store(found))
            return
        self.result = found
        self._leave("ended")

    def _leave(self, news):
        try:
            os.unlink(self.places.live)
        except FileNotFoundError:
            pass
        self._yard.leave(news, self)


def settle(yard, record):
    """Bring an attempt to its end of which nothing but the register is left. Its result says what is known."""
    yard.adopt(read_job(record), None)


def _group(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _ending(code, started):
    """(outcome, sentence, error class) of a script that ended by itself."""
    if code is None:
        if started is None:
            return "interrupted", "the supervisor was killed just as it started the script, which is gone", "transient"
        return (
            "interrupted",
            "the script is gone and its exit code is unknown, as the supervisor that started it was killed",
            "transient",
        )
    if code >= 0:
        return "exited", "", "user" if code else ""
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "signal %d" % -code
    hint = "; perhaps the machine ran out of memory" if -code == signal.SIGKILL else ""
    return "exited", "the script was ended by %s%s" % (name, hint), "user"
