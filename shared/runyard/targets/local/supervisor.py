"""Finds the root's supervisor, or starts one: the host's side."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from runyard.errors import StorageFullError, TransientError
from runyard.runner import build, keep, wire
from runyard.targets.local.connection import PROMPT, Connection, Disconnected, Refused, Silent
from runyard.targets.local.inherit import inherited

START_WITHIN: Final = 20.0
"""Seconds until a supervisor that was started must answer."""
_LONGEST_PAUSE: Final = 0.5
"""Seconds between tries to reach a supervisor that holds the root and does not listen."""
_BACK_WITHIN: Final = 0.5
"""Seconds for which a supervisor that was lost may come back by itself: its keeper starts the next."""
_FRESH: Final = 2.0
"""Seconds for which what the supervisor told by itself is taken as the present."""
_OTHER_VERSION: Final = "the local supervisor is of another version and still carries runs; it leaves when they have ended, and new ones start then"
_LOG_MOST: Final = 1 << 20
"""Bytes of the supervisor's log beyond which a new one is begun."""

log = logging.getLogger(__name__)


class Supervisor:
    """The one supervisor of a root, as a host sees it."""

    def __init__(self, root: Path, tell: Callable[[str], None]) -> None:
        """Nothing is started yet.

        Args:
            root: The root folder.
            tell: Called with a compute's name when something happened there.
        """
        self._root = root
        self._tell = tell
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._lost = 0.0
        """When a supervisor that we were connected to went away."""
        self._unanswered = 0.0
        """When it was last given up to connect."""
        self._jobs: dict[str, dict[str, Any]] = {}
        self._computes: set[str] = set()
        self._unconfirmed: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        """Jobs and their secrets that were handed over and not heard of since: handed over again if the supervisor is killed."""

    def seen(self, name: str) -> dict[str, Any] | None:
        """What the supervisor last told of a job: ``phase``, ``started``, ``detail``, and ``result`` once ended."""
        return self._jobs.get(name)

    def forget(self, name: str) -> None:
        """Drop what is known of an ended job; its files know it."""
        self._jobs.pop(name, None)
        self._unconfirmed.pop(name, None)

    def is_fresh(self) -> bool:
        """Whether what :meth:`seen` says is the present."""
        connection = self._connection
        return connection is not None and time.monotonic() - connection.heard < _FRESH

    def connect(self) -> Connection:
        """The connection; made, and the supervisor started, when needed.

        Raises:
            TransientError: if no supervisor can be started.
            StorageFullError: if there is no room for it.
        """
        connection = self._connection
        if connection is not None:
            return connection
        asked = time.monotonic()
        with self._lock:
            if self._connection is None:
                if self._unanswered > asked:  # another thread found out while this one waited for it
                    raise self._silence()
                self._connection = self._open()
            return self._connection

    def ask(self, do: str, timeout: float | None = None, **fields: object) -> dict[str, Any]:
        """Ask the supervisor; once more if it went away meanwhile. Every request may be repeated.

        Raises:
            TransientError: if it does not answer, or refuses.
        """
        for _ in range(3):
            try:
                return self.connect().ask(do, timeout, **fields)
            except Disconnected:
                self._drop()
            except Silent:
                raise self._silence() from None
        raise TransientError("the local supervisor ended three times in a row; see local/supervisor.log in the root")

    def refresh(self, computes: set[str]) -> None:
        """Ask what jobs there are now, and remember for which computes news are wanted.

        Raises:
            TransientError: if it does not answer.
        """
        self._computes |= computes
        self.ask("list")

    def start(
        self, records: Sequence[Mapping[str, Any]], secrets: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Sequence[str]:
        """Hand jobs over; for each an empty text, or why it was refused.

        Args:
            records: The jobs, their secrets masked.
            secrets: Per name of a job, what it shows masked, by JSON pointers into its record. Kept in memory alone, here as there.

        Raises:
            TransientError: if the supervisor does not answer.
        """
        values = secrets or {}
        for record in records:
            self._computes.add(record["compute"])
            self._jobs.setdefault(record["name"], {"phase": "accepted"})
            self._unconfirmed[record["name"]] = (record, values.get(record["name"], {}))
        answers: Sequence[str] = self.ask("start", jobs=records, secrets=values)["ok"]
        return answers

    def close(self) -> None:
        """Hang up. The supervisor and its jobs go on."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _drop(self) -> None:
        with self._lock:
            self._connection = None
            self._lost = time.monotonic()

    def _open(self) -> Connection:
        self._jobs.clear()
        data = build.zipapp_bytes()
        ident = build.build_id(data)
        deadline = time.monotonic() + PROMPT
        pause = 0.02
        while time.monotonic() < deadline:
            connection = self._try()
            if connection is None and time.monotonic() - self._lost > _BACK_WITHIN:
                connection = self._start(ident, data)
            if connection is not None and self._greet(connection, ident):
                return connection
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._unanswered = time.monotonic()
        raise self._silence()

    def _silence(self) -> TransientError:
        """What to raise when it does not answer."""
        local = self._root / "local"
        try:
            pid = (local / "supervisor.lock").read_bytes()[:20].strip().decode()
        except (OSError, ValueError):
            pid = ""
        who = f"the local supervisor (pid {pid})" if pid.isdigit() else "the local supervisor"
        return TransientError(f"{who} does not answer; see {local / 'supervisor.log'}")

    def _try(self) -> Connection | None:
        try:
            return Connection(self._root / "local" / "supervisor.sock", self._news, self._gone)
        except OSError:
            return None

    def _greet(self, connection: Connection, ident: str) -> bool:
        """Introduce ourselves; whether it stays. One of another build is asked to leave if it has nothing to do."""
        try:
            try:
                reply = connection.ask("hello", PROMPT, protocol=wire.PROTOCOL, environment=inherited())
            except Refused:  # it speaks another protocol
                if not connection.ask("retire")["ok"]:
                    raise TransientError(_OTHER_VERSION) from None
                connection.close()
                return False
            if reply["build"] != ident and not reply["jobs"] and connection.ask("retire")["ok"]:
                connection.close()
                return False
            if self._unconfirmed:
                again = list(self._unconfirmed.values())
                secrets = {record["name"]: values for record, values in again if values}
                connection.ask("start", jobs=[record for record, _ in again], secrets=secrets)
        except Disconnected:
            return False
        except Silent:
            connection.close()
            self._unanswered = time.monotonic()
            raise self._silence() from None
        except TransientError:
            connection.close()
            raise
        return True

    def _start(self, ident: str, data: bytes) -> Connection | None:
        """Start a supervisor and wait until it listens; ``None`` if it did not come to that."""
        program = self._root / "local" / f"runner-{ident}.pyz"
        try:
            program.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not program.exists() or program.stat().st_size != len(data):
                build.build_zipapp(str(program))
            ready = self._launch(program, ident)
        except OSError as error:
            raise StorageFullError(f"the local supervisor cannot be started: {error.strerror}") from error
        return self._try() if ready else None

    def _launch(self, program: Path, ident: str) -> bool:
        command = keep.command(str(program), str(self._root), ident)
        path = self._root / "local" / "supervisor.log"
        if path.exists() and path.stat().st_size > _LOG_MOST:
            path.unlink()
        with (
            path.open("ab") as errors,
            subprocess.Popen(  # noqa: S603 - this very interpreter and our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env=inherited(),
                start_new_session=True,
            ) as started,
        ):
            assert started.stdout is not None
            readable, _, _ = select.select([started.stdout], [], [], START_WITHIN)
            # Either the supervisor says that it is ready, or all who could have said so are gone.
            return bool(readable) and os.read(started.stdout.fileno(), 16).startswith(b"ready")

    def _news(self, message: dict[str, Any]) -> None:
        """Keep the mirror. On the reading thread only, so that it follows the order in which things were told."""
        if "jobs" in message:
            now = {job["name"]: job for job in message["jobs"]}
            for name, job in list(self._jobs.items()):
                if name not in now and not job.get("result"):
                    self._jobs.pop(name, None)
            self._jobs.update(now)
            return
        self._unconfirmed.pop(message["name"], None)
        if message["news"] == "refused":
            self._jobs.pop(message["name"], None)
        elif message["name"] in self._jobs:
            self._jobs[message["name"]] = message
        if message["compute"] in self._computes:
            self._tell(message["compute"])

    def _gone(self, connection: Connection) -> None:
        if self._connection is not connection:
            return
        self._connection = None
        self._lost = time.monotonic()
        self._jobs.clear()
        log.warning("the local supervisor is gone; its scripts go on", extra={"action": "supervisor"})
        for compute in list(self._computes):
            self._tell(compute)
