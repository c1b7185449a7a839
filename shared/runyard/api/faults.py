"""Errors as answers: ``{"error": {"code", "message"}}`` with the status that fits. Input is never echoed."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from runyard.api.answers import answer
from runyard.attempts import TokenError
from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    MediaTypeError,
    NotFoundError,
    RunyardError,
    StorageFullError,
    TargetError,
    ThrottledError,
)
from runyard.runconfig.redact import redacted_text

STATUS: Final[tuple[tuple[type[RunyardError], int], ...]] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (TokenError, 401),
    (AuthError, 403),
    (MediaTypeError, 415),
    (ConfigError, 400),
    (StorageFullError, 507),
    (ThrottledError, 429),
    (TargetError, 503),
    (RunyardError, 500),
)
"""The first that fits counts."""
PASSING: Final = (AuthError, ConflictError, StorageFullError, TargetError)
"""What a store refuses for a while: it is busy or down, a role is not assigned yet, a lock is held."""
RETRY_AFTER: Final = 5.0
"""Seconds after which a caller may try a passing fault again, when the platform said nothing."""

log = logging.getLogger(__name__)

_HTTP: Final = {
    404: ("NotFoundError", "there is nothing at this address; the API is under /api"),
    405: ("MethodNotAllowed", "this address does not take this method"),
    413: ("TooLarge", "the request is too large"),
}


def fault(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error's answer."""
    return answer({"error": {"code": code, "message": message}}, status, headers)


def of_error(error: RunyardError) -> Response:
    """The answer of an error of ours.

    What a store of the service itself refused is nothing that a caller could mend: it is told to come again, and the log why.
    """
    if error.of_store and isinstance(error, PASSING):
        log.error("a store does not answer: %s", redacted_text(error.message), extra={"action": "store.failed"})
        return fault(503, "StoreError", "a store of this service does not answer now; try again", _wait_of(error))
    status = next(number for kind, number in STATUS if isinstance(error, kind))
    headers = _wait_of(error) if status in {429, 503} else {}
    return fault(status, type(error).__name__, redacted_text(error.message), headers)


def _wait_of(error: RunyardError) -> dict[str, str]:
    seconds = getattr(error, "retry_after", None) or RETRY_AFTER
    return {"Retry-After": str(math.ceil(seconds))}


def install(app: FastAPI) -> None:
    """Give the application its error handlers."""

    @app.exception_handler(RunyardError)
    async def ours(_request: Request, error: RunyardError) -> Response:
        return of_error(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return fault(422, "InvalidRequest", sentence(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code, message = _HTTP.get(error.status_code, ("BadRequest", "the request cannot be read"))
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed(app, request.scope))
        return fault(error.status_code, code, message, headers)

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        return internal()  # the gatekeeper logs it


def internal() -> Response:
    """What is said when something went wrong in Runyard itself."""
    return fault(500, "InternalError", "something went wrong here; the host's log says what")


def allowed(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that an address takes: of all its routes, since each knows its own only."""
    taken = [
        method
        for method in ("DELETE", "GET", "POST", "PUT")
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in app.routes)
    ]
    return sorted([*taken, "HEAD"] if "GET" in taken else taken)


def sentence(faults: Sequence[Any]) -> str:
    """The first fault in words, without what was found: it may be a secret."""
    first = faults[0]
    where = ".".join(str(part)[:60] for part in first["loc"]) or "the request"
    kind = str(first["type"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if kind == "missing":
        return f"{where} is missing{more}"
    if kind == "extra_forbidden":
        return f"{where} is not known here{more}"
    if kind == "json_invalid":
        return "the body is not JSON"
    if kind == "too_long" and first["ctx"]["field_type"] == "Value":  # a secret text, which pydantic measures in items
        return f"{where}: must have at most {first['ctx']['max_length']:,} characters{more}"
    what = str(first["msg"]) if kind != "value_error" else "is not valid"
    return f"{where}: {what[:1].lower()}{what[1:]}{more}"
