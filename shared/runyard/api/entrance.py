"""How many requests may be inside at the doors that take work in. The rest are told when to come again, at once.

Reads, health and version are never counted: what answers them is kept free. Handlers run in 40 threads (AnyIO's default), of
which the doors have 32 at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope

from runyard.api.faults import fault

SUBMISSIONS: Final = 24
"""Submissions, deliveries and messages that may be inside at a time: each is one durable write, and a disk groups these."""
UPLOADS: Final = 8
"""Uploads that may be inside at a time: each holds a part of 8 MiB in memory, or a thread that hashes a snapshot."""
RETRY_AFTER: Final = 1
"""Seconds after which who was turned away may come again: a door is done with a request in milliseconds."""

_SUBMISSION: Final = re.compile(
    r"/api/(runs(/[^/]+/resubmit)?|webhooks/[^/]+(/test)?|schedules/[^/]+/run|queues/[^/]+/messages|attempts/(links|token))"
)
_UPLOAD: Final = re.compile(r"/api/(snapshots|uploads(/[^/]+){0,2}|attempts/blobs/.+)")


class Entrance:
    """Counts who is inside. Its methods run on one event loop, so nothing can come between a look and a step."""

    def __init__(self) -> None:
        self._inside = {"submissions": 0, "uploads": 0}

    @contextmanager
    def entered(self, scope: Scope) -> Iterator[bool]:
        """Be inside until the end of the block, if there is room; gives whether there is."""
        door = door_of(scope)
        if door is None:
            yield True
            return
        if self._inside[door] >= (UPLOADS if door == "uploads" else SUBMISSIONS):
            yield False
            return
        self._inside[door] += 1
        try:
            yield True
        finally:
            self._inside[door] -= 1


def door_of(scope: Scope) -> str | None:
    """Which door a request is for: ``submissions``, ``uploads``, or none."""
    if scope["method"] not in {"POST", "PUT"}:
        return None
    path = scope["path"]
    if _UPLOAD.fullmatch(path):
        return "uploads"
    if not _SUBMISSION.fullmatch(path):
        return None
    kind = Headers(scope=scope).get("content-type", "")
    return "uploads" if kind.lower().startswith("multipart/form-data") else "submissions"


def busy() -> Response:
    """The answer to who found no room."""
    return fault(
        429,
        "ThrottledError",
        "too many requests at a time; nothing was taken in, so send it again in a moment",
        {"Retry-After": str(RETRY_AFTER)},
    )


async def drain(receive: Receive, most: int) -> None:
    """Take in a body that nobody wants, up to ``most`` bytes: a client that is still sending would not hear the answer."""
    taken = 0
    while taken <= most:
        message = await receive()
        taken += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
