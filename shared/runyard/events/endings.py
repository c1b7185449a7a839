"""The event that tells of a run's ending: a CloudEvent 1.0 in structured mode, and whom it concerns. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
The schema of its data is published in ``docs/schemas/run-ended.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from runyard.errors import EventError
from runyard.events.submission import Submission
from runyard.events.template import fill
from runyard.events.times import iso
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.runs.summary import summary

CONTENT_TYPE: Final = "application/cloudevents+json"
TYPES: Final[Mapping[State, str]] = {
    State.COMPLETED: "io.runyard.run.completed",
    State.FAILED: "io.runyard.run.failed",
    State.CANCELED: "io.runyard.run.canceled",
}
"""The event's type by the run's ending."""
TEST_TYPE: Final = "io.runyard.test"
"""The type of what ``notify test`` sends: no run has ended."""
DATA_SCHEMA: Final = "/api/schemas/run-ended.json"
"""Where a service shows the schema: a reference relative to it."""
MAX_EVENT: Final = 64 * 1024
"""Bytes of an event at most: what CloudEvents asks every consumer to take."""
MAX_TEXT: Final = 2000
"""Characters of a text in the data at most."""
MAX_ITEMS: Final = 100
"""Metrics at most, by name; and as many tags and properties of each."""
HOPS: Final = "runyard.hops"
"""The tag that counts how many endings stand between a run and whoever started the first one of its chain."""
MAX_HOPS: Final = 10


def event_id(run: Run) -> str:
    """The event's id: the same however often it is made or sent, for a run ends once."""
    return f"{run.id}/{str(run.state).lower()}"


def ending_event(run: Run, source: str) -> dict[str, Any]:
    """The event of a run that has ended.

    Args:
        run: The run.
        source: Which service says so.

    Raises:
        ValueError: if the run has not ended.
    """
    if not run.has_ended:
        raise ValueError(f"{run.id} has not ended: it is {run.state}")
    ended = run.ended if run.ended is not None else run.since
    return _event(TYPES[run.state], event_id(run), source, run.id, ended, _data(run))


def test_event(ident: str, source: str, subscription: str, at: float) -> dict[str, Any]:
    """The event of a test: its data says what it is, and names no run."""
    data = {"subscription": subscription, "message": "a test of this subscription; no run has ended"}
    event = _event(TEST_TYPE, ident, source, subscription, at, data)
    del event["dataschema"]
    return event


def encoded(event: Mapping[str, Any]) -> bytes:
    """The event as it is sent: ASCII, at most :data:`MAX_EVENT` bytes."""
    data = json.dumps(event, separators=(",", ":")).encode()
    if len(data) <= MAX_EVENT:
        return data
    shown = event["data"]
    count = {name: text for name, text in shown["tags"].items() if name == HOPS}  # without it a loop would never end
    lean = {**shown, "tags": count, "properties": {}, "metrics": {}}
    lean["truncated"] = sorted({*shown.get("truncated", ()), "tags", "properties", "metrics"})
    return json.dumps({**event, "data": lean}, separators=(",", ":")).encode()


def submission_of(template: Mapping[str, object], event: Mapping[str, Any], name: str, max_hops: int) -> Submission:
    """The submission that an ending makes of a subscription's template; the same ending makes the same one.

    Args:
        template: A submission with pointers into the event: ``--from={/data/runId}``.
        event: The event.
        name: The subscription's.
        max_hops: How many endings may start one another in a row.

    Raises:
        EventError: if a pointer names nothing, the result is no submission, or the chain is too long.
    """
    if _next_hop(event) > max_hops:
        raise EventError(
            f"{event['subject']} is the end of {max_hops} runs that started one another, and {max_hops} are allowed: break the "
            f"loop, or add the subscription again with a larger --max-hops"
        )
    filled = _counted(fill(template, event), event)
    filled["id"] = f"{event['id']}/{name}"
    return Submission.of(filled)


def counted(submission: dict[str, object], kind: str, event: object) -> dict[str, object]:
    """What a webhook is to submit for an event; that of an ending counts the runs that started one another.

    A URL that is told of endings may be a webhook of the same service, and the chain lead back to itself.

    Args:
        submission: What the webhook's template makes of it.
        kind: The event's type; those that are not of endings are left as they are.
        event: The event.

    Raises:
        EventError: if the chain is longer than :data:`MAX_HOPS`.
    """
    if kind not in TYPES.values() or not isinstance(event, Mapping):
        return submission
    if _next_hop(event) > MAX_HOPS:
        raise EventError(
            f"this is the end of {MAX_HOPS} runs that started one another, and by a webhook no more may: break the loop"
        )
    return _counted(submission, event)


def _next_hop(event: Mapping[str, Any]) -> int:
    data = event.get("data")
    tags = data.get("tags") if isinstance(data, Mapping) else None
    return _hops(tags.get(HOPS) if isinstance(tags, Mapping) else None) + 1


def _counted(filled: dict[str, object], event: Mapping[str, Any]) -> dict[str, object]:
    given = filled.get("tags")
    return {**filled, "tags": {**(given if isinstance(given, dict) else {}), HOPS: str(_next_hop(event))}}


def _event(kind: str, ident: str, source: str, subject: str, at: float, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": kind,
        "source": source,
        "id": ident,
        "subject": subject,
        "time": iso(at),
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "data": data,
    }


def _data(run: Run) -> dict[str, Any]:
    """The run's summary, each part of it bounded, with where more of it is."""
    shown: dict[str, Any] = dict(summary(run))
    cut: list[str] = []
    for name in ("metrics", "tags", "properties"):
        if len(shown[name]) > MAX_ITEMS:
            cut.append(name)
        shown[name] = {_text(key): _text(shown[name][key]) for key in sorted(shown[name])[:MAX_ITEMS]}
    for name in ("reason", "displayName", "target"):
        shown[name] = _text(shown[name])
    if shown["error"] is not None:
        shown["error"] = {key: _text(value) for key, value in shown["error"].items()}
    if run.snapshot is not None:
        shown["snapshotUri"] = run.snapshot.uri
    shown["metrics"] = {name: _finite(figures) for name, figures in shown["metrics"].items()}
    path = f"/api/runs/{quote(run.id)}"
    shown["links"] = {"run": path, "logs": f"{path}/logs", "metrics": f"{path}/metrics"}
    shown["truncated"] = cut
    return shown


def _text(value: Any) -> Any:
    return value[:MAX_TEXT] if isinstance(value, str) else value


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has neither NaN nor infinities."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _hops(text: object) -> int:
    """What a run's tag says; one that was not written here counts as none."""
    digits = isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 6
    return int(str(text)) if digits else 0
