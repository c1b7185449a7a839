"""A script in a container, for its attempt: what :class:`.watched.Script` is for a process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from .. import collect, hunt, process, script
from ..job import Job
from ..places import Places
from ..plain import read_plain
from ..problems import Problem
from ..verdict import Verdict
from ..watched import Script
from . import ATTEMPT_LABEL, CONTROL, HOOK, PROGRAM, ROOT_LABEL, RUN, RUN_LABEL, WORK
from .arguments import read_arguments
from .shepherd import ATTACH, REMOVE, REPORT, START

if TYPE_CHECKING:
    from ..yard import Yard

MARK = "RUNYARD_SHEPHERD"
_TRIES = 5
"""How often a shepherd may end without a report before its container is ended."""
_PAUSE, _SLOWEST = 0.05, 5.0
_MOST = 1 << 20


class Contained(Script):
    """One container and its shepherds. ``ended(code)`` is called once, when the container is gone."""

    def __init__(self, yard: "Yard", job: Job, places: Places, quarry: hunt.Quarry, ended: Callable[..., None]) -> None:
        super().__init__(yard.loop, quarry, self._left, yard.code_of)
        self.report: Dict[str, Any] = {}
        """What the last shepherd said."""
        self.is_adopted = False
        """Whether it was taken over: then it may be that it was not begun."""
        self._yard = yard
        self._job = job
        self._places = places
        self._tell = ended
        self._mode = START
        self._tries = 0

    @property
    def verdict(self) -> Optional[Verdict]:
        """What is said of its ending, unless its exit code says it all."""
        if "problem" in self.report:
            return Verdict("failed", self.report["problem"], self.report["class"])
        if self.report.get("is_oom"):
            message = (
                "the container ran out of memory and the script was ended; raise --memory in docker.arguments, or have the "
                "script use less"
            )
            return Verdict("exited", message, "user")
        if self.is_unborn:
            message = "the container was removed by somebody else before the script began; submit it again"
            return Verdict("interrupted", message, "transient")
        if self.report.get("code") is None:
            message = "the container was removed by somebody else while the script ran; its log says how far it came"
            return Verdict("interrupted", message, "transient")
        return None

    @property
    def is_unborn(self) -> bool:
        """Whether it is certain that the script did not begin, and that nothing of it is left: it may be made anew."""
        return bool(self.report.get("never"))

    def begin(self, image: Dict[str, Any]) -> None:
        """Make the container and start the script in it.

        Args:
            image: What the image's builder gave: ``image``, ``interpreter``, ``variables``, ``path`` and ``user``.

        Raises:
            Problem: if the script is not in the snapshot.
            OSError: as the system refuses it.
        """
        os.makedirs(self._places.control + "/home", mode=0o700, exist_ok=True)
        with open(self._places.log, "ab"):
            pass  # the script's first process opens it, too: what is there is the user's in any case
        variables = _variables(self._job, self._yard.environment, image, bool(self._yard.hook))
        task = self._task(START)
        task["create"] = self._create(image)
        task["variables"] = variables
        self._launch(task)

    def resume(self) -> None:
        """Go on with one that was begun, as an earlier supervisor or shepherd left it."""
        self.is_adopted = True
        self.is_ours = False
        os.makedirs(self._places.control, mode=0o700, exist_ok=True)
        for pid in hunt.find_all(self._quarry):
            process.send(pid, signal.SIGKILL)
        self._mode = ATTACH
        self._again()

    def terminate(self) -> None:
        """Have TERM sent to the script's group."""
        self.may_linger = True
        process.send(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Have the container ended."""
        self._mode = REMOVE
        if self.pid:
            process.send_group(self.pid, signal.SIGKILL)

    def _left(self, _: Optional[int]) -> None:
        """A shepherd ended."""
        found = _read_report(self._places.control)
        if found is not None:
            self.report = found
            for pid in hunt.find_all(self._quarry):  # of an earlier one, that was replaced
                process.send(pid, signal.SIGKILL)
            self.ended_at = found.get("ended")
            self._tell(found.get("code"))
            return
        self._tries += 1
        if self._mode != REMOVE:
            self._mode = ATTACH if self._tries < _TRIES else REMOVE
        self._loop.call_after(min(_PAUSE * 2**self._tries, _SLOWEST) if self._tries > 1 else 0.0, self._again)

    def _again(self) -> None:
        self.release()
        try:
            self._launch(self._task(self._mode))
        except OSError as error:
            self._yard.complain("%s: its container is not attended: %s\n" % (self._job.run, error.strerror))
            self._loop.call_after(_SLOWEST, self._again)

    def _launch(self, task: Dict[str, Any]) -> None:
        environment = dict(self._yard.environment)
        environment[MARK] = self._places.control
        argv = [sys.executable, "-I", "-S", self._yard.program(), "shepherd"]
        self._asked = 0
        self.is_ours = True
        with _memory(self._places.control) as stream, open(self._places.control + "/shepherd.log", "ab") as log:
            stream.write(json.dumps(task).encode())
            stream.seek(0)
            # With the builders' tag: nobody is to take it, or a client that it leaves, for a script.
            with process.wearing(process.BUILDER_TAG):
                started = subprocess.Popen(
                    argv, stdin=stream, stdout=log, stderr=log, cwd="/", env=environment, start_new_session=True
                )
        started.returncode = 0  # reaped by us, not by it
        pid = started.pid
        found = process.read_stat(pid)
        self._attend(pid, found.start if found is not None else 0, process.open_pidfd(pid))

    def _task(self, mode: str) -> Dict[str, Any]:
        container = self._job.container or {}
        return {
            "mode": mode,
            "engine": container.get("engine", ""),
            "environment": self._yard.environment,
            "name": self._job.name,
            "control": self._places.control,
            "work": self._places.work,
            "shared": container.get("shared_volumes", True),
            "keep": collect.folders_of(self._job),
        }

    def _create(self, image: Dict[str, Any]) -> List[str]:
        """What follows ``docker create``, but for its name and variables; nothing in it is secret."""
        job, places, container = self._job, self._places, self._job.container or {}
        interpreter = (
            image["script"] if job.environment is not None or job.interpreter in ("", "python") else job.interpreter
        )
        if os.sep in interpreter and not os.path.isabs(interpreter):
            interpreter = WORK + "/" + interpreter
        words = ["--init=false", "--user", image["user"], "--workdir", WORK, "--entrypoint", image["interpreter"]]
        words += ["--hostname", job.name] if container.get("network") != "host" else []
        for label, value in ((RUN_LABEL, job.run), (ATTEMPT_LABEL, str(job.attempt)), (ROOT_LABEL, self._yard.root)):
            words += ["--label", "%s=%s" % (label, value)]
        mounts = [(places.folder, RUN, False), (places.control, CONTROL, False)]
        mounts.append((self._yard.program(), PROGRAM, True))
        if container.get("shared_volumes", True):
            mounts.append((places.work, WORK, False))
        if self._yard.hook and job.hook:
            mounts.append((self._yard.hook, HOOK, True))
        for source, target, is_fixed in mounts:
            words += ["--mount", mount(source, target, is_fixed)]
        words += options_of(container, job.gpu)
        words += [image["image"], "-I", "-S", PROGRAM, "inside", CONTROL, RUN + places.log[len(places.folder) :], WORK]
        return words + [interpreter, script.find_script(job.script, places.work)] + job.arguments


def options_of(container: Dict[str, Any], gpu: Optional[int]) -> List[str]:
    """The arguments of ``docker create`` that the job asks for."""
    words = read_arguments(container.get("arguments", []), container.get("allowed", [])).options
    given = {word.partition("=")[0] for word in words}
    if container.get("gpu") and gpu is not None and "--gpus" not in given:
        words += ["--gpus", "device=%d" % gpu]
    if container.get("shm_size") and "--shm-size" not in given:
        words += ["--shm-size", container["shm_size"]]
    if container.get("network"):
        words += ["--network", container["network"]]
    return words


def mount(source: str, target: str, is_fixed: bool) -> str:
    """A value of ``--mount``, which is a line of comma-separated values (RFC 4180)."""
    fields = ["type=bind", "source=" + source, "target=" + target] + (["readonly"] if is_fixed else [])
    return ",".join('"%s"' % each.replace('"', '""') if "," in each or '"' in each else each for each in fields)


def _variables(job: Job, host: Dict[str, str], image: Dict[str, Any], has_hook: bool) -> Dict[str, str]:
    """The container's variables: nothing of the host's, but for those that the run configuration names."""
    container = job.container or {}
    read = read_arguments(container.get("arguments", []), container.get("allowed", []))
    base = {name: host[name] for name in read.inherited if name in host}
    base.update(read.variables)
    made = script.variables(base, job, _PlacesInside(), HOOK if has_hook else "")
    made.setdefault("HOME", CONTROL + "/home")
    made.pop("CUDA_VISIBLE_DEVICES", None)  # it sees one device alone, and counts it as its first
    if job.environment_variables.get("CUDA_VISIBLE_DEVICES"):
        made["CUDA_VISIBLE_DEVICES"] = job.environment_variables["CUDA_VISIBLE_DEVICES"]
    before = made.get("PATH", "")
    made.update(image["variables"])
    if before:
        made["PATH"] = before if "PATH" not in image["variables"] else image["variables"]["PATH"] + os.pathsep + before
    for name, value in made.items():
        if not name or any(each.isspace() for each in name) or name.startswith("#"):
            raise Problem("a container cannot have an environment variable of the name %r" % name)
        if "\n" in value and name.startswith(("DOCKER_", "PATH", "HOME", "LD_")):
            raise Problem("the environment variable %s of a container cannot have several lines" % name)
    return made


class _PlacesInside(Places):
    """The paths that the script sees."""

    def __init__(self) -> None:
        self.work = WORK
        self.folder = RUN
        self.metrics = RUN + "/metrics.jsonl"


def _read_report(control: str) -> Optional[Dict[str, Any]]:
    try:
        found = json.loads((read_plain(control + "/" + REPORT, _MOST) or b"null").decode())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _memory(folder: str) -> Any:
    """A file without a name, for what a process is to read from its stdin: it may be secret."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("task"), "w+b", 0)
    return tempfile.TemporaryFile(dir=folder, buffering=0)
