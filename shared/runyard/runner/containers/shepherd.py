"""The process beside a container: sees it from its creation to its removal, and reports. Any of them can be replaced.

It may be killed at any time, and so may whoever started it. The next one, in the mode ``attach``, finds the container by its
name and goes on; the mode ``remove`` ends it first. Only when the container is gone the report is written.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from typing import Any, Dict, List, Optional

from ..plain import read_plain
from ..problems import Problem
from . import WORK
from .engine import Answer, Engine
from .inside import BEGAN, EXIT, NOT_TWICE

START, ATTACH, REMOVE = "start", "attach", "remove"
REPORT = "report.json"
_AGAIN, _SLOWEST = 0.2, 5.0
"""Seconds between looks at an engine that does not answer."""
_LATE = 0.5
"""Seconds after which a container is there that a killed client asked for just before."""
_MOST = 1 << 20
_CONFLICT = "is already in use"
_KILLED = 137
"""128 + KILL, as engines say it."""


class Gone(Exception):  # noqa: N818 - a fact
    """The container is not there."""


class Shepherd:
    """One container's.

    ``task`` has ``mode``, ``engine`` (the client's name or path), ``environment`` (of the client), ``name``, ``control``,
    ``work``, ``shared`` (whether the working folder is mounted), ``keep`` (folders that are copied out, where it is not), and
    for ``start`` also ``create`` (arguments after ``docker create``) and ``variables`` (of the container).
    """

    def __init__(self, task: Dict[str, Any]) -> None:
        self._task = task
        self._name: str = task["name"]
        self._control: str = task["control"]
        self._engine = Engine(task["engine"], task["environment"], task["work"])
        self._senders: List[Any] = []

    def run(self) -> Dict[str, Any]:
        """Until the container is gone; returns the report.

        It has ``code`` (the script's exit code, ``-N`` = by signal N; ``None``: not known), ``ended``, ``is_oom``, and one of
        ``problem`` with ``class`` (why there is no script), ``never`` (it was not begun, and nothing of it is there) or neither.
        """
        signal.signal(signal.SIGTERM, self._pass_on)
        mode = self._task["mode"]
        try:
            state = self._remove() if mode == REMOVE else self._attend(mode)
        except Gone:
            state = {}
        except Problem as problem:
            self._remove()
            return {"problem": problem.message, "class": problem.error_class}
        return self._report(state)

    def _attend(self, mode: str) -> Dict[str, Any]:
        """Have it started, wait for its end, remove it; returns the state that it ended with."""
        if mode == START:
            self._create()
        else:
            self._look()
        if self._look()["Status"] == "created":
            self._start()
        state = self._wait()
        if not self._task["shared"]:
            self._copy_out()
        self._remove()
        return state

    def _create(self) -> None:
        lines = ["%s=%s" % pair for pair in self._task["variables"].items() if "\n" not in pair[1]]
        long = {name: value for name, value in self._task["variables"].items() if "\n" in value}
        # A file of variables has one on each line; a value of several lines goes by the client's own environment.
        names = [word for name in sorted(long) for word in ("--env", name)]
        arguments = ["create", "--name", self._name, "--env-file", "/dev/stdin"] + names + self._task["create"]
        answer = self._engine.call(arguments, "\n".join(lines).encode("utf-8", "surrogateescape"), variables=long)
        if answer.code != 0 and _CONFLICT in answer.error:
            # Of a client that was killed before it started it, or it would have begun.
            if os.path.exists(self._control + "/" + BEGAN):
                return
            self._remove()
            answer = self._engine.call(arguments, "\n".join(lines).encode("utf-8", "surrogateescape"), variables=long)
        if answer.code != 0:
            raise self._engine.problem("making the container", answer)

    def _start(self) -> None:
        if not self._task["shared"]:
            self._copy_in()
        answer = self._engine.call(["start", self._name])
        if answer.code != 0 and not os.path.exists(self._control + "/" + BEGAN):
            raise self._engine.problem("starting the container", answer)

    def _look(self) -> Dict[str, Any]:
        """Its state, as the engine has it (``docker inspect``'s ``State``); waits for an engine that does not answer."""
        pause = _AGAIN
        while True:
            answer = self._engine.call(["container", "inspect", "--format", "{{json .State}}", self._name])
            if answer.code == 0:
                state: Dict[str, Any] = json.loads(answer.out)
                return state
            if not self._engine.is_silent(answer):
                raise Gone
            self._say(answer)
            time.sleep(pause)
            pause = min(pause * 2, _SLOWEST)

    def _wait(self) -> Dict[str, Any]:
        while True:
            waiting = self._engine.start(
                ["wait", self._name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            waiting.wait()
            state = self._look()
            if state["Status"] not in ("running", "paused", "restarting", "removing"):
                return state
            time.sleep(_AGAIN)

    def _copy_in(self) -> None:
        """Copy the unpacked snapshot, as ours: ``docker cp`` would make all of it root's, unless it gets a tar."""
        what = "copying the snapshot into the container"
        process = self._engine.start(
            ["cp", "-", self._name + ":/"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            with tarfile.open(fileobj=process.stdin, mode="w|", format=tarfile.PAX_FORMAT) as stream:
                stream.add(self._task["work"], WORK[1:])
            process.stdin.close()
        except OSError:
            pass  # it ended early: its answer says why
        error = process.stderr.read().decode("utf-8", "replace")
        if process.wait() != 0:
            raise self._engine.problem(what, Answer(process.returncode, "", error), "transient")

    def _copy_out(self) -> None:
        for name in self._task["keep"]:
            source, target = "%s:%s/%s/." % (self._name, WORK, name), self._task["work"] + "/" + name
            answer = self._engine.call(["cp", source, target], timeout=None)
            if answer.code != 0 and "could not find" not in answer.error.lower():
                self._say(answer)

    def _remove(self) -> Dict[str, Any]:
        """End it, if it runs, and remove it; returns when it is not there any more, and what it was last."""
        pause, state, looks = _AGAIN, {}, 0
        while True:
            try:
                state = self._look()
                looks = 2
            except Gone:
                if looks or os.path.exists(self._control + "/" + BEGAN):
                    return state
                time.sleep(_LATE)
                looks = 1
                continue
            answer = self._engine.call(["rm", "--force", "--volumes", self._name])
            if answer.code != 0:
                self._say(answer)
                time.sleep(pause)
                pause = min(pause * 2, _SLOWEST)

    def _report(self, state: Dict[str, Any]) -> Dict[str, Any]:
        found = read_exit(self._control)
        is_oom = bool(state.get("OOMKilled"))
        if "problem" in found:
            return found
        if "code" in found:
            return {"code": found["code"], "ended": found["ended"], "is_oom": is_oom and found["code"] != 0}
        if not os.path.exists(self._control + "/" + BEGAN):
            code = state.get("ExitCode")
            if self._task["mode"] != REMOVE and state.get("Status") in ("exited", "dead"):
                return {"problem": self._unborn(state, code), "class": "config"}
            return {"never": True, "code": None, "is_oom": False}
        code = state.get("ExitCode") if state.get("Status") in ("exited", "dead") else None
        if code == NOT_TWICE:
            code = None
        return {"code": -signal.SIGKILL if code == _KILLED else code, "is_oom": is_oom, "ended": time.time()}

    def _unborn(self, state: Dict[str, Any], code: Optional[int]) -> str:
        if state.get("OOMKilled"):
            return "the container ran out of memory before the script could start; raise --memory in docker.arguments"
        said = state.get("Error") or "exit code %s" % code
        return "the container ended before the script could start: %s" % said

    def _pass_on(self, number: int, _: Any) -> None:
        if os.path.exists(self._control + "/" + BEGAN):
            self._send(number)
        else:  # a first process does not hear what it has no handler for yet
            timer = threading.Timer(_AGAIN / 4, self._pass_on, (number, None))
            timer.daemon = True
            timer.start()

    def _send(self, number: int) -> None:
        self._senders = [each for each in self._senders if each.poll() is None]
        try:
            quiet: Dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.DEVNULL,
                "stderr": subprocess.DEVNULL,
            }
            self._senders.append(self._engine.start(["kill", "--signal", str(number), self._name], **quiet))
        except Problem as problem:
            sys.stderr.write(problem.message + "\n")

    def _say(self, answer: Answer) -> None:
        sys.stderr.write("%s: %s\n" % (self._name, answer.reason))
        sys.stderr.flush()


def read_exit(control: str) -> Dict[str, Any]:
    """How the script ended, as the first process in the container noted it; empty if it did not."""
    try:
        found = json.loads((read_plain(control + "/" + EXIT, _MOST) or b"{}").decode())
    except ValueError:
        return {}
    if isinstance(found.get("problem"), str) and isinstance(found.get("class"), str):
        return {"problem": found["problem"], "class": found["class"]}
    if isinstance(found.get("code"), int) and isinstance(found.get("ended"), float):
        return {"code": found["code"], "ended": found["ended"]}
    return {}


def main() -> int:
    """Read a task from stdin, see to its container, and leave the report in its control folder."""
    task = json.load(sys.stdin)
    report = Shepherd(task).run()
    path = task["control"] + "/" + REPORT
    while True:
        try:
            with open(path + ".new", "w", encoding="utf-8") as stream:
                json.dump(report, stream)
            os.rename(path + ".new", path)
            return 0
        except FileNotFoundError:
            return 1  # the attempt is over, and its folder gone
        except OSError as error:
            sys.stderr.write("the report cannot be written: %s\n" % error.strerror)
            time.sleep(_SLOWEST)
