"""The builder: two processes, so that a killed build leaves nobody who still writes.

The one that was started forks a worker, which leads its own session and builds. When the first is killed the worker, which
waits for that on a pipe, kills what it started and leaves. When the worker is killed the first, which inherits what it
started (PR_SET_CHILD_SUBREAPER, prctl(2)), kills that. Both, and the tools, have the lock's descriptor (flock(2) holds
until the last is closed), so that the next builder begins when all of them are gone.
"""

import errno
import fcntl
import json
import os
import signal
import threading
import time
import traceback
from typing import Any, Dict, List, Optional

from .. import process
from ..problems import Problem
from . import finishing
from .cache import (
    Ready,
    find,
    from_cache_error,
    has_interpreter,
    make_cache,
    manifest_path,
    open_lock,
    publish,
    read_manifest,
    ready_of,
    try_lock,
)
from .conda_part import WANTED
from .failures import Failure
from .making import Maker, manifest_of, masker_of, specification_of
from .masking import Masker
from .running import Shop, kill_descendants
from .wish import Wish, check_allowed, read_wish


class Reporter:
    """Tells whoever started the builder, a JSON line at a time, and keeps a log once there is a place for it."""

    def __init__(self, stdout: Any) -> None:
        self._stdout = stdout
        self._log: Any = None
        self.masker = Masker()
        self._heard = True

    def keep_log(self, path: str) -> None:
        """Write the log to a new file.

        Raises:
            OSError: if it cannot be made.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._log = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    def line(self, text: str) -> None:
        """Progress, or what a tool says."""
        masked = self.masker(text)
        self._note_down(masked)
        self._send({"line": masked})

    def note(self, sentence: str) -> None:
        """A substitution."""
        masked = self.masker(sentence)
        self._note_down(masked)
        self._send({"note": masked})

    def ready(self, ready: Ready, wish: Wish) -> int:
        """The end."""
        self._send({"ready": ready.as_record(wish)})
        return 0

    def problem(self, message: str, error_class: str, tail: Optional[List[str]] = None) -> int:
        """The other end."""
        masked = self.masker(message)
        self._note_down(masked)
        self._send({"problem": masked, "class": error_class, "tail": [self.masker(each) for each in tail or []]})
        return 1

    def _note_down(self, text: str) -> None:
        if self._log is not None:
            try:
                self._log.write(text + "\n")
                self._log.flush()
            except OSError as error:
                self._log = None
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    self._send({"line": "the build's log cannot be written: %s" % error.strerror})

    def _send(self, message: Dict[str, Any]) -> None:
        if not self._heard:
            return
        try:
            self._stdout.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
            self._stdout.flush()
        except BrokenPipeError:
            self._heard = False  # whoever asked has left; the environment is built for the next


def main(stdin: Any, stdout: Any) -> int:
    """Read a wish, build it, and tell how it went; the builder's exit code."""
    reporter = Reporter(stdout)
    try:
        try:
            record = json.loads(stdin.read().decode("utf-8"))
        except (ValueError, RecursionError):
            return reporter.problem("the wish for an environment is no JSON", "config")
        wish = read_wish(record)
        reporter.masker = masker_of(wish, dict(os.environ))
        found = find(wish)
        if found is None:
            check_allowed(wish)
            make_cache(wish.cache)
            return _guarded(wish, reporter)
        return _told(found, wish, reporter)
    except Problem as problem:
        return reporter.problem(problem.message, problem.error_class)
    except OSError as error:
        fault = from_cache_error(error, record.get("cache") or "")
        return reporter.problem(fault.message, fault.error_class)


def _told(found: Ready, wish: Wish, reporter: Reporter) -> int:
    for sentence in found.notes:
        reporter.note(sentence)
    return reporter.ready(found, wish)


def _guarded(wish: Wish, reporter: Reporter) -> int:
    """Let a worker build; see that nothing of it outlives us, nor it."""
    process.become_subreaper()
    lock = open_lock(wish.cache, wish.key, "build")
    wanted = "%s/%s%s" % (wish.cache, wish.key, WANTED)
    ours, theirs = os.pipe()
    worker = os.fork()
    if worker == 0:
        code = 1
        try:
            os.close(theirs)
            os.setsid()
            process.become_subreaper()
            leaving = threading.Event()
            threading.Thread(target=_leave_with, args=(ours, leaving, wanted), daemon=True).start()
            code = _Build(wish, reporter, lock, leaving).run()
        except BaseException as error:  # the process's boundary: said as a problem, with where it was
            where = traceback.extract_tb(error.__traceback__)[-1]
            sentence = "the builder failed at %s:%d (%s)" % (os.path.basename(where[0]), where[1], type(error).__name__)
            reporter.problem(sentence, "user")
        finally:
            kill_descendants()
            os._exit(code)
    os.close(ours)
    _, status = os.waitpid(worker, 0)
    kill_descendants()
    code = process.decode(status)
    if code < 0:
        finishing.remove_tree(wanted)  # it may hold credentials
        reporter.problem("the builder was killed by signal %d" % -code, "transient")
    return code if code >= 0 else 1


def _leave_with(pipe: int, leaving: threading.Event, wanted: str) -> None:
    """Wait for the end of the process that started us; then end what we started, and ourselves."""
    while os.read(pipe, 1):
        pass
    leaving.set()
    kill_descendants()
    finishing.remove_tree(wanted)
    os.kill(os.getpid(), signal.SIGKILL)


class _Build:
    def __init__(self, wish: Wish, reporter: Reporter, lock: int, leaving: threading.Event) -> None:
        self._wish = wish
        self._reporter = reporter
        self._lock = lock
        self._leaving = leaving
        self._use = -1
        self._prefix = "%s/%s" % (wish.cache, wish.key)
        self._log = self._prefix + ".log"

    def run(self) -> int:
        try:
            self._wait()
            found = find(self._wish)
            if found is not None:
                return _told(found, self._wish, self._reporter)
            return self._reporter.ready(self._build(), self._wish)
        except Failure as failure:
            return self._failed(failure.message, failure.error_class, failure.tail)
        except Problem as problem:
            return self._failed(problem.message, problem.error_class, [])
        except OSError as error:
            fault = from_cache_error(error, self._wish.cache)
            return self._failed(fault.message, fault.error_class, [])

    def _wait(self) -> None:
        if not try_lock(self._lock, fcntl.LOCK_EX):
            self._reporter.line("another run builds this environment; waiting for it")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _build(self) -> Ready:
        wish = self._wish
        began = time.time()
        self._use = open_lock(wish.cache, wish.key, "use")
        if not try_lock(self._use, fcntl.LOCK_EX):
            self._reporter.line("the environment must be built again and a script still uses it; waiting for its end")
            fcntl.flock(self._use, fcntl.LOCK_EX)
        self._clear()
        self._reporter.keep_log(self._log)
        self._say_for_whom()
        keep = (self._lock, self._use)
        shop = Shop(self._reporter.masker, self._reporter.line, keep, self._leaving)
        made = Maker(wish, self._prefix, shop, self._reporter.note, dict(os.environ)).make()
        size = 0
        if made.prefix == self._prefix:
            finishing.scrub(self._prefix, self._reporter.masker)
            size = finishing.size_of(self._prefix)
            finishing.settle(wish.cache)
        manifest = manifest_of(wish, made, self._reporter.masker, began, size)
        if not has_interpreter(manifest):
            raise Problem("the environment was built and has no Python; add python to its packages", "user")
        self._reporter.line("the environment is ready (%.1f s, %.0f MB)" % (time.time() - began, size / 1e6))
        publish(wish.cache, wish.key, manifest)
        os.unlink(self._prefix + ".source")
        return ready_of(wish, read_manifest(wish.cache, wish.key) or dict(manifest, key=wish.key))

    def _clear(self) -> None:
        """Remove what a killed build left, or an environment of which the interpreter is gone."""
        try:
            os.unlink(manifest_path(self._wish.cache, self._wish.key))
            self._reporter.line("the environment is there but its interpreter is gone; it is built again")
        except FileNotFoundError:
            if os.path.lexists(self._prefix):
                self._reporter.line("an earlier build was cut short; it is begun anew")
        finishing.remove_tree(self._prefix)
        finishing.remove_tree(self._prefix + WANTED)

    def _say_for_whom(self) -> None:
        record = {"source": self._wish.source, "specification": specification_of(self._wish, self._reporter.masker)}
        with open(self._prefix + ".source", "w", encoding="utf-8") as stream:
            os.chmod(stream.fileno(), 0o600)
            json.dump(self._reporter.masker.deep(record), stream)

    def _failed(self, message: str, error_class: str, tail: List[str]) -> int:
        kill_descendants()
        if self._use >= 0:
            for path in (self._prefix, self._prefix + ".source"):
                try:
                    finishing.remove_tree(path)
                except OSError as error:
                    self._reporter.line("%s could not be removed: %s" % (path, error.strerror))
        return self._reporter.problem(message, error_class, tail)
