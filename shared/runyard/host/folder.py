"""The watched folder as an event source: one thread that sees files arrive and reports them."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from runyard.host.arrivals import REMEMBERED, Arrivals, Emit, Known
from runyard.ports.clock import Clock
from runyard.stores.embedded.mounts import MOUNTINFO, shared_under

if sys.platform == "linux":
    from runyard.host.inotify import TreeWatch, WatchLimitError

POLL: Final = 1.0
"""Seconds between scans, where the system does not tell of all that is written."""
PAUSE: Final = 1.0
"""Seconds between tries when watching itself fails."""

log = logging.getLogger("runyard.host")


class FolderWatch:
    """Watches ``root`` and reports each whole zip that is closed in it or moved into it."""

    def __init__(
        self,
        root: Path,
        *,
        emit: Emit,
        known: Known,
        clock: Clock,
        since: float = 0.0,
        polling: bool = False,
        interval: float | None = None,
    ) -> None:
        """Make a watch; see :class:`~runyard.host.arrivals.Arrivals` for the callables.

        Args:
            root: The folder; made when absent.
            emit: Called with each snapshot, from the watching thread.
            known: Whether a snapshot that was there before the start has been dealt with.
            clock: Tells the time.
            since: The start mark: what came before is left alone at the start, and told of.
            polling: Whether to scan even where the system tells of every close, and does so of all that is written.
            interval: Seconds between scans, where there are any; :data:`POLL` when not given.
        """
        self._root = root
        self._clock = clock
        self._asked = polling
        self._polling = sys.platform != "linux"
        self._scans = polling
        self._shared: Sequence[str] = ()
        self._place: tuple[int, int] | None = None
        self._interval = POLL if interval is None else interval
        self._next_scan = 0.0
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
                log.exception(
                    "watching %s failed; it is scanned again", self._root.name, extra={"action": "folder.rescan"}
                )
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
            log.warning(
                "%s cannot be watched (%s); it is scanned every %g s instead",
                self._root.name,
                error,
                self._interval,
                extra={"action": "folder.rescan"},
            )
            self._polling = True

    def _watch_tree(self, tree: TreeWatch) -> None:
        self._find_shared()
        tree.scan()
        self._started()
        poller = select.poll()
        poller.register(tree.fileno(), select.POLLIN)
        poller.register(self._stop_read, select.POLLIN)
        with self._mount_table() as table:
            if table is not None:
                poller.register(table, select.POLLPRI)  # the kernel tells when something is mounted or unmounted
            while True:
                ready = dict(poller.poll(self._nap()))
                if self._stopping.is_set():
                    return
                tree.handle()
                if table is not None and table.fileno() in ready:
                    table.seek(0)
                    table.read()
                    if self._find_shared():
                        tree.scan()
                if self._scans and time.monotonic() >= self._next_scan:
                    self._timed(lambda: tree.scan(watched=False))
                self._arrivals.settle()

    @contextmanager
    def _mount_table(self) -> Iterator[IO[bytes] | None]:
        try:
            table = MOUNTINFO.open("rb")
        except OSError:
            yield None
            return
        with table:
            table.read()
            yield table

    def _find_shared(self) -> bool:
        """Scan as well where others write what the system does not tell of; whether something else is mounted than before."""
        shared, place = shared_under(self._root), _place(self._root)
        moved, self._place = (place, shared) != (self._place, self._shared), place
        self._scans = self._asked or bool(shared)
        self._arrivals.most = None if self._scans else REMEMBERED
        if shared and shared != self._shared:
            log.info(
                "%s is scanned every %g s, since others may write to it unnoticed (%s)",
                self._root.name,
                self._interval,
                ", ".join(shared),
                extra={"action": "folder.shared"},
            )
        self._shared = shared
        return moved

    def _timed(self, scan: Callable[[], None]) -> None:
        """Scan, and plan the next one: at most one part in ten of the time is spent on it."""
        began = time.monotonic()
        scan()
        now = time.monotonic()
        self._next_scan = now + max(self._interval, 9 * (now - began))

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
        """Milliseconds until the next scan, or until a file that is not whole has been quiet for long enough."""
        naps = [] if (due := self._arrivals.next_due()) is None else [due - self._clock.now()]
        if self._scans:
            naps.append(self._next_scan - time.monotonic())
        return max(0, int(min(naps) * 1000) + 1) if naps else None

    def _poll(self) -> None:
        self._arrivals.left = 0
        self._arrivals.most = None
        while not self._stopping.is_set():
            starting = not self._ready.is_set()
            self._timed(lambda: self._arrivals.scan("", lambda _: True, starting=starting, watched=False))  # noqa: B023
            self._arrivals.settle(watched=False)
            self._started()
            self._stopping.wait(max(0.0, self._next_scan - time.monotonic()))


def _place(folder: Path) -> tuple[int, int] | None:
    """Which folder this is, whatever its name: another is mounted over it, or it is made anew."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
