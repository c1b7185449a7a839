"""A connection to the supervisor: requests from any thread, and a mirror of what the supervisor tells by itself."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from runyard.errors import TransientError
from runyard.runner import wire

TIMEOUT: Final = 10.0
"""Seconds that a request waits for its reply; the supervisor answers within milliseconds unless it hangs."""
PROMPT: Final = 4.0
"""Seconds that a request waits for which a person waits."""

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Disconnected(Exception):  # noqa: N818 - a fact, handled by the one who asked
    """The supervisor is gone."""


class Silent(Exception):  # noqa: N818 - as above
    """The supervisor is there and does not answer."""


class Refused(TransientError):  # noqa: N818 - as above
    """The supervisor answered that it cannot."""


def open_socket(path: Path) -> socket.socket:
    """Connect to the supervisor's socket.

    Raises:
        OSError: if nobody listens there.
    """
    short, descriptor = wire.short_path(str(path))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(short)
    except OSError:
        connection.close()
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return connection


class Connection:
    """One connection, with a thread that reads it."""

    def __init__(self, path: Path, news: Callable[[dict[str, Any]], None], gone: Callable[[Connection], None]) -> None:
        """Connect.

        Args:
            path: The socket.
            news: Called, on the reading thread, with what the supervisor tells by itself, and with lists of its jobs.
            gone: Called once, on the reading thread, when the supervisor is gone.

        Raises:
            OSError: if nobody listens there.
        """
        self.heard = time.monotonic()
        """When the supervisor was last heard of."""
        self._socket = open_socket(path)
        self._news = news
        self._gone = gone
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._replies: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="supervisor", daemon=True)
        self._reader.start()

    def ask(self, do: str, timeout: float | None = None, **fields: object) -> dict[str, Any]:
        """Send a request and wait for the reply, :data:`TIMEOUT` seconds unless told otherwise.

        Raises:
            Disconnected: if the supervisor is gone, or went before it replied.
            Silent: if it did not reply in time.
            Refused: if it refused.
        """
        number = next(self._numbers)
        reply: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._replies[number] = reply
        try:
            if self._closed:
                raise Disconnected
            try:
                with self._send_lock:
                    self._socket.sendall(_encode({"id": number, "do": do, **fields}) + b"\n")
            except OSError:
                raise Disconnected from None
            try:
                answer = reply.get(timeout=TIMEOUT if timeout is None else timeout)
            except queue.Empty:
                raise Silent from None
        finally:
            del self._replies[number]
        if answer is None:
            raise Disconnected
        if "error" in answer:
            raise Refused(f"the local supervisor refused: {answer['error']}")
        return answer

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        with suppress(OSError):  # the other side was first
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join(TIMEOUT)

    def _read(self) -> None:
        unread = b""
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                break
            self.heard = time.monotonic()
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                try:
                    self._take(_decode(line))
                except Exception:  # the thread's boundary: one message must not end the others
                    log.exception("news of the local supervisor was not taken", extra={"action": "supervisor"})
        self._closed = True
        self._socket.close()
        for reply in list(self._replies.values()):
            reply.put(None)
        self._gone(self)

    def _take(self, message: dict[str, Any]) -> None:
        if "news" in message or "jobs" in message:
            self._news(message)
        if "news" in message:
            return
        waiting = self._replies.get(message["id"])
        if waiting is not None:
            waiting.put(message)
