"""Schedules, seen from a client."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final, TypedDict, Unpack, cast
from urllib.parse import quote

from runyard.api.event_shapes import ScheduleShape, TimeShape
from runyard.api.shapes import RunDetails
from runyard.sdk.connection import Connection


class When(TypedDict, total=False):
    """When a schedule is due: one of ``cron``, ``every`` and ``at``."""

    cron: str | None
    """Five fields, or a name such as ``@daily``."""
    every: float | None
    """Seconds between two times."""
    at: str | None
    """One time: ``2026-12-01T08:00``."""
    zone: str
    """IANA name; UTC when not given."""


class Rules(When, total=False):
    """What else a schedule is defined by."""

    catch_up: str
    """What is made up for after times were missed: ``last`` (one run), ``all`` or ``none``."""
    grace: float | None
    """Seconds after which a missed time is too old for that."""
    overlap: str
    """``skip`` leaves a time out while the run before it goes on; else ``allow``."""
    paused: bool
    replace: bool
    """Whether a schedule of this name gives way."""


_SPELLING: Final = {"catch_up": "catchUp"}


class Schedules:
    """``client.schedules``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> ScheduleShape:
        """One schedule and its next times."""
        return cast("ScheduleShape", self._connection.get(_path(name)))

    def add(self, name: str, *, submission: Mapping[str, Any], **rules: Unpack[Rules]) -> ScheduleShape:
        """Define a schedule.

        Args:
            name: Its name.
            submission: What each time submits; texts may point into the time's document: ``--date={/date}``.
            rules: When, and how; one of ``cron``, ``every`` and ``at`` must be given.

        Raises:
            ConfigError: if it cannot be.
            ConflictError: if there is one of this name, without ``replace``.
        """
        said = {_SPELLING.get(key, key): value for key, value in rules.items() if value is not None}
        body = {"name": name, "submission": dict(submission), **said}
        return cast("ScheduleShape", self._connection.post("/api/schedules", body))

    def remove(self, name: str) -> None:
        """Remove a schedule; its runs stay."""
        self._connection.delete(_path(name))

    def pause(self, name: str) -> ScheduleShape:
        """Let it make no more runs; times that come meanwhile are left out."""
        return cast("ScheduleShape", self._connection.post(f"{_path(name)}/pause"))

    def resume(self, name: str) -> ScheduleShape:
        """Let it go on with its next time."""
        return cast("ScheduleShape", self._connection.post(f"{_path(name)}/resume"))

    def run(self, name: str, *, key: str | None = None) -> RunDetails:
        """Make a run of it now; the same key finds the run that exists."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        response = self._connection.request("POST", f"{_path(name)}/run", headers=headers)
        return cast("RunDetails", response.json())

    def next(self, name: str, count: int = 10) -> list[TimeShape]:
        """Its next times."""
        return cast("list[TimeShape]", self._connection.get(f"{_path(name)}/next", {"n": count})["times"])

    def preview(self, count: int = 10, **when: Unpack[When]) -> list[TimeShape]:
        """The times that a definition would have."""
        body = {"count": count, **{key: value for key, value in when.items() if value is not None}}
        return cast("list[TimeShape]", self._connection.post("/api/schedules/preview", body)["times"])

    def list(self) -> list[ScheduleShape]:
        """Every schedule."""
        return cast("list[ScheduleShape]", self._connection.get("/api/schedules")["schedules"])


def _path(name: str) -> str:
    return f"/api/schedules/{quote(name, safe='')}"
