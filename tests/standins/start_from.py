"""Listing from a name on, as the service knows it since version 2026-02-06 and Azurite 3.35 does not.

https://learn.microsoft.com/rest/api/storageservices/list-blobs#uri-parameters
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from azure.storage.blob import generate_container_sas

from tests.standins.azurite import Account
from tests.standins.wire import BLOB, Headers, Request


def listed_from(account: Account, request: Request) -> Request:
    """The same listing for Azurite: its markers are names, and what comes after one is listed."""
    if request.service != BLOB or request.query.get("comp") != "list" or "startFrom" not in request.query:
        return request
    query = dict(request.query)
    first = query.pop("startFrom")
    query.setdefault(
        "marker", first[:-1] + chr(ord(first[-1]) - 1) + "\ufffd"
    )  # just before it: the first is listed too
    until = datetime.now(UTC) + timedelta(minutes=5)
    signed = generate_container_sas(account.name, request.resource, account.key, permission="l", expiry=until)
    headers = Headers({name: value for name, value in request.headers.items() if name != "authorization"})
    path = request.target.partition("?")[0]
    return replace(request, target=f"{path}?{urlencode(query)}&{signed}", headers=headers)
