"""The HTTP application over a house in memory, driven in-process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from runyard.api.app import create_app
from runyard.finalize.ending import RUNS
from runyard.runs.model import Run
from runyard.sdk.client import Client
from runyard.sdk.transport import InProcessTransport
from runyard.services import Services
from tests.fakes import snapshot
from tests.unit.house import House

TOKEN = "the-token-of-the-tests"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Served:
    """A house, its services, and an HTTP client that shows the token."""

    house: House
    services: Services
    http: httpx.Client

    def submit(self, experiment: str = "exp", key: str | None = None, **asked: Any) -> httpx.Response:
        """POST a snapshot with a submission."""
        return self.http.post(
            "/api/runs",
            files={
                "submission": (None, json.dumps({"experiment": experiment, **asked}), "application/json"),
                "snapshot": ("a.zip", snapshot(), "application/zip"),
            },
            headers={"Idempotency-Key": key} if key else {},
        )

    def settle(self, seconds: float = 5.0) -> None:
        """Deliver what is due now, and what is due so many seconds later."""
        self.house.settle()
        self.house.clock.advance(seconds)
        self.house.settle()

    def running(self, experiment: str = "exp") -> Run:
        """A run whose script has started on the fake target."""
        answer = self.submit(experiment)
        assert answer.status_code == 202, answer.text
        self.settle()
        run = self.house.ports.runs.get(answer.json()["runId"])
        assert run is not None
        return run

    def ended(self, experiment: str = "exp", code: int = 0, files: dict[str, bytes] | None = None) -> Run:
        """A run that has ended, with files."""
        run = self.running(experiment)
        for name, data in (files or {}).items():
            self.house.ports.blobs.put(RUNS, f"{run.id}/1/{name}", data)
        assert run.handle is not None
        self.house.target.end(run.handle.id, code)
        self.settle(60)
        after = self.house.ports.runs.get(run.id)
        assert after is not None
        assert after.has_ended
        return after


@contextmanager
def serving(house: House | None = None) -> Iterator[Served]:
    """The application over a house."""
    house = house or House()
    services = Services(ports=house.ports, root=None, token=TOKEN, one_time_code="once")
    transport = InProcessTransport(create_app(lambda: services))
    with httpx.Client(transport=transport, base_url="http://127.0.0.1:7071", headers=AUTH) as http:
        yield Served(house, services, http)


def client_over(served: Served) -> Client:
    """An SDK client of the same services."""
    return Client.over(served.services, caller="test")
