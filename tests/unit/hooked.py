"""A house with a snapshot to run, and what tests of its webhooks do: define one, deliver to it, see what ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from runyard.events.signatures import STANDARD
from tests.fakes import snapshot
from tests.served import Served, serving
from tests.webhooks import (
    SECRET,
    STANDARD_SECRET,
    Sent,
)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        made.house.ports.blobs.put("uploads", "a.zip", snapshot())
        yield made


def add(served: Served, kind: str, *, pointer: str = "/data/alpha", name: str = "hook", **more: Any) -> dict[str, Any]:
    submission = {"experiment": "hooked", "snapshot": "uploads/a.zip", "arguments": [f"--alpha={{{pointer}}}"]}
    secret = STANDARD_SECRET if more.get("scheme") == STANDARD else SECRET
    body = {"name": name, "kind": kind, "secret": secret, "submission": submission, **more}
    answer = served.http.post("/api/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def send(served: Served, sent: Sent, name: str = "hook", method: str = "POST", **more: str) -> httpx.Response:
    """A request as a stranger sends it, by a tunnel of some name."""
    body, headers = sent
    named = {**headers, "Host": "tunnel.example", **more}
    request = served.http.build_request(
        method,
        f"/api/webhooks/{name}",
        content=body,
        headers=[(key.encode(), value.encode("latin-1")) for key, value in named.items()],
    )
    if "Authorization" not in named:
        del request.headers["Authorization"]
    return served.http.send(request)


def runs(served: Served) -> list[tuple[str, ...]]:
    """The arguments of all runs, oldest first."""
    served.settle()
    return [run.spec.arguments for run in reversed(served.house.runs()) if run.spec is not None]


def now(served: Served) -> float:
    return served.house.clock.now()
