"""Runs, seen from a client."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast
from urllib.parse import quote

from runyard.api.shapes import AttemptShape, EventShape, FileShape, MetricValues, RunDetails, RunPage, WhyShape
from runyard.errors import ConfigError, NotFoundError
from runyard.runs.states import ENDINGS
from runyard.runs.summary import RunSummary
from runyard.sdk.connection import Connection

WAIT: Final = 15.0
"""Seconds that a request for news of a log may take."""
_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 1.0
_WHOLE_ID: Final = re.compile(r".+_\d+_[0-9a-f]{8}")
LATEST: Final = frozenset({"latest", "@last"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """A piece of a run's driver log."""

    data: bytes
    next_offset: int
    complete: bool
    """Whether nothing will follow in this attempt."""
    attempt: int
    newest_attempt: int
    status: str


class Runs:
    """``client.runs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(  # noqa: PLR0913 - each narrows the listing
        self,
        *,
        status: Sequence[str] = (),
        experiment: str | None = None,
        target: str | None = None,
        limit: int = 50,
        after: str | None = None,
        sort: str | None = None,
        goal: str | None = None,
        match: str | None = None,
    ) -> RunPage:
        """A page of runs, newest first; with ``sort``, the best by a metric; with ``match``, by a part of the id."""
        asked: dict[str, Any] = {"experiment": experiment, "target": target, "limit": limit, "after": after}
        asked |= {"sort": sort, "goal": goal, "match": match, "status": list(status) or None}
        return cast("RunPage", self._connection.get("/api/runs", asked))

    def all(
        self, *, status: Sequence[str] = (), experiment: str | None = None, target: str | None = None
    ) -> Iterator[RunSummary]:
        """Every run, newest first, page by page."""
        after: str | None = None
        while True:
            page = self.page(status=status, experiment=experiment, target=target, limit=500, after=after)
            yield from page["runs"]
            after = page["next"]
            if after is None:
                return

    def resolve(self, text: str) -> str:
        """The id that is meant by an id, the beginning or the end of one, or ``latest``.

        Raises:
            NotFoundError: if there is no such run.
            ConfigError: if several are meant, naming some.
        """
        if text in LATEST:
            found = self.page(limit=1)["runs"]
            if not found:
                raise NotFoundError("there are no runs yet; start one with `runyard submit DIR`")
            return found[0]["runId"]
        if _WHOLE_ID.fullmatch(text):
            return text
        found = self.page(match=text, limit=6)["runs"]
        if not found:
            raise NotFoundError(
                f"there is no run whose id begins or ends with {text[:80]!r}; `runyard runs` lists them"
            )
        if len(found) > 1:
            names = ", ".join(run["runId"] for run in found[:5])
            raise ConfigError(f"{text[:80]!r} may mean several runs ({names}); give more of the id")
        return found[0]["runId"]

    def get(self, run_id: str) -> RunDetails:
        """A run in full."""
        return cast("RunDetails", self._connection.get(_path(run_id)))

    def why(self, run_id: str) -> WhyShape:
        """Why the run is where it is: what it waits for, what happens next and when, what can be done about it."""
        return cast("WhyShape", self._connection.get(_path(run_id, "why")))

    def history(self, run_id: str, *, after: int = 0) -> list[EventShape]:
        """The events of the run, oldest first; only those with a number above ``after``."""
        found = self._connection.get(_path(run_id, "history"), {"after": after or None})
        return cast("list[EventShape]", found["events"])

    def follow_history(self, run_id: str) -> Iterator[EventShape]:
        """The events of the run as they come, each once, until it has ended."""
        after, pause = 0, _PAUSE
        while True:
            events = self.history(run_id, after=after)
            yield from events
            if events:
                after, pause = events[-1]["seq"], _PAUSE
                if events[-1]["status"] in ENDINGS:
                    return
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)

    def attempts(self, run_id: str) -> list[AttemptShape]:
        """Every attempt of the run, oldest first."""
        return cast("list[AttemptShape]", self._connection.get(_path(run_id, "attempts"))["attempts"])

    def metrics(self, run_id: str) -> MetricValues:
        """Everything that the run logged."""
        return cast("MetricValues", self._connection.get(_path(run_id, "metrics")))

    def cancel(self, run_id: str, *, force: bool = False) -> RunDetails:
        """Ask for the run's end; repeatable.

        Args:
            run_id: Which.
            force: Whether to end the record at once, without evidence that nothing of it runs: its script may go on.
        """
        return cast("RunDetails", self._connection.post(_path(run_id, "cancel"), {"force": True} if force else None))

    def resubmit(self, run_id: str, *, target: str | None = None, arguments: Sequence[str] | None = None) -> RunDetails:
        """Ask for a new run with what this one was asked with."""
        changes = {"target": target, "arguments": None if arguments is None else list(arguments)}
        body = {name: value for name, value in changes.items() if value is not None}
        return cast("RunDetails", self._connection.post(_path(run_id, "resubmit"), body))

    def wait(self, run_id: str, *, timeout: float | None = None) -> RunDetails:
        """Wait for the run's ending and return it; after ``timeout`` seconds, as it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _PAUSE
        while True:
            run = self.get(run_id)
            if run["status"] in ENDINGS or (deadline is not None and time.monotonic() + pause > deadline):
                return run
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)

    def log(
        self, run_id: str, *, offset: int = 0, limit: int = 1 << 20, wait: float = 0.0, attempt: int | None = None
    ) -> LogPiece:
        """A piece of the driver log from ``offset`` on; ``wait`` seconds for news at most."""
        asked = {"offset": offset, "limit": limit, "wait": wait, "attempt": attempt}
        given = {name: value for name, value in asked.items() if value is not None}
        response = self._connection.request("GET", _path(run_id, "logs"), params=given)
        said = response.headers
        return LogPiece(
            data=response.content,
            next_offset=int(said["x-next-offset"]),
            complete=said["x-log-complete"] == "true",
            attempt=int(said["x-log-attempt"]),
            newest_attempt=int(said["x-run-attempt"]),
            status=said["x-run-status"],
        )

    def read_log(
        self, run_id: str, *, offset: int = 0, follow: bool = False, attempt: int | None = None
    ) -> Iterator[LogPiece]:
        """The driver log in pieces, each byte once: to its present end, or (``follow``) until the run has ended.

        When a run makes another attempt, following goes on with that attempt's log.
        """
        while True:
            piece = self.log(run_id, offset=offset, wait=WAIT if follow else 0.0, attempt=attempt)
            attempt, offset = piece.attempt or None, piece.next_offset
            if piece.data:
                yield piece
            if not follow and (piece.complete or not piece.data):
                return
            if not piece.complete:
                continue
            if piece.newest_attempt > piece.attempt > 0:
                attempt, offset = piece.attempt + 1, 0
            elif piece.status in ENDINGS:
                return
            else:
                time.sleep(_PAUSE)  # it is being completed, or waits for another attempt

    def files(self, run_id: str, *, attempt: int | None = None) -> list[FileShape]:
        """The files of the newest attempt, or of ``attempt``."""
        files: list[FileShape] = []
        after: str | None = None
        while True:
            page = self._connection.get(_path(run_id, "files"), {"attempt": attempt, "after": after})
            files.extend(page["files"])
            after = page["next"]
            if after is None:
                return files

    def download(self, run_id: str, name: str, into: BinaryIO, *, attempt: int | None = None) -> int:
        """Write a file's bytes into an open file; returns how many."""
        size = 0
        with self._connection.stream(_path(run_id, "files", name), {"attempt": attempt}) as pieces:
            for piece in pieces:
                size += into.write(piece)
        return size


def _path(run_id: str, *rest: str) -> str:
    return "/".join(("/api/runs", quote(run_id, safe=""), *(quote(part) for part in rest)))
