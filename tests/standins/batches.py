"""``$batch`` requests of the table service taken apart: OData's multipart form.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions#sample-request
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tests.standins.wire import RefusedError, Request

_CHANGESET: Final = re.compile(rb"boundary=\"?(changeset[^\s\";]+)")
_GAP: Final = re.compile(rb"\r?\n\r?\n")
_KEYS: Final = re.compile(
    r"(?P<table>[^/(]*)\(PartitionKey='(?P<pk>(?:[^']|'')*)',\s*RowKey='(?P<rk>(?:[^']|'')*)'\)$", re.DOTALL
)


@dataclass(frozen=True)
class Operation:
    """One operation on an entity."""

    method: str
    table: str
    partition: str
    key: str
    properties: Mapping[str, Any] | None
    """What was sent; ``None`` where nothing is."""


def operations_of(request: Request) -> list[Operation]:
    """Those of a ``$batch``, or the one of a request on an entity; none for what is neither."""
    if request.resource == "$batch":
        return [_operation(*_taken_apart(part)) for part in _changes(request.body)]
    if request.writes and request.resource.partition("(")[0] != "Tables":
        return [_operation(request.method, request.resource, request.body)]
    return []


def _changes(body: bytes) -> list[bytes]:
    boundary = _CHANGESET.search(body)
    if boundary is None:
        return []
    return body.split(b"--" + boundary[1])[1:-1]


def _taken_apart(part: bytes) -> tuple[str, str, bytes]:
    """Method, resource and body of an inner request."""
    _, head, *rest = _GAP.split(part, maxsplit=2)
    method, target, _ = head.split(b"\n", 1)[0].decode().split(" ", 2)
    path = urlsplit(target).path
    keys = path.find("(")
    table = path.rindex("/", 0, keys if keys >= 0 else len(path))
    return method, unquote(path[table + 1 :]), rest[0] if rest else b""


def _operation(method: str, resource: str, body: bytes) -> Operation:
    properties = _entity(body)
    found = _KEYS.search(resource)
    if found is None:
        given = properties or {}
        return Operation(
            method,
            resource.partition("(")[0],
            str(given.get("PartitionKey", "")),
            str(given.get("RowKey", "")),
            properties,
        )
    return Operation(method, found["table"], found["pk"].replace("''", "'"), found["rk"].replace("''", "'"), properties)


def _entity(body: bytes) -> Mapping[str, Any] | None:
    if not body.strip():
        return None
    try:
        given = json.loads(body)
    except ValueError:
        raise RefusedError(400, "InvalidInput", "An error occurred while processing this request.") from None
    return given if isinstance(given, dict) else None
