"""A run as the API shows it: the names of the SDK's ``get_details()``, and what it does not have."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from runyard.api.answers import is_text, iso, iso_or_none
from runyard.api.shapes import AttemptShape, EventShape, LeftShape, RunDetails, SaidShape, WhyShape
from runyard.finalize.ending import RUNS
from runyard.ports import Ports
from runyard.reconcile import Said, Why, left_behind
from runyard.runconfig.redact import redacted, redacted_text
from runyard.runs.model import Attempt, Event, JobSpec, Run
from runyard.runs.states import State
from runyard.runs.summary import summary
from runyard.telemetry.traceparent import trace_id

__all__ = [
    "attempt_shape",
    "definition",
    "details",
    "event_shape",
    "log_files",
    "summary",
    "why_shape",
]

LOG_FOLDERS: Final = ("azureml-logs/", "logs/")
MAX_LOG_FILES: Final = 200


def details(ports: Ports, run: Run) -> RunDetails:
    """A run in full."""
    position = None
    if run.state is State.QUEUED and run.compute:
        position = ports.gates.position(run.compute, run.id)
    return {
        **summary(run),
        "queuePosition": position,
        "runDefinition": definition(run.spec, run.target) if run.spec else None,
        "logFiles": log_files(ports, run),
        "traceId": trace_id(run.trace) or None,
        "mayStillRun": _left(left_behind(ports, run)),
    }


def _left(attempt: Attempt | None) -> LeftShape | None:
    if attempt is None:
        return None
    handle = str(attempt.handle) if attempt.handle is not None else None
    return {"compute": attempt.compute, "attempt": attempt.number, "handle": handle}


def definition(spec: JobSpec, target: str) -> dict[str, Any]:
    """The run configuration that was carried out, in the keys of the format; secrets are masked."""
    document = {
        "script": spec.script,
        "arguments": list(spec.arguments),
        "target": target,
        "framework": spec.framework,
        "maxRunDurationSeconds": spec.max_duration,
        "nodeCount": spec.node_count,
        "environment": {
            "environmentVariables": dict(spec.environment_variables),
            "python": {"interpreterPath": spec.interpreter, "userManagedDependencies": spec.environment is None},
        },
        "history": {"directoriesToWatch": list(spec.watched_directories)},
        "source": spec.runconfig,
        **({"runyard": {"secrets": spec.secrets}} if spec.secrets else {}),
    }
    masked = redacted(document)
    assert isinstance(masked, dict)
    return masked


def log_files(ports: Ports, run: Run) -> dict[str, str]:
    """Name to URL path, of the newest attempt."""
    files: dict[str, str] = {}
    if run.attempt == 0:
        return files
    start = f"{run.id}/{run.attempt}/"
    for folder in LOG_FOLDERS:
        for info in ports.blobs.list(RUNS, start + folder, limit=MAX_LOG_FILES):
            if not is_text(info.name):
                continue
            name = info.name.removeprefix(start)
            files[name] = f"/api/runs/{quote(run.id)}/files/{quote(name)}"
    return files


def event_shape(event: Event) -> EventShape:
    """A row of the history."""
    return {
        "seq": event.seq,
        "timeUtc": iso(event.time),
        "status": str(event.state),
        "reason": event.reason,
        "who": event.who,
        "opId": event.op_id,
    }


def why_shape(found: Why) -> WhyShape:
    """Why a run is where it is; what users and scripts wrote is in it, so secrets are masked."""

    def said(each: Said) -> SaidShape:
        return {"text": redacted_text(each.text), "timeUtc": iso_or_none(each.at)}

    return {
        "runId": found.run_id,
        "status": found.status,
        "state": str(found.state),
        "sinceTimeUtc": iso(found.since),
        "reason": found.reason,
        "nowTimeUtc": iso(found.now),
        "served": found.served,
        "waitsFor": [said(each) for each in found.waits],
        "next": [said(each) for each in found.next],
        "facts": [said(each) for each in found.facts],
        "advice": list(found.advice),
    }


def attempt_shape(attempt: Attempt) -> AttemptShape:
    """An attempt."""
    return {
        "attempt": attempt.number,
        "compute": attempt.compute,
        "name": attempt.name,
        "slot": attempt.slot,
        "claimedTimeUtc": iso(attempt.claimed),
        "startTimeUtc": iso_or_none(attempt.started),
        "endTimeUtc": iso_or_none(attempt.ended),
        "exitCode": attempt.exit_code,
        "outcome": attempt.outcome,
        "handle": str(attempt.handle) if attempt.handle else None,
    }
