"""What is measured: each instrument with its kind, its unit and the attributes that it may have.

Attributes are few and bounded: names of states, classes, computes, queues and functions; never a run, a user or a text.
``docs/observability.md`` shows the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument."""

    name: str
    kind: Kind
    unit: str
    """UCUM: ``s`` or a word in braces."""
    attributes: tuple[str, ...]
    meaning: str
    bounds: tuple[float, ...] = ()
    """Of a histogram: the upper bounds of its buckets."""


_QUICK: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LONG: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600)

CREATED: Final = "runyard.run.created"
ENDED: Final = "runyard.run.ended"
DURATION: Final = "runyard.run.duration"
QUEUE_WAIT: Final = "runyard.run.queue_wait"
DISPATCH: Final = "runyard.run.dispatch_latency"
ATTEMPTS: Final = "runyard.run.attempts"
RETRIES: Final = "runyard.run.retries"
ON_COMPUTE: Final = "runyard.compute.runs"
LIMIT: Final = "runyard.compute.limit"
SWEPT: Final = "runyard.sweep.hits"
DEAD_LETTERS: Final = "runyard.dead_letters"
DELIVERIES: Final = "runyard.notify.tries"
FUNCTION: Final = "runyard.function.duration"
THROTTLED: Final = "runyard.store.throttled"
SENT: Final = "messaging.client.sent.messages"
HTTP: Final = "http.server.request.duration"

INSTRUMENTS: Final = {
    each.name: each
    for each in (
        Instrument(CREATED, "counter", "{run}", ("runyard.source",), "Runs that were made."),
        Instrument(
            ENDED,
            "counter",
            "{run}",
            ("runyard.run.state", "runyard.error.class", "runyard.compute"),
            "Runs that ended.",
        ),
        Instrument(
            DURATION,
            "histogram",
            "s",
            ("runyard.run.state", "runyard.compute"),
            "From the start of the script to the run's end.",
            _LONG,
        ),
        Instrument(QUEUE_WAIT, "histogram", "s", ("runyard.compute",), "From `Queued` to `Starting`.", _LONG),
        Instrument(
            DISPATCH,
            "histogram",
            "s",
            ("runyard.compute",),
            "From the event to the first hand-over to a compute.",
            _LONG,
        ),
        Instrument(ATTEMPTS, "counter", "{attempt}", ("runyard.compute",), "Attempts that were claimed."),
        Instrument(
            RETRIES,
            "counter",
            "{retry}",
            ("runyard.error.class", "runyard.compute"),
            "Tries and attempts that follow one that failed.",
        ),
        Instrument(
            ON_COMPUTE,
            "gauge",
            "{run}",
            ("runyard.compute", "runyard.place"),
            "Runs that wait for the compute (`waiting`) and that hold a slot of it (`slot`), at each reconcile.",
        ),
        Instrument(LIMIT, "gauge", "{run}", ("runyard.compute",), "Runs that the compute takes at a time."),
        Instrument(SWEPT, "counter", "{snapshot}", (), "Snapshots that raised no event and that the sweep found."),
        Instrument(
            DEAD_LETTERS, "counter", "{message}", ("messaging.destination.name",), "Messages that could not be handled."
        ),
        Instrument(
            DELIVERIES,
            "counter",
            "{try}",
            ("runyard.outcome",),
            "Tries to deliver an ending: `delivered`, `pending` (tried again) or `dead`.",
        ),
        Instrument(
            FUNCTION, "histogram", "s", ("faas.name", "error.type"), "How long a call of a function took.", _QUICK
        ),
        Instrument(
            THROTTLED, "counter", "{call}", ("error.type",), "Calls that a store refused since there were too many."
        ),
        Instrument(SENT, "counter", "{message}", ("messaging.destination.name",), "Messages that were sent."),
        Instrument(
            HTTP,
            "histogram",
            "s",
            ("http.request.method", "http.route", "http.response.status_code"),
            "How long a request took.",
            _QUICK,
        ),
    )
}
"""By name."""
