"""Requests and their faults: what every part of the client is made of."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from runyard import errors
from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    NotFoundError,
    RunyardError,
    ThrottledError,
    TransientError,
)

TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
"""Seconds; a log's long poll takes up to 20, an upload's last write may take a slow disk a while."""

_BY_STATUS: Final[dict[int, type[RunyardError]]] = {
    400: ConfigError,
    401: AuthError,
    403: AuthError,
    404: NotFoundError,
    409: ConflictError,
    413: ConfigError,
    422: ConfigError,
    429: ThrottledError,
}
_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_BY_CONTENT: Final = frozenset({"/api/snapshots"})
"""Where the same bytes sent twice are one."""


class Connection:
    """Talks to one service; raises the errors of :mod:`runyard.errors`."""

    def __init__(
        self, http: httpx.Client, *, pause: Callable[[float], None] | None = None, patient: bool = True
    ) -> None:
        """Over an HTTP client.

        Args:
            http: What sends requests.
            pause: Waits so many seconds; :func:`time.sleep` when not given.
            patient: Whether a service that is too busy is asked again.
        """
        self._http = http
        self._pause = pause or time.sleep
        self._patient = patient

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to a GET; parameters that are ``None`` are left out."""
        return self.request("GET", path, params=_given(params)).json()

    def post(self, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to a POST of a JSON body."""
        return self.request("POST", path, json=body, params=_given(params)).json()

    def put(self, path: str, body: Any) -> Any:
        """The JSON answer to a PUT of a JSON body."""
        return self.request("PUT", path, json=body).json()

    def delete(self, path: str) -> None:
        """DELETE."""
        self.request("DELETE", path)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A whole answer. A service that is too busy is asked again, when the request may be repeated.

        Raises:
            RunyardError: or the subclass that the service named.
            ThrottledError: if the service stays too busy.
            TransientError: if nobody answers.
        """
        response = self.answer(method, path, **more)
        if response.status_code == 429 and self._patient and _is_repeatable(method, path, more):
            from runyard.sdk.patience import LONGEST, insist  # noqa: PLC0415 - tenacity, for busy services only

            response = insist(response, lambda: self.answer(method, path, **more), self._pause)
            if response.status_code == 429:
                why = error_of(response).message
                raise ThrottledError(f"the service stayed too busy for {LONGEST:.0f} s; try again later ({why})")
        if response.is_error:
            raise error_of(response)
        return response

    def answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A whole answer, whatever its status.

        Raises:
            TransientError: if nobody answers.
        """
        with translated():
            return self._http.request(method, path, **more)

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Iterator[bytes]]:
        """The body of an answer to a GET, in pieces."""
        with translated(), self._http.stream("GET", path, params=_given(params)) as response:
            if response.is_error:
                response.read()
                raise error_of(response)
            yield response.iter_bytes()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


@contextmanager
def translated() -> Iterator[None]:
    """Turn httpx's errors into ours."""
    try:
        yield
    except httpx.TimeoutException:
        raise TransientError("the host did not answer in time; look at its log, then try again") from None
    except httpx.ConnectError:
        raise TransientError("nobody answers at the host's address; start it with `runyard up`") from None
    except httpx.HTTPError as error:
        raise TransientError("the connection to the host broke; try again") from error


def error_of(response: httpx.Response) -> RunyardError:
    """The error that an answer tells of."""
    try:
        said = response.json()["error"]
        code, message = str(said["code"]), str(said["message"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        code, message = "", f"the host answered {response.status_code} without saying why"
    kind = getattr(errors, code, None)
    if isinstance(kind, type) and issubclass(kind, RunyardError):
        return kind(message)
    return _BY_STATUS.get(response.status_code, RunyardError)(message)


def _is_repeatable(method: str, path: str, more: Mapping[str, Any]) -> bool:
    return method in _REPEATABLE or path in _BY_CONTENT or "Idempotency-Key" in (more.get("headers") or {})


def _given(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}
