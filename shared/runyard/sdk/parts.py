"""Computes, webhooks and queues, seen from a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from runyard.api.shapes import ComputeShape, MessageShape, WebhookShape
from runyard.sdk.connection import Connection


class Computes:
    """``client.computes``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[ComputeShape]:
        """Every compute."""
        return cast("list[ComputeShape]", self._connection.get("/api/computes")["computes"])

    def set(
        self,
        name: str,
        *,
        kind: str | None = None,
        limit: int | None = None,
        paused: bool | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ComputeShape:
        """Create a compute, or change what is given."""
        asked = {"kind": kind, "limit": limit, "paused": paused, "options": None if options is None else dict(options)}
        body = {field: value for field, value in asked.items() if value is not None}
        return cast("ComputeShape", self._connection.put(f"/api/computes/{quote(name, safe='')}", body))

    def remove(self, name: str) -> None:
        """Remove a compute that is not in use."""
        self._connection.delete(f"/api/computes/{quote(name, safe='')}")

    def alias(self, alias: str, compute: str | None) -> None:
        """Let ``alias`` mean ``compute``; ``None`` removes the alias."""
        path = f"/api/aliases/{quote(alias, safe='')}"
        if compute is None:
            self._connection.delete(path)
        else:
            self._connection.put(path, {"compute": compute})


class Webhooks:
    """``client.webhooks``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[WebhookShape]:
        """Every webhook, without its secret."""
        return cast("list[WebhookShape]", self._connection.get("/api/webhooks")["webhooks"])

    def add(
        self,
        name: str,
        *,
        secret: str,
        submission: Mapping[str, Any],
        kind: str = "github",
        events: Sequence[str] = (),
    ) -> WebhookShape:
        """Define a webhook."""
        body = {
            "name": name,
            "kind": kind,
            "secret": secret,
            "submission": dict(submission),
            "events": list(events),
        }
        return cast("WebhookShape", self._connection.post("/api/webhooks", body))

    def remove(self, name: str) -> None:
        """Remove a webhook and its secret."""
        self._connection.delete(f"/api/webhooks/{quote(name, safe='')}")


class Queues:
    """``client.queues``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counts(self) -> dict[str, int]:
        """How many messages each queue holds."""
        found = self._connection.get("/api/queues")["queues"]
        return {queue["name"]: queue["messages"] for queue in found}

    def peek(self, name: str, *, limit: int = 100) -> list[MessageShape]:
        """Look at messages, oldest first."""
        path = f"/api/queues/{quote(name, safe='')}/messages"
        return cast("list[MessageShape]", self._connection.get(path, {"limit": limit})["messages"])

    def send(self, name: str, body: bytes, *, delay: float = 0.0) -> dict[str, Any]:
        """Send a message; the answer holds its id and whether the service has a use for this queue."""
        path = f"/api/queues/{quote(name, safe='')}/messages"
        headers = {"Content-Type": "application/octet-stream"}
        response = self._connection.request("POST", path, content=body, params={"delay": delay}, headers=headers)
        return cast("dict[str, Any]", response.json())

    def redrive(self, *, source: str | None = None, most: int = 1000) -> int:
        """Send messages that could not be handled back to where they came from; returns how many."""
        answered = self._connection.post("/api/queues/redrive", params={"source": source, "most": most})
        return int(answered["redriven"])
