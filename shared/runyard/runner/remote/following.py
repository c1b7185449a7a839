"""Files that grow while the script runs, sent on by offset: the logs and the metrics."""

import os
import threading
import time
from typing import Any, Callable, Dict, List

from ..plain import NO_FILE, open_plain
from .blobs import APPENDED, Blobs
from .service import Refused, Service
from .wire import Trouble, Unreached

ASKING = 60.0
"""Seconds between questions whether the script is to be ended, which also keep the token alive."""
_STRETCH = 5000.0
"""An append blob takes 50,000 blocks. With a pause of 1 s + elapsed/5,000 there are 5,000 · ln(1 + T/5,000) after T seconds: 28,000
after two weeks."""


class Follower:
    """One file."""

    def __init__(self, name: str, path: str, blobs: Blobs) -> None:
        """``name`` is what the blob is called."""
        self.name = name
        self.sent = 0
        """Bytes that are stored."""
        self.problem = ""
        """Why no more is sent."""
        self._path = path
        self._blobs = blobs

    def follow(self, is_last: bool = False) -> None:
        """Send what has come since the last time; what nobody takes now, the next time, unless this is the last.

        Raises:
            Refused: if the attempt is over.
        """
        while not self.problem:
            try:
                data = self._next()
                if not data:
                    return
                self.sent = self._blobs.append(self.name, self.sent, data)
            except Unreached as error:
                self.problem = str(error) if is_last else ""
                return
            except (Trouble, OSError) as error:
                self.problem = str(error)

    def _next(self) -> bytes:
        try:
            descriptor = open_plain(self._path, os.O_RDONLY)
        except OSError as error:
            if error.errno in NO_FILE:
                return b""
            raise
        try:
            return os.pread(descriptor, APPENDED, self.sent)
        finally:
            os.close(descriptor)


class Following:
    """All such files of an attempt, in a thread of their own, which also asks whether the script is to be ended."""

    def __init__(self, service: Service, blobs: Blobs, files: Dict[str, str], cancel: Callable[[], Any]) -> None:
        """``files`` are paths by the names of their blobs; ``cancel()`` is called if the service wants the script's end."""
        self.followers: List[Follower] = [Follower(name, path, blobs) for name, path in sorted(files.items())]
        self.refused = ""
        """Why nothing can be stored any more."""
        self._service = service
        self._cancel = cancel
        self._over = threading.Event()
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Wait until the round at hand is over, then send the rest."""
        self._over.set()
        self._thread.join()
        if not self.refused:
            self._round(is_last=True)

    def _run(self) -> None:
        asked = self._begun
        while not self._over.wait(pause(time.monotonic() - self._begun)) and not self.refused:
            self._round()
            if time.monotonic() - asked >= ASKING and not self.refused:
                asked = time.monotonic()
                self._ask()

    def _round(self, is_last: bool = False) -> None:
        try:
            for follower in self.followers:
                follower.follow(is_last)
        except Refused as refused:
            self._end(str(refused))

    def _ask(self) -> None:
        try:
            self._service.renew()
            if self._service.ask():
                self._cancel()
        except Trouble:
            pass  # it is asked again, and nothing depends on this one answer
        except Refused as refused:
            self._end(str(refused))

    def _end(self, reason: str) -> None:
        """The attempt is over for the service: whatever still runs of it is to end."""
        self.refused = reason
        self._cancel()


def pause(elapsed: float) -> float:
    """Seconds between two rounds, so long after the first."""
    return 1.0 + elapsed / _STRETCH
