"""Which methods of each port write and which only read: one table, for all that counts, breaks or stops them.

A test fails when a port has a method that is in neither list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, cast

from runyard.ports import ComputeTarget, Ports, Targets

WRITES: Final[Mapping[str, frozenset[str]]] = {
    "runs": frozenset({"create", "transition", "delete", "forget", "announced"}),
    "gates": frozenset(
        {
            "configure",
            "drain",
            "block",
            "wait",
            "leave",
            "take",
            "release",
            "put_back",
            "confirm",
            "arm",
            "advance",
            "disarm",
        }
    ),
    "queue": frozenset({"send", "wake", "receive", "complete", "complete_many", "abandon", "dead_letter", "redrive"}),
    "blobs": frozenset({"put", "stage", "commit", "drop", "append", "delete"}),
    "computes": frozenset({"put", "remove", "set_alias"}),
    "webhooks": frozenset({"put", "remove"}),
    "subscriptions": frozenset({"put", "remove", "source"}),
    "deliveries": frozenset({"add", "replace", "drop"}),
    "courier": frozenset({"deliver"}),
    "schedules": frozenset({"put", "remove"}),
    "marks": frozenset({"begin", "count"}),
    "secrets": frozenset({"set", "remove"}),
    "target": frozenset({"prepare", "submit", "submit_many", "void", "cancel", "cleanup", "forget"}),
}
"""By port: what changes something that outlives the process."""

READS: Final[Mapping[str, frozenset[str]]] = {
    "runs": frozenset({"get", "recent", "find", "list", "history", "attempts", "attempt", "outbox", "in_outbox"}),
    "gates": frozenset({"get", "list", "waiting", "position", "slots", "room", "awaited"}),
    "queue": frozenset({"wait", "interrupt", "peek", "counts", "backlog"}),
    "blobs": frozenset({"head", "open", "staged", "list", "link", "stream"}),
    "computes": frozenset({"get", "list", "aliases"}),
    "webhooks": frozenset({"get", "list"}),
    "subscriptions": frozenset({"get", "list", "any"}),
    "deliveries": frozenset({"get", "due", "list", "counts"}),
    "courier": frozenset(),
    "schedules": frozenset({"get", "list", "due"}),
    "marks": frozenset({"get"}),
    "secrets": frozenset({"get", "names", "changed"}),
    "target": frozenset({"check", "plan", "poll", "logs", "close"}),
}
"""By port: what changes nothing, or nothing that outlives the process."""

Around = Callable[[str, Callable[[], Any]], Any]
"""Called instead of an operation with its name (``runs.transition``) and the call itself; returns the operation's answer."""


def wrap(ports: Ports, around: Around, *, reads: bool = False) -> Ports:
    """The same ports, with ``around`` put around each write (and, with ``reads``, each read), those of the targets too."""
    tables = [WRITES, READS] if reads else [WRITES]
    wrapped: dict[str, Any] = {}
    for field in fields(Ports):
        name, port = field.name, getattr(ports, field.name)
        if name in WRITES:
            wrapped[name] = _Wrapped(name, port, around, tables)
        else:
            wrapped[name] = _WrappedTargets(port, around, tables) if name == "targets" else port
    return Ports(**wrapped)


class _Wrapped:
    """A port whose operations go through ``around``. What an adapter has beyond its port is passed on as it is."""

    def __init__(
        self, port: str, inner: object, around: Around, tables: Sequence[Mapping[str, frozenset[str]]]
    ) -> None:
        self._port = port
        self._inner = inner
        self._around = around
        self._names = frozenset().union(*(table[port] for table in tables))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found
        around, operation = self._around, f"{self._port}.{name}"
        return lambda *args, **named: around(operation, _repeatable(found, args, named))


def _repeatable(found: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Callable[[], Any]:
    """A call that may be made twice: a stream among its arguments is read from the same place each time."""
    streams = [given for given in (*args, *named.values()) if hasattr(given, "seekable") and given.seekable()]
    places = [stream.tell() for stream in streams]

    def call() -> Any:
        for stream, place in zip(streams, places, strict=True):
            stream.seek(place)
        return found(*args, **named)

    return call


class _WrappedTargets:
    """A registry whose targets are wrapped."""

    def __init__(self, inner: Targets, around: Around, tables: Sequence[Mapping[str, frozenset[str]]]) -> None:
        self._inner = inner
        self._around = around
        self._tables = tables

    def get(self, kind: str) -> ComputeTarget:
        """The target of a kind; see the port."""
        return cast("ComputeTarget", _Wrapped("target", self._inner.get(kind), self._around, self._tables))

    def kinds(self) -> Sequence[str]:
        """The names of all kinds at hand, sorted."""
        return self._inner.kinds()
