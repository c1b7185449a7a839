"""A few threads that run what they are handed. They are daemons: a call that hangs does not keep the process alive."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from runyard.host.turnstile import Turnstile

log = logging.getLogger("runyard.host")


class Crew:
    """Runs calls on at most ``size`` threads, first come, first served."""

    def __init__(self, size: int, name: str, turnstile: Turnstile | None = None) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stopping = False
        self._turnstile = turnstile or Turnstile()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(1, size + 1)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def run(self, call: Callable[[], None]) -> None:
        """Have ``call`` run soon."""
        self._calls.put(call)

    def stop(self, deadline: float) -> bool:
        """Start nothing more and wait for what is running until ``deadline`` (``time.monotonic``); whether all ended."""
        self._stopping = True
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None and not self._stopping:
            try:
                with self._turnstile:
                    call()
            except Exception:
                log.exception("a call of the host failed")
