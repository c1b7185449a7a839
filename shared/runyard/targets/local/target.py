"""The kind ``local``."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from runyard.errors import ConfigError, RunyardError, StorageFullError, TargetError, TransientError
from runyard.ports import (
    Absent,
    Capabilities,
    Compute,
    Ended,
    Job,
    LogChunk,
    Observation,
    Plan,
    Running,
    TargetContext,
    Unreachable,
)
from runyard.runner import register, result
from runyard.runner.places import Places, lay_out
from runyard.runner.plain import NO_FILE, open_plain
from runyard.runs.model import Attempt, Handle
from runyard.runs.states import State
from runyard.targets.local import options
from runyard.targets.local.connection import PROMPT, Refused
from runyard.targets.local.jobs import KIND, make_plan, record_of, secrets_of, split_handle
from runyard.targets.local.supervisor import Supervisor

PHASES: Final[dict[str, State]] = {
    "accepted": State.STARTING,
    "preparing": State.PREPARING,
    "running": State.RUNNING,
    "ending": State.RUNNING,
}
"""The supervisor's phases as states: while it clears up, what the script left may still run."""

OUTCOMES: Final[dict[str, str]] = {
    "exited": "exited",
    "timeout": "timeout",
    "canceled": "canceled",
    "interrupted": "interrupted",
    "failed": "failed",
}
"""The runner's outcomes as those of :class:`runyard.ports.Ended`."""

Found = TypeVar("Found")

CAPABILITIES: Final = Capabilities(
    gpu=True, docker=True, multi_node=False, spot=False, live_logs=True, pushes_endings=True
)


class LocalTarget:
    """Runs scripts on this machine. Only under an embedded host: it needs the root folder."""

    kind = KIND
    capabilities = CAPABILITIES

    def __init__(self, context: TargetContext) -> None:
        """Nothing is started before the first job.

        Raises:
            ConfigError: if there is no root folder.
        """
        if context.root is None:
            raise ConfigError("the kind 'local' needs the root folder of an embedded host; start one with `runyard up`")
        # As it is, not resolved anew for each job: the supervisor works with this very path.
        self._root = context.root.absolute()
        self._secrets = context.secrets
        self._tell = context.tell
        self._told: set[str] = set()
        self._supervisor = Supervisor(self._root, self._news)

    def default_compute(self) -> Compute:
        """The compute ``local`` with this machine's limit."""
        return options.default_compute()

    def check(self, compute: Compute) -> Compute:
        """Validate a compute; see the port."""
        return options.check(compute)

    def plan(self, job: Job) -> Plan:
        """Make the request; see the port."""
        return make_plan(job)

    def prepare(self, plan: Plan) -> None:
        """Have the supervisor running, so that ``submit`` need not wait for it."""
        del plan
        self._supervisor.connect()

    def submit(self, plan: Plan) -> Handle:
        """Hand one job over; see the port."""
        answer = self.submit_many([plan])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def submit_many(self, plans: Sequence[Plan]) -> Sequence[Handle | Exception]:
        """Hand jobs over with one request; see the port."""
        records: list[dict[str, Any]] = []
        values: dict[str, dict[str, Any]] = {}
        errors: dict[str, Exception] = {}
        for plan in plans:
            try:
                secrets = secrets_of(plan, self._secrets)
            except ConfigError as error:
                errors[plan.name] = error
                continue
            records.append(record_of(plan, self._root, secrets))
            if secrets:
                values[plan.name] = secrets
        try:
            answers = self._supervisor.start(records, values) if records else []
        except RunyardError as error:
            return [errors.get(plan.name, error) for plan in plans]
        for record, answer in zip(records, answers, strict=True):
            if answer:
                errors[record["name"]] = ConfigError(f"the local supervisor refused the job: {answer}")
        return [errors.get(plan.name) or _handle(plan) for plan in plans]

    def poll(self, handles: Sequence[Handle]) -> Sequence[Observation]:
        """Observe jobs: the result file is the truth, the supervisor knows those that have none."""
        computes = {handle.compute for handle in handles}
        self._told -= computes
        fresh = self._supervisor.is_fresh()
        seen = [_look(self._mirrored, handle) if fresh else None for handle in handles]
        seen = [found or _look(self._ending, handle) for found, handle in zip(seen, handles, strict=True)]
        if all(seen):
            return [found for found in seen if found is not None]
        unknown = functools.partial(_look, self._unknown)
        try:
            self._supervisor.refresh(computes)
            return [
                found or self._mirrored(handle) or unknown(handle) for found, handle in zip(seen, handles, strict=True)
            ]
        except (TargetError, StorageFullError) as error:
            return [
                found or Unreachable(handle=handle, detail=error.message)
                for found, handle in zip(seen, handles, strict=True)
            ]

    def cancel(self, handle: Handle, *, grace: float = 10.0) -> None:
        """Void the start if the job has not begun, else ask the supervisor to end it; see the port."""
        _, _, name = split_handle(handle)
        try:
            if self._void(self._places(handle), name, "canceled before it started"):
                self._news(handle.compute)
                return
            ended = self._ending(handle) is not None
        except OSError as error:
            raise TransientError(f"the start of {handle} could not be voided: {error.strerror}") from error
        if not ended:
            self._supervisor.ask("cancel", PROMPT, name=name, grace=grace)

    def void(self, attempt: Attempt, reason: str) -> bool:
        """Keep an attempt's script from starting; see the port."""
        places = Places(str(self._root), attempt.run_id, attempt.number, attempt.name)
        try:
            return self._void(places, attempt.name, reason)
        except OSError as error:
            raise TransientError(f"the start of {attempt.run_id} could not be voided: {error.strerror}") from error

    def _void(self, places: Places, name: str, reason: str) -> bool:
        decided = register.read(places.register)
        if decided is None:
            lay_out(str(self._root))
            if register.win(places.register, f"{register.VOID} {reason}"):
                self._supervisor.forget(name)
                return True
            decided = register.read(places.register)
        if decided is None or decided.word != register.VOID:
            return False
        register.confirm(places.register)
        return True

    def logs(self, handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        """A piece of the driver log; see the port."""
        ended = self._ending(handle) is not None  # asked first: nothing is written to the log after that
        try:
            descriptor = open_plain(self._places(handle).log, os.O_RDONLY)
        except OSError as error:
            if error.errno in NO_FILE:  # none yet, or the script put something else there
                return LogChunk(data=b"", next_offset=offset, complete=ended)
            raise
        try:
            data = os.pread(descriptor, limit, offset)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        after = offset + len(data)
        return LogChunk(data=data, next_offset=after, complete=ended and after >= size)

    def cleanup(self, handle: Handle) -> None:
        """Let go of an ended job.

        Its supervisor removes the working directory by itself, once the machine is quiet.
        """
        self._supervisor.forget(split_handle(handle)[2])

    def forget(self, attempt: Attempt) -> None:
        """Remove an attempt's start register; see the port."""
        places = Places(str(self._root), attempt.run_id, attempt.number, attempt.name)
        for path in (places.register, places.refused):
            try:
                Path(path).unlink(missing_ok=True)
            except OSError as error:
                raise TransientError(f"{path} could not be removed: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the supervisor; jobs go on."""
        self._supervisor.close()

    def _places(self, handle: Handle) -> Places:
        run, attempt, name = split_handle(handle)
        return Places(str(self._root), run, attempt, name)

    def _news(self, compute: str) -> None:
        """Tell the host once; again only after the next poll began, as that one sees everything."""
        if compute not in self._told:
            self._told.add(compute)
            self._tell(compute)

    def _mirrored(self, handle: Handle) -> Observation | None:
        """What the supervisor told of the job."""
        job = self._supervisor.seen(split_handle(handle)[2])
        if job is None:
            return None
        if job.get("result"):
            return _ended(handle, job["result"])
        return Running(
            handle=handle,
            phase=PHASES[job["phase"]],
            started=job.get("started"),
            detail=job.get("detail", ""),
            notes=tuple(job.get("notes", ())),
        )

    def _ending(self, handle: Handle) -> Ended | None:
        """What the files say of the job's end, if it has ended."""
        places = self._places(handle)
        found = result.read(places.result)
        if found is not None:
            return _ended(handle, found)
        decided = register.read(places.register)
        if decided is not None and decided[0] == register.VOID:
            return Ended(handle=handle, exit_code=None, outcome="void", error=decided[1] or "it was kept from starting")
        return None

    def _unknown(self, handle: Handle) -> Observation:
        """A job that the supervisor does not carry: ended meanwhile, never started, or lost and to be settled."""
        ended = self._ending(handle)
        if ended is None and register.read(self._places(handle).register) is not None:
            run, attempt, name = split_handle(handle)
            self._supervisor.ask("settle", name=name, run=run, attempt=attempt, compute=handle.compute)
            ended = self._ending(handle)
            if ended is None:
                return Running(handle=handle, phase=State.RUNNING, detail="what is left of it is being ended")
        return ended or Absent(handle=handle, detail="the local supervisor never heard of it")


def _look(look: Callable[[Handle], Found], handle: Handle) -> Found | Unreachable:
    """What a look at one job finds. What is wrong with its files must not hide the other jobs."""
    try:
        return look(handle)
    except (OSError, ValueError, KeyError, Refused) as error:
        return Unreachable(handle=handle, detail=f"its files cannot be read: {error}")


def _handle(plan: Plan) -> Handle:
    return Handle(kind=KIND, compute=plan.compute, id=f"{plan.run_id}/{plan.attempt}")


def _ended(handle: Handle, found: dict[str, Any]) -> Ended:
    return Ended(
        handle=handle,
        exit_code=found["exit_code"],
        outcome=OUTCOMES[found["outcome"]],
        error=found["error"],
        error_class=found["error_class"],
        started=found["started"],
        ended=found["ended"],
        log_bytes=found["log_bytes"],
        log_complete=found["log_complete"],
        notes=tuple(found.get("notes", ())),
    )
