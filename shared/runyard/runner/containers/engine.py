"""The engine's command line: one call, and what its refusals mean."""

import json
import os
import shutil
import subprocess
import threading
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from ..problems import Problem

TIMEOUT = 60.0
"""Seconds for what an engine that is well does in one."""
_TAIL = 3
_DENIED = ("permission denied",)
_SILENT = (
    "cannot connect to the docker daemon",
    "failed to connect to the docker api",
    "error during connect",
    "connection refused",
    "is the docker daemon running",
    "cannot connect to podman",
)
"""What the clients say of an engine that does not answer (docker 20 to 28, podman 4)."""
_OFF = "or set docker.enabled to false"


class Answer(NamedTuple):
    """What a call gave."""

    code: int
    out: str
    error: str

    @property
    def reason(self) -> str:
        """The last line that says what went wrong."""
        lines = [line.strip() for line in (self.error or self.out).splitlines() if line.strip()]
        lines = [line for line in lines if not line.lower().startswith(("run '", "see '"))]
        return lines[-1][:500] if lines else "exit code %d" % self.code


class Engine:
    """One engine. ``environment`` is what its client gets, the variables of the host among it (``DOCKER_HOST``, say)."""

    def __init__(self, command: str, environment: Mapping[str, str], folder: str = "/") -> None:
        self.command = command or "docker"
        self.environment = dict(environment)
        self._folder = folder

    def find(self) -> str:
        """The full path of the client.

        Raises:
            Problem: if there is none, or it would talk to another machine's engine.
        """
        found = shutil.which(self.command, path=self.environment.get("PATH", os.defpath))
        if found is None:
            raise Problem(
                "the run asks for a container, and there is no %s here; install it, name it with the compute's option "
                "docker, %s" % (self.command, _OFF)
            )
        host = self.environment.get("DOCKER_HOST", "")
        if host and not host.startswith("unix://"):
            raise Problem(
                "DOCKER_HOST is %s, and containers of kind 'local' share folders with this machine; set it to a unix:// "
                "socket, or unset it" % host.split("@")[-1]
            )
        return found

    def call(
        self,
        arguments: List[str],
        stdin: bytes = b"",
        timeout: Optional[float] = TIMEOUT,
        variables: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        """Run the client to its end; its code is -1 if that did not come in time.

        Raises:
            Problem: if there is no client.
        """
        process = self.start(
            arguments, variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            out, error = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Answer(-1, "", "%s did not answer within %g s" % (self.command, timeout or 0))
        return Answer(process.returncode, out.decode("utf-8", "replace"), error.decode("utf-8", "replace"))

    def start(self, arguments: List[str], variables: Optional[Mapping[str, str]] = None, **streams: Any) -> Any:
        """Start the client in a session of its own: what ends us must not cut off what it asked for.

        Raises:
            Problem: if there is no client, or it cannot be started.
        """
        environment = dict(self.environment, **(variables or {}))
        try:
            return subprocess.Popen(
                [self.find()] + arguments, env=environment, cwd=self._folder, start_new_session=True, **streams
            )
        except OSError as error:
            raise Problem("%s could not be started: %s" % (self.command, error.strerror), "transient") from error

    def must(self, what: str, arguments: List[str], **options: Any) -> str:
        """What a call that has to succeed prints.

        Raises:
            Problem: says that ``what`` failed, and why.
        """
        answer = self.call(arguments, **options)
        if answer.code != 0:
            raise self.problem(what, answer)
        return answer.out

    def follow(
        self,
        arguments: List[str],
        tell: Callable[[str], Any],
        stdin: bytes = b"",
        variables: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        """Run the client to its end, and tell each line that it prints as it comes; the answer has the last ones."""
        process = self.start(
            arguments, variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
        feeder.start()
        tail: List[str] = []
        try:
            for raw in process.stdout:
                line = raw.decode("utf-8", "replace").rstrip()
                if line:
                    tail = (tail + [line])[-_TAIL:]
                    tell(line)
        finally:
            if process.poll() is None and process.stdout.readable():
                process.terminate()  # we are being ended; or it closed its output, and is about to end
        feeder.join()
        return Answer(process.wait(), "", "\n".join(tail))

    def problem(self, what: str, answer: Answer, error_class: str = "config") -> Problem:
        """Why a call failed, as a sentence."""
        said = answer.error.lower()
        if any(text in said for text in _DENIED) and "sock" in said:
            return Problem(
                "the run asks for a container, and %s does not let this user in (permission denied on its socket); add the "
                "user to the group docker and log in again, use a rootless engine, %s" % (self.command, _OFF)
            )
        if any(text in said for text in _SILENT):
            host = self.environment.get("DOCKER_HOST", "its usual socket")
            return Problem(
                "the run asks for a container, and the engine of %s does not answer at %s; start it (systemctl start docker), "
                "set DOCKER_HOST if it listens elsewhere, %s" % (self.command, host, _OFF)
            )
        if answer.code == -1:
            return Problem("%s failed: %s" % (what, answer.reason), "transient")
        return Problem("%s failed: %s" % (what, answer.reason), error_class)

    def is_silent(self, answer: Answer) -> bool:
        """Whether a call failed as the engine did not answer: nothing is known then."""
        said = answer.error.lower()
        return answer.code != 0 and (answer.code == -1 or any(text in said for text in _SILENT + _DENIED))

    def version(self) -> str:
        """The engine's version.

        Raises:
            Problem: if it is not there, does not answer, or does not let us in.
        """
        return self.must("asking the engine", ["version", "--format", "{{.Server.Version}}"], timeout=10.0).strip()

    def inspect(self, kind: str, name: str) -> Optional[Dict[str, Any]]:
        """What the engine knows of a ``container`` or an ``image``; ``None`` if there is none.

        Raises:
            Problem: if the engine does not answer.
        """
        answer = self.call([kind, "inspect", name])
        if answer.code == 0:
            found: Dict[str, Any] = json.loads(answer.out)[0]
            return found
        if "no such" in answer.error.lower() or "not known" in answer.error.lower():
            return None
        raise self.problem("looking for the %s %s" % (kind, name), answer)


def _feed(stream: Any, data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except OSError:
        pass  # it ended without reading: its answer says why
