"""The runner in the container, as its first process: Python 3.6, the standard library, whatever the image has.

It starts the script in a group of its own, with its output in the mounted log; passes TERM and INT to that group; reaps
what becomes an orphan; kills what is left when the script has ended; notes how it ended; exits as it did.
"""

import json
import os
import shutil
import signal
import sys
import time
from typing import Any, List

from .. import process

BEGAN, EXIT = "began", "exit.json"
NOT_TWICE = 120
"""The exit code of a container that was started a second time: it runs nothing."""
_MAGIC = 128


class Inside:
    """One script's life in its container."""

    def __init__(self, control: str, log: str, folder: str, argv: List[str]) -> None:
        self._control = control
        self._log = log
        self._folder = folder
        self._argv = argv
        self._pid = 0
        self._signals: List[int] = []
        """Those that came."""

    def run(self) -> int:
        """Run the script once; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        try:
            descriptor = os.open(self._control + "/" + BEGAN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return NOT_TWICE
        os.write(descriptor, b"%.3f\n" % time.time())
        os.close(descriptor)
        try:
            program = shutil.which(self._argv[0]) or self._argv[0]
            self._pid = process.spawn([program] + self._argv[1:], dict(os.environ), self._folder, self._log)
        except OSError as error:
            problem = process.start_problem(error, self._argv[0])
            self._note({"problem": problem.message, "class": problem.error_class})
            return 127
        for each in self._signals:
            process.send_group(self._pid, each)
        code = self._wait()
        self._note({"code": code, "ended": time.time()})
        self._clear_up()
        return code if code >= 0 else _MAGIC - code

    def _pass_on(self, number: int, _: Any) -> None:
        self._signals.append(number)
        if self._pid:
            process.send_group(self._pid, number)

    def _wait(self) -> int:
        while True:
            pid, status = os.wait()
            if pid == self._pid:
                return process.decode(status)

    def _clear_up(self) -> None:
        """Kill what the script left; as the first process we are the parent of all orphans, and -1 is all but us.

        Where it was asked to end, what it left has time for that, too: whoever asked ends the container after it.
        """
        if not self._signals:
            process.send_group(self._pid, signal.SIGKILL)
            if os.getpid() != 1:
                return  # the compute lets containers share the machine's processes
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                pass  # nothing is left
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass

    def _note(self, record: Any) -> None:
        path = self._control + "/" + EXIT
        try:
            with open(path + ".new", "w", encoding="utf-8") as stream:
                json.dump(record, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(path + ".new", path)
        except OSError as error:  # the container's exit code says it, too
            sys.stderr.write("how the script ended was not noted: %s\n" % error.strerror)


def main(arguments: List[str]) -> int:
    """``CONTROL LOG FOLDER PROGRAM [ARGUMENT …]``."""
    if arguments[:1] == ["--probe"]:
        import platform  # noqa: PLC0415 - not beside every script

        glibc = platform.libc_ver(sys.executable)[0] == "glibc"
        sys.stdout.write(json.dumps({"version": list(sys.version_info[:3]), "glibc": glibc}))
        return 0
    return Inside(arguments[0], arguments[1], arguments[2], arguments[3:]).run()
