"""Whole lives of one run: what is asked for, how its compute behaves, and how the run must end whoever is killed when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runyard.accept import drop, submit
from runyard.dispatch import request_cancel
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.events.blob import BlobDrop
from runyard.events.submission import Submission
from runyard.ports import Compute, Ports, Query
from runyard.runs.model import Origin
from runyard.runs.states import State
from runyard.testing import Behaviour, Submitting, no_capacity, throttled
from tests.fakes import runconfig, snapshot

Act = Callable[[Ports], object]

SPOT = "spot"


@dataclass(frozen=True)
class Plot:
    """One life. What its people do (``acts``: seconds from the start → what) they do again if they get no answer."""

    name: str
    acts: Mapping[float, Act]
    state: str
    executions: int
    jobs: tuple[Behaviour, ...] = (Behaviour(starting=2, provisioning=5, preparing=5, duration=20),)
    config: Mapping[str, object] = field(default_factory=dict)
    exit_code: int | None = 0
    reason: str = ""

    def prepare(self, ports: Ports) -> None:
        """What is there before the life begins."""
        for name in ("local", "other"):
            ports.computes.put(Compute(name=name, kind="scripted", limit=1, spot="spot" in self.name))
            ports.gates.configure(name, limit=1)
        where = ("snapshots", "exp/a.zip") if self.acts[0] is dropped else ("uploads", "a.zip")
        ports.blobs.put(*where, snapshot(config=runconfig(**self.config)))


def dropped(ports: Ports) -> None:
    """The blob's event is delivered."""
    info = ports.blobs.head("snapshots", "exp/a.zip")
    assert info is not None
    drop(
        ports,
        BlobDrop(
            container=info.container,
            name=info.name,
            etag=info.etag,
            size=info.size,
            modified=info.modified,
            event_id="event-1",
        ),
    )


def posted(ports: Ports) -> None:
    """A client submits, with an Idempotency-Key."""
    submission = Submission.of({"experiment": "exp", "snapshot": "uploads/a.zip"})
    submit(ports, submission, origin=Origin(source="api", name="tester"), key="key-1")


def sent(ports: Ports) -> None:
    """Somebody puts a message on the queue, and does so again when he is not sure."""
    body = b'{"experiment": "exp", "snapshot": "uploads/a.zip", "id": "message-1"}'
    ports.queue.send(SUBMISSIONS, body, durable=True)


CANARY = "canary-93be"


def posted_with_secrets(ports: Ports) -> None:
    """A client submits what nobody else may see."""
    document = {"experiment": "exp", "snapshot": "uploads/a.zip", "environmentVariables": {"A_TOKEN": CANARY}}
    submit(ports, Submission.of(document), origin=Origin(source="api", name="tester"), key="key-1")


def sent_with_secrets(ports: Ports) -> None:
    """Somebody's message holds what nobody else may see, and comes as it is."""
    body = b'{"experiment": "exp", "snapshot": "uploads/a.zip", "id": "message-1", "environmentVariables": {"A_TOKEN": "%s"}}'
    ports.queue.send(SUBMISSIONS, body % CANARY.encode(), durable=True)


class NotYet(Exception):  # noqa: N818 - no fault
    """What somebody waits for has not come."""


def canceled_once_running(ports: Ports) -> None:
    _must_run(ports)
    canceled(ports)


def forced_once_running(ports: Ports) -> None:
    _must_run(ports)
    for run in ports.runs.list(Query()).runs:
        request_cancel(ports, run.id, who="tester", force=True)


def _must_run(ports: Ports) -> None:
    (run,) = ports.runs.list(Query()).runs
    if run.state is State.RUNNING or run.has_ended:
        return
    if not run.cancel_requested:
        raise NotYet


def canceled(ports: Ports) -> None:
    for run in ports.runs.list(Query()).runs:
        request_cancel(ports, run.id, who="tester")


SHORT = Behaviour(starting=2, provisioning=5, preparing=5, duration=20)
LONG = Behaviour(starting=2, provisioning=5, preparing=5, duration=5000)

PLOTS = (
    Plot("a dropped snapshot completes", {0: dropped}, "Completed", 1),
    Plot("a posted run completes", {0: posted}, "Completed", 1),
    Plot("a sent message completes", {0: sent}, "Completed", 1),
    Plot("a posted run with secrets completes", {0: posted_with_secrets}, "Completed", 1),
    Plot("a sent message with secrets completes", {0: sent_with_secrets}, "Completed", 1),
    Plot(
        "a dropped snapshot with secrets completes",
        {0: dropped},
        "Completed",
        1,
        config={"environmentVariables": {"A_TOKEN": CANARY}},
    ),
    Plot("a failing script fails", {0: dropped}, "Failed", 1, jobs=(Behaviour(duration=5, exit_code=3),), exit_code=3),
    Plot(
        "a run that asked for a retry gets it",
        {0: posted},
        "Completed",
        2,
        jobs=(Behaviour(duration=5, exit_code=1), SHORT),
        config={"runyard": {"retries": 1}},
    ),
    Plot(
        "a running run is canceled", {0: posted, 40: canceled_once_running}, "Canceled", 1, jobs=(LONG,), exit_code=None
    ),
    Plot("a cancel meets the submission", {0: posted, 1: canceled}, "Canceled", 0, jobs=(LONG,), exit_code=None),
    Plot(
        "a run is canceled by force", {0: posted, 40: forced_once_running}, "Canceled", 1, jobs=(LONG,), exit_code=None
    ),
    Plot(
        "the reply to a submission is lost",
        {0: dropped},
        "Completed",
        1,
        jobs=(Behaviour(provisioning=5, duration=20, submitting=Submitting(lost_replies=1)), SHORT),
    ),
    Plot(
        "the reply is lost and the script began at once",
        {0: dropped},
        "Completed",
        1,
        jobs=(Behaviour(duration=30, submitting=Submitting(lost_replies=1)),),
    ),
    Plot(
        "a compute without room passes its run on",
        {0: dropped},
        "Completed",
        1,
        jobs=(Behaviour(submitting=Submitting(refusals=(no_capacity(),) * 9)), SHORT),
        config={"runyard": {"fallback": ["other"]}},
    ),
    Plot(
        "a throttled submission is repeated",
        {0: dropped},
        "Completed",
        1,
        jobs=(Behaviour(duration=5, submitting=Submitting(refusals=(throttled(), throttled()))),),
    ),
    Plot(
        "a spot machine is taken back",
        {0: dropped},
        "Completed",
        2,
        jobs=(Behaviour(duration=500, preempted_after=30), SHORT),
    ),
    Plot(
        "a submission is answered and nothing comes of it",
        {0: dropped},
        "Completed",
        1,
        jobs=(Behaviour(duration=5, submitting=Submitting(vanishes=1)),),
    ),
)
