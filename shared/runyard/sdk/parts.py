"""Computes, secrets and queues, seen from a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypedDict, Unpack, cast
from urllib.parse import quote

from runyard.api.shapes import ComputeShape, MessageShape, SecretShape
from runyard.sdk.connection import Connection


class ComputeSettings(TypedDict, total=False):
    """What can be set of a compute; what is missing, or ``None``, stays as it is."""

    kind: str | None
    limit: int | None
    paused: bool | None
    paused_reason: str | None
    options: Mapping[str, Any] | None
    spot: bool | None
    deadlines: Mapping[str, float | None] | None
    """Seconds by a state's name; ``None`` brings the default back."""


_SPELLING: Final = {"paused_reason": "pausedReason"}


class Computes:
    """``client.computes``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[ComputeShape]:
        """Every compute."""
        return cast("list[ComputeShape]", self._connection.get("/api/computes")["computes"])

    def set(self, name: str, **changes: Unpack[ComputeSettings]) -> ComputeShape:
        """Create a compute, or change what is given."""
        body = {_SPELLING.get(field, field): value for field, value in changes.items() if value is not None}
        return cast("ComputeShape", self._connection.put(f"/api/computes/{quote(name, safe='')}", body))

    def pause(self, name: str, *, reason: str | None = None) -> ComputeShape:
        """Let a compute start no more runs; what runs there goes on."""
        return self.set(name, paused=True, paused_reason=reason)

    def resume(self, name: str) -> ComputeShape:
        """Let a compute start runs again."""
        return self.set(name, paused=False)

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


class Secrets:
    """``client.secrets``: values that run configurations name (``runyard.secrets``). They go in and never come out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[SecretShape]:
        """The names and when each was last set."""
        return cast("list[SecretShape]", self._connection.get("/api/secrets")["secrets"])

    def set(self, name: str, value: str) -> SecretShape:
        """Keep a value under a name, in place of what was there."""
        return cast("SecretShape", self._connection.put(f"/api/secrets/{quote(name, safe='')}", {"value": value}))

    def remove(self, name: str) -> None:
        """Remove a secret."""
        self._connection.delete(f"/api/secrets/{quote(name, safe='')}")


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
