"""A builder process at the loop: its wish goes in, what it tells comes out, and nothing here waits for it."""

import json
import os
import selectors
import signal
from typing import Any, Callable, Dict, List, Optional

from . import process
from .loop import Loop

_PIECE = 1 << 16
_REAP_AGAIN = 0.01
_LONGEST = 1 << 20
"""Bytes of a line beyond which it is none of a builder's."""


class Builder:
    """One process. ``told(messages)`` comes for what it says, ``over(code)`` once: ``-N`` = ended by signal N."""

    def __init__(
        self,
        loop: Loop,
        told: Callable[[List[Dict[str, Any]]], None],
        over: Callable[[int], None],
    ) -> None:
        self.pid = 0
        """Its process id, until it was reaped."""
        self._loop = loop
        self._told = told
        self._over = over
        self._process: Any = None
        self._unsent = b""
        self._unread = b""

    def start(self, argv: List[str], environment: Dict[str, str], record: Dict[str, Any]) -> None:
        """Start it; ``record`` goes to its stdin, as it may hold credentials.

        Raises:
            OSError: as the system refuses it.
        """
        import subprocess  # noqa: PLC0415 - large, and needed for builders only

        # In the session of the keeper: whatever leads a session of its own is taken for a script.
        with process.wearing(process.BUILDER_TAG):
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env=environment
            )
        self.pid = self._process.pid
        self._process.returncode = 0  # reaped by us, not by it
        self._unsent = json.dumps(record).encode()
        for stream in (self._process.stdin, self._process.stdout):
            os.set_blocking(stream.fileno(), False)
        self._loop.watch(self._process.stdin.fileno(), selectors.EVENT_WRITE, self._write)
        self._loop.watch(self._process.stdout.fileno(), selectors.EVENT_READ, self._read)

    def kill(self) -> None:
        """End it; ``over`` follows."""
        process.send(self.pid, signal.SIGKILL)

    def _write(self) -> None:
        stream = self._process.stdin
        try:
            sent = os.write(stream.fileno(), self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)  # it is gone, which is seen elsewhere
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._close(stream)

    def _close(self, stream: Any) -> None:
        if not stream.closed:
            self._loop.unwatch(stream.fileno())
            stream.close()

    def _read(self) -> None:
        try:
            data = os.read(self._process.stdout.fileno(), _PIECE)
        except BlockingIOError:
            return
        if not data or len(self._unread) > _LONGEST:
            self._close(self._process.stdin)
            self._close(self._process.stdout)
            self._reap()
            return
        lines = (self._unread + data).split(b"\n")
        self._unread = lines.pop()
        messages = [message for message in map(_message, lines) if message is not None]
        if messages:
            self._told(messages)

    def _reap(self) -> None:
        """It says nothing any more: it has ended, or is about to."""
        try:
            code = process.reap(self.pid)
        except ChildProcessError:
            code = -signal.SIGKILL  # reaped by another: how it ended is not known
        if code is None:
            self._loop.call_after(_REAP_AGAIN, self._reap)
            return
        self.pid = 0
        self._over(code)


def _message(line: bytes) -> Optional[Dict[str, Any]]:
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
