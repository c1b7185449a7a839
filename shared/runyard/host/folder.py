"""The watched folder as an event source: one thread that sees files arrive and reports them."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from pathlib import Path
from typing import Final

from runyard.host.arrivals import Arrivals, Emit, Known, walk
from runyard.ports.clock import Clock

if sys.platform == "linux":
    from runyard.host.inotify import TreeWatch, WatchLimitError

POLL: Final = 1.0
"""Seconds between scans where there is no inotify."""
PAUSE: Final = 1.0
"""Seconds between tries when watching itself fails."""

log = logging.getLogger("runyard.host")


class FolderWatch:
    """Watches ``root`` and reports each whole zip that is closed in it or moved into it."""

    def __init__(
        self, root: Path, *, emit: Emit, known: Known, clock: Clock, since: float = 0.0, polling: bool = False
    ) -> None:
        """Make a watch; see :class:`~runyard.host.arrivals.Arrivals` for the callables.

        Args:
            root: The folder; made when absent.
            emit: Called with each snapshot, from the watching thread.
            known: Whether a snapshot that was there before the start has been dealt with.
            clock: Tells the time.
            since: The start mark: what came before is left alone at the start, and told of.
            polling: Whether to scan every second even where inotify could tell.
        """
        self._root = root
        self._clock = clock
        self._polling = polling or sys.platform != "linux"
        self._arrivals = Arrivals(root, emit=emit, known=known, clock=clock, since=since)
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folder", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stop_read, self._stop_write = os.pipe()
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the watches are in place and what was there before has been looked at."""
        return self._ready.wait(timeout)

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        if self._thread.ident is None:
            return
        os.write(self._stop_write, b"x")
        self._thread.join()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._polling:
                    self._poll()
                else:
                    self._watch()
            except Exception:
                log.exception("watching %s failed; it is scanned again", self._root.name)
                self._stopping.wait(PAUSE)

    def _watch(self) -> None:
        if sys.platform != "linux":  # pragma: no cover - told by the constructor
            return
        try:
            tree = TreeWatch(self._arrivals)
            try:
                self._watch_tree(tree)
            finally:
                tree.close()
        except WatchLimitError as error:
            log.warning("%s cannot be watched (%s); it is scanned every second instead", self._root.name, error)
            self._polling = True

    def _watch_tree(self, tree: TreeWatch) -> None:
        self._arrivals.left = 0
        tree.scan(starting=True)
        self._started()
        poller = select.poll()
        poller.register(tree.fileno(), select.POLLIN)
        poller.register(self._stop_read, select.POLLIN)
        while True:
            poller.poll(self._nap())
            if self._stopping.is_set():
                return
            tree.handle()
            self._arrivals.settle()

    def _started(self) -> None:
        """The folder was looked through for the first time."""
        if (left := self._arrivals.left) and not self._ready.is_set():
            lay = "1 zip lay" if left == 1 else f"{left:,} zips lay"
            log.warning(
                "%s in %s before it was watched first, and no run is made of what lay there: see `runyard sweep --all --dry-run`",
                lay,
                self._root.name,
                extra={"action": "blob.older"},
            )
        self._ready.set()

    def _nap(self) -> int | None:
        """Milliseconds until a file that is not whole has been quiet for long enough."""
        due = self._arrivals.next_due()
        return None if due is None else max(0, int((due - self._clock.now()) * 1000) + 1)

    def _poll(self) -> None:
        starting = True
        self._arrivals.left = 0
        while not self._stopping.is_set():
            there = set()
            for name in walk(self._root, "", lambda _: True, self._arrivals.tell):
                there.add(name)
                self._arrivals.found(name, starting=starting, watched=False)
            self._arrivals.forget_missing(there)
            self._arrivals.settle(watched=False)
            if starting:
                self._started()
            starting = False
            self._stopping.wait(POLL)
