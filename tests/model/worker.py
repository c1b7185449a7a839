"""A handler that can be stopped at any of its writes, and go on later, or never."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runyard.testing import Crash


class Worker:
    """Runs work in a thread of its own, but only while the test waits for it: one thread moves at a time.

    ``here`` must be called by the work at each place where it may stop.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.done = False
        self.error: BaseException | None = None
        self._work = work
        self._left = 0
        self._killed = False
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def go(self, places: int) -> None:
        """Let the work go on, past so many places where it might stop."""
        self._left = places
        self._go.release()
        self._stopped.acquire()

    def kill(self) -> None:
        """Let the work end where it is, as a kill would."""
        self._killed = True
        self.go(0)

    def here(self, *, stop: bool = False) -> None:
        """Stop here, if this is the place, or ``stop`` says so."""
        if (self._left <= 0 or stop) and not self._killed:
            self._stopped.release()
            self._go.acquire()
        self._left -= 1
        if self._killed:
            raise Crash(self.name)

    def is_current(self) -> bool:
        """Whether the caller is this worker's thread."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._killed:
                self._work()
        except BaseException as error:
            self.error = error
        self.done = True
        self._stopped.release()
