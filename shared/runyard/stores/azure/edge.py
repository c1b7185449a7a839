"""From the SDKs' errors to ours: nothing of ``azure.*`` is raised beyond the adapters.

Every error of the SDKs has its place in one of the tables here; a test walks the SDKs and fails on one that has none.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from azure.core import exceptions as core

from runyard import telemetry
from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    NotFoundError,
    RunyardError,
    StorageFullError,
    ThrottledError,
    TransientError,
)
from runyard.stores.azure import edge_codes
from runyard.telemetry import instruments

Make = Callable[[str, float | None], RunyardError]


def _plain(form: type[RunyardError]) -> Make:
    return lambda message, _: form(message)


def _throttled(message: str, retry_after: float | None) -> RunyardError:
    return ThrottledError(message, retry_after)


BY_STATUS: Final[Mapping[int, Make]] = {
    400: _plain(ConfigError),
    401: _plain(AuthError),
    403: _plain(AuthError),
    404: _plain(NotFoundError),
    405: _plain(ConfigError),
    406: _plain(ConfigError),
    408: _plain(TransientError),
    409: _plain(ConflictError),
    410: _plain(NotFoundError),
    411: _plain(ConfigError),
    412: _plain(ConflictError),
    413: _plain(ConfigError),
    414: _plain(ConfigError),
    415: _plain(ConfigError),
    416: _plain(ConfigError),
    422: _plain(ConfigError),
    429: _throttled,
    500: _plain(TransientError),
    501: _plain(ConfigError),
    502: _plain(TransientError),
    503: _throttled,
    504: _plain(TransientError),
    507: _plain(StorageFullError),
}
"""What an HTTP status means where the service gives no code that says more."""

BY_CODE: Final[Mapping[str, Make]] = {
    **dict.fromkeys(edge_codes.NOT_FOUND, _plain(NotFoundError)),
    **dict.fromkeys(edge_codes.CONFLICT, _plain(ConflictError)),
    **dict.fromkeys(edge_codes.AUTH, _plain(AuthError)),
    **dict.fromkeys(edge_codes.PASSING, _plain(TransientError)),
    **dict.fromkeys(edge_codes.THROTTLED, _throttled),
    **dict.fromkeys(edge_codes.FULL, _plain(StorageFullError)),
    **dict.fromkeys(edge_codes.CONFIG, _plain(ConfigError)),
    "AccountBeingCreated": _plain(TransientError),
    "AccountIsDisabled": _plain(AuthError),
    "OperationTimedOut": _plain(TransientError),
    "InternalError": _plain(TransientError),
    "ServerBusy": _throttled,
    "TableBeingDeleted": _plain(TransientError),
    "ContainerBeingDeleted": _plain(TransientError),
    "AccountQuotaExceeded": _plain(StorageFullError),
    "AccountIngressLimitExceeded": _throttled,
    "AccountEgressLimitExceeded": _throttled,
    "AccountIopsLimitExceeded": _throttled,
}
"""By the service's own error code (``x-ms-error-code``), where that says more than the status."""

BY_TYPE: Final[Mapping[type[BaseException], Make]] = {
    core.ResourceExistsError: _plain(ConflictError),
    core.ResourceNotFoundError: _plain(NotFoundError),
    core.ResourceModifiedError: _plain(ConflictError),
    core.ResourceNotModifiedError: _plain(ConflictError),
    core.ClientAuthenticationError: _plain(AuthError),
    core.ServiceRequestTimeoutError: _plain(TransientError),
    core.ServiceResponseTimeoutError: _plain(TransientError),
    core.ServiceRequestError: _plain(TransientError),
    core.ServiceResponseError: _plain(TransientError),
    core.IncompleteReadError: _plain(TransientError),
    core.DecodeError: _plain(TransientError),
    core.TooManyRedirectsError: _plain(ConfigError),
    core.SerializationError: _plain(ConfigError),
    core.DeserializationError: _plain(TransientError),
    core.StreamConsumedError: _plain(TransientError),
    core.StreamClosedError: _plain(TransientError),
    core.ResponseNotReadError: _plain(TransientError),
    core.ODataV4Error: _plain(TransientError),
    core.HttpResponseError: _plain(TransientError),
    core.AzureError: _plain(TransientError),
}
"""By the error's type, the most special that fits; status and code go before, where there are any."""

_SIGNED: Final = re.compile(r"(?i)\b(sig|se|sp|sv|skoid|sktid|SharedAccessKey|AccountKey)=[^&\s;'\"]+")
_LONGEST: Final = 300


@contextmanager
def translated(what: str, *, by_type: Mapping[type[BaseException], Make] = BY_TYPE) -> Iterator[None]:
    """Turn what the SDKs raise inside the block into ours.

    Args:
        what: What was being done, for the sentence: ``writing the table runs``.
        by_type: The table of error types; an adapter whose SDK has errors of its own adds them to :data:`BY_TYPE`.
    """
    try:
        yield
    except tuple(by_type) as error:
        raise translate(error, what, by_type) from error


def translate(error: BaseException, what: str, by_type: Mapping[type[BaseException], Make] = BY_TYPE) -> RunyardError:
    """The error of ours that says the same."""
    code = code_of(error)
    status = getattr(error, "status_code", None)
    make = BY_CODE.get(code) or (BY_STATUS.get(status) if isinstance(status, int) else None) or _of_type(error, by_type)
    made = make(f"{what}: {_said(error, code)}", retry_after(error))
    made.of_store = True
    if isinstance(made, ThrottledError):
        telemetry.measure(instruments.THROTTLED, 1, {"error.type": code or str(status or type(error).__name__)})
    return made


def code_of(error: BaseException) -> str:
    """The service's own code; the SDKs give an enumeration's member, a text or nothing, where the answer's header has it."""
    code = getattr(error, "error_code", None)
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    return str(getattr(code, "value", code) or headers.get("x-ms-error-code") or "")


def _of_type(error: BaseException, by_type: Mapping[type[BaseException], Make]) -> Make:
    return next((by_type[form] for form in type(error).__mro__ if form in by_type), _plain(TransientError))


def _said(error: BaseException, code: str) -> str:
    """The service's sentence, in one line and without what signs a request."""
    text = str(getattr(error, "reason", "") or "") if not str(error) else str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    shown = _SIGNED.sub(r"\1=…", first)[:_LONGEST]
    return f"{shown} ({code})" if code and code not in shown else shown


def retry_after(error: BaseException) -> float | None:
    """Seconds that the service asks to wait, in the answer that made the error."""
    return seconds_to_wait(getattr(error, "response", None))


def seconds_to_wait(response: object) -> float | None:
    """Seconds that an answer asks to wait: ``Retry-After`` in seconds or as a date, or ``x-ms-retry-after-ms``."""
    headers: Any = getattr(response, "headers", None)
    if headers is None:
        return None
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if str(headers.get(name, "")).isdecimal():
            return int(headers[name]) / 1000
    text = str(headers.get("Retry-After", "")).strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
