"""Requests to Azure Storage as they are on the wire, and the service's errors as it writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

BLOB: Final = "blob"
TABLE: Final = "table"


class Headers(dict[str, str]):
    """Headers by name, whatever its case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def of(self, name: str) -> str:
        """A header's value, or nothing."""
        return self.get(name.lower(), "")


@dataclass(frozen=True)
class Request:
    """One request to the blob or the table service, with its whole body."""

    service: str
    method: str
    target: str
    """Path and query, as they were sent."""
    headers: Headers
    body: bytes = b""

    @cached_property
    def resource(self) -> str:
        """The path after the account, decoded: ``container/blob``, ``table(PartitionKey='…',RowKey='…')``."""
        return unquote(urlsplit(self.target).path).lstrip("/").partition("/")[2]

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The parameters; the first of each."""
        given = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in given.items()}

    @property
    def writes(self) -> bool:
        """Whether it is meant to change something."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}

    @cached_property
    def operation(self) -> str:
        """What it is, for counting: ``PUT block``, ``POST $batch``, ``GET blob``."""
        if self.service == TABLE:
            known = self.resource.partition("(")[0]
            what = (
                known if known in {"$batch", "Tables"} else "entity" if "PartitionKey=" in self.resource else "entities"
            )
            return f"{self.method} {what}"
        what = self.query.get("comp") or ("blob" if "/" in self.resource else self.query.get("restype", "account"))
        return f"{self.method} {what}"


@dataclass(frozen=True)
class Answer:
    """What comes back."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(eq=False)
class RefusedError(Exception):
    """The service does not do it, and says why."""

    status: int
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = field(default=())

    def answer(self, service: str) -> Answer:
        """As the service writes it.

        https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2#error-response-body
        """
        message = f"{self.message}\nRequestId:00000000-0000-0000-0000-000000000000"
        if service == TABLE:
            error = {"odata.error": {"code": self.code, "message": {"lang": "en-US", "value": message}}}
            body, form = json.dumps(error).encode(), "application/json;odata=minimalmetadata;charset=utf-8"
        else:
            text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code><Message>{message}</Message></Error>'
            body, form = text.encode(), "application/xml"
        shown = (("Content-Type", form), ("x-ms-error-code", self.code), ("x-ms-request-id", "standin"))
        return Answer(self.status, (*shown, *self.headers), body)
