"""One time of a schedule: its identity, its document, and the submission that it makes."""

from __future__ import annotations

from datetime import UTC, datetime

from runyard.accept.concealed import whole_submission
from runyard.events.submission import Submission
from runyard.events.template import fill
from runyard.events.timing import local
from runyard.ports import Ports, Schedule
from runyard.runs.model import Origin

SOURCE = "schedule"


def key_of(schedule: Schedule, time: float) -> str:
    """The identity of a time. The same time again finds the run that it made, whoever comes and whenever."""
    return f"schedule\n{schedule.name}\n{schedule.uid}\n{int(time)}"


def utc(time: float) -> str:
    """``2026-12-01T07:00:00Z``."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def document_of(schedule: Schedule, time: float) -> dict[str, object]:
    """What a schedule's templates may point at. It depends on the time alone, never on when it was made up for."""
    there = local(time, schedule.timing.zone)
    return {
        "name": schedule.name,
        "scheduled": utc(time),
        "local": there.isoformat(timespec="seconds"),
        "date": there.strftime("%Y-%m-%d"),
        "time": there.strftime("%H:%M:%S"),
        "timestamp": int(time),
        "zone": schedule.timing.zone,
    }


def submission_of(ports: Ports, schedule: Schedule, time: float) -> Submission:
    """The submission of a time.

    Raises:
        ConfigError: if the template points at what there is not, makes no submission, or its secrets are gone.
    """
    whole = whole_submission(ports, schedule.submission, schedule.template_secret, f"schedule {schedule.name!r}")
    return Submission.of(fill(whole, document_of(schedule, time)))


def origin_of(schedule: Schedule, time: float) -> Origin:
    """What is written down as the run's origin."""
    return Origin(source=SOURCE, name=schedule.name, event_id=utc(time))
