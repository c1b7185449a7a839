"""Uploading a snapshot in parts: what the service has is not sent, and what a broken connection lost is sent again.

An upload is known by its content, so that it goes on where it ended, also after this process was killed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, Protocol

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from runyard.errors import ConflictError, NotFoundError, SnapshotError, TransientError
from runyard.sdk.connection import Connection, error_of
from runyard.sdk.patience import LONGEST_PAUSE, retry_after

ATTEMPTS: Final = 8
"""How often a request is sent until it is given up: with its pauses, over some 40 seconds."""

_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may work. Not 507: a full disk stays full."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_OWN: Final = 16.0
_ROUNDS: Final = 3
"""How often an upload is begun: parts may go meanwhile, when another client completes or spoils the same upload."""


class Told(Protocol):
    """Who is told of the progress: what is being done, the bytes done and the bytes in total."""

    def __call__(self, what: str, done: int, total: int, /) -> None:
        """``uploading``, or ``unchanged`` when the service has the snapshot already."""
        ...


class _PassingError(Exception):
    """An answer after which the request may be sent again."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Upload:
    """One snapshot's way to the service."""

    def __init__(
        self,
        connection: Connection,
        file: BinaryIO,
        sha256: str,
        size: int,
        *,
        tell: Told | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        """Of an open zip.

        Args:
            connection: Where to.
            file: The zip.
            sha256: Of its bytes.
            size: Of it, in bytes.
            tell: Told of the progress.
            pause: Waits so many seconds; :func:`time.sleep` when not given.
        """
        self._connection = connection
        self._file = file
        self._sha256 = sha256
        self._size = size
        self._tell = tell
        self._pause = pause or time.sleep

    def run(self) -> dict[str, str]:
        """Send what the service does not have; returns the reference that submissions name.

        Raises:
            SnapshotError: if the service refuses the snapshot, or the file changed meanwhile.
            StorageFullError: if the service has no room.
            TransientError: if the connection stays broken, or the service stays out of order.
        """
        rounds = _ROUNDS
        while True:
            rounds -= 1
            begun = self._send("POST", "/api/uploads", json={"sha256": self._sha256, "size": self._size}).json()
            if begun["complete"]:
                self._say("unchanged", self._size)
                return dict(begun["reference"])
            went_on = len(begun["missing"]) < begun["parts"]
            try:
                self._send_parts(begun)
                answer = self._send("POST", f"/api/uploads/{self._sha256}/complete", params={"size": self._size})
            except (ConflictError, NotFoundError):
                if not rounds:
                    raise
            except SnapshotError:
                # Parts from before may be what is wrong; the service has dropped them.
                if not rounds or not went_on:
                    raise
            else:
                return dict(answer.json())

    def _send_parts(self, begun: Mapping[str, Any]) -> None:
        step, missing = int(begun["partSize"]), sorted(begun["missing"])
        lengths = {index: min(step, self._size - index * step) for index in missing}
        done = self._size - sum(lengths.values())
        self._say("uploading", done)
        for index in missing:
            self._file.seek(index * step)
            data = self._file.read(lengths[index])
            if len(data) != lengths[index]:
                raise SnapshotError("the zip became shorter while it was sent; send it again once nothing writes it")
            self._send("PUT", f"/api/uploads/{self._sha256}/{index}", params={"size": self._size}, content=data)
            done += len(data)
            self._say("uploading", done)

    def _say(self, what: str, done: int) -> None:
        if self._tell is not None:
            self._tell(what, done, self._size)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A good answer, after as many tries as it takes. Every request of an upload may be repeated."""
        again = Retrying(
            retry=retry_if_exception_type((TransientError, _PassingError)),
            wait=_seconds,
            stop=stop_after_attempt(ATTEMPTS),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return again(self._try, method, path, more)
        except _PassingError as error:
            raise error_of(error.response) from None

    def _try(self, method: str, path: str, more: Mapping[str, Any]) -> httpx.Response:
        response = self._connection.answer(method, path, **more)
        if response.status_code in _PASSING:
            raise _PassingError(response)
        if response.is_error:
            raise error_of(response)
        return response


def _seconds(state: RetryCallState) -> float:
    """How long to wait: what the service asks for, else twice as long each time, scattered so that clients part."""
    fault = state.outcome.exception() if state.outcome is not None else None
    if isinstance(fault, _PassingError):
        asked = retry_after(fault.response.headers.get("retry-after", ""))
        if asked is not None:
            return min(asked, LONGEST_PAUSE)
    own = min(_FIRST_PAUSE * 2.0 ** (state.attempt_number - 1), _LONGEST_OWN)
    return own * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
