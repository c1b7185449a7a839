"""Newline-delimited JSON over a Unix socket.

Requests have ``id`` and ``do``; replies the same ``id`` and either ``ok`` or ``error``; what the supervisor tells by
itself has ``news``.
"""

import json
import os
import selectors
import socket
from typing import Any, Callable, Dict, Optional, Tuple

from .loop import Loop

PROTOCOL = 2
"""1: without ``secrets`` beside ``jobs``. Another supervisor is asked to leave, as it would start jobs without what is new."""
_MOST_UNSENT = 32 << 20
_MOST_UNREAD = 64 << 20
_PIECE = 1 << 18
_LONGEST_PATH = 100
"""Bytes of a socket's path; the system takes 107 (sun_path, unix(7))."""


class Peer:
    """A connected host: gathers its requests, and keeps what it is too slow to take."""

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        asked: Callable[["Peer", bytes], None],
        gone: Callable[["Peer"], None],
    ) -> None:
        """``asked(peer, line)`` is called per request; ``gone(peer)`` once, at the end."""
        connection.setblocking(False)
        self._loop = loop
        self._socket: Optional[socket.socket] = connection
        self._asked = asked
        self._gone = gone
        self._unread = b""
        self._unsent = b""
        loop.watch(connection, selectors.EVENT_READ, self._ready)

    def send(self, message: Dict[str, Any]) -> None:
        """Send, or keep for later; a host that takes nothing for long is let go."""
        self.send_line(encode(message))

    def send_line(self, line: bytes) -> None:
        """Send what :func:`encode` made."""
        if self._socket is None:
            return
        before = self._unsent
        self._unsent += line
        if before:
            if len(self._unsent) > _MOST_UNSENT:
                self.close()
            return
        self._flush()
        if self._unsent and self._socket is not None:
            self._loop.rewatch(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self._ready)

    def close(self) -> None:
        """Let go of it."""
        if self._socket is not None:
            self._loop.unwatch(self._socket)
            self._socket.close()
            self._socket = None
            self._gone(self)

    def _flush(self) -> None:
        if self._socket is None:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]

    def _ready(self) -> None:
        if self._unsent:
            self._flush()
            if self._socket is not None and not self._unsent:
                self._loop.rewatch(self._socket, selectors.EVENT_READ, self._ready)
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(self._unread) > _MOST_UNREAD:
            self.close()
            return
        lines = (self._unread + data).split(b"\n")
        self._unread = lines.pop()
        for line in lines:
            self._asked(self, line)


def encode(message: Dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def short_path(path: str) -> Tuple[str, Optional[int]]:
    """(a path to the same file that fits into a socket's address, a descriptor to close after use or ``None``)."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path, None
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return "/proc/self/fd/%d/%s" % (descriptor, name), descriptor
